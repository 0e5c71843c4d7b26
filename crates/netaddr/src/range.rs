//! Ranges of addresses, as DHCP hands them out.

use crate::{Family, ip, subnet};
use std::fmt;
use std::net::IpAddr;

/// Most addresses of a range.
const SIZE_MAX: u32 = 65535;

/// What is wrong with a range; the text is what clients see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeFault(String);

impl fmt::Display for RangeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RangeFault {}

/// How many addresses a range has, ends included. With a network (an address in it, and its prefix), the range must lie
/// in it; a prefix of `None` is one that does not exist, of a netmask with holes.
///
/// # Errors
/// When the ends do not fit together or the network, or the range is too large.
pub fn size(start: IpAddr, end: IpAddr, network: Option<(IpAddr, Option<u32>)>) -> Result<u32, RangeFault> {
    let text = format!("{} - {}", ip::text(start), ip::text(end));
    let fault = |text: String| Err(RangeFault(text));
    if Family::of(start) != Family::of(end) {
        return fault(format!("mismatch of address family in range {text}"));
    }
    if let Some((address, prefix)) = network {
        let shown = ip::text(address);
        if Family::of(address) != Family::of(start) {
            return fault(format!("mismatch of address family in range {text} for network {shown}"));
        }
        let net = prefix.and_then(|prefix| Some((subnet::mask(address, prefix)?, prefix)));
        let Some((net, prefix)) = net else {
            let prefix = prefix.map_or(-1, i64::from);
            return fault(format!("bad prefix {prefix} for network {shown} when checking range {text}"));
        };
        let within = |end| subnet::mask(end, prefix) == Some(net);
        if !within(start) || !within(end) {
            return fault(format!("range {text} is not entirely within network {shown}/{prefix}"));
        }
        if start.is_ipv4() {
            let place = format!("range {text} in network {shown}/{prefix}");
            if start == net {
                return fault(format!("start of {place} is the network address"));
            }
            if Some(end) == subnet::broadcast(address, prefix) {
                return fault(format!("end of {place} is the broadcast address"));
            }
        }
    }
    match (start, end) {
        (IpAddr::V4(start), IpAddr::V4(end)) => match u32::from(end).checked_sub(u32::from(start)) {
            None => fault(format!("range {text} is reversed ")),
            Some(more) if more > SIZE_MAX => fault(format!("range {text} is too large (> 65535)")),
            Some(more) => Ok(more + 1),
        },
        (IpAddr::V6(start), IpAddr::V6(end)) => {
            // Only the last two bytes may differ.
            let (start, end) = (u128::from(start), u128::from(end));
            if start >> 16 != end >> 16 {
                return fault(format!("range {text} is too large (> 65535)"));
            }
            match ((end & 0xffff) as u32).checked_sub((start & 0xffff) as u32) {
                None => fault(format!("range {text} start larger than end")),
                Some(more) => Ok(more + 1),
            }
        }
        _ => fault(format!("mismatch of address family in range {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(start: &str, end: &str, network: Option<(&str, Option<u32>)>, expected: Result<u32, &str>) {
        let at = |text: &str| ip::parse(text).unwrap();
        let got = size(at(start), at(end), network.map(|(address, prefix)| (at(address), prefix)));
        match expected {
            Ok(expected) => assert_eq!(got, Ok(expected), "{start} - {end}"),
            Err(part) => assert!(got.unwrap_err().to_string().contains(part), "{start} - {end}"),
        }
    }

    #[test]
    fn sizes_and_faults() {
        check("192.168.122.1", "192.168.122.20", Some(("192.168.122.22", Some(24))), Ok(20));
        check("192.168.122.0", "192.168.122.255", Some(("192.168.122.1", Some(16))), Ok(256));
        check(
            "192.168.122.0",
            "192.168.122.9",
            Some(("192.168.122.1", Some(24))),
            Err("is the network address"),
        );
        check(
            "192.168.122.1",
            "192.168.122.255",
            Some(("192.168.122.1", Some(24))),
            Err("is the broadcast address"),
        );
        check(
            "10.0.0.1",
            "10.0.0.9",
            Some(("192.168.122.1", Some(24))),
            Err("not entirely within network 192.168.122.1/24"),
        );
        check("10.0.0.1", "10.0.0.9", Some(("10.0.0.1", None)), Err("bad prefix -1"));
        check("10.0.0.9", "10.0.0.1", None, Err("is reversed "));
        check("10.0.0.1", "10.1.0.0", None, Ok(65536));
        check("10.0.0.1", "10.1.0.1", None, Err("is too large"));
        check("10.0.0.1", "fd00::1", None, Err("mismatch of address family"));
        check("2000::1", "2000::2", Some(("2000::1", Some(64))), Ok(2));
        check("2000::1", "9001::1", None, Err("is too large"));
        check("2000::9", "2000::1", None, Err("start larger than end"));
    }
}
