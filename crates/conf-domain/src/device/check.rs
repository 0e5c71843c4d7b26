//! What no driver accepts of devices: contradictions within one device and between devices.

use crate::fault::{invalid, unsupported};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::collections::HashSet;
use xml::Tree;

/// A refusal that is only its text.
fn failed(text: impl Into<String>) -> Error {
    Error::from_fields(base::error::Fields {
        message: text.into(),
        ..Error::new(ErrorCode::OPERATION_INVALID, ErrorDomain::DOMAIN, "").into_fields()
    })
}

/// What a disk is made of, in messages.
pub(crate) fn source_of(disk: &Tree) -> String {
    let Some(source) = disk.child("source") else { return String::new() };
    if let (Some(pool), Some(volume)) = (source.attr("pool"), source.attr("volume")) {
        return format!("pool = '{pool}', volume = '{volume}'");
    }
    ["file", "dev", "dir", "name", "path"]
        .iter()
        .find_map(|name| source.attr(name))
        .unwrap_or_default()
        .to_owned()
}

fn drive(device: &Tree) -> Option<[&str; 4]> {
    let address = device.child("address").filter(|address| address.is("type", "drive"))?;
    Some(["controller", "bus", "target", "unit"].map(|name| address.attr(name).unwrap_or("0")))
}

fn spelled([controller, bus, target, unit]: [&str; 4]) -> String {
    format!("controller='{controller}' bus='{bus}' target='{target}' unit='{unit}'")
}

/// Checks the completed devices.
pub(crate) fn completed(devices: &[Tree]) -> Result<()> {
    disks(devices)?;
    controllers(devices)?;
    hostdevs(devices)?;
    videos(devices)?;
    let of = |name: &'static str| devices.iter().filter(move |device| device.name == name);
    for shmem in of("shmem") {
        if shmem.child("msi").is_some() && shmem.child("server").is_none() {
            return Err(invalid("msi option is only supported with a server"));
        }
    }
    for interface in of("interface") {
        let passt = interface.attr_at("backend", "type") == Some("passt")
            && matches!(interface.attr("type"), Some("user" | "vhostuser"));
        if interface.child("portForward").is_some() && !passt {
            return Err(unsupported(
                "The <portForward> element can only be used with the 'passt' backend of interface type='user' or type='vhostuser'",
            ));
        }
    }
    Ok(())
}

fn disks(devices: &[Tree]) -> Result<()> {
    let disks: Vec<&Tree> = devices.iter().filter(|device| device.name == "disk").collect();
    for (at, disk) in disks.iter().enumerate() {
        let target = disk.attr_at("target", "dev").unwrap_or_default();
        for earlier in disks.get(..at).into_iter().flatten() {
            if earlier.attr_at("target", "dev") == Some(target) {
                return Err(invalid(format!(
                    "target '{target}' duplicated for disk sources '{}' and '{}'",
                    source_of(earlier),
                    source_of(disk)
                )));
            }
        }
    }
    for (at, disk) in disks.iter().enumerate() {
        let bus = disk.attr_at("target", "bus");
        let same = |other: &&&Tree| drive(other) == drive(disk) && other.attr_at("target", "bus") == bus;
        if let Some(address) = drive(disk)
            && disks.iter().skip(at + 1).any(|other| same(&other))
        {
            return Err(unsupported(format!(
                "Found duplicate drive address for disk with target name '{}' {}",
                disk.attr_at("target", "dev").unwrap_or_default(),
                spelled(address)
            )));
        }
    }
    let scsi = |device: &&Tree| device.name == "hostdev" && device.is("type", "scsi");
    let mut taken = HashSet::new();
    for address in devices.iter().filter(scsi).filter_map(drive) {
        let [controller, bus, target, unit] = address;
        let conflict = disks
            .iter()
            .find(|disk| disk.attr_at("target", "bus") == Some("scsi") && drive(disk) == Some(address));
        if let Some(disk) = conflict {
            return Err(unsupported(format!(
                "using disk target name '{}' conflicts with SCSI host device address controller='{controller}' bus='{bus}' target='{target}' unit='{unit}",
                disk.attr_at("target", "dev").unwrap_or_default(),
            )));
        }
        if !taken.insert(address) {
            return Err(unsupported(format!(
                "SCSI host address {} in use by another SCSI host device",
                spelled(address)
            )));
        }
    }
    Ok(())
}

/// Two controllers of a type and number; the parts of an EHCI family share theirs.
pub(crate) fn duplicate_controllers(devices: &[Tree]) -> Result<()> {
    let mut seen = HashSet::new();
    let usb = || devices.iter().filter(|device| device.name == "controller" && device.is("type", "usb"));
    if usb().any(|controller| controller.is("model", "none")) && usb().count() > 1 {
        return Err(failed("Can't add another USB controller: USB is disabled for this domain"));
    }
    for controller in devices.iter().filter(|device| device.name == "controller") {
        let kind = controller.attr("type").unwrap_or_default();
        let index = controller.attr("index").unwrap_or_default();
        let model = controller.attr("model").unwrap_or_default();
        let companion = kind == "usb" && (model.starts_with("ich9-") || controller.child("master").is_some());
        if !companion && !seen.insert((kind, index)) {
            return Err(invalid(format!("Multiple '{kind}' controllers with index '{index}'")));
        }
    }
    Ok(())
}

