//! Block devices.

use super::{Found, dev_path};
use crate::sysfs::{Entry, text};
use crate::udev::plain;
use conf_nodedev::Capability;
use conf_nodedev::capability::storage::{Medium, Storage};
use std::path::Path;

/// The kernel counts in sectors of this many bytes, whatever blocks the device has.
const SECTOR: u64 = 512;

/// What kind of drive it is, by what udev says or, where it says nothing, by name.
fn drive_type(entry: &Entry, path: &str) -> Option<&'static str> {
    let yes = |name: &str| entry.property(name).is_some_and(|value| value != "0");
    match entry.property("ID_TYPE") {
        Some("cd" | "cdrom") => return Some("cdrom"),
        Some("disk") => return Some("disk"),
        Some("floppy") => return Some("floppy"),
        Some("sd") => return Some("sd"),
        Some("generic") | None => {}
        // What else udev knows is no drive.
        Some(_) => return None,
    }
    if yes("ID_DRIVE_FLOPPY") {
        Some("floppy")
    } else if yes("ID_CDROM") {
        Some("cdrom")
    } else if yes("ID_DRIVE_FLASH_SD") {
        Some("sd")
    } else {
        let name = path.strip_prefix("/dev/").unwrap_or_default();
        let disk = ["vd", "xvd", "nvme", "pmem"].iter().any(|prefix| name.starts_with(prefix));
        disk.then_some("disk")
    }
}

pub(super) fn storage(entry: &Entry, root: &Path) -> Option<Found> {
    let block = dev_path(entry.property("DEVNAME")?);
    let drive_type = drive_type(entry, &block)?;
    let told = |name: &str| entry.property(name).map(plain).filter(|text| !text.is_empty());
    let serial = told("ID_SCSI_SERIAL").or_else(|| told("ID_SERIAL"));
    let mut storage = Storage {
        bus: told("ID_BUS"),
        drive_type: Some(drive_type.to_owned()),
        model: told("ID_MODEL").or_else(|| entry.attr("device/model")),
        vendor: told("ID_VENDOR").or_else(|| entry.attr("device/vendor")),
        serial: serial.clone(),
        block,
        ..Storage::default()
    };
    let size = entry.number("size").unwrap_or(0).saturating_mul(SECTOR);
    let block_size = entry.number("queue/logical_block_size").unwrap_or(SECTOR);
    if drive_type != "disk" && entry.number("removable") == Some(1) {
        let present = match drive_type {
            "cdrom" => entry.property("ID_CDROM_MEDIA").is_some(),
            _ => size > 0,
        };
        let label = told("ID_FS_LABEL").filter(|_| present);
        storage.removable = Some(Medium { present, size: if present { size } else { 0 }, label });
        if present {
            storage.set_block_size(block_size);
        }
    } else {
        storage.size = size;
        storage.set_block_size(block_size);
    }
    storage.hotpluggable = drive_type == "floppy" && usb(entry, root);
    let suffix = told("ID_SERIAL");
    Some(Found { capability: Capability::Storage(storage), suffix })
}

/// Whether the drive hangs on a USB bus and comes and goes with its cable.
fn usb(entry: &Entry, root: &Path) -> bool {
    entry.path.split('/').any(|part| part.starts_with("usb"))
        && text(&root.join(entry.path.trim_start_matches('/')).join("removable")).is_some()
}
