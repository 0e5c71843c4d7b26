//! What a virtual network wants of the packet filter.

use netaddr::{Family, Subnet};
use std::net::Ipv4Addr;

/// Ports that translation uses when none are stated.
pub const DEFAULT_PORTS: (u16, u16) = (1024, 65535);

/// How a network's packets leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Not at all.
    Isolated,
    /// As they are.
    Route,
    /// With another sender.
    Nat(Nat),
}

/// Translation of senders.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Nat {
    /// IPv6 is translated as well, otherwise it is routed.
    pub ipv6: bool,
    /// IPv4 addresses that stand for the senders; none for that of the interface.
    pub addresses: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Ports; (0, 0) for [`DEFAULT_PORTS`].
    pub ports: (u16, u16),
}

/// What a network wants. Networks whose forwarding is open want nothing and have no intent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intent {
    /// Bridge of the network.
    pub bridge: String,
    /// How its packets leave.
    pub kind: Kind,
    /// The only interface through which they leave.
    pub dev: Option<String>,
    /// Networks on the bridge, in order.
    pub subnets: Vec<Subnet>,
    /// Guests may talk IPv6 with each other although there is no such network.
    pub ipv6_between_guests: bool,
    /// Addresses are handed out over IPv4: answers need checksums.
    pub dhcp: bool,
    /// Files are served for booting.
    pub tftp: bool,
}

impl Intent {
    /// A network of this family is on the bridge.
    pub fn has(&self, family: Family) -> bool {
        self.subnets.iter().any(|subnet| Family::of(subnet.network) == family)
    }

    /// Rules for IPv6 are needed.
    pub fn needs_ipv6(&self) -> bool {
        self.ipv6_between_guests || self.has(Family::Ipv6)
    }

    /// How packets of a network on the bridge are translated, if they are.
    pub fn translation(&self, subnet: &Subnet) -> Option<Nat> {
        match self.kind {
            Kind::Nat(nat) if subnet.network.is_ipv4() => Some(nat),
            Kind::Nat(nat) if nat.ipv6 => Some(Nat { addresses: None, ..nat }),
            _ => None,
        }
    }
}

impl Nat {
    /// The ports in force.
    pub fn effective_ports(&self) -> (u16, u16) {
        if self.ports == (0, 0) { DEFAULT_PORTS } else { self.ports }
    }
}

/// Receivers that are never outside: packets to them keep their sender.
pub(crate) fn local_receivers(family: Family) -> &'static [&'static str] {
    match family {
        Family::Ipv4 => &["255.255.255.255/32", "224.0.0.0/24"],
        Family::Ipv6 => &["ff02::/16"],
    }
}
