//! PCI addresses: who sits where, and the root ports that hot-pluggable devices need.
//!
//! On a plain PCI bus each device takes the next free slot. On PCI Express each takes the next free root port; root ports
//! are added eight to a slot, and one more than needed, so that something can be plugged in later.

use super::Board;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use conf_domain::device::Pci;
use std::collections::BTreeMap;
use xml::Tree;

/// What occupies a slot: bits of its functions.
type Slots = BTreeMap<u32, u8>;

/// The buses of a machine.
#[derive(Debug, Default)]
pub struct Topology {
    /// Model of the controller and occupied slots, by index.
    buses: BTreeMap<u32, (String, Slots)>,
}

/// Kind of place a device wants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    /// A hot-pluggable Express port of its own, or a conventional slot on a machine without Express.
    Express,
    /// A conventional slot.
    Conventional,
    /// A place on the root bus itself.
    Root,
}

fn number(text: Option<&str>) -> Option<u32> {
    text.and_then(|text| text.parse().ok())
}

impl Topology {
    fn of(domain: &Domain) -> Topology {
        let mut topology = Topology::default();
        for controller in domain.all("controller").filter(|controller| controller.is("type", "pci")) {
            let index = number(controller.attr("index")).unwrap_or(0);
            let model = controller.attr("model").unwrap_or_default().to_owned();
            topology.buses.insert(index, (model, Slots::new()));
        }
        topology
    }

    fn take(&mut self, pci: Pci) -> bool {
        let Some((_, slots)) = self.buses.get_mut(&pci.bus) else { return false };
        let functions = slots.entry(pci.slot).or_default();
        let free = *functions & (1 << pci.function) == 0;
        *functions |= 1 << pci.function;
        free
    }

    fn take_slot(&mut self, bus: u32, slot: u32) {
        if let Some((_, slots)) = self.buses.get_mut(&bus) {
            slots.insert(slot, 0xff);
        }
    }

    /// The next free slot of a conventional bus.
    fn conventional(&self) -> Option<Pci> {
        for (bus, (model, slots)) in &self.buses {
            let first = match model.as_str() {
                "pci-root" | "pci-bridge" => 1,
                "pcie-to-pci-bridge" => 1,
                "dmi-to-pci-bridge" => 0,
                _ => continue,
            };
            if let Some(slot) = (first..32).find(|slot| !slots.contains_key(slot)) {
                return Some(Pci { bus: *bus, slot, ..Pci::default() });
            }
        }
        None
    }

    /// The next free root or downstream port.
    fn port(&self) -> Option<Pci> {
        self.buses
            .iter()
            .find(|(_, (model, slots))| {
                matches!(model.as_str(), "pcie-root-port" | "pcie-switch-downstream-port") && slots.is_empty()
            })
            .map(|(bus, _)| Pci { bus: *bus, ..Pci::default() })
    }
}

