//! Names of the devices of a running guest.

use crate::complete::Board;
use conf_domain::Domain;
use std::collections::{BTreeMap, BTreeSet};
use xml::Tree;

/// Gives every device that has none its name.
pub fn assign(domain: &mut Domain) {
    let mut next: BTreeMap<String, u32> = BTreeMap::new();
    let mut first_serial = None;
    let board = Board::of_domain(domain);
    let lsi = domain.all("controller").filter(|c| c.is("type", "scsi") && c.is("model", "lsilogic"));
    let narrow: BTreeSet<String> = lsi.filter_map(|c| c.attr("index")).map(str::to_owned).collect();
    for device in domain.devices_mut() {
        if device.attr_at("alias", "name").is_some() {
            continue;
        }
        let mut count = |base: &str| {
            let number = next.entry(base.to_owned()).or_default();
            *number += 1;
            format!("{base}{}", *number - 1)
        };
        let name = match device.name.as_str() {
            "disk" => disk(device, &narrow),
            "controller" => controller(device, board),
            // A network card of the host goes by the name of what it is.
            "interface" if device.is("type", "hostdev") => count("hostdev"),
            "interface" => count("net"),
            "serial" => count("serial"),
            "parallel" => count("parallel"),
            "console" => {
                let number = count("console");
                match (device.attr_at("target", "type"), &first_serial) {
                    (Some("serial"), Some(serial)) => String::clone(serial),
                    _ => number,
                }
            }
            "channel" => count("channel"),
            "input" => count("input"),
            "sound" => count("sound"),
            "video" => count("video"),
            "watchdog" => count("watchdog"),
            "memballoon" if device.is("model", "none") => continue,
            "memballoon" => count("balloon"),
            "rng" => count("rng"),
            "panic" => count("panic"),
            "hostdev" => count("hostdev"),
            "redirdev" => count("redir"),
            "smartcard" => count("smartcard"),
            "hub" => count("hub"),
            "shmem" => count("shmem"),
            "tpm" => count("tpm"),
            "filesystem" => count("fs"),
            "memory" => memory(device, &mut count),
            "vsock" => count("vsock"),
            "crypto" => count("crypto"),
            "iommu" => count("iommu"),
            "pstore" => count("pstore"),
            _ => continue,
        };
        if device.name == "serial" && first_serial.is_none() {
            first_serial = Some(name.clone());
        }
        device.children.push(Tree::new("alias").with("name", name));
    }
    domain.sort();
}

/// The name a device gets that is added to a running guest.
pub fn of_new(domain: &Domain, device: &Tree) -> String {
    let lsi = domain.all("controller").filter(|c| c.is("type", "scsi") && c.is("model", "lsilogic"));
    let narrow: BTreeSet<String> = lsi.filter_map(|c| c.attr("index")).map(str::to_owned).collect();
    // One more than the highest number of its like.
    let mut count = |base: &str| {
        let number = |other: &Tree| {
            let name = other.attr_at("alias", "name")?;
            let alike = name.strip_prefix(base).or_else(|| {
                // The console of the first serial port goes by that port's name.
                name.strip_prefix("serial").filter(|_| base == "console" && other.name == "console")
            });
            alike?.parse::<u32>().ok()
        };
        let highest = domain.devices().iter().filter_map(number).max();
        format!("{base}{}", highest.map_or(0, |number| number.saturating_add(1)))
    };
    match device.name.as_str() {
        "disk" => disk(device, &narrow),
        "controller" => controller(device, Board::of_domain(domain)),
        "memory" => memory(device, &mut count),
        "interface" if device.is("type", "hostdev") => count("hostdev"),
        "interface" => count("net"),
        "redirdev" => count("redir"),
        "filesystem" => count("fs"),
        "memballoon" => count("balloon"),
        kind => count(kind),
    }
}

/// The name of a disk; `narrow` are the SCSI controllers whose targets have no units.
fn disk(disk: &Tree, narrow: &BTreeSet<String>) -> String {
    let bus = disk.attr_at("target", "bus").unwrap_or_default();
    if let Some(address) = disk.child("address").filter(|address| address.is("type", "drive")) {
        let part = |name: &str| address.attr(name).unwrap_or("0").to_owned();
        return match bus {
            "scsi" if narrow.contains(&part("controller")) => {
                format!("scsi{}-{}-{}", part("controller"), part("bus"), part("unit"))
            }
            "scsi" => {
                format!("scsi{}-{}-{}-{}", part("controller"), part("bus"), part("target"), part("unit"))
            }
            _ => format!("{bus}{}-{}-{}", part("controller"), part("bus"), part("unit")),
        };
    }
    let index = disk.attr_at("target", "dev").and_then(conf_domain::device::letter_index).unwrap_or(0);
    format!("{bus}-disk{index}")
}

/// A module that has a slot goes by its number.
fn memory(memory: &Tree, count: &mut dyn FnMut(&str) -> String) -> String {
    let base = match memory.attr("model").unwrap_or_default() {
        "nvdimm" => "nvdimm",
        "virtio-pmem" => "virtiopmem",
        "virtio-mem" => "virtiomem",
        "sgx-epc" => "epc",
        _ => "dimm",
    };
    match memory.attr_at("address", "slot").filter(|_| base.ends_with("dimm")) {
        Some(slot) => format!("{base}{slot}"),
        None => count(base),
    }
}

/// The name of a controller; those that are part of a board have names of their own.
fn controller(controller: &Tree, board: Board) -> String {
    let index = controller.attr("index").unwrap_or("0");
    match (controller.attr("type").unwrap_or_default(), controller.attr("model").unwrap_or_default()) {
        ("pci", "pci-root") if index == "0" => "pci.0".to_owned(),
        ("pci", "pcie-root") => "pcie.0".to_owned(),
        ("pci", _) => format!("pci.{index}"),
        ("usb", _) if index == "0" => "usb".to_owned(),
        ("ide", _) if index == "0" && board != Board::Q35 => "ide".to_owned(),
        ("sata", _) if index == "0" && board == Board::Q35 => "ide".to_owned(),
        ("scsi", "ncr53c90") if index == "0" => "scsi".to_owned(),
        (kind, _) => format!("{kind}{index}"),
    }
}
