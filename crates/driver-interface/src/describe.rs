//! The document of an interface, with those that are within it.

use crate::device::{self, Device};
use crate::{FROM, internal};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_interface::kind::{BondMode, Carrier, Monitor, Validate};
use conf_interface::{Bond, Bridge, Interface, Kind, Link, LinkState, Vlan};
use std::io;
use std::path::Path;

/// Bridges, bonds and cards: nothing is deeper than that.
const DEPTH_MAX: u32 = 4;

/// Describes interfaces of a host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Describer<'r> {
    root: &'r Path,
    depth: u32,
}

impl<'r> Describer<'r> {
    pub(crate) fn new(root: &'r Path) -> Describer<'r> {
        Describer { root, depth: 0 }
    }

    /// The interface with a name.
    ///
    /// # Errors
    /// Code `NO_INTERFACE` when there is none; else what the kernel says that is not understood.
    pub(crate) fn interface(self, name: &str) -> Result<Interface> {
        let device = Device::find(self.root, name).ok_or_else(|| not_found(name))?;
        let mtu = device.attr("mtu");
        let mtu = mtu.as_deref().and_then(number).ok_or_else(|| {
            internal(format!("Could not parse MTU value '{}'", mtu.as_deref().unwrap_or("<null>")))
        })?;
        let link = link(&device)?;
        let kind = match device.kind().as_deref() {
            Some("bridge") => Kind::Bridge(self.bridge(&device)?),
            Some("bond") => Kind::Bond(self.bond(&device)?),
            Some("vlan") => Kind::Vlan(self.vlan(&device)?),
            _ => Kind::Ethernet { mac: device.attr("address") },
        };
        Ok(Interface { name: name.to_owned(), start: None, mtu, protocols: Vec::new(), link, kind })
    }

    /// An interface within another, which complaints show as `shown`; the outer one's complaint says enough.
    fn within(self, name: &str, shown: &str, what: &str) -> Result<Interface> {
        let deeper = Describer { depth: self.depth + 1, ..self };
        let inner = if deeper.depth > DEPTH_MAX { None } else { deeper.interface(name).ok() };
        inner.ok_or_else(|| {
            internal(format!("Could not get interface information for '{shown}', which is {what}"))
        })
    }

    fn bridge(self, device: &Device) -> Result<Bridge> {
        let name = &device.name;
        let stp = match number_of(device, "bridge/stp_state")? {
            -1 => None,
            0 => Some(false),
            1 => Some(true),
            other => {
                let text = format!("Invalid STP state value {other} received for '{name}'.");
                return Err(internal(format!("{text} Must be -1, 0, or 1.")));
            }
        };
        let delay = needed(device, "bridge/forward_delay")?;
        let ports = device.names("brif").map_err(|error| {
            Error::system(FROM, &error, format!("Could not get members of bridge '{name}'"))
        })?;
        let what = format!("a member of bridge '{name}'");
        let ports = ports.iter().map(|port| self.within(port, port, &what)).collect::<Result<_>>()?;
        Ok(Bridge { stp, delay: Some(delay), ports })
    }

    fn bond(self, device: &Device) -> Result<Bond> {
        let name = &device.name;
        let down_delay = number_of(device, "bonding/downdelay")?;
        let up_delay = number_of(device, "bonding/updelay")?;
        let frequency = number_of(device, "bonding/miimon")?;
        let interval = number_of(device, "bonding/arp_interval")?;
        let mode = chosen(device, "bonding/mode")?;
        let validate = chosen(device, "bonding/arp_validate")?;
        let carrier = number_of(device, "bonding/use_carrier")?;
        let target = needed(device, "bonding/arp_ip_target")?;
        let monitor = if interval > 0 {
            let validate = match validate {
                1 => Some(Validate::Active),
                2 => Some(Validate::Backup),
                3 => Some(Validate::All),
                _ => None,
            };
            Some(Monitor::Arp { interval, target, validate })
        } else if frequency > 0 {
            let carrier = match carrier {
                0 => Some(Carrier::Ioctl),
                1 => Some(Carrier::Netif),
                _ => None,
            };
            Some(Monitor::Mii { frequency, down_delay, up_delay, carrier })
        } else {
            None
        };
        let names = device
            .names("")
            .map_err(|error| Error::system(FROM, &error, format!("Could not get slaves of bond '{name}'")))?;
        let what = format!("a enslaved in bond '{name}'");
        let links = names.iter().filter_map(|link| Some((link, link.strip_prefix("slave_")?)));
        let members = links
            .map(|(link, member)| self.within(member, link, &what))
            .collect::<Result<Vec<Interface>>>()?;
        // The kernel's numbers for modes are the places of their names.
        let mode = usize::try_from(mode).ok().and_then(|place| BondMode::ALL.get(place).copied());
        Ok(Bond { mode, monitor, members })
    }

    fn vlan(self, device: &Device) -> Result<Vlan> {
        let name = &device.name;
        let path = format!("/proc/net/vlan/{name}");
        let text = device::read(&self.root.join(path.trim_start_matches('/'))).map_err(|error| {
            Error::system(ErrorDomain::NONE, &error, format!("Failed to open file '{path}'"))
        })?;
        let missing =
            |what: &str| internal(format!("failed to find the {what} for the VLAN device '{name}'"));
        let tag = text.split_once("VID: ").and_then(|(_, rest)| rest.split_whitespace().next());
        let tag = tag.filter(|tag| tag.bytes().all(|byte| byte.is_ascii_digit()));
        let tag = tag.ok_or_else(|| missing("VID"))?;
        let parent = text.lines().find_map(|line| line.strip_prefix("Device: "));
        let parent = parent.filter(|parent| !parent.is_empty()).ok_or_else(|| missing("real device"))?;
        Ok(Vlan { tag: tag.to_owned(), parent: parent.to_owned() })
    }
}

/// There is no interface with a name.
pub(crate) fn not_found(name: &str) -> Error {
    Error::new(ErrorCode::NO_INTERFACE, FROM, format!("couldn't find interface named '{name}'"))
}

/// A decimal number as C reads it.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.trim_ascii_start().parse().ok()
}