fn wants(device: &Tree, board: Board) -> Option<Want> {
    let express = if board.is_pcie() { Want::Express } else { Want::Conventional };
    let virtio = |model: Option<&str>| match model {
        Some("virtio-transitional") => Want::Conventional,
        _ => express,
    };
    Some(match device.name.as_str() {
        "interface" => match device.attr_at("model", "type").unwrap_or_default() {
            "usb-net" => return None,
            "virtio" | "virtio-non-transitional" | "e1000e" | "igb" | "vmxnet3" => express,
            "virtio-transitional" => Want::Conventional,
            _ if device.is("type", "hostdev") => express,
            _ => Want::Conventional,
        },
        "disk" if device.attr_at("target", "bus") == Some("virtio") => virtio(device.attr("model")),
        "disk" if device.is("type", "nvme") && device.attr_at("target", "bus") == Some("nvme") => express,
        "controller" => {
            match (device.attr("type").unwrap_or_default(), device.attr("model").unwrap_or_default()) {
                ("usb", "none") => return None,
                ("usb", "qemu-xhci" | "nec-xhci") => express,
                ("usb", "piix3-uhci" | "piix4-uhci") => Want::Conventional,
                ("usb", model) if model.starts_with("ich9") => Want::Root,
                ("usb", _) => Want::Conventional,
                ("sata", _) => Want::Root,
                ("scsi", "lsilogic" | "auto" | "buslogic" | "vmpvscsi" | "am53c974" | "dc390") => {
                    Want::Conventional
                }
                ("scsi", "ibmvscsi") => return None,
                ("scsi", model) => virtio(Some(model)),
                ("virtio-serial", model) => virtio(Some(model)),
                ("nvme", _) => express,
                _ => return None,
            }
        }
        "sound" => match device.attr("model").unwrap_or_default() {
            "usb" | "sb16" | "pcspk" => return None,
            "virtio" => express,
            _ if board.is_pcie() => Want::Root,
            _ => Want::Conventional,
        },
        "video" => match device.attr_at("model", "type").unwrap_or_default() {
            "none" | "ramfb" => return None,
            "virtio" => express,
            _ if board.is_pcie() => Want::Root,
            _ => Want::Conventional,
        },
        "memballoon" => match device.attr("model").unwrap_or_default() {
            "none" => return None,
            model => virtio(Some(model)),
        },
        "rng" => virtio(device.attr("model")),
        "input" if device.is("bus", "virtio") => virtio(device.attr("model")),
        "watchdog" if device.is("model", "i6300esb") => Want::Conventional,
        "vsock" | "filesystem" | "shmem" | "crypto" => virtio(device.attr("model")),
        "hostdev" if device.is("type", "pci") => express,
        "hostdev" if matches!(device.attr("type"), Some("scsi_host" | "mdev")) => express,
        "serial" if device.attr_at("target", "type") == Some("pci-serial") => Want::Conventional,
        "iommu" if device.is("model", "virtio") => Want::Root,
        "panic" if device.is("model", "pvpanic") => Want::Root,
        _ => return None,
    })
}

/// Kinds in the order in which they get addresses.
fn rank(device: &Tree) -> u32 {
    match device.name.as_str() {
        "filesystem" => 1,
        "interface" => 2,
        "sound" => 3,
        "controller" => 4,
        "disk" => 5,
        "hostdev" => 6,
        "memballoon" => 7,
        "rng" => 8,
        "video" => 10,
        "shmem" => 11,
        "input" => 12,
        "serial" => 13,
        "watchdog" => 14,
        "vsock" => 15,
        _ => 16,
    }
}

/// The error for machines without a place for PCI devices.
pub(super) fn no_bus() -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::DOMAIN, "No PCI buses available")
}

/// Whether any device needs a PCI address.
pub(super) fn needed(domain: &Domain) -> bool {
    domain.devices().iter().any(|device| {
        device.child("address").is_none() && wants(device, Board::Pc).is_some() && device.name != "video"
    })
}

