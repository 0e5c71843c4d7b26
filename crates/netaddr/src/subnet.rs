//! Prefixes and what follows from them.

use crate::{Family, ip};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network: address without host bits, and length of its prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Subnet {
    /// Address of the network.
    pub network: IpAddr,
    /// Bits that are the network's.
    pub prefix: u32,
}

impl Subnet {
    /// The network of an address; `None` when the prefix is longer than the address.
    pub fn of(address: IpAddr, prefix: u32) -> Option<Subnet> {
        Some(Subnet { network: mask(address, prefix)?, prefix })
    }

    /// Whether an address is in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        mask(address, self.prefix) == Some(self.network) && Family::of(address) == Family::of(self.network)
    }

    /// Whether two networks have an address in common.
    pub fn overlaps(&self, other: &Subnet) -> bool {
        if self.prefix <= other.prefix { self.contains(other.network) } else { other.contains(self.network) }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", ip::text(self.network), self.prefix)
    }
}

/// The address as a number, and how many bits it has.
fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

fn address(number: u128, bits: u32) -> IpAddr {
    // A number of 32 bits has no higher ones.
    if bits == 32 { Ipv4Addr::from(number as u32).into() } else { Ipv6Addr::from(number).into() }
}

fn host_bits(prefix: u32, bits: u32) -> Option<u128> {
    let hosts = bits.checked_sub(prefix)?;
    Some(if hosts == 128 { u128::MAX } else { (1 << hosts) - 1 })
}

/// The address without host bits; `None` when the prefix is longer than the address.
pub fn mask(of: IpAddr, prefix: u32) -> Option<IpAddr> {
    let (value, bits) = number(of);
    Some(address(value & !host_bits(prefix, bits)?, bits))
}

/// The address of all hosts in its network.
pub fn broadcast(of: IpAddr, prefix: u32) -> Option<IpAddr> {
    let (value, bits) = number(of);
    Some(address(value | host_bits(prefix, bits)?, bits))
}

/// The netmask of a prefix.
pub fn netmask(prefix: u32, family: Family) -> Option<IpAddr> {
    let bits = family.bits();
    let all = host_bits(0, bits)?;
    Some(address(all & !host_bits(prefix, bits)?, bits))
}

/// The prefix of a netmask; `None` when its bits are not contiguous.
pub fn prefix(netmask: IpAddr) -> Option<u32> {
    let (value, bits) = number(netmask);
    let prefix = (value << (128 - bits)).leading_ones();
    (value.count_ones() == prefix).then_some(prefix)
}

/// The prefix that an address has when none is given: of its class for IPv4, 64 for IPv6, 0 for no address at all.
pub fn default_prefix(of: IpAddr) -> u32 {
    match of {
        address if address.is_unspecified() => 0,
        IpAddr::V6(_) => 64,
        IpAddr::V4(address) => match address.octets()[0] {
            0..=127 => 8,
            128..=191 => 16,
            192..=223 => 24,
            // Multicast and reserved addresses have no class of networks.
            _ => 32,
        },
    }
}

/// Whether two addresses are in the same network.
pub fn same_network(one: IpAddr, other: IpAddr, netmask: IpAddr) -> bool {
    let ((a, one_bits), (b, other_bits), (mask, bits)) = (number(one), number(other), number(netmask));
    one_bits == other_bits && bits == one_bits && a & mask == b & mask
}

/// The zone in which names of a network's addresses are looked up. Only whole bytes of IPv4 and half bytes of IPv6
/// prefixes have a zone.
pub fn reverse_zone(of: IpAddr, prefix: u32) -> Option<String> {
    let (step, suffix, digits): (u32, _, Vec<String>) = match of {
        IpAddr::V4(address) => (8, "in-addr.arpa", address.octets().iter().map(u8::to_string).collect()),
        IpAddr::V6(address) => {
            let halves = address.octets().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
            (4, "ip6.arpa", halves.map(|half| format!("{half:x}")).collect())
        }
    };
    if prefix == 0 || !prefix.is_multiple_of(step) || prefix >= step * digits.len() as u32 {
        return None;
    }
    let kept = digits.into_iter().take((prefix / step) as usize).rev();
    Some(kept.chain([suffix.to_owned()]).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        ip::parse(text).unwrap()
    }

    #[test]
    fn masks() {
        assert_eq!(Subnet::of(at("192.168.122.9"), 24).unwrap().to_string(), "192.168.122.0/24");
        assert_eq!(Subnet::of(at("2001:db8:ca2:2::1"), 64).unwrap().to_string(), "2001:db8:ca2:2::/64");
        assert_eq!(mask(at("1.2.3.4"), 33), None);
        assert_eq!(mask(at("1.2.3.4"), 0), Some(at("0.0.0.0")));
        assert_eq!(mask(at("fd00::1"), 0), Some(at("::")));
        assert_eq!(broadcast(at("10.1.2.3"), 20), Some(at("10.1.15.255")));
        assert_eq!(netmask(20, Family::Ipv4), Some(at("255.255.240.0")));
        assert_eq!(netmask(0, Family::Ipv4), Some(at("0.0.0.0")));
        assert_eq!(prefix(at("255.255.240.0")), Some(20));
        assert_eq!(prefix(at("255.0.255.0")), None);
        assert_eq!(prefix(at("ffff:ffff::")), Some(32));
        assert_eq!(
            [at("10.0.0.1"), at("172.16.0.1"), at("192.168.0.1"), at("0.0.0.0")].map(default_prefix),
            [8, 16, 24, 0]
        );
        assert!(same_network(at("2000::1:1"), at("2000::2:1"), at("ffff:ffff:ffff:ffff:ffff:ffff:fff8:0")));
    }

    #[test]
    fn overlap() {
        let net = |text: &str, prefix| Subnet::of(at(text), prefix).unwrap();
        assert!(
            net("10.0.0.0", 8).overlaps(&net("10.9.0.0", 16))
                && net("10.9.0.0", 16).overlaps(&net("10.0.0.0", 8))
        );
        assert!(!net("10.8.0.0", 16).overlaps(&net("10.9.0.0", 16)));
        assert!(!net("0.0.0.0", 0).overlaps(&net("fd00::", 64)));
    }

    #[test]
    fn zones() {
        assert_eq!(reverse_zone(at("192.168.122.1"), 24).as_deref(), Some("122.168.192.in-addr.arpa"));
        assert_eq!(reverse_zone(at("192.168.122.1"), 20), None);
        let zone = reverse_zone(at("2001:db8:ac10:fe01::1"), 64);
        assert_eq!(zone.as_deref(), Some("1.0.e.f.0.1.c.a.8.b.d.0.1.0.0.2.ip6.arpa"));
        assert_eq!(reverse_zone(at("fd00::"), 63), None);
    }
}
