//! PCI slots: one bus, 32 slots, one function each.

use base::{Error, ErrorDomain, Result};
use conf_domain::Domain;
use conf_domain::device::Pci;
use std::collections::BTreeSet;
use xml::Tree;

/// Slots of the bus.
const SLOTS: u32 = 32;

/// Kept for the LPC bridge.
const LPC: u32 = 1;

fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::DOMAIN, text)
}

fn is_lpc(device: &Tree) -> bool {
    device.name == "controller" && device.is("type", "isa")
}

/// Kinds in the order in which they get their slots.
const ORDER: &[fn(&Tree) -> bool] = &[
    |device| {
        device.name == "controller"
            && matches!(device.attr("type"), Some("usb" | "sata" | "scsi" | "virtio-serial"))
    },
    |device| device.name == "interface",
    |device| device.name == "disk" && device.attr_at("target", "bus") == Some("virtio"),
    |device| device.name == "video",
    |device| device.name == "sound",
    |device| device.name == "filesystem",
    |device| device.name == "rng",
];

/// Gives every device on the bus that has no place one.
///
/// # Errors
/// When slot 1 is taken by another device than the LPC bridge, a slot is taken twice, or there is none left.
pub(crate) fn assign(domain: &mut Domain) -> Result<()> {
    let mut taken = BTreeSet::from([0, LPC]);
    let mut fixed = BTreeSet::new();
    for device in domain.devices() {
        let Some(place) = Pci::of(device).filter(|place| place.domain == 0 && place.bus == 0) else {
            continue;
        };
        if place.slot == 0 {
            continue;
        }
        if place.slot == LPC && !is_lpc(device) {
            return Err(internal("PCI bus 0 slot 1 is reserved for the implicit LPC PCI-ISA bridge"));
        }
        if !fixed.insert((place.slot, place.function)) {
            return Err(internal(format!("Attempted double use of PCI Address {place}")));
        }
        taken.insert(place.slot);
    }
    let devices = domain.devices_mut();
    let open = |device: &Tree| {
        device.child("address").is_none()
            || device.attr_at("address", "type") == Some("pci") && Pci::of(device).is_none()
    };
    for device in devices.iter_mut().filter(|device| is_lpc(device) && open(device)) {
        Pci { slot: LPC, ..Pci::default() }.put(device);
    }
    for kind in ORDER {
        for device in devices.iter_mut().filter(|device| kind(device) && open(device)) {
            let slot = (0..SLOTS).find(|slot| !taken.contains(slot));
            let slot = slot.ok_or_else(|| internal("No more available PCI slots"))?;
            taken.insert(slot);
            Pci { slot, ..Pci::default() }.put(device);
        }
    }
    Ok(())
}
