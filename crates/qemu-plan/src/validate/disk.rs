//! Disks.

use super::{image, iothread, shared};
use crate::complete::setting::{Board, Setting};
use crate::complete::unsupported;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use qemu_caps::Flag;
use xml::Tree;

/// Formats of images that several guests may write.
const SHARED: &[&str] = &["raw", "none"];

/// The highest limit QEMU counts to.
const LIMIT: u64 = 1_000_000_000_000_000;

fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::QEMU, text)
}

/// What is said of a disk, at hand.
struct Disk<'d> {
    tree: &'d Tree,
    target: &'d str,
    bus: &'d str,
    device: &'d str,
    empty: bool,
    readonly: bool,
}

impl<'d> Disk<'d> {
    fn of(tree: &'d Tree) -> Disk<'d> {
        let source = tree.child("source");
        Disk {
            tree,
            target: tree.attr_at("target", "dev").unwrap_or_default(),
            bus: tree.attr_at("target", "bus").unwrap_or_default(),
            device: tree.attr("device").unwrap_or("disk"),
            empty: source.is_none_or(|source| source.attrs.is_empty() && source.children.is_empty()),
            readonly: tree.child("readonly").is_some(),
        }
    }

    fn driver(&self, name: &str) -> Option<&'d str> {
        self.tree.attr_at("driver", name)
    }
}

pub(super) fn check(domain: &Domain, tree: &Tree, setting: &Setting<'_>) -> Result<()> {
    let disk = Disk::of(tree);
    frontend(&disk, setting)?;
    limits(&disk, domain)?;
    iothread::disk(domain, tree, setting)?;
    transient(&disk)?;
    if tree.child("shareable").is_some()
        && !disk.readonly
        && !tree.is("type", "volume")
        && disk.driver("type").is_some_and(|format| !SHARED.contains(&format))
    {
        return Err(unsupported(format!(
            "shared access for disk '{}' requires use of supported storage format",
            disk.target
        )));
    }
    if let Some(name) = disk.driver("name").filter(|name| *name != "qemu") {
        return Err(unsupported(format!("unsupported driver name '{name}' for disk '{}'", disk.target)));
    }
    partition(&disk)?;
    if tree.is("type", "vhostuser") {
        shared::memory(domain, "vhostuser")?;
    }
    image::chain(tree, setting)?;
    if tree.is("type", "vhostvdpa") {
        shared::memory(domain, "vhostvdpa")?;
    }
    if tree.is("type", "dir") && !disk.readonly && disk.driver("type") == Some("fat") {
        return Err(unsupported("virtual FAT storage can't be accessed in read-write mode"));
    }
    place(domain, &disk)
}

fn partition(disk: &Disk<'_>) -> Result<()> {
    let target = disk.target;
    if conf_domain::device::letter_index(target).is_none() {
        return Err(unsupported(format!("invalid disk target '{target}'")));
    }
    if target.ends_with(|c: char| c.is_ascii_digit()) {
        return Err(unsupported(format!(
            "invalid disk target '{target}', partitions can't appear in disk targets"
        )));
    }
    Ok(())
}

