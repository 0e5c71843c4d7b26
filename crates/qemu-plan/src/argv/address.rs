//! Where a device sits: the members of its arguments that say so, and the names of buses.
//!
//! A bus goes by the name of the controller that offers it. Controllers that the machine has built in have names of their
//! own that no definition can change.

use super::{Builder, Json, alias_of, on_off};
use crate::complete::{Board, arch};
use conf_domain::Domain;
use conf_domain::device::Pci;
use xml::Tree;

/// A number in decimal or, after `0x`, in hexadecimal.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The first controller of a type and a number. Of the parts of a USB controller it is the one that owns the bus.
pub(crate) fn controller<'d>(domain: &'d Domain, kind: &str, index: u32) -> Option<&'d Tree> {
    let index = index.to_string();
    domain.devices().iter().find(|device| {
        device.name == "controller"
            && device.is("type", kind)
            && device.is("index", &index)
            && device.child("master").is_none()
    })
}

/// Whether the root bus counts: `pci.0`, not `pci`.
fn root_counts(domain: &Domain) -> bool {
    let arch = arch(domain);
    let board = Board::of_domain(domain);
    matches!(arch, "x86_64" | "i686" | "ppc" | "ppc64" | "ppc64le" | "s390" | "s390x") || board == Board::Virt
}

/// Name of the bus that a PCI controller offers.
pub(crate) fn pci_bus(domain: &Domain, index: u32) -> String {
    let root = if root_counts(domain) { "pci.0" } else { "pci" };
    let Some(controller) = controller(domain, "pci", index) else {
        return if index == 0 { root.to_owned() } else { format!("pci.{index}") };
    };
    match controller.attr("model").unwrap_or_default() {
        "pci-root" if index == 0 => root.to_owned(),
        "pcie-root" => "pcie.0".to_owned(),
        // A further host bridge has its only bus below it.
        "pci-root" => format!("{}.0", alias_of(controller)),
        _ => alias_of(controller).to_owned(),
    }
}

/// Name of the bus that a USB controller offers.
pub(crate) fn usb_bus(domain: &Domain, index: u32) -> String {
    let alias = controller(domain, "usb", index).map(alias_of).filter(|alias| !alias.is_empty());
    let usual = || if index == 0 { "usb".to_owned() } else { format!("usb{index}") };
    format!("{}.0", alias.map_or_else(usual, str::to_owned))
}

/// Slot and function as the emulator writes them.
fn slot(pci: Pci) -> String {
    match pci.function {
        0 => format!("0x{:x}", pci.slot),
        function => format!("0x{:x}.0x{function:x}", pci.slot),
    }
}

/// Number of a channel device: `fe.0.0001`.
fn devno(address: &Tree) -> String {
    let part = |name: &str| address.attr(name).and_then(number).unwrap_or(0);
    format!("{:x}.{:x}.{:04x}", part("cssid"), part("ssid"), part("devno"))
}

/// The members that say where a device of this definition sits.
fn members(domain: &Domain, json: Json, device: &Tree) -> Json {
    let Some(address) = device.child("address") else { return json };
    let value = |name: &str| address.attr(name).and_then(number);
    match address.attr("type").unwrap_or_default() {
        "pci" => match Pci::of(device) {
            Some(pci) => json
                .put("bus", pci_bus(domain, pci.bus))
                .put_opt("multifunction", on_off(address.attr("multifunction")))
                .put("addr", slot(pci)),
            None => json,
        },
        "usb" => {
            let index = value("bus").and_then(|bus| u32::try_from(bus).ok()).unwrap_or(0);
            json.put("bus", usb_bus(domain, index)).put_opt("port", address.attr("port"))
        }
        "spapr-vio" => json.put_opt("reg", value("reg")),
        "ccw" => json.put("devno", devno(address)),
        "isa" => json.put_opt("iobase", value("iobase")).put_opt("irq", value("irq")),
        "dimm" => json.put_opt("slot", value("slot")).put_opt("addr", value("base")),
        _ => json,
    }
}

impl Builder<'_> {
    /// Adds where a device sits.
    pub(crate) fn place(&self, json: Json, device: &Tree) -> Json {
        let json = members(self.domain, json, device);
        json.put_opt("acpi-index", device.attr_at("acpi", "index").and_then(number))
    }

    /// The companion that gives a PCI device of s390 its numbers. It comes before the device.
    pub(super) fn zpci(&self, alias: &str) -> Option<Json> {
        if alias.is_empty() || !self.domain.tree.at("os/type")?.attr("arch")?.starts_with("s390") {
            return None;
        }
        // Modules of memory go without.
        let mut devices = self.domain.devices().iter().filter(|device| device.name != "memory");
        let device = devices.find(|device| alias_of(device) == alias)?;
        let zpci = device.child("address").filter(|address| address.is("type", "pci"))?.child("zpci")?;
        let part = |name: &str| zpci.attr(name).and_then(number);
        let uid = part("uid")?;
        let json = Json::driver("zpci").put("uid", uid).put_opt("fid", part("fid"));
        Some(json.put("target", alias).put("id", format!("zpci{uid}")))
    }
}
