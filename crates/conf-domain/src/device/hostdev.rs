//! `<hostdev>`: devices of the host that the guest gets.
//!
//! ```text
//! prepare ─▶ values ─▶ read: what the source says together ─▶ place: SCSI devices get units, and controllers below
//! ```

use super::{address, controllers, disk, image, secret};
use crate::fault::{internal, invalid, missing, unsupported};
use base::{Result, Uuid};
use std::collections::BTreeSet;
use xml::{Tree, Trees};

/// Units of a controller that devices of the host get when they name none.
const UNITS: u32 = 7;

/// Checks what a table of values cannot: an attribute that other kinds do not have.
///
/// # Errors
/// When a device says what to do without its source, and is no USB device.
pub(super) fn prepare(hostdev: &mut Tree) -> Result<()> {
    let subsystem = matches!(hostdev.attr("mode"), None | Some("subsystem"));
    if !subsystem || !matches!(hostdev.attr("type"), Some("usb" | "pci" | "scsi" | "scsi_host" | "mdev")) {
        return Ok(());
    }
    if !hostdev.is("type", "usb") && hostdev.attr_at("source", "startupPolicy").is_some() {
        return Err(unsupported("Setting startupPolicy is only allowed for USB devices"));
    }
    Ok(())
}

/// Reads a device of the host: what it says together.
///
/// # Errors
/// In the reference's words.
pub(super) fn read(hostdev: &mut Tree) -> Result<()> {
    let kind = hostdev.word("type");
    if !hostdev.is("managed", "yes") {
        hostdev.unset("managed");
    }
    if matches!(kind.as_str(), "usb" | "pci" | "scsi") && hostdev.attr("model").is_some() {
        return Err(invalid(format!("'model' attribute in <hostdev> is only supported when type='{kind}'")));
    }
    if kind != "scsi" {
        for name in ["sgio", "rawio"] {
            if hostdev.attr(name).is_some() {
                return Err(invalid(format!("{name} is only supported for scsi host device")));
            }
        }
    }
    if kind == "mdev" && hostdev.attr("model").is_none() {
        return Err(missing("hostdev", "model"));
    }
    if hostdev.is("sgio", "unfiltered") {
        return Err(unsupported("unfiltered sgio is no longer supported"));
    }
    source(hostdev, &kind)?;
    if hostdev.is("mode", "capabilities") {
        return Ok(());
    }
    placed(hostdev, &kind)?;
    if let Some(teaming) = hostdev.child("teaming") {
        match teaming.attr("type") {
            None if teaming.attr("persistent").is_none() => hostdev.remove("teaming"),
            None => return Err(unsupported("unknown teaming type '(null)'")),
            Some("transient") if teaming.attr("persistent").is_none_or(str::is_empty) => {
                return Err(unsupported("missing required persistent attribute in hostdev teaming element"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn source(hostdev: &mut Tree, kind: &str) -> Result<()> {
    let model = hostdev.word("model");
    let Some(source) = hostdev.child_mut("source") else { return Ok(()) };
    match kind {
        "usb" => match (source.child("vendor"), source.child("product")) {
            (Some(_), None) => Err(internal("missing product")),
            (None, Some(_)) => Err(internal("missing vendor")),
            _ => Ok(()),
        },
        "pci" => {
            let address = source.child_or_new("address");
            address.unset("multifunction");
            address::pci_source(address)
        }
        "scsi" if source.is("protocol", "iscsi") => iscsi(source),
        "scsi" if source.child("address").is_none() => {
            Err(invalid("'address' must be specified for scsi hostdev source"))
        }
        "scsi" if source.attr_at("adapter", "name").is_none_or(str::is_empty) => {
            Err(invalid("'adapter' name must be specified for scsi hostdev source"))
        }
        "scsi_host" => {
            let Some(name) = source.attr("wwpn") else {
                return Err(invalid("missing vhost-scsi hostdev source wwpn"));
            };
            match name.strip_prefix("naa.") {
                Some(digits) if disk::is_wwn(digits) => Ok(()),
                _ => Err(invalid("malformed 'wwpn' value")),
            }
        }
        "mdev" if !model.is_empty() => {
            let Some(address) = source.child_mut("address") else {
                return Err(unsupported("Missing <address> element"));
            };
            let Some(text) = address.attr("uuid") else {
                return Err(unsupported("Missing 'uuid' attribute for element <address>"));
            };
            let uuid: Uuid =
                text.parse().map_err(|_| internal("Cannot parse uuid attribute of element <address>"))?;
            address.set("uuid", uuid.to_string());
            Ok(())
        }
        "storage" if source.text_of("block").is_none_or(str::is_empty) => {
            Err(invalid("Missing <block> element in hostdev storage device"))
        }
        "misc" if source.text_of("char").is_none_or(str::is_empty) => {
            Err(invalid("Missing <char> element in hostdev character device"))
        }
        "net" if source.text_of("interface").is_none_or(str::is_empty) => {
            Err(invalid("Missing <interface> element in hostdev net device"))
        }
        _ => Ok(()),
    }
}

/// A unit of a target on the network.
fn iscsi(source: &mut Tree) -> Result<()> {
    if source.attr("name").is_none_or(str::is_empty) {
        return Err(invalid("missing iSCSI hostdev source path name"));
    }
    image::hosts(source)?;
    match source.all("host").count() {
        0 => return Err(invalid("missing the host address for the iSCSI hostdev")),
        1 => {}
        _ => return Err(invalid("only one source host address may be specified for the iSCSI hostdev")),
    }
    for host in source.all_mut("host") {
        for name in ["transport", "socket"] {
            host.unset(name);
        }
    }
    let Some(auth) = source.child_mut("auth") else { return Ok(()) };
    secret::auth(auth)?;
    match auth.attr_at("secret", "type") {
        Some("iscsi") => Ok(()),
        Some(kind) if secret::is_type(kind) => Err(internal(format!("hostdev invalid secret type '{kind}'"))),
        kind => Err(unsupported(format!("invalid secret type {}", kind.unwrap_or("(null)")))),
    }
}

/// Checks the kind of place, and takes out one that is not used.
fn placed(hostdev: &mut Tree, kind: &str) -> Result<()> {
    let Some(place) = hostdev.attr_at("address", "type").map(str::to_owned) else { return Ok(()) };
    let place = place.as_str();
    match kind {
        "usb" if place != "usb" => Err(unsupported("USB host device must use 'usb' address type")),
        "pci" if !matches!(place, "pci" | "unassigned") => {
            Err(internal("PCI host devices must use 'pci' or 'unassigned' address type"))
        }
        "scsi" if place != "drive" => Err(unsupported("SCSI host device must use 'drive' address type")),
        "scsi_host" if !matches!(place, "pci" | "ccw") => {
            Err(unsupported("SCSI_host host device must use 'pci' or 'ccw' address type"))
        }
        "mdev" => {
            let model = hostdev.attr("model").unwrap_or_default();
            let wanted = match model {
                "vfio-pci" => "pci",
                "vfio-ccw" => "ccw",
                _ => {
                    hostdev.remove("address");
                    return Ok(());
                }
            };
            if place != wanted {
                return Err(invalid(format!(
                    "Unsupported address type '{place}' with mediated device model '{model}'"
                )));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// SCSI devices of the host get the next free units, and the controllers for them.
pub(super) fn place(devices: &mut Trees) {
    let scsi = |device: &Tree| device.name == "hostdev" && device.is("type", "scsi");
    if !devices.iter().any(scsi) {
        return;
    }
    let mut taken: BTreeSet<(u32, u32, u32)> = devices
        .iter()
        .filter(|device| scsi(device) || device.attr_at("target", "bus") == Some("scsi"))
        .filter_map(|device| {
            // Disks sit where their targets say.
            let mut device = device.clone();
            if device.name == "disk" {
                disk::place(&mut device);
            }
            let address = device.child("address").filter(|address| address.is("type", "drive"))?;
            let part = |name: &str| address.attr(name).and_then(address::number).unwrap_or(0);
            Some((part("controller"), part("target"), part("unit")))
        })
        .collect();
    for device in devices.iter_mut().filter(|device| scsi(device) && device.child("address").is_none()) {
        let free = (0..=u8::MAX).flat_map(|index| (0..UNITS).map(move |unit| (u32::from(index), 0, unit)));
        let Some(place) = free.into_iter().find(|place| !taken.contains(place)) else { return };
        taken.insert(place);
        let address = Tree::new("address")
            .with("type", "drive")
            .with("controller", place.0.to_string())
            .with("bus", "0")
            .with("target", "0")
            .with("unit", place.2.to_string());
        device.children.push(address);
    }
    controllers::for_hostdevs(devices);
}
