//! PCI controllers: their default models, those that are missing, and the numbers they show to the guest.

use super::bus::Buses;
use super::{is_pci_controller, number};
use crate::complete::setting::{Board, Setting};
use conf_domain::Domain;
use conf_domain::device::{Decimal, Hex, Pci};
use qemu_caps::Flag;
use xml::Tree;

/// The emulator's device behind a controller's model.
fn device_name(model: &str, setting: &Setting<'_>) -> Option<&'static str> {
    Some(match model {
        "pci-bridge" => "pci-bridge",
        "dmi-to-pci-bridge" => "i82801b11-bridge",
        "pcie-to-pci-bridge" => "pcie-pci-bridge",
        "pcie-root-port" if setting.has(Flag::PcieRootPort) => "pcie-root-port",
        "pcie-root-port" => "ioh3420",
        "pcie-switch-upstream-port" => "x3130-upstream",
        "pcie-switch-downstream-port" => "xio3130-downstream",
        "pci-expander-bus" => "pxb",
        "pcie-expander-bus" => "pxb-pcie",
        "pci-root" if setting.board == Board::Pseries => "spapr-pci-host-bridge",
        _ => return None,
    })
}

/// Names the devices behind controllers that leave it open.
pub(super) fn models(domain: &mut Domain, setting: &Setting<'_>) {
    for device in domain.devices_mut().iter_mut().filter(|device| is_pci_controller(device)) {
        let Some(name) = device.attr("model").and_then(|model| device_name(model, setting)) else { continue };
        if device.child("model").is_none() {
            device.children.insert(0, Tree::new("model").with("name", name));
        }
    }
}

/// Places of the PCI controllers among the devices, and their numbers.
pub(super) fn standing(domain: &Domain) -> Vec<(usize, u32)> {
    let devices = domain.devices().iter().enumerate();
    devices
        .filter(|(_, device)| is_pci_controller(device))
        .filter_map(|(at, device)| Some((at, number(device.attr("index"))?)))
        .collect()
}

/// Adds controllers, each before the first with a higher number. Tells in which place among the devices each was put, in that order.
pub(super) fn add<'m>(
    domain: &mut Domain,
    mut standing: Vec<(usize, u32)>,
    missing: &[(u32, &'m str)],
    setting: &Setting<'_>,
) -> Vec<(usize, &'m str)> {
    let devices = domain.devices_mut();
    devices.reserve(missing.len());
    let mut added = Vec::with_capacity(missing.len());
    // Nearly always they are all of one model.
    let mut shown: Option<Tree> = None;
    for (index, model) in missing {
        let next = standing.iter().position(|(_, other)| other > index).unwrap_or(standing.len());
        let at = match standing.get(next) {
            Some((at, _)) => *at,
            None => standing.last().map_or(devices.len(), |(at, _)| at + 1),
        };
        let mut new = Tree::new("controller");
        new.attrs.set_all(&[("type", "pci"), ("index", Decimal::of(*index).as_str()), ("model", model)]);
        if let Some(name) = device_name(model, setting) {
            // Its model, its port and its address.
            new.children.reserve(3);
            let known = shown.take().filter(|shown| shown.is("name", name));
            let model = known.unwrap_or_else(|| Tree::new("model").with("name", name));
            new.children.push(model.clone());
            shown = Some(model);
        }
        devices.insert(at, new);
        added.push((at, *model));
        standing.insert(next, (at, *index));
        standing.iter_mut().skip(next + 1).for_each(|(at, _)| *at += 1);
    }
    added
}

/// Numbers of chassis, ports, buses and host bridges, where the definition leaves them open.
pub(super) fn numbers(domain: &mut Domain, buses: &Buses, places: &[Option<Pci>]) {
    let (mut bus_numbers, mut host_bridges) = (Vec::new(), Vec::new());
    for target in domain.devices().iter().filter(|device| is_pci_controller(device)).filter_map(target) {
        bus_numbers.extend(number(target.attr("busNr")));
        host_bridges.extend(number(target.attr("index")));
    }
    let devices = domain.devices_mut().iter_mut().zip(places);
    for (device, place) in devices.filter(|(device, _)| is_pci_controller(device)) {
        let index = number(device.attr("index")).unwrap_or(0);
        match device.attr("model").unwrap_or_default() {
            "pci-bridge" => {
                device.child_or_new("target").default_to("chassisNr", Decimal::of(index).as_str());
            }
            model @ ("pcie-root-port" | "pcie-switch-downstream-port") => {
                let port = place.map_or(0, |place| match model {
                    "pcie-root-port" => place.slot << 3 | place.function,
                    _ => place.slot,
                });
                let (chassis, port) = (Decimal::of(index), Hex::of(port, 1));
                let target = device.child_or_new("target");
                if target.attrs.is_empty() {
                    target.attrs.set_all(&[("chassis", chassis.as_str()), ("port", port.as_str())]);
                } else {
                    target.default_to("chassis", chassis.as_str());
                    target.default_to("port", port.as_str());
                }
            }
            "pci-expander-bus" | "pcie-expander-bus" if device.attr_at("target", "busNr").is_none() => {
                // Counted down from the top, with room for a bus behind each.
                let lowest = bus_numbers.iter().copied().min().unwrap_or(256);
                let free = lowest.saturating_sub(2);
                bus_numbers.push(free);
                device.child_or_new("target").set("busNr", free.to_string());
            }
            "pci-root" if buses.many_roots && device.attr_at("target", "index").is_none() => {
                let free = match index {
                    0 => 0,
                    _ => (1..31).find(|free| !host_bridges.contains(free)).unwrap_or(index),
                };
                host_bridges.push(free);
                device.child_or_new("target").set("index", free.to_string());
            }
            _ => {}
        }
    }
}

fn target(device: &Tree) -> Option<&Tree> {
    device.child("target")
}