fn needed(device: &Device, file: &str) -> Result<String> {
    device.attr(file).ok_or_else(|| internal(format!("Could not retrieve '{file}' for '{}'", device.name)))
}

fn parsed(device: &Device, file: &str, text: &str) -> Result<i32> {
    number(text).ok_or_else(|| internal(format!("Could not parse '{file}' '{text}' for '{}'", device.name)))
}

fn number_of(device: &Device, file: &str) -> Result<i32> {
    parsed(device, file, &needed(device, file)?)
}

/// The number behind a word: `802.3ad 4`.
fn chosen(device: &Device, file: &str) -> Result<i32> {
    let text = needed(device, file)?;
    let at = text
        .find(' ')
        .ok_or_else(|| internal(format!("Invalid format for '{file}' for '{}'", device.name)))?;
    parsed(device, file, text.get(at..).unwrap_or_default())
}

/// State and speed; only what is up has a speed.
fn link(device: &Device) -> Result<Link> {
    let unreadable = |file: &str, error: &io::Error| {
        let text = format!("unable to read: /sys/class/net/{}/{file}", device.name);
        Error::system(ErrorDomain::NONE, error, text)
    };
    let strange = |text: &str| Error::internal(ErrorDomain::NONE, format!("Unable to parse: {text}"));
    let text = device.read("operstate").map_err(|error| unreadable("operstate", &error))?;
    let text = text.trim_end_matches('\n');
    let state = LinkState::parse(text).ok_or_else(|| strange(text))?;
    if state != LinkState::Up {
        return Ok(Link { speed: 0, state: Some(state) });
    }
    let speed = match device.read("speed") {
        Ok(text) => {
            // What is not known is -1 to the kernel and a large number to everyone who reads documents.
            let known = number::<i64>(text.trim_end_matches('\n'))
                .and_then(|speed| u32::try_from(if speed < 0 { speed + (1 << 32) } else { speed }).ok());
            known.ok_or_else(|| strange(&text))?
        }
        // Some devices have no speed.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => 0,
        Err(error) => return Err(unreadable("speed", &error)),
    };
    Ok(Link { speed, state: Some(state) })
}
