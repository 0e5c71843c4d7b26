//! Controllers: those a machine has, and those that devices need.

use super::Board;
use base::Result;
use conf_domain::Domain;
use std::collections::BTreeSet;
use xml::Tree;

fn controller(kind: &str, index: u32) -> Tree {
    Tree::new("controller").with("type", kind).with("index", index.to_string())
}

/// Adds a controller behind those of its type with a lower index; the first of a type comes last.
pub(super) fn insert(domain: &mut Domain, new: Tree) {
    let index =
        |controller: &Tree| controller.attr("index").and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    let before = |device: &Tree| {
        device.name == "controller" && device.attr("type") == new.attr("type") && index(device) <= index(&new)
    };
    let devices = domain.devices_mut();
    let at = devices.iter().rposition(before);
    let last = devices.iter().rposition(|device| device.name == "controller");
    match at.or(last) {
        Some(at) => devices.insert(at + 1, new),
        None => devices.push(new),
    }
}

fn has(domain: &Domain, kind: &str, index: Option<u32>) -> bool {
    domain.all("controller").any(|controller| {
        controller.is("type", kind) && index.is_none_or(|index| controller.is("index", &index.to_string()))
    })
}

/// Controllers a machine has.
pub(super) fn defaults(domain: &mut Domain, board: Board) {
    if (board.is_x86() || matches!(board, Board::Pseries)) && !has(domain, "usb", None) {
        insert(domain, controller("usb", 0));
    }
    if board == Board::Q35 && !has(domain, "sata", Some(0)) {
        insert(domain, controller("sata", 0));
    }
    let root = match board {
        Board::Pc | Board::Pseries => Some("pci-root"),
        Board::Q35 | Board::Virt => Some("pcie-root"),
        Board::Ccw | Board::Other => None,
    };
    if let Some(model) = root
        && !has(domain, "pci", Some(0))
    {
        insert(domain, controller("pci", 0).with("model", model));
    }
    for device in domain.devices_mut().iter_mut().filter(|device| device.name == "controller") {
        if device.is("type", "usb") && device.attr("model").is_none() {
            let model = match board {
                Board::Pc => "piix3-uhci",
                Board::Q35 | Board::Virt | Board::Pseries => "qemu-xhci",
                Board::Ccw | Board::Other => continue,
            };
            device.set("model", model);
        }
        if device.is("type", "scsi") && device.attr("model").is_none() {
            let model = if board == Board::Pc || board == Board::Q35 { "lsilogic" } else { "virtio-scsi" };
            device.set("model", model);
        }
    }
}

/// Controllers that devices need, and numbers of virtio-serial ports.
pub(super) fn for_devices(domain: &mut Domain, board: Board) -> Result<()> {
    let mut wanted: BTreeSet<(&'static str, u32)> = BTreeSet::new();
    for disk in domain.all("disk") {
        let Some(address) = disk.child("address").filter(|address| address.is("type", "drive")) else {
            continue;
        };
        let index = address.attr("controller").and_then(|text| text.parse().ok()).unwrap_or(0);
        match disk.attr_at("target", "bus") {
            Some("ide") => wanted.insert(("ide", index)),
            Some("sata") => wanted.insert(("sata", index)),
            Some("scsi") => wanted.insert(("scsi", index)),
            Some("fdc") => wanted.insert(("fdc", index)),
            _ => false,
        };
    }
    serial_ports(domain, &mut wanted);
    for (kind, highest) in ["ide", "sata", "scsi", "fdc", "virtio-serial"].into_iter().filter_map(|kind| {
        wanted
            .iter()
            .filter(|(name, _)| *name == kind)
            .map(|(_, index)| *index)
            .max()
            .map(|index| (kind, index))
    }) {
        for index in 0..=highest.min(255) {
            if !has(domain, kind, Some(index)) {
                let mut new = controller(kind, index);
                if kind == "scsi" {
                    new.set("model", if board.is_x86() { "lsilogic" } else { "virtio-scsi" });
                }
                insert(domain, new);
            }
        }
    }
    usb_ports(domain);
    Ok(())
}

/// Gives USB devices the next free ports of the first controller.
fn usb_ports(domain: &mut Domain) {
    let first = domain
        .all("controller")
        .find(|controller| controller.is("type", "usb") && controller.is("index", "0"));
    let count = match first.and_then(|controller| controller.attr("model")) {
        None | Some("none") => return,
        Some("piix3-uhci" | "piix4-uhci") => 2,
        Some("ehci" | "ich9-ehci1") => 6,
        Some("nec-xhci" | "qemu-xhci") => 4,
        Some("pci-ohci") => 3,
        Some(_) => 2,
    };
    let on_usb = |device: &Tree| match device.name.as_str() {
        "input" => device.is("bus", "usb"),
        "disk" => device.attr_at("target", "bus") == Some("usb"),
        "redirdev" => device.attr("bus").unwrap_or("usb") == "usb",
        "hub" => true,
        "sound" => device.is("model", "usb"),
        _ => false,
    };
    let mut taken: BTreeSet<String> = domain
        .devices()
        .iter()
        .filter(|device| on_usb(device))
        .filter_map(|device| device.attr_at("address", "port").map(str::to_owned))
        .collect();
    for device in domain.devices_mut().iter_mut().filter(|device| on_usb(device)) {
        if device.attr_at("address", "port").is_some() {
            continue;
        }
        let Some(port) = (1..=count).map(|port| port.to_string()).find(|port| !taken.contains(port)) else {
            return;
        };
        let address = device.child_or_new("address");
        address.set("type", "usb");
        address.default_to("bus", "0");
        address.set("port", port.clone());
        taken.insert(port);
    }
}

/// Gives channels and virtio consoles their ports on the first controller.
fn serial_ports(domain: &mut Domain, wanted: &mut BTreeSet<(&'static str, u32)>) {
    let is_port = |device: &Tree| match device.name.as_str() {
        "channel" => device.attr_at("target", "type") == Some("virtio"),
        "console" => device.attr_at("target", "type") == Some("virtio"),
        _ => false,
    };
    let mut taken: BTreeSet<u32> = BTreeSet::new();
    for device in domain.devices().iter().filter(|device| is_port(device)) {
        if let Some(port) = device.attr_at("address", "port").and_then(|text| text.parse().ok()) {
            taken.insert(port);
        }
    }
    for device in domain.devices_mut().iter_mut().filter(|device| is_port(device)) {
        let console = device.name == "console";
        let address = device.child_or_new("address");
        address.default_to("type", "virtio-serial");
        address.default_to("controller", "0");
        address.default_to("bus", "0");
        let index = address.attr("controller").and_then(|text| text.parse().ok()).unwrap_or(0);
        wanted.insert(("virtio-serial", index));
        if address.attr("port").is_none_or(|port| port == "0" && !console) {
            // Port 0 is for the first console only.
            let first = u32::from(!console);
            let port = (first..).find(|port| !taken.contains(port)).unwrap_or(first);
            taken.insert(port);
            address.set("port", port.to_string());
        }
    }
}
