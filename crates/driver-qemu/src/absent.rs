//! Images that are not there when a guest starts, where its definition lets it start without them.
//!
//! ```text
//! startupPolicy   start       restored, reverted
//! mandatory       refused     refused
//! requisite       refused     goes without
//! optional        goes without
//! ```
//!
//! A drive stays and is empty; a disk that cannot be empty is left out.

use crate::block::disk::target;
use crate::guest::Guest;
use crate::{Driver, chain};
use api::consts::connect_domain_event_disk_change_reason as reason;
use api::event::{DomainEventDiskChangeMsg, Event};
use conf_domain::Domain;
use std::path::Path;
use xml::Tree;

/// An image that a guest starts without.
#[derive(Debug)]
pub(crate) struct Absent {
    path: String,
    alias: String,
    reason: i32,
}

fn dispensable(disk: &Tree, comes: bool) -> bool {
    match disk.attr_at("source", "startupPolicy") {
        Some("optional") => true,
        Some("requisite") => comes,
        _ => false,
    }
}

fn removable(disk: &Tree) -> bool {
    matches!(disk.attr("device"), Some("cdrom" | "floppy"))
}

/// Takes images out that are not there and need not be. `comes` is a guest that goes on where it was.
pub(crate) fn leave_out(domain: &mut Domain, comes: bool) -> Vec<Absent> {
    let mut absent = Vec::new();
    let mut gone: Vec<String> = Vec::new();
    for disk in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
        let Some(path) = chain::local(disk).map(str::to_owned) else { continue };
        if !dispensable(disk, comes) || Path::new(&path).exists() {
            continue;
        }
        let alias = disk.attr_at("alias", "name").unwrap_or_default().to_owned();
        if removable(disk) {
            disk.remove("source");
            disk.remove("backingStore");
            absent.push(Absent { path, alias, reason: reason::CHANGE_MISSING_ON_START });
        } else {
            gone.push(target(disk).to_owned());
            absent.push(Absent { path, alias, reason: reason::DROP_MISSING_ON_START });
        }
    }
    domain
        .devices_mut()
        .retain(|device| device.name != "disk" || !gone.iter().any(|name| name == target(device)));
    absent
}

impl Driver {
    /// Tells of images that a guest started without.
    pub(crate) fn tell_absent(&self, guest: &Guest, absent: Vec<Absent>) {
        for image in absent {
            self.events.publish(Event::DomainDiskChange(DomainEventDiskChangeMsg {
                dom: guest.reference(),
                old_src_path: Some(image.path),
                new_src_path: None,
                dev_alias: image.alias,
                reason: image.reason,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(device: &str, dev: &str, policy: &str) -> Tree {
        Tree::new("disk")
            .with("type", "file")
            .with("device", device)
            .holding(Tree::new("source").with("file", "/nonexistent/image").with("startupPolicy", policy))
            .holding(Tree::new("target").with("dev", dev))
    }

    #[test]
    fn goes_without() {
        for (policy, comes, left) in
            [("mandatory", true, 2), ("requisite", false, 2), ("requisite", true, 1), ("optional", false, 1)]
        {
            let text =
                "<domain type='qemu'><name>a</name><memory>1024</memory><os><type>hvm</type></os></domain>";
            let flags = conf_domain::ParseFlags { skip_validate: true, ..conf_domain::ParseFlags::default() };
            let mut domain = Domain::parse(text, flags, &mut || [0; 16]).unwrap();
            domain.devices_mut().push(disk("cdrom", "hda", policy));
            domain.devices_mut().push(disk("disk", "hdb", policy));
            let absent = leave_out(&mut domain, comes);
            assert_eq!(absent.len(), if left == 1 { 2 } else { 0 }, "{policy}");
            assert_eq!(domain.all("disk").count(), left, "{policy}");
        }
    }
}