/// What the guest sees of the disk.
fn frontend(disk: &Disk<'_>, setting: &Setting<'_>) -> Result<()> {
    let Disk { tree, target, bus, device, .. } = *disk;
    geometry(tree, bus)?;
    ejectable(disk)?;
    if device == "lun" && !matches!(bus, "scsi" | "virtio") {
        return Err(unsupported(format!("disk device='lun' is not supported for bus='{bus}'")));
    }
    if tree.child("wwn").is_some() {
        if !matches!(bus, "ide" | "scsi") {
            return Err(unsupported("Only ide and scsi disk support wwn"));
        }
        if device == "lun" {
            return Err(unsupported("Setting wwn is not supported for lun device"));
        }
    }
    if tree.child("vendor").is_some() || tree.child("product").is_some() {
        if tree.child("vendor").is_some() && bus != "scsi" {
            return Err(unsupported("Only scsi disk supports 'vendor'"));
        }
        if tree.child("product").is_some() && !matches!(bus, "ide" | "scsi" | "sata") {
            return Err(unsupported("Only ide, sata and scsi disk supports 'product'"));
        }
        if device == "lun" {
            return Err(unsupported("Setting vendor or product is not supported for lun device"));
        }
    }
    spinning(disk, setting)?;
    serial(disk)?;
    media(disk, setting)?;
    if disk.driver("copy_on_read") == Some("on") {
        if disk.readonly {
            return Err(unsupported(format!(
                "copy_on_read is not compatible with read-only disk '{target}'"
            )));
        }
        if matches!(device, "cdrom" | "floppy") {
            return Err(unsupported(format!("copy_on_read is not supported with removable disk '{target}'")));
        }
        if device == "lun" {
            return Err(unsupported(format!("copy_on_read is not compatible with 'lun' disk '{target}'")));
        }
    }
    if disk.driver("io") == Some("native") && !matches!(disk.driver("cache"), Some("none" | "directsync")) {
        return Err(unsupported("io='native' needs either no disk cache or directsync cache mode"));
    }
    if disk.driver("io") == Some("io_uring") && !setting.caps.has(Flag::AioIoUring) {
        return Err(unsupported("io uring is not supported by this QEMU binary"));
    }
    if disk.driver("queue_size").is_some() && !setting.caps.has(Flag::VirtioBlkQueueSize) {
        return Err(unsupported("queue_size property isn't supported by this QEMU binary"));
    }
    Ok(())
}

/// How fast it pretends to turn.
fn spinning(disk: &Disk<'_>, setting: &Setting<'_>) -> Result<()> {
    let Disk { tree, bus, device, .. } = *disk;
    if tree.attr_at("target", "rotation_rate").is_some() {
        if device != "disk" {
            return Err(internal("rotation rate is only valid for disk device"));
        }
        if !matches!(bus, "scsi" | "ide" | "sata") {
            return Err(internal("rotation rate is only valid for SCSI/IDE/SATA bus"));
        }
        if !setting.caps.has(Flag::RotationRate) {
            return Err(unsupported("rotation rate is not supported with this QEMU"));
        }
    }
    Ok(())
}

fn geometry(tree: &Tree, bus: &str) -> Result<()> {
    let Some(geometry) = tree.child("geometry") else { return Ok(()) };
    let count = |name: &str| geometry.attr(name).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    if count("cyls") == 0 || count("heads") == 0 || count("secs") == 0 {
        return Ok(());
    }
    if matches!(bus, "usb" | "sd") {
        return Err(unsupported(format!("CHS geometry can not be set for '{bus}' bus")));
    }
    if geometry.attr("trans").is_some() && bus != "ide" {
        return Err(unsupported(format!("CHS translation mode can only be set for 'ide' bus not '{bus}'")));
    }
    Ok(())
}

fn ejectable(disk: &Disk<'_>) -> Result<()> {
    match matches!(disk.bus, "virtio" | "sd") && matches!(disk.device, "cdrom" | "floppy") {
        true => Err(unsupported(format!("disk type of '{}' does not support ejectable media", disk.target))),
        false => Ok(()),
    }
}

/// Drives whose medium can be taken out, and buses that need one.
fn media(disk: &Disk<'_>, setting: &Setting<'_>) -> Result<()> {
    let Disk { bus, device, .. } = *disk;
    match bus {
        // Gone from QEMU with 9.1.
        "virtio" if device == "lun" && !setting.caps.has(Flag::VirtioBlkPciScsi) => {
            return Err(unsupported("This QEMU doesn't support SCSI emulation with 'virtio-blk' device"));
        }
        "usb" if disk.empty => return Err(unsupported("'usb' disk must not be empty")),
        "ide" | "sata" if disk.readonly && device == "disk" => {
            return Err(unsupported(format!("readonly {bus} disks are not supported")));
        }
        "usb" if device == "lun" => {
            return Err(unsupported("disk device='lun' is not supported for usb bus"));
        }
        "scsi" if device == "lun" && !setting.caps.has(Flag::ScsiBlock) => {
            return Err(unsupported("This QEMU doesn't support SCSI generic passthrough"));
        }
        _ => {}
    }
    Ok(())
}

