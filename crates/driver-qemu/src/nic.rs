//! What a guest's network card is connected to on the host.
//!
//! ```text
//! tap device (lives as long as its descriptor) ─▶ address, MTU ─▶ port of a bridge ─▶ up ─▶ bandwidth
//! ```

use crate::shaping;
use base::{Error, ErrorCode, ErrorDomain, Result};
use host::link::{Links, Port};
use std::io;
use std::os::fd::OwnedFd;
use xml::Tree;

/// Longest name of a device of the host.
const NAME: usize = 15;

fn system(cause: &io::Error, text: impl std::fmt::Display) -> Error {
    Error::system(ErrorDomain::NONE, cause, text)
}

fn links() -> Result<Links> {
    Links::open().map_err(|cause| system(&cause, "Unable to open the kernel's socket of links"))
}

/// Six numbers with colons.
pub(crate) fn address(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

/// The bridge of the host an interface is a port of.
pub(crate) fn bridge(interface: &Tree) -> Result<Option<&str>> {
    match interface.attr("type").unwrap_or_default() {
        "bridge" => Ok(interface.attr_at("source", "bridge")),
        "network" => {
            let name = interface.attr_at("source", "network").unwrap_or_default();
            let text = format!("no network with matching name '{name}'");
            Err(Error::new(ErrorCode::NO_NETWORK, ErrorDomain::NETWORK, text))
        }
        _ => Ok(None),
    }
}

/// Whether an interface is connected by a tap device.
pub(crate) fn has_tap(interface: &Tree) -> bool {
    matches!(interface.attr("type"), Some("ethernet" | "bridge" | "network"))
}

/// Makes the tap device of an interface that is connected by one, and notes its name. The device is gone when all its
/// descriptors are closed.
pub(crate) fn connect(interface: &mut Tree) -> Result<Option<OwnedFd>> {
    if !has_tap(interface) {
        return Ok(None);
    }
    let bridge = bridge(interface)?.map(str::to_owned);
    let links = links()?;
    let given = interface.attr_at("target", "dev").filter(|name| !name.is_empty()).map(str::to_owned);
    let stated = interface.attr_at("mtu", "size").and_then(|size| size.parse::<u32>().ok());
    let mtu = match (&bridge, stated) {
        (_, Some(size)) => Some(size),
        (Some(bridge), None) => {
            let found = links.find(bridge);
            Some(
                found.map_err(|cause| system(&cause, format!("Cannot get interface MTU on '{bridge}'")))?.mtu,
            )
        }
        (None, None) => None,
    };
    if let Some(name) = &given {
        if name.len() > NAME {
            let cause = io::Error::from_raw_os_error(34);
            return Err(system(&cause, format!("Network interface name '{name}' is too long")));
        }
        if !name.contains('%') && links.find(name).is_ok() {
            let text = format!("The {name} interface already exists");
            return Err(Error::operation_invalid(ErrorDomain::NONE, text));
        }
    }
    let wanted = given.unwrap_or_else(|| "vnet%d".to_owned());
    let model = interface.attr_at("model", "type").unwrap_or_default();
    let (tap, name) = host::tap::create(&wanted, model.starts_with("virtio"))
        .map_err(|cause| system(&cause, format!("Unable to create tap device {wanted}")))?;
    if let Some(mut mac) = interface.attr_at("mac", "address").and_then(address) {
        // The host's end has an address of its own, high, so that a bridge does not take it for itself.
        mac[0] = 0xfe;
        links
            .set_mac(&name, mac)
            .map_err(|cause| system(&cause, format!("Cannot set interface MAC on '{name}'")))?;
    }
    if let Some(size) = mtu {
        links
            .set_mtu(&name, size)
            .map_err(|cause| system(&cause, format!("Cannot set interface MTU on '{name}'")))?;
    }
    if let Some(bridge) = &bridge {
        join(&links, bridge, &name, interface)?;
    }
    links
        .set_up(&name, true)
        .map_err(|cause| system(&cause, format!("Cannot set interface flags on '{name}'")))?;
    if let Some(bandwidth) = interface.child("bandwidth").filter(|bandwidth| !bandwidth.children.is_empty()) {
        shaping::check_floor(interface, bandwidth)?;
        shaping::apply(&name, Some(bandwidth))?;
    }
    interface.child_or_new("target").set("dev", name);
    Ok(Some(tap))
}

fn join(links: &Links, bridge: &str, name: &str, interface: &Tree) -> Result<()> {
    links
        .set_master(name, Some(bridge))
        .map_err(|cause| system(&cause, format!("Unable to add bridge {bridge} port {name}")))?;
    if interface.attr_at("port", "isolated") == Some("yes") {
        isolate(links, bridge, name, true)?;
    }
    Ok(())
}

fn isolate(links: &Links, bridge: &str, name: &str, isolated: bool) -> Result<()> {
    let port = Port { isolated: Some(isolated), ..Port::default() };
    links.set_port(name, &port).map_err(|cause| {
        let number = u8::from(isolated);
        system(&cause, format!("Unable to set bridge {bridge} port {name} isolated to {number}"))
    })
}

/// Moves an interface's device to the bridge that `new` names.
pub(crate) fn change_bridge(old: &Tree, new: &Tree) -> Result<()> {
    let (from, to) = (bridge(old)?, bridge(new)?);
    let name = old.attr_at("target", "dev").unwrap_or_default();
    let links = links()?;
    if from == to {
        return Ok(());
    }
    if let Some(to) = to {
        let done = join(&links, to, name, new);
        if done.is_err()
            && let Some(from) = from
        {
            let _ = join(&links, from, name, old);
        }
        return done;
    }
    Ok(())
}

/// Lets a port see other ports, or not.
pub(crate) fn set_isolated(interface: &Tree, isolated: bool) -> Result<()> {
    let bridge = bridge(interface)?.unwrap_or_default();
    let name = interface.attr_at("target", "dev").unwrap_or_default();
    isolate(&links()?, bridge, name, isolated)
}

#[cfg(test)]
mod tests {
    #[test]
    fn addresses() {
        assert_eq!(super::address("52:54:00:d1:ff:03"), Some([0x52, 0x54, 0, 0xd1, 0xff, 3]));
        assert_eq!(super::address("52:54:00:d1:ff"), None);
        assert_eq!(super::address("52:54:00:d1:ff:03:1"), None);
    }
}
