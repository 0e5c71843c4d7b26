//! Packets that networks live by.

use super::{Test, What};
use crate::{Intent, Kind};
use netaddr::{Family, Subnet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a packet is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Before the host gets it.
    Input,
    /// Between two interfaces.
    Forward,
    /// After the host has made it.
    Output,
}

/// What a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Guests reach others.
    Outgoing,
    /// Others answer guests.
    Replies,
    /// Others reach guests.
    Incoming,
    /// Guests get addresses.
    Addresses,
    /// Guests look up names.
    Names,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flow::Outgoing => "guests cannot reach others",
            Flow::Replies => "answers do not reach guests",
            Flow::Incoming => "others cannot reach guests",
            Flow::Addresses => "guests get no addresses",
            Flow::Names => "guests cannot look up names",
        })
    }
}

/// What is known of a packet's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It begins.
    New,
    /// It exists.
    Established,
}

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// What it is for.
    pub flow: Flow,
    /// Where it is looked at.
    pub hook: Hook,
    /// Family.
    pub family: Family,
    /// The network's bridge.
    pub bridge: String,
    /// Interface it came from.
    pub input: String,
    /// Interface it leaves by.
    pub output: String,
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// What is known of its connection.
    pub state: State,
    /// Protocol and receiver's port, where they are fixed.
    pub port: Option<(&'static str, u16)>,
}

/// A machine far away.
fn stranger(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::new(198, 51, 100, 7).into(),
        Family::Ipv6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).into(),
    }
}

/// A guest in a network.
fn guest(subnet: &Subnet) -> IpAddr {
    match subnet.network {
        IpAddr::V4(net) => Ipv4Addr::from(u32::from(net) | 2).into(),
        IpAddr::V6(net) => Ipv6Addr::from(u128::from(net) | 2).into(),
    }
}

/// The packets that must pass for a network to work; `uplink` is the interface to the world.
pub fn packets(intent: &Intent, uplink: &str) -> Vec<Packet> {
    let mut packets = Vec::new();
    let uplink = intent.dev.as_deref().unwrap_or(uplink);
    for subnet in &intent.subnets {
        let family = Family::of(subnet.network);
        let (guest, far) = (guest(subnet), stranger(family));
        let base = Packet {
            flow: Flow::Outgoing,
            hook: Hook::Forward,
            family,
            bridge: intent.bridge.clone(),
            input: intent.bridge.clone(),
            output: uplink.to_owned(),
            source: guest,
            destination: far,
            state: State::New,
            port: None,
        };
        let back = Packet {
            flow: Flow::Replies,
            input: uplink.to_owned(),
            output: intent.bridge.clone(),
            source: far,
            destination: guest,
            state: State::Established,
            ..base.clone()
        };
        if intent.kind != Kind::Isolated {
            packets.extend([base.clone(), back.clone()]);
        }
        if intent.kind == Kind::Route {
            packets.push(Packet { flow: Flow::Incoming, state: State::New, ..back });
        }
        let host = Packet { hook: Hook::Input, output: String::new(), destination: subnet.network, ..base };
        if family == Family::Ipv4 && intent.dhcp {
            let source = Ipv4Addr::UNSPECIFIED.into();
            let destination = Ipv4Addr::BROADCAST.into();
            let port = Some(("udp", 67));
            packets.push(Packet { flow: Flow::Addresses, source, destination, port, ..host.clone() });
        }
        packets.push(Packet { flow: Flow::Names, port: Some(("udp", 53)), ..host });
    }
    packets
}

fn named(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix(['+', '*']) {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    })
}

impl Packet {
    /// Whether the packet meets a condition.
    pub fn meets(&self, test: &Test) -> bool {
        let within = |nets: &[Subnet], address| nets.iter().any(|net| net.contains(address));
        let holds = match &test.what {
            What::Input(names) => named(names, &self.input),
            What::Output(names) => named(names, &self.output),
            What::Source(nets) => within(nets, self.source),
            What::Destination(nets) => within(nets, self.destination),
            What::State(states) => {
                let own = if self.state == State::New { "new" } else { "established" };
                states.iter().any(|state| state.eq_ignore_ascii_case(own))
            }
            // A packet without a fixed port may be of any protocol, so it does not depend on one.
            What::Protocol(names) => {
                let own = self.port.map(|(protocol, _)| protocol);
                own.is_some_and(|own| names.iter().any(|name| name == own))
            }
            What::Port(ports) => self.port.is_some_and(|(_, own)| ports.contains(&own)),
            // Not understood either way.
            What::Other => return false,
        };
        holds != test.not
    }
}
