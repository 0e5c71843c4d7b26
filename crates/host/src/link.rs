//! Links, addresses and routes of the host.

use crate::netlink::{self, Message, Socket};
use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
const NEW_NEIGHBOUR: u16 = 28;
const DELETE_NEIGHBOUR: u16 = 29;

const LINK_ADDRESS: u16 = 1;
const LINK_NAME: u16 = 3;
const LINK_MTU: u16 = 4;
const LINK_BELOW: u16 = 5;
const LINK_MASTER: u16 = 10;
const LINK_PORT: u16 = 12;
const LINK_INFO: u16 = 18;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;

const BRIDGE_DELAY: u16 = 1;
const BRIDGE_STP: u16 = 5;
const BRIDGE_VLANS: u16 = 7;

const PORT_LEARNING: u16 = 8;
const PORT_FLOOD: u16 = 9;
const PORT_ISOLATED: u16 = 33;

const VLAN_RANGE_BEGIN: u16 = 8;
const VLAN_RANGE_END: u16 = 16;
const VLAN_PVID: u16 = 2;
const VLAN_UNTAGGED: u16 = 4;
const BRIDGE_FAMILY: u8 = 7;
const AF_SPEC: u16 = 26;
const VLAN_INFO: u16 = 2;

const NEW_QUEUE: u16 = 36;
const QUEUE_ROOT: u32 = u32::MAX;

const UP: u32 = 1;
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;
/// The table of routes that are not the kernel's own.
const MAIN_TABLE: u8 = 254;
/// The route came from an advertisement of a router.
const OF_ADVERTISEMENT: u8 = 9;
/// The route was made by the kernel.
const OF_KERNEL: u8 = 2;

/// A connection to the kernel's network configuration. Every call is one question and one answer.
#[derive(Debug)]
pub struct Links(Socket);

/// A link of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Number.
    pub index: u32,
    /// Name.
    pub name: String,
    /// The bridge it is a port of, by number.
    pub master: Option<u32>,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Hardware address, where it is one of Ethernet's.
    pub mac: Option<[u8; 6]>,
}

/// An address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// Number of the link.
    pub link: u32,
    /// Address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix: u32,
}

/// A route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Number of the link it leaves by.
    pub link: u32,
    /// Receivers; none for all.
    pub to: Option<IpAddr>,
    /// Length of the receivers' prefix.
    pub prefix: u32,
}

/// Properties of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bridge {
    /// Spanning tree protocol.
    pub stp: bool,
    /// Hundredths of a second that a new port waits.
    pub delay: u32,
    /// Frames are told apart by their tags.
    pub vlan_filtering: bool,
}

/// Properties of a bridge's port; what is `None` stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Port {
    /// Sees only ports that are not isolated.
    pub isolated: Option<bool>,
    /// Senders are remembered.
    pub learning: Option<bool>,
    /// Frames to unknown receivers go out.
    pub flood: Option<bool>,
}

/// A tag of a bridge's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// Tag.
    pub id: u16,
    /// Frames without a tag get this one.
    pub native: bool,
    /// Frames leave without the tag.
    pub untagged: bool,
}

/// How macvtap interfaces of one link see each other; numbers of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacvlanMode {
    /// Not at all.
    Private = 1,
    /// Over the switch outside.
    Vepa = 2,
    /// Directly.
    Bridge = 4,
    /// There is only one.
    Passthrough = 8,
}

/// A link that is being removed.
#[derive(Debug)]
pub struct Deletion {
    name: String,
    index: u32,
    outcome: Receiver<io::Result<()>>,
    network: Links,
}