fn controllers(devices: &[Tree]) -> Result<()> {
    let all = || devices.iter().filter(|device| device.name == "controller");
    let none = all().any(|controller| controller.is("type", "usb") && controller.is("model", "none"));
    if none {
        if devices.iter().any(|device| device.name == "hub" && device.is("type", "usb")) {
            return Err(unsupported("Can't add USB hub: USB is disabled for this domain"));
        }
        if devices.iter().any(|device| device.name == "input" && device.is("bus", "usb")) {
            return Err(unsupported("Can't add USB input device. USB bus is disabled"));
        }
    }
    for controller in all() {
        let kind = controller.attr("type").unwrap_or_default();
        let index = controller.attr("index").unwrap_or_default();
        let model = controller.attr("model").unwrap_or_default();
        let threaded = controller.child("driver").is_some_and(|driver| driver.attr("iothread").is_some());
        if threaded && !(kind == "scsi" && (model.is_empty() || model.starts_with("virtio"))) {
            return Err(invalid("'iothread' attribute only supported for virtio scsi controllers"));
        }
        if kind == "usb" && model.starts_with("ich9-uhci") {
            let master = all().any(|other| other.is("model", "ich9-ehci1") && other.is("index", index));
            if !master {
                return Err(failed("No master USB controller specified"));
            }
        }
        if kind == "pci" && model == "pci-root" {
            phb(controller, index)?;
        }
    }
    Ok(())
}

/// The host bridges of a pSeries machine are numbered by their target.
fn phb(controller: &Tree, index: &str) -> Result<()> {
    let target = controller.attr_at("target", "index").and_then(|text| text.parse::<i64>().ok());
    if let Some(target) = target {
        if !(0..=30).contains(&target) {
            return Err(unsupported(format!(
                "PCI controller target index '{target}' out of range - must be 0-30"
            )));
        }
        if (index == "0") != (target == 0) {
            return Err(unsupported(
                "Only the PCI controller with index 0 can have target index 0, and vice versa",
            ));
        }
    }
    if index == "0" && controller.at("target/node").is_some() {
        return Err(unsupported("The PCI controller with index=0 can't be associated with a NUMA node"));
    }
    Ok(())
}

fn hostdevs(devices: &[Tree]) -> Result<()> {
    let all: Vec<&Tree> = devices.iter().filter(|device| device.name == "hostdev").collect();
    let mut framebuffers = 0;
    for (at, hostdev) in all.iter().enumerate() {
        let kind = hostdev.attr("type").unwrap_or_default();
        if kind != "scsi" {
            for name in ["rawio", "sgio"] {
                if hostdev.attr(name).is_some() {
                    return Err(invalid(format!("{name} is only supported for scsi host device")));
                }
            }
        }
        if kind == "mdev" {
            let model = hostdev.attr("model").unwrap_or_default();
            let place = hostdev.attr_at("address", "type");
            let wanted = match model {
                "vfio-pci" => Some("pci"),
                "vfio-ccw" => Some("ccw"),
                _ => None,
            };
            if let (Some(place), Some(wanted)) = (place, wanted)
                && place != wanted
                && place != "unassigned"
            {
                return Err(invalid(format!(
                    "Unsupported address type '{place}' with mediated device model '{model}'"
                )));
            }
            framebuffers += u32::from(hostdev.is("ramfb", "on"));
        }
        let same = |other: &&&Tree| {
            other.attr("mode") == hostdev.attr("mode")
                && other.is("type", kind)
                && matches!(kind, "pci" | "usb" | "scsi")
                && other.child("source").is_some_and(|source| Some(source) == hostdev.child("source"))
        };
        if all.get(..at).into_iter().flatten().any(|other| same(&other)) {
            return Err(invalid("Hostdev already exists in the domain configuration"));
        }
    }
    if framebuffers > 1 {
        return Err(unsupported("Only one vgpu device can have 'ramfb' enabled"));
    }
    Ok(())
}

fn videos(devices: &[Tree]) -> Result<()> {
    let videos: Vec<&Tree> = devices.iter().filter(|device| device.name == "video").collect();
    if videos.len() > 1 && videos.iter().any(|video| video.attr_at("model", "type") == Some("none")) {
        return Err(unsupported("a 'none' video type must be the only video device defined for the domain"));
    }
    if videos.iter().filter(|video| video.attr_at("model", "primary") == Some("yes")).count() > 1 {
        return Err(unsupported("Only one primary video device is supported"));
    }
    Ok(())
}

/// Refuses two orders of booting at once.
pub(crate) fn boot(tree: &Tree) -> Result<()> {
    let devices = tree.child("devices").map_or(&[][..], |devices| &devices.children);
    let ordered = devices.iter().any(|device| device.attr_at("boot", "order").is_some());
    if ordered && tree.at("os/boot").is_some() {
        return Err(unsupported("per-device boot elements cannot be used together with os/boot elements"));
    }
    let mut orders = HashSet::new();
    for order in devices.iter().filter_map(|device| device.attr_at("boot", "order")) {
        if order == "0" {
            return Err(crate::fault::value("boot", "order", order, "nonzero"));
        }
        if !orders.insert(order) {
            return Err(unsupported(format!("boot order '{order}' used for more than one device")));
        }
    }
    Ok(())
}
