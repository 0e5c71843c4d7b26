//! Disks.

use super::truth;
use crate::fault::{invalid, unsupported};
use base::Result;
use xml::Tree;

/// What a disk whose data is served by another process cannot have: attributes of the driver, then elements.
const VHOSTUSER_DRIVER: &[&str] =
    &["cache", "error_policy", "io", "ioeventfd", "copy_on_read", "discard", "iothread", "detect_zeroes"];
const VHOSTUSER_PARTS: &[&str] = &[
    "blockio",
    "geometry",
    "readonly",
    "shareable",
    "transient",
    "serial",
    "wwn",
    "vendor",
    "product",
    "iotune",
    "backingStore",
    "encryption",
    "auth",
];

pub(super) fn check(disk: &Tree) -> Result<()> {
    let bus = disk.attr_at("target", "bus").unwrap_or_default();
    let device = disk.attr("device").unwrap_or("disk");
    let driver = disk.child("driver");
    let has = |name: &str| driver.is_some_and(|driver| driver.attr(name).is_some());
    if bus != "virtio" {
        for (name, text) in [
            ("event_idx", "disk event_idx mode supported only for virtio bus"),
            ("ioeventfd", "disk ioeventfd mode supported only for virtio bus"),
            ("queues", "queues attribute in disk driver element is only supported for virtio bus"),
            ("queue_size", "queue_size attribute in disk driver is only supported for virtio bus"),
        ] {
            if has(name) {
                return Err(unsupported(text));
            }
        }
        for name in ["iommu", "ats", "packed", "page_per_vq"] {
            if has(name) {
                return Err(unsupported(format!(
                    "{name} driver option is only supported for virtio devices"
                )));
            }
        }
        if let Some(model) = disk.attr("model").filter(|model| model.starts_with("virtio")) {
            return Err(unsupported(format!("disk model '{model}' not supported for bus '{bus}'")));
        }
    }
    if disk.attr_at("target", "tray").is_some() && !matches!(device, "cdrom" | "floppy") {
        return Err(invalid("tray is only valid for cdrom and floppy"));
    }
    if disk.attr_at("target", "removable").is_some() && !matches!(bus, "usb" | "scsi") {
        return Err(invalid("removable is only valid for usb or scsi disks"));
    }
    if device == "lun" {
        let network = disk.is("type", "network");
        if network && disk.attr_at("source", "protocol") != Some("iscsi") {
            let protocol = disk.attr_at("source", "protocol").unwrap_or_default();
            return Err(unsupported(format!("disk device='lun' is not supported for protocol='{protocol}'")));
        }
        if bus == "usb" {
            return Err(unsupported("disk device='lun' is not supported for usb bus"));
        }
        if !matches!(disk.attr_at("driver", "type"), None | Some("raw")) {
            return Err(unsupported("disk device 'lun' must use 'raw' format"));
        }
        for (part, text) in [
            ("vendor", "Setting vendor or product is not supported for lun device"),
            ("product", "Setting vendor or product is not supported for lun device"),
        ] {
            if disk.child(part).is_some() {
                return Err(unsupported(text));
            }
        }
    } else {
        for name in ["rawio", "sgio"] {
            if disk.attr(name).is_some() {
                return Err(invalid(format!("{name} can be used only with device='lun'")));
            }
        }
        if disk.at("source/reservations").is_some() {
            return Err(invalid("<reservations/> allowed only for lun devices"));
        }
    }
    if disk.attr_at("source", "startupPolicy") == Some("requisite") && !matches!(device, "cdrom" | "floppy") {
        return Err(invalid("disk startupPolicy 'requisite' is allowed only for cdrom or floppy"));
    }
    if let Some(driver) = driver
        && truth(driver, "discard_no_unref")
    {
        if disk.child("readonly").is_some() {
            return Err(unsupported("'discard_no_unref' is not compatible with read-only disk"));
        }
        if !driver.is("type", "qcow2") {
            return Err(unsupported("'discard_no_unref' only works with qcow2 disk format"));
        }
    }
    if disk.is("type", "vhostuser") {
        vhostuser(disk, bus)?;
    }
    Ok(())
}

fn vhostuser(disk: &Tree, bus: &str) -> Result<()> {
    let refused = |name: &str| Err(unsupported(format!("{name} is not supported with vhostuser disk")));
    if bus != "virtio" {
        return Err(unsupported("vhostuser disk supports only virtio bus"));
    }
    if disk.attr("snapshot").is_some_and(|snapshot| snapshot != "no") {
        return Err(unsupported("only snapshot=no is supported with vhostuser disk"));
    }
    for name in VHOSTUSER_PARTS {
        if disk.child(name).is_some() {
            return refused(name);
        }
    }
    for name in VHOSTUSER_DRIVER {
        if disk.child("driver").is_some_and(|driver| driver.attr(name).is_some()) {
            return refused(name);
        }
    }
    Ok(())
}
