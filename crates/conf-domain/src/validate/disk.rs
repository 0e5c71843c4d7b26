//! Disks.

use super::{truth, virtio};
use crate::fault::{internal, invalid, unsupported};
use crate::{device, section};
use base::{Error, ErrorDomain, Result};
use xml::Tree;

/// What a disk whose data is served by another process cannot have: attributes of the driver and of the disk, then
/// elements, in the order in which they are looked for.
const VHOSTUSER: &[(&str, &str)] = &[
    ("blockio", "blockio"),
    ("driver/cache", "cache"),
    ("driver/error_policy", "error_policy"),
    ("driver/rerror_policy", "error_policy"),
    ("driver/io", "io"),
    ("driver/ioeventfd", "ioeventfd"),
    ("driver/copy_on_read", "copy_on_read"),
    ("driver/discard", "discard"),
    ("driver/iothread", "iothread"),
    ("driver/detect_zeroes", "detect_zeroes"),
    ("geometry", "geometry"),
    ("encryption", "encryption"),
    ("source/encryption", "encryption"),
    ("readonly", "readonly"),
    ("shareable", "shareable"),
    ("transient", "transient"),
    ("serial", "serial"),
    ("wwn", "wwn"),
    ("vendor", "vendor"),
    ("product", "product"),
    ("iotune", "iotune"),
    ("backingStore", "backingStore"),
    ("auth", "auth"),
    ("source/auth", "auth"),
];

fn has(disk: &Tree, path: &str) -> bool {
    match path.rsplit_once('/') {
        None => disk.child(path).is_some(),
        Some((parent, name)) => {
            disk.at(path).is_some() || disk.at(parent).is_some_and(|parent| parent.attr(name).is_some())
        }
    }
}

fn network(disk: &Tree) -> bool {
    disk.is("type", "network")
}

/// A disk that passes commands of the guest through to the host's device.
fn lun(disk: &Tree) -> Result<()> {
    let protocol = disk.attr_at("source", "protocol").unwrap_or_default();
    let block = match disk.attr("type").unwrap_or_default() {
        // Of nothing nothing is known.
        "network" if protocol.is_empty() => false,
        "network" if protocol != "iscsi" => {
            return Err(unsupported(format!("disk device='lun' is not supported for protocol='{protocol}'")));
        }
        "network" | "block" => true,
        "volume" => {
            disk.attr_at("source", "mode") != Some("host") || disk.attr_at("source", "pool").is_some()
        }
        _ => false,
    };
    if !block {
        return Err(unsupported("disk device='lun' is only valid for block type disk source"));
    }
    if !matches!(disk.attr_at("driver", "type"), None | Some("raw" | "none")) {
        return Err(unsupported("disk device 'lun' must use 'raw' format"));
    }
    if disk.at("source/slices").is_some() {
        return Err(unsupported("disk device 'lun' doesn't support storage slice"));
    }
    if disk.at("source/encryption").is_some() || disk.child("encryption").is_some() {
        return Err(unsupported("disk device 'lun' doesn't support encryption"));
    }
    Ok(())
}

/// The image and all images behind it.
fn chain(disk: &Tree) -> Result<()> {
    let (mut image, mut format) = (Some(disk), disk.attr_at("driver", "type"));
    while let Some(holder) = image {
        if let Some(source) = holder.child("source") {
            one(holder, source, format)?;
        }
        image = holder.child("backingStore").filter(|behind| !behind.children.is_empty());
        format = image.and_then(|behind| behind.attr_at("format", "type"));
    }
    Ok(())
}

fn one(holder: &Tree, source: &Tree, format: Option<&str>) -> Result<()> {
    if holder.is("type", "nvme") && source.attr("namespace") == Some("0") {
        return Err(unsupported("NVMe namespace can't be zero"));
    }
    if let Some(protocol) = source.attr("protocol").filter(|protocol| *protocol == "sheepdog") {
        return Err(unsupported(format!(
            "'{protocol}' protocol is no longer supported by any hypervisor driver"
        )));
    }
    let Some(store) = source.child("dataStore") else { return Ok(()) };
    if format != Some("qcow2") {
        return Err(unsupported("<dataStore> feature available only with qcow2 images"));
    }
    if store.attr_at("format", "type") != Some("raw") {
        return Err(unsupported("only 'raw' images supported as <dataStore>"));
    }
    if store.at("source/slices").is_some() {
        return Err(invalid("slices are not supported for <dataStore>"));
    }
    Ok(())
}

