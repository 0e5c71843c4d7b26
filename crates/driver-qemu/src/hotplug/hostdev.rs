//! Devices of the host that running guests get.

use crate::{FROM, error};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::path::Path;
use xml::Tree;

fn unsupported(text: impl Into<String>) -> Error {
    error(ErrorCode::CONFIG_UNSUPPORTED, text)
}

fn number(text: Option<&str>) -> u32 {
    let text = text.unwrap_or("0");
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).unwrap_or(0),
        None => text.parse().unwrap_or(0),
    }
}

/// Refuses devices that cannot be handed over while a guest runs.
pub(super) fn check(device: &Tree) -> Result<()> {
    match device.attr("type").unwrap_or_default() {
        "pci" if !Path::new("/dev/vfio/vfio").exists() => {
            Err(unsupported("host doesn't support passthrough of host PCI devices"))
        }
        "mdev" if !Path::new("/dev/vfio/vfio").exists() => {
            Err(unsupported("Mediated host device assignment requires VFIO support"))
        }
        "usb" | "pci" | "mdev" | "scsi" | "scsi_host" => Ok(()),
        other => Err(unsupported(format!("hotplug is not supported for hostdev subsys type '{other}'"))),
    }
}

/// Finds the device on the host.
pub(super) fn prepare(device: &mut Tree) -> Result<()> {
    match device.attr("type").unwrap_or_default() {
        "usb" => usb(device),
        "scsi" => scsi(device),
        _ => Ok(()),
    }
}

/// A USB device by vendor and product gets the address at which it was found.
fn usb(device: &mut Tree) -> Result<()> {
    const FOLDER: &str = "/sys/bus/usb/devices";
    let entries = std::fs::read_dir(FOLDER).map_err(|cause| {
        Error::system(ErrorDomain::NONE, &cause, format!("cannot open directory '{FOLDER}'"))
    })?;
    let source = device.child_or_new("source");
    let vendor = source.attr_at("vendor", "id").map(|id| number(Some(id)));
    let product = source.attr_at("product", "id").map(|id| number(Some(id)));
    let (bus, place) = (source.attr_at("address", "bus"), source.attr_at("address", "device"));
    let (bus, place) = (bus.map(|text| number(Some(text))), place.map(|text| number(Some(text))));
    let mut found = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).ok();
        let hex = |name: &str| u32::from_str_radix(read(name)?.trim(), 16).ok();
        let decimal = |name: &str| read(name)?.trim().parse::<u32>().ok();
        let (Some(its_vendor), Some(its_product)) = (hex("idVendor"), hex("idProduct")) else { continue };
        let (Some(its_bus), Some(its_place)) = (decimal("busnum"), decimal("devnum")) else { continue };
        let fits = vendor.is_none_or(|vendor| vendor == its_vendor)
            && product.is_none_or(|product| product == its_product)
            && bus.is_none_or(|bus| bus == its_bus)
            && place.is_none_or(|place| place == its_place);
        if fits {
            found.push((its_bus, its_place));
        }
    }
    let named = match (vendor, product) {
        (Some(vendor), Some(product)) => format!("{vendor:04x}:{product:04x}"),
        _ => format!("bus:{} device:{}", bus.unwrap_or(0), place.unwrap_or(0)),
    };
    match found.as_slice() {
        [] => Err(Error::internal(ErrorDomain::NONE, format!("Did not find USB device {named}"))),
        [(bus, place)] => {
            let address = source.child_or_new("address");
            address.set("bus", bus.to_string());
            address.set("device", place.to_string());
            Ok(())
        }
        _ => Err(Error::operation_failed(
            FROM,
            format!("multiple USB devices for {named}, use <address> to specify one"),
        )),
    }
}

/// A SCSI device of the host is reached by its generic device.
fn scsi(device: &Tree) -> Result<()> {
    let source = device.child("source");
    let adapter = source.and_then(|source| source.attr_at("adapter", "name")).unwrap_or_default();
    let host = adapter.trim_start_matches("scsi_host");
    let address = source.and_then(|source| source.child("address"));
    let part = |name: &str| address.and_then(|address| address.attr(name)).unwrap_or("0").to_owned();
    let folder = format!(
        "/sys/bus/scsi/devices/{host}:{}:{}:{}/scsi_generic",
        part("bus"),
        part("target"),
        part("unit")
    );
    match std::fs::read_dir(&folder) {
        Ok(_) => Ok(()),
        Err(cause) => {
            Err(Error::system(ErrorDomain::NONE, &cause, format!("cannot open directory '{folder}'")))
        }
    }
}
