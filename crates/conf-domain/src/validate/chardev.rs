//! Character devices.

use crate::fault::unsupported;
use base::{Error, ErrorDomain, Result};
use xml::Tree;

pub(super) fn check(device: &Tree) -> Result<()> {
    let given = |name: &str| device.attr_at("source", name).is_some();
    let internal = |text: &str| Err(Error::internal(ErrorDomain::DOMAIN, text));
    match device.attr("type").unwrap_or_default() {
        "dev" | "file" | "pipe" if !given("path") => {
            return internal("Missing source path attribute for char device");
        }
        "nmdm" if given("master") != given("slave") => {
            return internal("Should define both master and slave path attributes for nmdm device");
        }
        "spiceport" if !given("channel") => {
            return Err(unsupported("Missing source channel attribute for char device"));
        }
        "spicevmc" if device.name == "channel" && device.attr_at("target", "type") != Some("virtio") => {
            return Err(unsupported("spicevmc device type only supports virtio"));
        }
        _ => {}
    }
    for source in device.all("source") {
        let connects = source.attr("mode").is_none_or(|mode| mode == "connect");
        if source.child("reconnect").is_some_and(|reconnect| reconnect.is("enabled", "yes")) && !connects {
            return internal("chardev reconnect is possible only for connect mode");
        }
    }
    if device.name == "serial" {
        let kind = device.attr_at("target", "type");
        if kind == Some("usb-serial")
            && device.child("address").is_some_and(|address| !address.is("type", "usb"))
        {
            return Err(unsupported("usb-serial requires address of usb type"));
        }
        if kind == Some("pci-serial")
            && device.child("address").is_some_and(|address| !address.is("type", "pci"))
        {
            return Err(unsupported("pci-serial requires address of pci type"));
        }
    }
    Ok(())
}
