//! `<address>`: one spelling for each kind.

use std::fmt;
use xml::Tree;

/// A place on a PCI bus.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Pci {
    /// Segment.
    pub domain: u32,
    /// Bus, the index of a controller.
    pub bus: u32,
    /// Slot, 0 to 31.
    pub slot: u32,
    /// Function, 0 to 7.
    pub function: u32,
}

impl fmt::Display for Pci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.slot, self.function)
    }
}

/// A number in decimal, octal (leading 0) or hexadecimal (leading 0x), as C reads it.
pub(crate) fn number(text: &str) -> Option<u32> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(hex, 16).ok();
    }
    if text.len() > 1
        && let Some(octal) = text.strip_prefix('0')
    {
        return u32::from_str_radix(octal, 8).ok();
    }
    text.parse().ok()
}

impl Pci {
    /// The address of a device, when it is a PCI address.
    pub fn of(device: &Tree) -> Option<Pci> {
        let address = device.child("address").filter(|address| address.is("type", "pci"))?;
        // A PCI address without a place asks for one.
        address.attr("bus").or_else(|| address.attr("slot"))?;
        let field = |name: &str| address.attr(name).and_then(number).unwrap_or(0);
        Some(Pci {
            domain: field("domain"),
            bus: field("bus"),
            slot: field("slot"),
            function: field("function"),
        })
    }

    /// Writes it into a device, keeping other parts of the address.
    pub fn put(self, device: &mut Tree) {
        let address = device.child_or_new("address");
        address.set("type", "pci");
        address.set("domain", format!("0x{:04x}", self.domain));
        address.set("bus", format!("0x{:02x}", self.bus));
        address.set("slot", format!("0x{:02x}", self.slot));
        address.set("function", format!("0x{:x}", self.function));
    }
}

/// Spells a device's address as it is printed.
pub(crate) fn spell(device: &mut Tree) {
    if device.name == "controller" && device.is("type", "pci") && device.is("model", "pci-root") {
        return;
    }
    if let Some(pci) = Pci::of(device) {
        pci.put(device);
        return;
    }
    let Some(address) = device.child_mut("address") else { return };
    let defaults: &[(&str, &str)] = match address.attr("type") {
        Some("drive") => &[("controller", "0"), ("bus", "0"), ("target", "0"), ("unit", "0")],
        Some("virtio-serial") => &[("controller", "0"), ("bus", "0")],
        Some("ccid") => &[("controller", "0"), ("slot", "0")],
        Some("usb") => &[("bus", "0")],
        _ => return,
    };
    for (name, value) in defaults {
        address.default_to(name, value);
    }
    address.attrs.respell(|name, value| {
        let decimal = number(value).filter(|_| name != "type" && name != "port")?;
        Some(decimal.to_string()).filter(|text| text != value)
    });
}