impl Deletion {
    /// Waits until the link is gone from sight.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn wait(self) -> io::Result<()> {
        self.within(Duration::MAX).map(drop)
    }

    /// The same for a limited time. Gives back what still goes on then.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn within(self, limit: Duration) -> io::Result<Option<Deletion>> {
        let begin = Instant::now();
        loop {
            match self.outcome.recv_timeout(Duration::from_micros(500)) {
                Ok(outcome) => return outcome.map(|()| None),
                Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::Other.into()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            // Asking for the whole link would wait for the kernel to be done with it.
            if self.network.0.index(&self.name).ok() != Some(self.index) {
                return Ok(None);
            }
            if begin.elapsed() >= limit {
                return Ok(Some(self));
            }
        }
    }
}

fn link_header(family: u8, index: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut bytes = vec![family, 0, 0, 0];
    for number in [index, flags, change] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes
}

fn of_name(kind: u16, flags: u16, name: &str, link_flags: u32, change: u32) -> Message {
    let mut message = Message::new(kind, flags, &link_header(0, 0, link_flags, change));
    message.attr_text(LINK_NAME, name);
    message
}

fn octets(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (FAMILY_V4, address.octets().to_vec()),
        IpAddr::V6(address) => (FAMILY_V6, address.octets().to_vec()),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(four));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn link(body: &[u8]) -> Option<Link> {
    let attributes = netlink::attributes(body.get(16..)?);
    let find = |number| attributes.iter().find(|(found, _)| *found == number).map(|(_, value)| *value);
    Some(Link {
        index: netlink::u32_at(body, 4)?,
        name: text(find(LINK_NAME)?),
        mtu: find(LINK_MTU).and_then(|value| netlink::u32_at(value, 0)).unwrap_or(0),
        mac: find(LINK_ADDRESS).and_then(|value| value.try_into().ok()),
        master: find(LINK_MASTER).and_then(|value| netlink::u32_at(value, 0)),
    })
}

/// The number of an IPv4 or IPv6 route's link and receivers.
fn route(body: &[u8]) -> Option<Route> {
    let prefix = u32::from(*body.get(1)?);
    if *body.get(4)? != MAIN_TABLE {
        return None;
    }
    let attributes = netlink::attributes(body.get(12..)?);
    let find = |number| attributes.iter().find(|(found, _)| *found == number).map(|(_, value)| *value);
    Some(Route { link: netlink::u32_at(find(4)?, 0)?, to: find(1).and_then(address), prefix })
}

