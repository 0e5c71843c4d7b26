//! Character devices.

use crate::fault::unsupported;
use base::{Error, ErrorDomain, Result};
use xml::Tree;

pub(super) fn check(device: &Tree) -> Result<()> {
    for source in device.all("source") {
        let connects = source.attr("mode").is_none_or(|mode| mode == "connect");
        if source.child("reconnect").is_some_and(|reconnect| reconnect.is("enabled", "yes")) && !connects {
            return Err(Error::internal(
                ErrorDomain::DOMAIN,
                "chardev reconnect is possible only for connect mode",
            ));
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
