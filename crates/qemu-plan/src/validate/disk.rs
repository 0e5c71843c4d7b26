//! Disks.

use crate::complete::setting::{Board, Setting};
use crate::complete::unsupported;
use base::{Error, ErrorDomain, Result};
use xml::Tree;

/// Formats QEMU writes safely for several writers.
const SHARED: &[&str] = &["raw", "none"];

fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::QEMU, text)
}

pub(super) fn check(disk: &Tree, setting: &Setting<'_>) -> Result<()> {
    let target = disk.attr_at("target", "dev").unwrap_or_default();
    let bus = disk.attr_at("target", "bus").unwrap_or_default();
    let device = disk.attr("device").unwrap_or("disk");
    if target.ends_with(|c: char| c.is_ascii_digit()) && conf_domain::device::letter_index(target).is_some() {
        return Err(unsupported(format!(
            "invalid disk target '{target}', partitions can't appear in disk targets"
        )));
    }
    source(disk, setting)?;
    let empty = disk.child("source").is_none()
        || disk.child("source").is_some_and(|source| source.attrs.is_empty() && source.children.is_empty());
    if bus == "usb" && empty {
        return Err(unsupported("'usb' disk must not be empty"));
    }
    if disk.child("transient").is_some() {
        if device != "disk" {
            return Err(unsupported(format!("transient disk supported only with 'disk' device ({target})")));
        }
        if !disk.is("type", "file") {
            return Err(unsupported(format!("transient disk supported only with 'file' type ({target})")));
        }
        if empty {
            return Err(unsupported(format!("transient disk '{target}' must not be empty")));
        }
        if disk.child("readonly").is_some() {
            return Err(unsupported(format!("transient disk '{target}' must not be read-only")));
        }
    }
    if disk.child("shareable").is_some()
        && disk.child("readonly").is_none()
        && !disk.is("type", "volume")
        && disk.attr_at("driver", "type").is_some_and(|format| !SHARED.contains(&format))
    {
        return Err(unsupported(format!(
            "shared access for disk '{target}' requires use of supported storage format"
        )));
    }
    for part in ["vendor", "product"] {
        let known = bus == "scsi" || part == "product" && matches!(bus, "sata" | "ide");
        if disk.child(part).is_some() && !known {
            return Err(unsupported(format!("Only scsi disk supports '{part}'")));
        }
    }
    if bus == "virtio" && device == "lun" {
        // Gone from QEMU with 9.1.
        if setting.caps.version >= (9, 1, 0) {
            return Err(unsupported("This QEMU doesn't support SCSI emulation with 'virtio-blk' device"));
        }
    }
    if matches!(bus, "ide" | "sata") && device == "disk" && disk.child("readonly").is_some() {
        return Err(unsupported(format!("readonly {bus} disks are not supported")));
    }
    place(disk, bus)
}

/// The source with all images behind it.
fn source(disk: &Tree, setting: &Setting<'_>) -> Result<()> {
    let mut format = disk.attr_at("driver", "type");
    let mut holder = Some(disk);
    while let Some(image) = holder {
        match format {
            Some(name @ ("cow" | "qed-old")) => {
                return Err(unsupported(format!("'{name}' storage format is not supported")));
            }
            Some("iso") => {
                return Err(unsupported(
                    "storage format 'iso' is not directly supported by QEMU, use 'raw' instead",
                ));
            }
            Some("dir") => {
                return Err(unsupported(
                    "'directory' storage format is not directly supported by QEMU, use 'dir' disk type instead",
                ));
            }
            Some(name @ ("aio" | "vhd")) if name == "aio" => {
                return Err(unsupported(format!("'{name}' storage format is not supported")));
            }
            _ => {}
        }
        if let Some(source) = image.child("source") {
            encryption(image, source, format, setting)?;
            if source.attr("tlsHostname").is_some() {
                if source.attr("protocol") != Some("nbd") {
                    return Err(unsupported("'tlsHostname' field is supported only with NBD disks"));
                }
                if setting.caps.version < (7, 0, 0) {
                    return Err(unsupported("'tlsHostname' field is not supported by this QEMU"));
                }
            }
            let protocol = source.attr("protocol").unwrap_or_default();
            if source.attr("tls") == Some("yes")
                && !matches!(protocol, "nbd" | "vxhs" | "https" | "ftps" | "http" | "ftp")
            {
                return Err(unsupported(format!(
                    "TLS transport is not supported for disk protocol '{protocol}'"
                )));
            }
        }
        holder = image.child("backingStore").filter(|behind| !behind.children.is_empty());
        format = holder.and_then(|behind| behind.attr_at("format", "type"));
    }
    Ok(())
}

fn encryption(image: &Tree, source: &Tree, format: Option<&str>, setting: &Setting<'_>) -> Result<()> {
    let encryption = source.child("encryption").or_else(|| image.child("encryption"));
    let Some(encryption) = encryption else { return Ok(()) };
    let engine = encryption.attr("engine").unwrap_or_default();
    let rbd = source.attr("protocol") == Some("rbd");
    match engine {
        "librbd" => {
            if !rbd {
                return Err(unsupported("librbd encryption is supported only with RBD backed disks"));
            }
            if encryption.is("format", "luks-any") && setting.caps.version < (8, 0, 0) {
                return Err(unsupported("luks-any encryption is not supported by this QEMU binary"));
            }
            let secrets = encryption.all("secret").count();
            if secrets > 1 && setting.caps.version < (8, 0, 0) {
                return Err(unsupported("librbd encryption layering is not supported by this QEMU binary"));
            }
        }
        _ => {
            if let Some(format) = format
                && !matches!(format, "raw" | "qcow2" | "luks")
            {
                return Err(unsupported("encryption is supported only with 'raw' and 'qcow2' image format"));
            }
        }
    }
    Ok(())
}

/// The kind of address that goes with the bus.
fn place(disk: &Tree, bus: &str) -> Result<()> {
    let Some(kind) = disk.attr_at("address", "type") else { return Ok(()) };
    let number =
        |name: &str| disk.attr_at("address", name).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    match bus {
        "virtio" if !matches!(kind, "pci" | "ccw" | "virtio-mmio" | "virtio-s390") => {
            return Err(unsupported(format!("virtio disk cannot have an address of type '{kind}'")));
        }
        "usb" if kind != "usb" => return Err(internal("unexpected address type for usb disk")),
        "fdc" => {
            if kind == "drive" && number("bus") != 0 {
                return Err(internal("Only 1 fdc bus is supported"));
            }
            if number("target") != 0 {
                return Err(unsupported("target must be 0 for controller fdc"));
            }
        }
        "ide" if number("target") != 0 => return Err(unsupported("target must be 0 for ide controller")),
        "sata" => {
            if number("bus") != 0 {
                return Err(unsupported("bus must be 0 for sata controller"));
            }
            if number("target") != 0 {
                return Err(unsupported("target must be 0 for sata controller"));
            }
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn start(disk: &Tree, setting: &Setting<'_>) -> Result<()> {
    if disk.attr_at("target", "bus") == Some("fdc") && setting.board == Board::Pseries {
        return Err(unsupported("PowerPC pseries machines do not support floppy device"));
    }
    if disk.attr_at("source", "protocol") == Some("iscsi")
        && disk.child("source").is_some_and(|source| source.all("host").count() != 1)
    {
        return Err(internal("iSCSI protocol accepts only one host"));
    }
    Ok(())
}
