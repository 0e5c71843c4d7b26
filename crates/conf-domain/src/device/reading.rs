//! What one device says, before anything is filled in.

use super::address;
use crate::fault::{self, internal, invalid, unsupported};
use base::Result;
use xml::Tree;

/// Checks one device before anything is filled in.
pub(crate) fn as_read(device: &Tree) -> Result<()> {
    if let Some(order) = device.attr_at("boot", "order").filter(|order| *order == "0") {
        return Err(fault::value("boot", "order", order, "nonzero"));
    }
    if let Some(loadparm) = device.attr_at("boot", "loadparm") {
        loadable(loadparm)?;
    }
    if let Some(place) = device.child("address") {
        address::check(device, place)?;
    }
    if let Some(rom) = device.child("rom")
        && rom.is("enabled", "no")
        && (rom.attr("bar").is_some() || rom.attr("file").is_some())
    {
        return Err(unsupported("ROM tuning is not supported when ROM is disabled"));
    }
    match device.name.as_str() {
        "hostdev" if device.child("source").is_none() => {
            Err(invalid("Missing <source> element in hostdev device"))
        }
        "smartcard" if device.is("mode", "passthrough") && device.attr("type").is_none() => {
            Err(invalid("passthrough mode requires a character device type attribute"))
        }
        "input" if device.attr("type").is_none() => Err(internal("missing input device type")),
        "interface"
            if device.is("type", "hostdev")
                && matches!(device.attr_at("source/address", "type"), None | Some("pci"))
                && device
                    .attr_at("address", "type")
                    .is_some_and(|place| !matches!(place, "pci" | "unassigned")) =>
        {
            Err(internal("PCI host devices must use 'pci' or 'unassigned' address type"))
        }
        "input" if no_path(device) => Err(invalid("Missing evdev path for input device")),
        "serial"
            if device.attr_at("target", "type") == Some("usb-serial")
                && device.attr_at("address", "type").is_some_and(|place| place != "usb") =>
        {
            Err(unsupported("usb-serial requires address of usb type"))
        }
        "hub" if device.attr("type").is_none() => Err(internal("missing hub device type")),
        "redirdev" if device.attr("type").is_none() => Err(internal("missing type in redirdev")),
        "channel" if device.child("target").is_some_and(|target| target.attr("type").is_none()) => {
            Err(unsupported("unknown target type '(null)' specified for character device"))
        }
        "channel" if device.child("target").is_none() => {
            Err(invalid("target type must be specified for channel device"))
        }
        "rng" if device.all("backend").count() != 1 => Err(invalid("only one RNG backend is supported")),
        "crypto" if device.all("backend").count() != 1 => {
            Err(invalid("only one crypto backend is supported"))
        }
        "shmem" if device.attr("name").is_none() => {
            Err(invalid("shmem element must contain 'name' attribute"))
        }
        "shmem" if device.child("msi").is_some() && device.child("server").is_none() => {
            Err(invalid("msi option is only supported with a server"))
        }
        "tpm" if device.all("backend").count() > 1 => Err(invalid("only one TPM backend is supported")),
        "tpm"
            if device.attr_at("backend", "type") == Some("external")
                && device.attr_at("backend/source", "type").is_none() =>
        {
            Err(invalid("missing external TPM backend source type"))
        }
        "lease" => match ["lockspace", "key", "target"].iter().find(|name| lacks(device, name)) {
            Some(name) => Err(invalid(format!("Missing '{name}' element for lease"))),
            None => Ok(()),
        },
        "vsock" if device.attr_at("cid", "address").is_some_and(|cid| matches!(cid, "1" | "2")) => {
            Err(unsupported("guest CIDs must be >= 3"))
        }
        "tpm" if device.child("backend").is_none() => Err(invalid("missing TPM device backend")),
        "sound" => match device
            .all("codec")
            .find(|codec| !matches!(codec.attr("type"), Some("duplex" | "micro" | "output")))
        {
            Some(codec) => {
                Err(unsupported(format!("unknown codec type '{}'", codec.attr("type").unwrap_or("(null)"))))
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Whether a lease says nothing of where it is held.
fn lacks(lease: &Tree, name: &str) -> bool {
    match name {
        "target" => lease.attr_at("target", "path").is_none(),
        name => lease.text_of(name).is_none(),
    }
}

/// A source of events of which the path is not said.
fn no_path(input: &Tree) -> bool {
    let name = match input.attr("type") {
        Some("passthrough") => "evdev",
        Some("evdev") => "dev",
        _ => return false,
    };
    input.child("source").is_some_and(|source| source.attr(name).is_none())
}

fn loadable(text: &str) -> Result<()> {
    if text.is_empty() || text.len() > 8 {
        let shown = text.to_ascii_uppercase();
        return Err(internal(format!("loadparm value '{shown}' must be between 1 and 8 characters")));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == ' ';
    // The reference reads letters as capitals.
    if !text.chars().all(fits) {
        let shown = text.to_ascii_uppercase();
        return Err(internal(format!(
            "invalid loadparm value '{shown}', expecting chars in set of [a-zA-Z0-9.] and blank spaces"
        )));
    }
    Ok(())
}