impl Links {
    /// Connects.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open() -> io::Result<Links> {
        Socket::routes().map(Links)
    }

    /// The link with a name.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, name: &str) -> io::Result<Link> {
        let none = || io::Error::from_raw_os_error(rustix::io::Errno::NODEV.raw_os_error());
        let answers = self.0.one(&of_name(GET_LINK, 0, name, 0, 0))?;
        answers.iter().find(|(kind, _)| *kind == NEW_LINK).and_then(|(_, body)| link(body)).ok_or_else(none)
    }

    /// All links.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn all(&self) -> io::Result<Vec<Link>> {
        let answers = self.0.dump(&Message::new(GET_LINK, 0, &link_header(0, 0, 0, 0)))?;
        Ok(answers.iter().filter(|(kind, _)| *kind == NEW_LINK).filter_map(|(_, body)| link(body)).collect())
    }

    /// Makes a bridge that is down.
    ///
    /// # Errors
    /// When there is one of this name or the kernel refuses.
    pub fn create_bridge(&self, name: &str, mac: Option<[u8; 6]>, bridge: &Bridge) -> io::Result<()> {
        let mut message = of_name(NEW_LINK, netlink::CREATE | netlink::EXCLUSIVE, name, 0, 0);
        if let Some(mac) = mac {
            message.attr(LINK_ADDRESS, &mac);
        }
        message.nest(LINK_INFO, |message| {
            message.attr_text(INFO_KIND, "bridge").nest(INFO_DATA, |message| {
                // The delay comes first: with the protocol on, the kernel knows a least one.
                message.attr_u32(BRIDGE_DELAY, bridge.delay);
                // Not every kernel knows tags, and none needs to be told that there are none.
                if bridge.vlan_filtering {
                    message.attr(BRIDGE_VLANS, &[1]);
                }
                message.attr_u32(BRIDGE_STP, bridge.stp.into());
            });
        });
        self.0.change(&message)
    }

    /// Makes a macvtap interface above a link; the kernel replaces `%d` in the name.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn create_macvtap(&self, name: &str, mac: [u8; 6], below: &str, mode: MacvlanMode) -> io::Result<()> {
        let below = self.find(below)?.index;
        let mut message = of_name(NEW_LINK, netlink::CREATE | netlink::EXCLUSIVE, name, 0, 0);
        message.attr_u32(LINK_BELOW, below).attr(LINK_ADDRESS, &mac);
        message.nest(LINK_INFO, |message| {
            message.attr_text(INFO_KIND, "macvtap").nest(INFO_DATA, |message| {
                message.attr_u32(1, mode as u32);
            });
        });
        self.0.change(&message)
    }

    /// Removes a link. Returns when it is gone from sight; the kernel may still be busy with what is left of it.
    ///
    /// # Errors
    /// When there is none of this name or the kernel refuses.
    pub fn delete(&self, name: &str) -> io::Result<()> {
        self.begin_delete(name)?.wait()
    }

    /// Begins to remove a link.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn begin_delete(&self, name: &str) -> io::Result<Deletion> {
        let index = self.0.index(name)?;
        let (done, outcome) = channel();
        let message = of_name(DELETE_LINK, 0, name, 0, 0);
        // The kernel answers only when nobody can hold the link any more, which takes long. Others may go on before.
        let network = Links::open()?;
        std::thread::Builder::new().name("link-delete".to_owned()).spawn(move || {
            let _ = done.send(network.0.change(&message));
        })?;
        Ok(Deletion { name: name.to_owned(), index, outcome, network: Links::open()? })
    }

    /// Switches a link on or off.
    ///
    /// # Errors
    /// When there is none of this name or the kernel refuses.
    pub fn set_up(&self, name: &str, up: bool) -> io::Result<()> {
        self.0.change(&of_name(NEW_LINK, 0, name, if up { UP } else { 0 }, UP))
    }

    /// Sets the largest frame.
    ///
    /// # Errors
    /// When there is none of this name or the kernel refuses.
    pub fn set_mtu(&self, name: &str, mtu: u32) -> io::Result<()> {
        self.0.change(of_name(NEW_LINK, 0, name, 0, 0).attr_u32(LINK_MTU, mtu))
    }

    /// Sets the hardware address.
    ///
    /// # Errors
    /// When there is none of this name or the kernel refuses.
    pub fn set_mac(&self, name: &str, mac: [u8; 6]) -> io::Result<()> {
        self.0.change(of_name(NEW_LINK, 0, name, 0, 0).attr(LINK_ADDRESS, &mac))
    }

    /// Has a bridge tell frames apart by their tags, or not.
    ///
    /// # Errors
    /// When there is no such bridge or the kernel refuses.
    pub fn set_vlan_filtering(&self, name: &str, on: bool) -> io::Result<()> {
        let mut message = of_name(NEW_LINK, 0, name, 0, 0);
        message.nest(LINK_INFO, |message| {
            message.attr_text(INFO_KIND, "bridge").nest(INFO_DATA, |message| {
                message.attr(BRIDGE_VLANS, &[on.into()]);
            });
        });
        self.0.change(&message)
    }

    /// Makes a link a port of a bridge, or of none.
    ///
    /// # Errors
    /// When there is none of these names or the kernel refuses.
    pub fn set_master(&self, name: &str, bridge: Option<&str>) -> io::Result<()> {
        let index = bridge.map(|bridge| self.find(bridge)).transpose()?.map_or(0, |link| link.index);
        self.0.change(of_name(NEW_LINK, 0, name, 0, 0).attr_u32(LINK_MASTER, index))
    }

    /// Changes properties of a bridge's port.
    ///
    /// # Errors
    /// When it is no port or the kernel refuses.
    pub fn set_port(&self, name: &str, port: &Port) -> io::Result<()> {
        let index = self.find(name)?.index;
        let mut message = Message::new(SET_LINK, 0, &link_header(BRIDGE_FAMILY, index, 0, 0));
        message.nest(LINK_PORT, |message| {
            for (number, value) in
                [(PORT_ISOLATED, port.isolated), (PORT_LEARNING, port.learning), (PORT_FLOOD, port.flood)]
            {
                if let Some(value) = value {
                    message.attr(number, &[value.into()]);
                }
            }
        });
        self.0.change(&message)
    }

    /// Whether a bridge's port is isolated, as the kernel shows it. Kernels that know nothing of isolation accept the
    /// wish for it without a word, so a port that must be isolated is looked at.
    ///
    /// # Errors
    /// When the kernel does not show the port.
    pub fn is_isolated(name: &str) -> io::Result<bool> {
        let text = std::fs::read_to_string(format!("/sys/class/net/{name}/brport/isolated"))?;
        Ok(text.trim() == "1")
    }

    /// Has a link send at once: packets of guests have waited in the guest already.
    ///
    /// # Errors
    /// When there is none of this name or the kernel refuses.
    pub fn set_no_queue(&self, name: &str) -> io::Result<()> {
        let index = self.find(name)?.index;
        let mut fixed = vec![0; 4];
        for number in [index, 0, QUEUE_ROOT, 0] {
            fixed.extend(number.to_ne_bytes());
        }
        let mut message = Message::new(NEW_QUEUE, netlink::CREATE | netlink::REPLACE, &fixed);
        self.0.change(message.attr_text(1, "noqueue"))
    }

    /// Gives a bridge's port tags, or takes them away.
    ///
    /// # Errors
    /// When it is no port or the kernel refuses.
    pub fn set_tags(&self, name: &str, tags: &[Tag], add: bool) -> io::Result<()> {
        let index = self.find(name)?.index;
        let kind = if add { SET_LINK } else { DELETE_LINK };
        let mut message = Message::new(kind, 0, &link_header(BRIDGE_FAMILY, index, 0, 0));
        message.nest(AF_SPEC, |message| {
            for tag in tags {
                let native = if tag.native { VLAN_PVID } else { 0 };
                let untagged = if tag.untagged { VLAN_UNTAGGED } else { 0 };
                message.attr(VLAN_INFO, &vlan_info(native | untagged, tag.id));
            }
        });
        self.0.change(&message)
    }

    /// Gives a bridge's port all tags between two, or takes them away.
    ///
    /// # Errors
    /// When it is no port or the kernel refuses.
    pub fn set_tag_range(&self, name: &str, first: u16, last: u16, add: bool) -> io::Result<()> {
        let index = self.find(name)?.index;
        let kind = if add { SET_LINK } else { DELETE_LINK };
        let mut message = Message::new(kind, 0, &link_header(BRIDGE_FAMILY, index, 0, 0));
        message.nest(AF_SPEC, |message| {
            message.attr(VLAN_INFO, &vlan_info(VLAN_RANGE_BEGIN, first));
            message.attr(VLAN_INFO, &vlan_info(VLAN_RANGE_END, last));
        });
        self.0.change(&message)
    }

    /// Writes a hardware address into the table of a bridge's port, or takes it out.
    ///
    /// # Errors
    /// When it is no port or the kernel refuses.
    pub fn set_table_entry(&self, name: &str, mac: [u8; 6], add: bool) -> io::Result<()> {
        const PERMANENT: u16 = 0x80;
        const OF_MASTER: u8 = 4;
        let index = self.find(name)?.index;
        let (kind, flags) = if add { (NEW_NEIGHBOUR, netlink::CREATE) } else { (DELETE_NEIGHBOUR, 0) };
        let mut fixed = vec![BRIDGE_FAMILY, 0, 0, 0];
        fixed.extend(index.to_ne_bytes());
        fixed.extend(PERMANENT.to_ne_bytes());
        fixed.extend([OF_MASTER, 0]);
        self.0.change(Message::new(kind, flags, &fixed).attr(2, &mac))
    }

    /// Gives a link an address.
    ///
    /// # Errors
    /// When there is no such link or the kernel refuses.
    pub fn add_address(
        &self,
        name: &str,
        address: IpAddr,
        prefix: u32,
        broadcast: Option<IpAddr>,
    ) -> io::Result<()> {
        let index = self.find(name)?.index;
        let (family, bytes) = octets(address);
        let mut fixed = vec![family, prefix as u8, 0, 0];
        fixed.extend(index.to_ne_bytes());
        let mut message = Message::new(NEW_ADDRESS, netlink::CREATE | netlink::EXCLUSIVE, &fixed);
        message.attr(2, &bytes).attr(1, &bytes);
        if let Some(broadcast) = broadcast {
            message.attr(4, &octets(broadcast).1);
        }
        self.0.change(&message)
    }

    /// Addresses of all links.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn addresses(&self) -> io::Result<Vec<Address>> {
        let answers = self.0.dump(&Message::new(GET_ADDRESS, 0, &[0; 8]))?;
        let of = |body: &[u8]| {
            let attributes = netlink::attributes(body.get(8..)?);
            let find =
                |number| attributes.iter().find(|(found, _)| *found == number).map(|(_, value)| *value);
            Some(Address {
                link: netlink::u32_at(body, 4)?,
                address: address(find(2).or_else(|| find(1))?)?,
                prefix: u32::from(*body.get(1)?),
            })
        };
        Ok(answers.iter().filter_map(|(_, body)| of(body)).collect())
    }

    /// Routes to a network through a gateway on a link.
    ///
    /// # Errors
    /// When there is no such link or the kernel refuses.
    pub fn add_route(
        &self,
        name: &str,
        to: IpAddr,
        prefix: u32,
        gateway: IpAddr,
        metric: u32,
    ) -> io::Result<()> {
        const OF_BOOT: u8 = 3;
        const UNICAST: u8 = 1;
        let index = self.find(name)?.index;
        let (family, bytes) = octets(to);
        let fixed = [family, prefix as u8, 0, 0, MAIN_TABLE, OF_BOOT, 0, UNICAST, 0, 0, 0, 0];
        let mut message = Message::new(NEW_ROUTE, netlink::CREATE | netlink::EXCLUSIVE, &fixed);
        message.attr(1, &bytes).attr(5, &octets(gateway).1).attr_u32(4, index).attr_u32(6, metric);
        self.0.change(&message)
    }

    /// Numbers of links that have IPv6 routes from advertisements of routers.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn learned_routes(&self) -> io::Result<Vec<u32>> {
        let mut fixed = [0; 12];
        fixed[0] = FAMILY_V6;
        let answers = self.0.dump(&Message::new(GET_ROUTE, 0, &fixed))?;
        let learned = |body: &[u8]| {
            // Older kernels marked such default routes as their own.
            let own_default = body.get(5) == Some(&OF_KERNEL) && body.get(1) == Some(&0);
            (body.get(5) == Some(&OF_ADVERTISEMENT) || own_default)
                .then(|| route(body).map(|route| route.link))
                .flatten()
        };
        Ok(answers.iter().filter_map(|(_, body)| learned(body)).collect())
    }

    /// Routes of the main table of one family.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn routes(&self, ipv6: bool) -> io::Result<Vec<Route>> {
        let mut fixed = [0; 12];
        fixed[0] = if ipv6 { FAMILY_V6 } else { FAMILY_V4 };
        let answers = self.0.dump(&Message::new(GET_ROUTE, 0, &fixed))?;
        Ok(answers.iter().filter_map(|(_, body)| route(body)).collect())
    }
}

fn vlan_info(flags: u16, id: u16) -> Vec<u8> {
    [flags.to_ne_bytes(), id.to_ne_bytes()].concat()
}