/// Gives every PCI device its address, with the root ports that takes.
pub(super) fn assign(domain: &mut Domain, board: Board) -> Result<()> {
    let mut topology = Topology::of(domain);
    if !topology.buses.contains_key(&0) {
        return Err(no_bus());
    }
    for device in domain.devices() {
        if let Some(pci) = Pci::of(device)
            && device.name != "hostdev-source"
            && !topology.take(pci)
            && pci.function == 0
            && topology.buses.contains_key(&pci.bus)
        {
            return Err(Error::new(
                ErrorCode::XML_ERROR,
                ErrorDomain::DOMAIN,
                format!("Attempted double use of PCI Address {pci}"),
            ));
        }
    }
    builtin(domain, board, &mut topology);

    let mut order: Vec<usize> = (0..domain.devices().len()).collect();
    order.sort_by_key(|index| rank(&domain.devices()[*index]));
    for at in 0..order.len() {
        let index = order[at];
        let device = &domain.devices()[index];
        if device.child("address").is_some_and(|address| !address.is("type", "pci"))
            || Pci::of(device).is_some()
        {
            continue;
        }
        let Some(want) = wants(device, board) else { continue };
        let before = domain.devices().len();
        let place = match want {
            Want::Root => root(&topology, device),
            Want::Conventional if !board.is_pcie() => topology.conventional(),
            Want::Conventional => Some(conventional_behind_express(domain, &mut topology)),
            Want::Express => Some(match topology.port() {
                Some(port) => port,
                None => add_port(domain, &mut topology),
            }),
        };
        let Some(place) = place else {
            return Err(Error::internal(ErrorDomain::DOMAIN, "No more available PCI slots"));
        };
        topology.take(place);
        let added = domain.devices().len() - before;
        if added > 0 {
            // New controllers stand together somewhere before or behind: everything behind them has moved.
            let first =
                domain.devices().iter().position(|device| is_new(device, &topology, added)).unwrap_or(before);
            for other in order.iter_mut().filter(|other| **other >= first) {
                *other += added;
            }
        }
        place.put(&mut domain.devices_mut()[order[at]]);
    }
    if board.is_pcie() {
        finish_ports(domain, &mut topology);
    }
    Ok(())
}

/// Whether this is the first of the `added` controllers that were made last: they have the highest indexes.
fn is_new(device: &Tree, topology: &Topology, added: usize) -> bool {
    let first = topology.buses.len() - added;
    let index = topology.buses.keys().nth(first).map(u32::to_string);
    device.name == "controller" && device.is("type", "pci") && device.attr("index") == index.as_deref()
}

/// Devices that are part of the chip set have fixed places.
fn builtin(domain: &mut Domain, board: Board, topology: &mut Topology) {
    match board {
        Board::Pc => {
            // Host bridge, ISA bridge with IDE, USB and power management.
            topology.take_slot(0, 0);
            let fixed = |kind: &str, model: Option<&str>, function: u32, domain: &mut Domain| {
                let found = domain.devices_mut().iter_mut().find(|device| {
                    device.name == "controller"
                        && device.is("type", kind)
                        && device.is("index", "0")
                        && model.is_none_or(|model| device.is("model", model))
                        && Pci::of(device).is_none()
                });
                if let Some(device) = found {
                    Pci { slot: 1, function, ..Pci::default() }.put(device);
                }
            };
            fixed("ide", None, 1, domain);
            fixed("usb", Some("piix3-uhci"), 2, domain);
            topology.take_slot(0, 1);
            video(domain, topology, 2);
        }
        Board::Q35 => {
            topology.take_slot(0, 0);
            let sata = domain.devices_mut().iter_mut().find(|device| {
                device.name == "controller"
                    && device.is("type", "sata")
                    && device.is("index", "0")
                    && Pci::of(device).is_none()
            });
            if let Some(device) = sata {
                Pci { slot: 0x1f, function: 2, ..Pci::default() }.put(device);
            }
            topology.take_slot(0, 0x1f);
            video(domain, topology, 1);
        }
        _ => topology.take_slot(0, 0),
    }
}

/// The first screen has a fixed slot where that is free.
fn video(domain: &mut Domain, topology: &mut Topology, slot: u32) {
    let free = topology.buses.get(&0).is_some_and(|(_, slots)| !slots.contains_key(&slot));
    if !free {
        return;
    }
    let first = domain.devices_mut().iter_mut().find(|device| device.name == "video");
    if let Some(device) = first
        && Pci::of(device).is_none()
        && !matches!(device.attr_at("model", "type"), Some("none" | "ramfb"))
    {
        Pci { slot, ..Pci::default() }.put(device);
        topology.take_slot(0, slot);
    }
}

/// A slot of the root bus for what is part of it.
fn root(topology: &Topology, device: &Tree) -> Option<Pci> {
    let (_, slots) = topology.buses.get(&0)?;
    let first = if device.name == "sound" { 0x1b } else { 1 };
    let slot = (first..32).chain(1..first).find(|slot| !slots.contains_key(slot))?;
    Some(Pci { slot, ..Pci::default() })
}

