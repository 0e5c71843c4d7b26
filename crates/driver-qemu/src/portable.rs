//! Definitions that leave a running guest: for a file beside its state, for another host, for an older driver.

use crate::block::disk::{images, target};
use crate::block::links;
use crate::chain;
use crate::guest::Live;
use conf_domain::{Domain, FormatFlags};
use xml::Tree;

/// A running guest's definition as it is kept beside its state: what the start found out is left out, it will be found out
/// again.
pub(crate) fn kept(live: &Live) -> Domain {
    let mut kept = live.domain.clone();
    for name in ["cpu", "seclabel"] {
        kept.tree.remove(name);
        kept.tree.children.extend(live.base.tree.all(name).cloned());
    }
    for disk in kept.devices_mut().iter_mut().filter(|device| device.name == "disk") {
        disk.remove("mirror");
        let stated = live.base.all("disk").find(|base| target(base) == target(disk));
        let depth = stated.and_then(|base| stated_depth(disk, base));
        cut(disk, depth.unwrap_or(0));
        *disk = links::without_numbers(disk);
    }
    kept.sort();
    kept
}

/// How many images below a disk's top are stated rather than found out: those above the image that the guest was started
/// with came by a client's wish.
fn stated_depth(disk: &Tree, base: &Tree) -> Option<usize> {
    let path = chain::local(base)?;
    let above = images(disk).iter().position(|(element, _)| chain::local(element) == Some(path))?;
    let below = std::iter::successors(base.child("backingStore"), |element| element.child("backingStore"));
    Some(above + below.count())
}

/// Leaves so many images below a disk's top, and none of what those are based on.
fn cut(element: &mut Tree, depth: usize) {
    match element.child_mut("backingStore") {
        Some(below) if depth > 0 => cut(below, depth - 1),
        _ => element.remove("backingStore"),
    }
}

/// A device that every driver adds by itself, so that older ones that do not know it need not be told of it.
fn is_implicit(device: &Tree, x86: bool) -> bool {
    match device.name.as_str() {
        "controller" if device.is("type", "pci") => device.is("index", "0") && device.is("model", "pci-root"),
        "controller" if device.is("type", "usb") && x86 => {
            device.is("index", "0") && device.is("model", "piix3-uhci") && device.child("master").is_none()
        }
        "input" => device.is("type", "keyboard") && device.is("bus", "ps2"),
        "watchdog" => device.is("model", "itco") && device.is("action", "reset"),
        "audio" => device.is("id", "1") && device.is("type", "none") && device.children.is_empty(),
        _ => false,
    }
}

/// A definition without what every driver adds by itself.
pub(crate) fn plain(domain: &Domain) -> Domain {
    let mut plain = domain.clone();
    let x86 = matches!(plain.tree.attr_at("os/type", "arch"), Some("x86_64" | "i686"));
    let buses = plain.all("controller").filter(|controller| controller.is("type", "usb")).count();
    plain.devices_mut().retain(|device| {
        let usb = device.name == "controller" && device.is("type", "usb");
        !is_implicit(device, x86) || (usb && buses > 1)
    });
    plain
}

/// The document of a guest for another driver.
pub(crate) fn document(domain: &Domain, secure: bool) -> String {
    let flags = FormatFlags { secure, inactive: true, migratable: true, ..FormatFlags::default() };
    plain(domain).format(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_by_itself() {
        let root = Tree::new("controller").with("type", "pci").with("index", "0").with("model", "pci-root");
        assert!(is_implicit(&root, true));
        assert!(!is_implicit(&root.with("model", "pcie-root"), true));
        assert!(is_implicit(&Tree::new("input").with("type", "keyboard").with("bus", "ps2"), true));
    }
}