fn serial(disk: &Disk<'_>) -> Result<()> {
    let Some(serial) = disk.tree.text_of("serial") else { return Ok(()) };
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_ .+".contains(c);
    if !serial.chars().all(safe) {
        return Err(internal(format!("driver serial '{serial}' contains unsafe characters")));
    }
    if disk.device == "lun" && disk.bus == "scsi" {
        return Err(unsupported("scsi-block 'lun' devices do not support the serial property"));
    }
    Ok(())
}

/// Limits of speed, and groups that share them.
fn limits(disk: &Disk<'_>, domain: &Domain) -> Result<()> {
    let Some(tune) = disk.tree.child("iotune") else { return Ok(()) };
    let set: Vec<(&str, u64)> = tune
        .children
        .iter()
        .filter(|limit| limit.name != "group_name")
        .filter_map(|limit| Some((limit.name.as_str(), limit.body().parse().ok()?)))
        .collect();
    let group = tune.text_of("group_name");
    if group.is_some() && set.is_empty() {
        return Err(unsupported("group_name can be configured only together with settings"));
    }
    if let Some(group) = group {
        let others = domain.all("disk").filter(|other| {
            other.attr_at("target", "dev") != Some(disk.target)
                && other.at("iotune").is_some_and(|tune| tune.text_of("group_name") == Some(group))
        });
        for other in others {
            let theirs = other.child("iotune").map_or(&[][..], |tune| &tune.children);
            let same = theirs.len() == tune.children.len()
                && theirs.iter().all(|limit| tune.children.contains(limit));
            if theirs.len() > 1 && !same {
                return Err(unsupported(format!(
                    "different iotunes for disks {} and {}",
                    disk.target,
                    other.attr_at("target", "dev").unwrap_or_default()
                )));
            }
        }
    }
    if set.iter().any(|(name, value)| !name.ends_with("_length") && *value > LIMIT) {
        return Err(Error::new(
            ErrorCode::ARGUMENT_UNSUPPORTED,
            ErrorDomain::QEMU,
            format!("block I/O throttle limit must be no more than {LIMIT} using QEMU"),
        ));
    }
    if !set.is_empty() && disk.bus == "sd" {
        return Err(unsupported("<iotune> is not supported with bus='sd'"));
    }
    Ok(())
}

fn transient(disk: &Disk<'_>) -> Result<()> {
    let Some(transient) = disk.tree.child("transient") else { return Ok(()) };
    let target = disk.target;
    if disk.empty {
        return Err(unsupported(format!("transient disk '{target}' must not be empty")));
    }
    if disk.readonly {
        return Err(unsupported(format!("transient disk '{target}' must not be read-only")));
    }
    if !disk.tree.is("type", "file") {
        return Err(unsupported(format!("transient disk supported only with 'file' type ({target})")));
    }
    if disk.device != "disk" {
        return Err(unsupported(format!("transient disk supported only with 'disk' device ({target})")));
    }
    if transient.is("shareBacking", "yes") && !matches!(disk.bus, "virtio" | "scsi" | "usb") {
        return Err(unsupported(format!(
            "disk bus '{}' doesn't support transiend disk backing image sharing",
            disk.bus
        )));
    }
    Ok(())
}

/// The kind of address that goes with the bus.
fn place(domain: &Domain, disk: &Disk<'_>) -> Result<()> {
    let Some(kind) = disk.tree.attr_at("address", "type") else { return Ok(()) };
    match disk.bus {
        "usb" if kind != "usb" => Err(internal("unexpected address type for usb disk")),
        bus => super::controller::drive(domain, disk.tree, bus),
    }
}

pub(super) fn start(disk: &Tree, setting: &Setting<'_>) -> Result<()> {
    if let Some(bus @ ("sd" | "xen" | "uml")) = disk.attr_at("target", "bus")
        && disk.text_of("serial").is_some()
    {
        return Err(internal(format!("Serial property not supported for drive bus '{bus}'")));
    }
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