pub(super) fn check(disk: &Tree) -> Result<()> {
    let bus = disk.attr_at("target", "bus").unwrap_or_default();
    let device = disk.attr("device").unwrap_or("disk");
    let target = disk.attr_at("target", "dev").unwrap_or_default();
    let removable = matches!(device, "cdrom" | "floppy");
    chain(disk)?;
    device::auth_of_protocol(disk)?;
    for name in ["rawio", "sgio"] {
        if disk.attr(name).is_some() && device != "lun" {
            return Err(unsupported(format!("{name} can be used only with device='lun'")));
        }
    }
    if disk.at("source/reservations").is_some() && device != "lun" {
        return Err(unsupported("<reservations/> allowed only for lun devices"));
    }
    if device == "lun" {
        lun(disk)?;
    }
    if disk.attr_at("target", "dev").is_none() {
        return device::told(disk);
    }
    if let Some(tune) = disk.child("iotune") {
        section::check_limits(tune)?;
    }
    let kind = disk.attr_at("address", "type").unwrap_or("drive");
    if matches!(bus, "ide" | "fdc" | "scsi" | "sata") && kind != "drive" && kind != "unassigned" {
        return Err(unsupported(format!(
            "Invalid address type '{kind}' for the disk '{target}' with the bus type '{bus}'"
        )));
    }
    options(disk, bus)?;
    if disk.is("type", "vhostuser") {
        vhostuser(disk, bus)?;
    }
    if disk.attr_at("target", "removable").is_some() && !(matches!(bus, "usb" | "scsi") && device == "disk") {
        return Err(invalid("removable is only valid for usb or scsi disks"));
    }
    device::names(disk)?;
    if device == "floppy" && bus != "fdc" {
        return Err(internal(format!("Invalid bus type '{bus}' for floppy disk")));
    }
    if device != "floppy" && bus == "fdc" {
        return Err(internal(format!("Invalid bus type '{bus}' for disk")));
    }
    device::told(disk)?;
    if let Some(wwn) = disk.text_of("wwn")
        && !device::is_wwn(wwn)
    {
        return Err(Error::internal(ErrorDomain::NONE, format!("Malformed wwn: {wwn}")));
    }
    if let Some(policy) = disk.attr_at("source", "startupPolicy") {
        let kind = disk.attr("type").unwrap_or_default();
        if network(disk) || !matches!(kind, "file" | "block" | "dir" | "volume") {
            return Err(invalid(format!(
                "disk startupPolicy '{policy}' is not allowed for disk of '{kind}' type"
            )));
        }
        if policy == "requisite" && !removable {
            return Err(invalid("disk startupPolicy 'requisite' is allowed only for cdrom or floppy"));
        }
    }
    if device == "floppy" && !target.starts_with("fd") {
        return Err(internal(format!("Invalid floppy device name: {target}")));
    }
    if matches!(device, "disk" | "lun")
        && !["hd", "sd", "vd", "xvd", "ubd"].iter().any(|prefix| target.starts_with(prefix))
    {
        return Err(internal(format!("Invalid harddisk device name: {target}")));
    }
    medium(disk, removable)?;
    throttling(disk, target)
}

/// Options that not every bus knows.
fn options(disk: &Tree, bus: &str) -> Result<()> {
    let driver = disk.child("driver");
    let has = |name: &str| driver.is_some_and(|driver| driver.attr(name).is_some());
    if bus != "virtio" {
        if let Some(model) = disk.attr("model") {
            return Err(unsupported(format!("disk model '{model}' not supported for bus '{bus}'")));
        }
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
        virtio::absent(disk)?;
    }
    Ok(())
}

/// Options that not every medium knows.
fn medium(disk: &Tree, removable: bool) -> Result<()> {
    if disk.attr_at("target", "tray").is_some() && !removable {
        return Err(unsupported("tray is only valid for cdrom and floppy"));
    }
    let Some(driver) = disk.child("driver").filter(|driver| truth(driver, "discard_no_unref")) else {
        return Ok(());
    };
    if !driver.is("type", "qcow2") {
        return Err(unsupported("'discard_no_unref' only works with qcow2 disk format"));
    }
    if disk.child("readonly").is_some() {
        return Err(unsupported("'discard_no_unref' is not compatible with read-only disk"));
    }
    Ok(())
}

fn throttling(disk: &Tree, target: &str) -> Result<()> {
    if disk.child("throttlefilters").is_some() && disk.child("iotune").is_some() {
        return Err(Error::new(
            base::ErrorCode::OPERATION_UNSUPPORTED,
            ErrorDomain::DOMAIN,
            format!("block 'throttlefilters' can't be used together with 'iotune' for disk '{target}'"),
        ));
    }
    Ok(())
}

/// Groups of throttling that disks name are there.
pub(super) fn throttled(domain: &crate::Domain) -> Result<()> {
    let groups = domain.tree.child("throttlegroups");
    let filters = domain.all("disk").filter_map(|disk| disk.child("throttlefilters"));
    for group in
        filters.flat_map(|filters| filters.all("throttlefilter")).filter_map(|filter| filter.attr("group"))
    {
        let known = groups.is_some_and(|groups| {
            groups.all("throttlegroup").any(|known| known.text_of("group_name") == Some(group))
        });
        if !known {
            return Err(invalid(format!("throttle group '{group}' not found")));
        }
    }
    Ok(())
}

fn vhostuser(disk: &Tree, bus: &str) -> Result<()> {
    if bus != "virtio" {
        return Err(unsupported("vhostuser disk supports only virtio bus"));
    }
    if disk.attr("snapshot").is_some_and(|snapshot| snapshot != "no") {
        return Err(unsupported("only snapshot=no is supported with vhostuser disk"));
    }
    match VHOSTUSER.iter().find(|(path, _)| has(disk, path)) {
        Some((_, name)) => Err(unsupported(format!("{name} is not supported with vhostuser disk"))),
        None => Ok(()),
    }
}
