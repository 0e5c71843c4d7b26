//! Addresses of networks: IP and MAC addresses as documents spell them, subnets, ranges.
//!
//! * [`ip`]: text forms, as the C library's resolver reads and prints numeric addresses
//! * [`subnet`]: prefixes, netmasks, network and broadcast addresses, reverse DNS zones
//! * [`range`]: ranges of addresses and what is wrong with them
//! * [`mac`]: hardware addresses
//!
//! Addresses are `std::net` values; only their text rules differ from the standard library's.

pub mod ip;
pub mod mac;
pub mod range;
pub mod subnet;

pub use mac::Mac;
pub use range::RangeFault;
pub use subnet::Subnet;

base::text_enum! {
    /// Family of an address, as documents spell it.
    pub enum Family {
        Ipv4 = "ipv4",
        Ipv6 = "ipv6",
    }
}

impl Family {
    /// The family of an address.
    pub fn of(address: std::net::IpAddr) -> Family {
        if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }

    /// Bits of an address.
    pub fn bits(self) -> u32 {
        match self {
            Family::Ipv4 => 32,
            Family::Ipv6 => 128,
        }
    }
}
