//! Finding a guest's disks, and what the emulator calls them.

use crate::chain;
use base::{Error, ErrorCode, Result};
use conf_domain::Domain;
use serde_json::Value as Json;
use xml::Tree;

/// A disk by its target or by the path of its image.
pub(crate) fn find<'d>(domain: &'d Domain, name: &str) -> Option<&'d Tree> {
    if name.is_empty() {
        return None;
    }
    domain
        .all("disk")
        .find(|disk| disk.attr_at("target", "dev") == Some(name))
        .or_else(|| domain.all("disk").find(|disk| name.starts_with('/') && chain::local(disk) == Some(name)))
}

/// The same, or the error that most calls give.
pub(crate) fn wanted<'d>(domain: &'d Domain, name: &str) -> Result<&'d Tree> {
    find(domain, name)
        .ok_or_else(|| crate::error(ErrorCode::INVALID_ARG, format!("disk '{name}' not found in domain")))
}

/// A disk's target.
pub(crate) fn target(disk: &Tree) -> &str {
    disk.attr_at("target", "dev").unwrap_or_default()
}

/// A disk's alias.
pub(crate) fn alias(disk: &Tree) -> &str {
    disk.attr_at("alias", "name").unwrap_or_default()
}

/// Where the emulator keeps the part of a disk that talks to its image; commands name disks by it.
pub(crate) fn qom_name(disk: &Tree) -> String {
    let alias = alias(disk);
    match disk.attr_at("target", "bus") {
        Some("virtio") => format!("/machine/peripheral/{alias}/virtio-backend"),
        Some("usb") => format!("/machine/peripheral/{alias}/{alias}.0/legacy[0]"),
        _ => alias.to_owned(),
    }
}

/// Whether an answer's entry is about a disk: by the path of its device.
pub(crate) fn is_about(entry: &Json, disk: &Tree) -> bool {
    let alias = alias(disk);
    let path = entry.get("qdev").and_then(Json::as_str).unwrap_or_default();
    !alias.is_empty() && path.split('/').any(|part| part == alias)
}

/// Splits `vda[3]` into the disk and the number of an image.
pub(crate) fn split_index(name: &str) -> (&str, Option<u32>) {
    let parts = name.strip_suffix(']').and_then(|rest| rest.split_once('['));
    match parts.and_then(|(disk, index)| Some((disk, index.parse().ok()?))) {
        Some((disk, index)) => (disk, Some(index)),
        None => (name, None),
    }
}

/// Whether a disk or a part of its chain has an image. The source of an empty drive may have a number.
pub(crate) fn has_image(element: &Tree) -> bool {
    element.child("source").is_some_and(|source| {
        let named = source.attrs.iter().any(|(name, _)| !matches!(name, "index" | "startupPolicy"));
        named || !source.children.is_empty()
    })
}

/// A disk's images from the top on: the element that holds each image, and the image's number.
pub(crate) fn images(disk: &Tree) -> Vec<(&Tree, u32)> {
    let number = |element: &Tree, at: &str| {
        let text = if at.is_empty() { element.attr("index") } else { element.attr_at(at, "index") };
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    let mut all = Vec::new();
    if has_image(disk) {
        all.push((disk, number(disk, "source")));
    }
    let mut element = disk.child("backingStore");
    while let Some(below) = element.filter(|below| has_image(below)) {
        all.push((below, number(below, "")));
        element = below.child("backingStore");
    }
    all
}

/// Numbers the images of one disk. Gives the next free number.
pub(crate) fn number(disk: &mut Tree, first: u32) -> u32 {
    let mut next = first;
    let mut take = || {
        next += 1;
        (next - 1).to_string()
    };
    if let Some(source) = disk.child_mut("source") {
        source.set("index", take());
        if let Some(store) = source.child_mut("dataStore") {
            store.set("index", take());
        }
    }
    let mut element = disk.child_mut("backingStore");
    while let Some(below) = element {
        if below.child("source").is_some() {
            below.set("index", take());
            if let Some(store) = below.child_mut("source").and_then(|source| source.child_mut("dataStore")) {
                store.set("index", take());
            }
        }
        element = below.child_mut("backingStore");
    }
    next
}

/// Names of the emulator's nodes of an image: the one that reads the storage, the one that reads the format.
pub(crate) fn nodes(index: u32) -> (String, String) {
    (format!("libvirt-{index}-storage"), format!("libvirt-{index}-format"))
}

/// The number in the name of a node.
pub(crate) fn index_of_node(name: &str) -> Option<u32> {
    name.strip_prefix("libvirt-")?.split('-').next()?.parse().ok()
}

/// The error of a disk without an image.
pub(crate) fn empty(disk: &Tree) -> Error {
    Error::operation_invalid(
        crate::FROM,
        format!("disk {} does not currently have a source assigned", target(disk)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(split_index("vda[3]"), ("vda", Some(3)));
        assert_eq!(split_index("vda"), ("vda", None));
        assert_eq!(split_index("vda[x]"), ("vda[x]", None));
        assert_eq!(index_of_node("libvirt-12-format"), Some(12));
        assert_eq!(index_of_node("#block123"), None);
    }
}
