//! `<address>`: one spelling for each kind.

use crate::fault::unsupported;
use base::{Error, ErrorCode, ErrorDomain, Result};
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

/// A number as a document spells it, in place.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    text: [u8; 10],
    start: usize,
}

impl Decimal {
    /// Of a number.
    pub fn of(value: u32) -> Decimal {
        let mut text = [0; 10];
        let (mut left, mut start) = (value, text.len());
        while start == text.len() || left > 0 && start > 0 {
            start -= 1;
            text[start] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        Decimal { text, start }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.text.get(self.start..).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

/// `0x` and at least so many digits, in place.
#[derive(Debug, Clone, Copy)]
pub struct Hex {
    text: [u8; 10],
    start: usize,
}

impl Hex {
    /// Of a number.
    pub fn of(value: u32, width: usize) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 10];
        let (mut left, mut start) = (value, text.len());
        while start > 2 && (left > 0 || text.len() - start < width) {
            start -= 1;
            text[start] = DIGITS[left as usize & 15];
            left >>= 4;
        }
        start -= 2;
        text[start] = b'0';
        text[start + 1] = b'x';
        Hex { text, start }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.text.get(self.start..).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl Pci {
    /// The address of a device, when it is a PCI address.
    pub fn of(device: &Tree) -> Option<Pci> {
        let address = device.child("address")?;
        let mut place = Pci::default();
        let mut is_pci = false;
        for (name, value) in address.attrs.iter() {
            let field = match name {
                "type" => {
                    is_pci = value == "pci";
                    continue;
                }
                "domain" => &mut place.domain,
                "bus" => &mut place.bus,
                "slot" => &mut place.slot,
                "function" => &mut place.function,
                _ => continue,
            };
            *field = number(value).unwrap_or(0);
        }
        // One without a place asks for one.
        (is_pci && (place.domain, place.bus, place.slot) != (0, 0, 0)).then_some(place)
    }

    /// Bounds of the parts.
    fn check(self) -> Result<()> {
        let refused = |text: String| Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::NONE, text));
        if self.bus > 0xFF {
            return refused(format!("Invalid PCI address bus='0x{:x}', must be <= 0xFF", self.bus));
        }
        if self.slot > 0x1F {
            return refused(format!("Invalid PCI address slot='0x{:x}', must be <= 0x1F", self.slot));
        }
        if self.function > 7 {
            return refused(format!("Invalid PCI address function=0x{:x}, must be <= 7", self.function));
        }
        Ok(())
    }

    /// Domain, bus, slot and function as they are spelled.
    fn hex(self) -> [Hex; 4] {
        [(self.domain, 4), (self.bus, 2), (self.slot, 2), (self.function, 1)]
            .map(|(value, width)| Hex::of(value, width))
    }

    /// Writes it into a device, keeping other parts of the address.
    pub fn put(self, device: &mut Tree) {
        let attrs = &mut device.child_or_new("address").attrs;
        let small = |value: u32| SMALL.get(value as usize).copied();
        // Nearly all addresses are of the first segment.
        if let (0, Some(bus), Some(slot), Some(function)) =
            (self.domain, small(self.bus), small(self.slot), FUNCTIONS.get(self.function as usize))
        {
            attrs.set_all(&[
                ("type", "pci"),
                ("domain", "0x0000"),
                ("bus", bus),
                ("slot", slot),
                ("function", function),
            ]);
            return;
        }
        let [domain, bus, slot, function] = self.hex();
        attrs.set_all(&[
            ("type", "pci"),
            ("domain", domain.as_str()),
            ("bus", bus.as_str()),
            ("slot", slot.as_str()),
            ("function", function.as_str()),
        ]);
    }
}

/// `0x` and two digits: the bytes of all.
const SMALL_BYTES: [[u8; 4]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut all = [*b"0x00"; 256];
    let mut at = 0;
    while at < all.len() {
        all[at][2] = DIGITS[at >> 4];
        all[at][3] = DIGITS[at & 15];
        at += 1;
    }
    all
};

/// `0x` and two digits, for buses and slots.
static SMALL: [&str; 256] = {
    const BYTES: &[[u8; 4]; 256] = &SMALL_BYTES;
    let mut all = [""; 256];
    let mut at = 0;
    while at < all.len() {
        if let Ok(text) = std::str::from_utf8(&BYTES[at]) {
            all[at] = text;
        }
        at += 1;
    }
    all
};

/// Functions of a slot.
const FUNCTIONS: [&str; 8] = ["0x0", "0x1", "0x2", "0x3", "0x4", "0x5", "0x6", "0x7"];

/// Spells the address of a device of the host.
///
/// # Errors
/// When a part is out of bounds.
pub(crate) fn pci_source(address: &mut Tree) -> Result<()> {
    let part = |name: &str| address.attr(name).and_then(number).unwrap_or(0);
    let pci =
        Pci { domain: part("domain"), bus: part("bus"), slot: part("slot"), function: part("function") };
    // One without a place is none yet.
    if (pci.domain, pci.bus, pci.slot) != (0, 0, 0) {
        pci.check()?;
    }
    for (name, text) in ["domain", "bus", "slot", "function"].iter().zip(pci.hex()) {
        address.set(name, text.as_str());
    }
    Ok(())
}

/// A number in decimal, octal (leading 0) or hexadecimal (leading 0x), as C reads it.
fn unsigned(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0').filter(|octal| !octal.is_empty()) {
        Some(octal) => u64::from_str_radix(octal, 8).ok(),
        None => text.parse().ok(),
    }
}

