//! `usb_device` and `usb`: a device on a USB bus, and one of its interfaces.

use base::Result;
use xml::Writer;

use crate::read::{Identifier, Part};

/// A USB device.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Device {
    /// Bus.
    pub bus: u32,
    /// Number on the bus.
    pub device: u32,
    /// What it is.
    pub product: Identifier,
    /// Who made it.
    pub vendor: Identifier,
}

impl Device {
    pub(crate) fn parse(part: Part<'_>) -> Result<Device> {
        Ok(Device {
            bus: part.needed_u32("bus", "USB bus number")?,
            device: part.needed_u32("device", "USB device number")?,
            vendor: part.identifier("vendor", "USB vendor ID")?,
            product: part.identifier("product", "USB product ID")?,
        })
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.leaf("bus", self.bus);
        w.leaf("device", self.device);
        self.product.format("product", w);
        self.vendor.format("vendor", w);
    }
}

/// An interface of a USB device.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Interface {
    /// Number within the device.
    pub number: u32,
    /// Class.
    pub class: u32,
    /// Class within the class.
    pub subclass: u32,
    /// Protocol.
    pub protocol: u32,
    /// What people call it.
    pub description: Option<String>,
}

impl Interface {
    pub(crate) fn parse(part: Part<'_>) -> Result<Interface> {
        Ok(Interface {
            number: part.needed_u32("number", "USB interface number")?,
            class: part.needed_u32("class", "USB interface class")?,
            subclass: part.needed_u32("subclass", "USB interface subclass")?,
            protocol: part.needed_u32("protocol", "USB interface protocol")?,
            description: part.text("description"),
        })
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.leaf("number", self.number);
        w.leaf("class", self.class);
        w.leaf("subclass", self.subclass);
        w.leaf("protocol", self.protocol);
        w.leaf_opt("description", self.description.as_ref());
    }
}