fn next_index(topology: &Topology) -> u32 {
    (1..).find(|index| !topology.buses.contains_key(index)).unwrap_or(1)
}

/// Adds a root port; its own address follows when all ports are known.
fn add_port(domain: &mut Domain, topology: &mut Topology) -> Pci {
    let index = next_index(topology);
    let port = Tree::new("controller")
        .with("type", "pci")
        .with("index", index.to_string())
        .with("model", "pcie-root-port");
    super::controllers::insert(domain, port);
    topology.buses.insert(index, ("pcie-root-port".to_owned(), Slots::new()));
    Pci { bus: index, ..Pci::default() }
}

/// A conventional slot on a machine that has only Express: behind a bridge in a root port.
fn conventional_behind_express(domain: &mut Domain, topology: &mut Topology) -> Pci {
    if let Some(place) = topology.conventional() {
        return place;
    }
    let port = topology.port().unwrap_or_else(|| add_port(domain, topology));
    let index = next_index(topology);
    let mut bridge = Tree::new("controller")
        .with("type", "pci")
        .with("index", index.to_string())
        .with("model", "pcie-to-pci-bridge");
    port.put(&mut bridge);
    topology.take(port);
    super::controllers::insert(domain, bridge);
    topology.buses.insert(index, ("pcie-to-pci-bridge".to_owned(), Slots::new()));
    Pci { bus: index, slot: 1, ..Pci::default() }
}

/// One port more than is taken, then addresses, chassis and port numbers of the ports.
fn finish_ports(domain: &mut Domain, topology: &mut Topology) {
    let ports = topology.buses.values().any(|(model, _)| model == "pcie-root-port");
    if ports && topology.port().is_none() {
        add_port(domain, topology);
    }
    let mut pending: Vec<usize> = Vec::new();
    for (index, device) in domain.devices().iter().enumerate() {
        if device.name == "controller"
            && device.is("type", "pci")
            && device.is("model", "pcie-root-port")
            && Pci::of(device).is_none()
        {
            pending.push(index);
        }
    }
    for index in pending {
        let place = {
            let slots = &topology.buses[&0].1;
            // A slot that is shared by ports only takes eight of them.
            let shared = domain
                .devices()
                .iter()
                .filter(|device| device.is("model", "pcie-root-port"))
                .filter_map(Pci::of)
                .filter(|pci| pci.bus == 0)
                .map(|pci| pci.slot)
                .find_map(|slot| {
                    let used = slots.get(&slot).copied().unwrap_or(0);
                    (0..8).find(|function| used & (1 << function) == 0).map(|function| Pci {
                        slot,
                        function,
                        ..Pci::default()
                    })
                });
            shared.or_else(|| {
                (1..32).find(|slot| !slots.contains_key(slot)).map(|slot| Pci { slot, ..Pci::default() })
            })
        };
        let Some(place) = place else { return };
        topology.take(place);
        let device = &mut domain.devices_mut()[index];
        place.put(device);
        if place.function == 0 {
            device.child_or_new("address").set("multifunction", "on");
        }
    }
    let mut chassis = 0;
    for device in domain.devices_mut() {
        if device.name != "controller" || !device.is("type", "pci") {
            continue;
        }
        let model = device.attr("model").unwrap_or_default().to_owned();
        let name = match model.as_str() {
            "pcie-root-port" => "pcie-root-port",
            "pcie-to-pci-bridge" => "pcie-pci-bridge",
            _ => continue,
        };
        if device.child("model").is_none() {
            device.children.push(Tree::new("model").with("name", name));
        }
        if model == "pcie-root-port" {
            chassis += 1;
            let index = number(device.attr("index")).unwrap_or(chassis);
            let pci = Pci::of(device).unwrap_or_default();
            let target = device.child_or_new("target");
            target.default_to("chassis", &index.to_string());
            target.default_to("port", &format!("0x{:x}", (pci.slot << 3) + pci.function));
        }
    }
}
