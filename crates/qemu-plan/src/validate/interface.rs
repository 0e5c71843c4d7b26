//! Network interfaces.

use super::{invalid, shared};
use crate::complete::unsupported;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use xml::Tree;

/// Lengths of prefixes that the emulator's own network may have.
const PREFIXES: std::ops::RangeInclusive<u32> = 4..=27;

/// The length of a prefix that it must have with the longer addresses.
const PREFIX_V6: u32 = 64;

/// Types whose packets may be of another size.
const SIZED: &[&str] = &["network", "bridge", "ethernet", "vhostuser"];

pub(super) fn check(domain: &Domain, interface: &Tree) -> Result<()> {
    let kind = interface.attr("type").unwrap_or_default();
    let model = interface.attr_at("model", "type");
    addresses(interface, kind)?;
    if kind == "vhostuser" {
        served(domain, interface)?;
    }
    if matches!(kind, "vdpa" | "vhostuser")
        && let Some(model) = model.filter(|model| !model.starts_with("virtio"))
    {
        return Err(unsupported(format!(
            "invalid model for interface of type '{kind}': '{}' - must be 'virtio'",
            known(model)
        )));
    }
    for name in ["rx_queue_size", "tx_queue_size"] {
        let size = interface.attr_at("driver", name).and_then(|size| size.parse::<u32>().ok());
        if size.is_some_and(|size| !size.is_power_of_two()) {
            return Err(unsupported(format!("{name} has to be a power of two")));
        }
    }
    if interface.child("mtu").is_some() && !SIZED.contains(&kind) {
        return Err(unsupported(format!("setting MTU on interface type {kind} is not supported yet")));
    }
    match interface.attr_at("teaming", "type") {
        Some("persistent") if model.is_none_or(|model| !model.starts_with("virtio")) => {
            Err(unsupported(format!(
                "virtio-net teaming persistent interface must be <model type='virtio'/>, not '{}'",
                model.unwrap_or("(null)")
            )))
        }
        Some("transient") if !matches!(kind, "hostdev" | "network") => Err(unsupported(format!(
            "virtio-net teaming transient interface must be type='hostdev', not '{kind}'"
        ))),
        _ if interface.child("coalesce").is_some() && !matches!(kind, "network" | "bridge") => {
            Err(unsupported(format!("coalesce settings on interface type {kind} are not supported")))
        }
        _ => Ok(()),
    }
}

/// The name of a model in messages.
fn known(model: &str) -> &str {
    if conf_domain::device::is_known_model(model) { model } else { "unknown" }
}

/// Only the emulator's own network tells the guest its addresses.
fn addresses(interface: &Tree, kind: &str) -> Result<()> {
    if interface.child("route").is_some() {
        return Err(unsupported(
            "Invalid attempt to set network interface guest-side IP route, not supported by QEMU",
        ));
    }
    let passt = interface.attr_at("backend", "type") == Some("passt");
    let own = kind == "user" || kind == "vhostuser" && passt;
    let (mut v4, mut v6) = (false, false);
    for address in interface.all("ip") {
        if !own {
            return Err(unsupported(
                "Invalid attempt to set network interface guest-side IP address info, not supported by QEMU",
            ));
        }
        if address.attr("peer").is_some() {
            return Err(unsupported("Invalid attempt to set peer IP for guest"));
        }
        let prefix = address.attr("prefix").and_then(|prefix| prefix.parse::<u32>().ok());
        if address.is("family", "ipv6") {
            if std::mem::replace(&mut v6, true) {
                return Err(unsupported("Only one IPv6 address per interface is allowed"));
            }
            if let Some(prefix) = prefix.filter(|prefix| *prefix != PREFIX_V6) {
                return Err(unsupported(format!(
                    "unsupported IPv6 address prefix='{prefix}' - must be {PREFIX_V6}"
                )));
            }
        } else {
            if std::mem::replace(&mut v4, true) {
                return Err(unsupported("Only one IPv4 address per interface is allowed"));
            }
            if prefix.is_some_and(|prefix| !PREFIXES.contains(&prefix)) {
                return Err(invalid("invalid prefix, must be in range of 4-27"));
            }
        }
    }
    Ok(())
}

/// An interface that another process serves is reached through a socket.
fn served(domain: &Domain, interface: &Tree) -> Result<()> {
    if interface.attr_at("backend", "type") != Some("passt") {
        if interface.attr_at("source", "path").is_none() {
            let text = "Missing required attribute 'path' in element 'source'";
            return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::QEMU, text));
        }
        let again = interface.at("source/reconnect").is_some_and(|own| own.is("enabled", "yes"));
        if again && interface.attr_at("source", "mode") == Some("server") {
            return Err(unsupported(
                "'reconnect' attribute is not supported when source mode='server' for <interface type='vhostuser'>",
            ));
        }
    }
    shared::memory(domain, "interface")
}
