//! Addresses of PCI devices, as pools of devices list them.

use base::{Error, ErrorCode, ErrorDomain, Result};
use std::fmt;
use std::str::FromStr;
use xml::{Element, Node};

use crate::read;

/// Where a PCI device is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct PciAddress {
    /// Domain.
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Slot, 0 to 31.
    pub slot: u8,
    /// Function, 0 to 7.
    pub function: u8,
    /// The document says whether the slot has several functions.
    pub multifunction: Option<bool>,
}

base::text_enum! {
    enum OnOff {
        On = "on",
        Off = "off",
    }
}

fn too_large(name: &str, shown: &str, limit: &str) -> Error {
    let text = format!("Invalid PCI address {name}={shown}, must be <= {limit}");
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::NONE, text)
}

impl PciAddress {
    /// Reads the attributes of an `<address>`.
    ///
    /// # Errors
    /// In the reference's words.
    pub fn parse(node: Node<'_>) -> Result<PciAddress> {
        let number = |name| Ok::<_, Error>(read::unsigned32(node, name, true)?.unwrap_or(0));
        let (domain, bus) = (number("domain")?, number("bus")?);
        let (slot, function) = (number("slot")?, number("function")?);
        let multifunction = read::member::<OnOff>(node, "multifunction")?;
        let bus_byte = u8::try_from(bus).map_err(|_| too_large("bus", &format!("'0x{bus:x}'"), "0xFF"))?;
        if slot > 0x1f {
            return Err(too_large("slot", &format!("'0x{slot:x}'"), "0x1F"));
        }
        if function > 7 {
            return Err(too_large("function", &format!("0x{function:x}"), "7"));
        }
        Ok(PciAddress {
            domain,
            bus: bus_byte,
            slot: slot as u8,
            function: function as u8,
            multifunction: multifunction.map(|value| value == OnOff::On),
        })
    }

    /// Whether both are the same device.
    pub fn same_device(&self, other: &PciAddress) -> bool {
        PciAddress { multifunction: None, ..*self } == PciAddress { multifunction: None, ..*other }
    }

    pub(crate) fn attributes<'w, 'n>(&self, element: Element<'w, 'n>) -> Element<'w, 'n> {
        element
            .attr("domain", format_args!("0x{:04x}", self.domain))
            .attr("bus", format_args!("0x{:02x}", self.bus))
            .attr("slot", format_args!("0x{:02x}", self.slot))
            .attr("function", format_args!("0x{:x}", self.function))
            .attr_opt("multifunction", self.multifunction.map(|on| if on { "on" } else { "off" }))
    }
}

/// As the kernel spells it: `0000:03:10.0`.
impl FromStr for PciAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<PciAddress> {
        let wrong = || {
            Error::new(ErrorCode::INTERNAL_ERROR, ErrorDomain::NONE, format!("'{text}' is no PCI address"))
        };
        let (domain, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (bus, rest) = rest.split_once(':').ok_or_else(wrong)?;
        let (slot, function) = rest.split_once('.').ok_or_else(wrong)?;
        let byte = |text| u8::from_str_radix(text, 16).map_err(|_| wrong());
        let found = PciAddress {
            domain: u32::from_str_radix(domain, 16).map_err(|_| wrong())?,
            bus: byte(bus)?,
            slot: byte(slot)?,
            function: byte(function)?,
            multifunction: None,
        };
        if found.slot <= 0x1f && found.function <= 7 { Ok(found) } else { Err(wrong()) }
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.slot, self.function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelled_as_the_kernel_does() {
        let address: PciAddress = "0000:03:1f.7".parse().unwrap();
        assert_eq!(address.to_string(), "0000:03:1f.7");
        for wrong in ["", "03:00.0", "0000:03:20.0", "0000:03:00.8", "0000:3g:00.0"] {
            assert!(wrong.parse::<PciAddress>().is_err(), "{wrong}");
        }
    }
}