/// Spells the address of a device of the host in a `<source>`.
pub(crate) fn spell_host(source: &mut Tree) {
    let Some(address) = source.child_mut("address") else { return };
    if address.attr("slot").is_none() || address.attr("uuid").is_some() {
        return;
    }
    let digits = [("domain", 4), ("bus", 2), ("slot", 2), ("function", 1)];
    for (name, width) in digits {
        let value = address.attr(name).map_or(Some(0), number);
        if let Some(value) = value {
            address.set(name, format!("0x{value:0width$x}"));
        }
    }
}

/// Digits of the numbers of channel devices and zPCI functions.
fn hexadecimal(address: &mut Tree, digits: &[(&str, usize)]) {
    address.attrs.respell(|name, value| {
        let (_, width) = digits.iter().find(|(known, _)| *known == name)?;
        let value = unsigned(value)?;
        Some(format!("0x{value:0width$x}", width = *width))
    });
}

/// Where no driver gives identifiers, both are told when one is, and an address of zeros is told by them alone.
pub(crate) fn identify(device: &mut Tree) {
    let Some(address) = device.child_mut("address").filter(|address| address.is("type", "pci")) else {
        return;
    };
    let Some(zpci) = address.child_mut("zpci") else { return };
    if zpci.attr("uid").is_none() && zpci.attr("fid").is_none() {
        return;
    }
    zpci.default_to("uid", "0x0000");
    zpci.default_to("fid", "0x00000000");
    let zero = |name: &&str| address.attr(name).and_then(unsigned).is_none_or(|number| number == 0);
    if ["domain", "bus", "slot", "function"].iter().all(zero) {
        address.attrs.retain(|name, _| name == "type");
    }
}

/// Spells a device's address as it is printed.
pub(crate) fn spell(device: &mut Tree) {
    if device.name == "controller" && device.is("type", "pci") && device.is("model", "pci-root") {
        return;
    }
    if let Some(zpci) = device.child_mut("address").and_then(|address| address.child_mut("zpci")) {
        hexadecimal(zpci, &[("uid", 4), ("fid", 8)]);
    }
    if let Some(pci) = Pci::of(device) {
        pci.put(device);
        return;
    }
    let Some(address) = device.child_mut("address") else { return };
    match address.attr("type") {
        Some("ccw") => return hexadecimal(address, &[("cssid", 1), ("ssid", 1), ("devno", 4)]),
        Some("spapr-vio") => return hexadecimal(address, &[("reg", 8)]),
        Some("dimm") => {
            if let Some(base) = address.attr("base").and_then(unsigned) {
                address.set("base", format!("0x{base:x}"));
            }
        }
        _ => {}
    }
    if address.is("type", "isa") {
        // Nothing is said by zeros.
        address.attrs.retain(|name, value| name == "type" || number(value) != Some(0));
    }
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

/// Bounds of an address.
///
/// # Errors
/// When a part is out of bounds or missing.
pub(crate) fn check(device: &Tree, address: &Tree) -> Result<()> {
    match address.attr("type") {
        Some("pci") => {
            let root = matches!(device.attr("model"), Some("pci-root" | "pcie-root"));
            if device.name == "controller" && root {
                return Err(unsupported("pci-root and pcie-root controllers should not have an address"));
            }
            let Some(pci) = Pci::of(device) else { return Ok(()) };
            pci.check()
        }
        // A path through at most four ports.
        Some("usb") if !address.attr("port").is_none_or(port_path) => Err(Error::new(
            ErrorCode::INTERNAL_ERROR,
            ErrorDomain::DEVICE,
            "Cannot parse <address> 'port' attribute",
        )),
        Some("ccw") if ["cssid", "ssid", "devno"].iter().any(|name| address.attr(name).is_none()) => {
            let any = ["cssid", "ssid", "devno"].iter().any(|name| address.attr(name).is_some());
            if any {
                let text = "Invalid partial specification for virtio ccw address";
                return Err(Error::new(ErrorCode::INTERNAL_ERROR, ErrorDomain::DEVICE, text));
            }
            Ok(())
        }
        Some("ccw") => {
            let part = |name: &str| address.attr(name).and_then(number).unwrap_or(0);
            let (cssid, ssid, devno) = (part("cssid"), part("ssid"), part("devno"));
            if cssid <= 0xfe && ssid <= 3 && devno <= 0xffff {
                return Ok(());
            }
            let text = format!(
                "Invalid specification for virtio ccw address: cssid='0x{cssid:x}' ssid='0x{ssid:x}' devno='0x{devno:04x}'"
            );
            Err(Error::new(ErrorCode::INTERNAL_ERROR, ErrorDomain::DEVICE, text))
        }
        _ => Ok(()),
    }
}

fn port_path(text: &str) -> bool {
    text.split('.').count() <= 4 && text.split('.').all(|port| port.parse::<u32>().is_ok())
}
