//! Controllers.

use crate::fault::{invalid, unsupported};
use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::Tree;

fn failed(text: &str) -> Error {
    Error::new(ErrorCode::XML_DETAIL, ErrorDomain::DOMAIN, text)
}

pub(super) fn check(controller: &Tree) -> Result<()> {
    let kind = controller.attr("type").unwrap_or_default();
    let model = controller.attr("model").unwrap_or_default();
    let driver = controller.child("driver");
    let virtio_scsi = kind == "scsi" && (model.is_empty() || model.starts_with("virtio"));
    if driver.is_some_and(|driver| driver.attr("iothread").is_some()) && !virtio_scsi {
        return Err(invalid("'iothread' attribute only supported for virtio scsi controllers"));
    }
    if driver.is_some_and(|driver| driver.child("iothreads").is_some()) && !virtio_scsi {
        return Err(unsupported("iothreads are supported only by 'virtio-scsi' controllers"));
    }
    if kind == "pci" && model == "pci-root" {
        phb(controller)?;
    }
    Ok(())
}

/// The host bridges of a pSeries machine are numbered by their target.
fn phb(controller: &Tree) -> Result<()> {
    let index = controller.attr("index").unwrap_or_default();
    if let Some(target) = controller.attr_at("target", "index")
        && (index == "0") != (target == "0")
    {
        return Err(unsupported(
            "Only the PCI controller with index 0 can have target index 0, and vice versa",
        ));
    }
    if index == "0" && controller.at("target/node").is_some() {
        return Err(unsupported("The PCI controller with index=0 can't be associated with a NUMA node"));
    }
    Ok(())
}

fn of_usb(devices: &[Tree]) -> impl Iterator<Item = &Tree> {
    devices.iter().filter(|device| device.name == "controller" && device.is("type", "usb"))
}

/// A guest without USB has no second controller, and controllers that are only parts need one that is whole.
pub(crate) fn usb_masters(devices: &[Tree]) -> Result<()> {
    let absent = of_usb(devices).any(|controller| controller.is("model", "none"));
    let mut all = of_usb(devices).peekable();
    if all.peek().is_none() {
        return Ok(());
    }
    if absent && of_usb(devices).count() == 1 {
        return Ok(());
    }
    if absent {
        return Err(failed("Can't add another USB controller: USB is disabled for this domain"));
    }
    let part = |controller: &Tree| {
        let model = controller.attr("model").unwrap_or_default();
        model.starts_with("ich9-uhci") || controller.child("master").is_some()
    };
    match all.all(part) {
        true => Err(failed("No master USB controller specified")),
        false => Ok(()),
    }
}

/// A guest without USB has no USB devices.
pub(crate) fn usb(devices: &[Tree]) -> Result<()> {
    let none = of_usb(devices).any(|controller| controller.is("model", "none"));
    if none {
        if devices.iter().any(|device| device.name == "hub" && device.is("type", "usb")) {
            return Err(unsupported("Can't add USB hub: USB is disabled for this domain"));
        }
        if devices.iter().any(|device| device.name == "input" && device.is("bus", "usb")) {
            return Err(unsupported("Can't add USB input device. USB bus is disabled"));
        }
        if devices.iter().any(|device| device.name == "hostdev" && device.is("type", "usb")) {
            return Err(unsupported("Can't add host USB device: USB is disabled in this host"));
        }
    }
    Ok(())
}
