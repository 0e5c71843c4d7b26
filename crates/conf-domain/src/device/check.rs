//! What no driver accepts of devices: contradictions within one device and between devices.

use crate::fault::{internal, invalid, unsupported};
use base::Result;
use std::collections::HashSet;
use xml::Tree;

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

/// Where the image of a disk lies, in messages that know nothing of pools.
fn path_of(disk: &Tree) -> &str {
    let source = disk.child("source");
    let path = |name: &&str| source.and_then(|source| source.attr(name));
    ["file", "dev", "dir", "name", "path"].iter().find_map(path).unwrap_or("<null>")
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
    videos(devices)?;
    hostdevs(devices)?;
    disks(devices)?;
    duplicate_audio(devices)
}

/// What devices are not when all are there and have their models: twice of a number or model, or consoles of one port.
/// A console without a type is one of a serial port where no driver says otherwise: in `generic` documents.
pub(crate) fn assembled(devices: &[Tree], generic: bool) -> Result<()> {
    duplicate_controllers(devices)?;
    duplicate_panics(devices)?;
    let serial = |console: &Tree| console.attr_at("target", "type").map_or(generic, |kind| kind == "serial");
    match devices.iter().filter(|device| device.name == "console").skip(1).any(serial) {
        true => Err(unsupported("Only the first console can be a serial port")),
        false => Ok(()),
    }
}

/// More than one of what there is one of at most.
pub(crate) fn single(devices: &[Tree], kind: &str) -> Result<()> {
    if !matches!(kind, "memballoon" | "nvram" | "iommu" | "pstore" | "vsock")
        || devices.iter().filter(|device| device.name == kind).count() < 2
    {
        return Ok(());
    }
    Err(match kind {
        "memballoon" => internal("only a single memory balloon device is supported"),
        "nvram" => internal("only a single nvram device is supported"),
        "iommu" => invalid("only a single IOMMU device is supported"),
        kind => invalid(format!("only a single {kind} device is supported")),
    })
}

/// Two panic devices of a model.
pub(crate) fn duplicate_panics(devices: &[Tree]) -> Result<()> {
    let panics = || devices.iter().filter(|device| device.name == "panic");
    if panics().nth(1).is_none() {
        return Ok(());
    }
    let mut seen = HashSet::new();
    match panics().filter_map(|panic| panic.attr("model")).find(|model| !seen.insert(*model)) {
        Some(model) => Err(invalid(format!("Multiple panic devices with model '{model}'"))),
        None => Ok(()),
    }
}

fn disks(devices: &[Tree]) -> Result<()> {
    let disks: Vec<&Tree> = devices.iter().filter(|device| device.name == "disk").collect();
    for (at, disk) in disks.iter().enumerate() {
        let target = disk.attr_at("target", "dev").unwrap_or_default();
        for earlier in disks.get(..at).into_iter().flatten() {
            if earlier.attr_at("target", "dev") == Some(target) {
                return Err(invalid(format!(
                    "target '{target}' duplicated for disk sources '{}' and '{}'",
                    path_of(earlier),
                    path_of(disk)
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

/// Two devices of sound of a number.
fn duplicate_audio(devices: &[Tree]) -> Result<()> {
    let mut seen = HashSet::new();
    for id in devices.iter().filter(|device| device.name == "audio").filter_map(|audio| audio.attr("id")) {
        if !seen.insert(id) {
            return Err(invalid(format!("audio ID {id} is used multiple times")));
        }
    }
    Ok(())
}

/// Two controllers of a type and number. Those of USB are looked at when their devices get ports.
fn duplicate_controllers(devices: &[Tree]) -> Result<()> {
    let mut seen = HashSet::new();
    for controller in devices.iter().filter(|device| device.name == "controller") {
        let kind = controller.attr("type").unwrap_or_default();
        let index = controller.attr("index").unwrap_or_default();
        if kind != "usb" && !seen.insert((kind, index)) {
            return Err(invalid(format!("Multiple '{kind}' controllers with index '{index}'")));
        }
    }
    Ok(())
}

fn hostdevs(devices: &[Tree]) -> Result<()> {
    let all: Vec<&Tree> = devices.iter().filter(|device| device.name == "hostdev").collect();
    let mut framebuffers = 0;
    for (at, hostdev) in all.iter().enumerate() {
        let kind = hostdev.attr("type").unwrap_or_default();
        if kind == "mdev" {
            framebuffers += u32::from(hostdev.is("ramfb", "on"));
        }
        let same = |other: &&&Tree| {
            other.attr("mode") == hostdev.attr("mode")
                && other.is("type", kind)
                && hostdev.is("mode", "subsystem")
                && other.child("source") == hostdev.child("source")
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
        if !orders.insert(order) {
            return Err(unsupported(format!("boot order '{order}' used for more than one device")));
        }
    }
    Ok(())
}
