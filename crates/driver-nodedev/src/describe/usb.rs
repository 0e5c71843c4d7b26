//! Devices on USB buses.

use crate::sysfs::Entry;
use crate::udev::plain;
use conf_nodedev::Capability;
use conf_nodedev::Identifier;
use conf_nodedev::capability::usb;

fn identifier(entry: &Entry, number: &str, listed: &str, own: &str) -> Option<Identifier> {
    let name = entry.property(listed).map(plain).or_else(|| entry.attr(own));
    Some(Identifier { number: entry.hexadecimal(number)?, name })
}

pub(super) fn device(entry: &Entry) -> Option<Capability> {
    let number = |name: &str| entry.property(name).and_then(|text| text.parse().ok());
    Some(Capability::UsbDevice(usb::Device {
        bus: number("BUSNUM")?,
        device: number("DEVNUM")?,
        vendor: identifier(entry, "idVendor", "ID_VENDOR_FROM_DATABASE", "manufacturer")?,
        product: identifier(entry, "idProduct", "ID_MODEL_FROM_DATABASE", "product")?,
    }))
}

pub(super) fn interface(entry: &Entry) -> Option<Capability> {
    Some(Capability::UsbInterface(usb::Interface {
        number: entry.hexadecimal("bInterfaceNumber")?,
        class: entry.hexadecimal("bInterfaceClass")?,
        subclass: entry.hexadecimal("bInterfaceSubClass")?,
        protocol: entry.hexadecimal("bInterfaceProtocol")?,
        description: entry.attr("interface"),
    }))
}
