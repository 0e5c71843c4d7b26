//! Disks of running guests: numbers of their images, images that are thrown away.

use crate::block::disk::{images, target};
use crate::{FROM, error};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use std::path::Path;
use xml::Tree;

/// The highest number that the disks of a guest can have used at its start.
pub(super) fn counted(domain: &Domain) -> u32 {
    fn highest(element: &Tree) -> u32 {
        let own = element.attr("index").and_then(|index| index.parse().ok()).unwrap_or(0);
        element.children.iter().map(highest).fold(own, u32::max)
    }
    let used: u32 = domain
        .all("disk")
        .map(|disk| {
            let filters = disk.child("throttlefilters").map_or(0, |filters| filters.children.len());
            images(disk).len().max(1) as u32 + filters as u32
        })
        .sum();
    domain.all("disk").map(highest).fold(used, u32::max)
}

/// A disk whose changes are thrown away writes to an image of its own, made now, with the next number. Gives
/// the number after the last that is used.
pub(super) fn make_overlay(domain: &Domain, disk: &mut Tree, number: u32) -> Result<u32> {
    if disk.child("transient").is_none() {
        return Ok(number);
    }
    let Some(path) = crate::chain::local(disk).map(str::to_owned) else {
        let text = format!("transient disk '{}' needs a local image", target(disk));
        return Err(error(ErrorCode::CONFIG_UNSUPPORTED, text));
    };
    let overlay = format!("{path}.TRANSIENT-{}", domain.name);
    if Path::new(&overlay).exists() {
        let text = format!("Overlay file '{overlay}' for transient disk '{}' already exists", target(disk));
        return Err(Error::new(ErrorCode::OPERATION_UNSUPPORTED, FROM, text));
    }
    let extent = host::image::extent(Path::new(&path))
        .map_err(|cause| Error::system(ErrorDomain::STORAGE, &cause, format!("cannot stat file '{path}'")))?;
    let format = crate::chain::format_of(disk).unwrap_or("raw").to_owned();
    let size = crate::block::capacity(&path, &format, extent);
    crate::block::create_overlay(&overlay, &path, &format, size)?;
    // What was the top is now what the new one is based on.
    let mut below = Tree::new("backingStore").with("type", disk.attr("type").unwrap_or("file"));
    below.children.push(Tree::new("format").with("type", format));
    if let Some(mut source) = disk.child("source").cloned() {
        if let Some(index) = source.attr("index") {
            below.set("index", index);
        }
        source.unset("index");
        below.children.push(source);
    }
    below.children.extend(disk.child("backingStore").cloned());
    disk.remove("backingStore");
    disk.remove("source");
    disk.children.push(Tree::new("source").with("file", overlay).with("index", number.to_string()));
    disk.children.push(below);
    disk.set("type", "file");
    disk.child_or_new("driver").set("type", "qcow2");
    Ok(number + 1)
}
