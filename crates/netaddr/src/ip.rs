//! Text forms of IP addresses.
//!
//! Reading follows `getaddrinfo` with a numeric host: an IPv4 address has one to four parts in decimal, octal (leading
//! `0`) or hexadecimal (leading `0x`), the last part filling the bytes that are left. Printing follows `inet_ntop`, which
//! prints the last four bytes of mapped and compatible IPv6 addresses in dotted form.

use crate::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address of any family.
pub fn parse(text: &str) -> Option<IpAddr> {
    if text.contains(':') { parse_v6(text).map(IpAddr::V6) } else { parse_v4(text).map(IpAddr::V4) }
}

/// An address of one family.
pub fn parse_as(text: &str, family: Family) -> Option<IpAddr> {
    parse(text).filter(|address| Family::of(*address) == family)
}

/// An IPv4 address in any of the resolver's forms.
pub fn parse_v4(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text.split('.').map(part).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 32 - 8 * leading.len() as u32;
    if room < 32 && *last >> room != 0 {
        return None;
    }
    let high = leading.iter().zip([24, 16, 8]).map(|(part, shift)| part << shift).sum::<u32>();
    Some(Ipv4Addr::from(high | last))
}

fn part(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    let digit = |c: char| c.is_digit(radix);
    if digits.is_empty() || !digits.chars().all(digit) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

/// An IPv6 address; a zone is not part of an address.
pub fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok()
}

/// Canonical text.
pub fn text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => text_v6(address),
    }
}

/// Canonical text of an IPv6 address.
pub fn text_v6(address: Ipv6Addr) -> String {
    let compatible = address.segments()[..6] == [0; 6] && address.segments()[6] != 0;
    if compatible {
        let [.., a, b, c, d] = address.octets();
        return format!("::{a}.{b}.{c}.{d}");
    }
    address.to_string()
}

/// The address that stands for every local one.
pub fn is_wildcard(address: IpAddr) -> bool {
    address.is_unspecified()
}

/// The loopback address itself, not any other of its network.
pub fn is_localhost(address: IpAddr) -> bool {
    address == IpAddr::V4(Ipv4Addr::LOCALHOST) || address == IpAddr::V6(Ipv6Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Option<&str>) {
        assert_eq!(parse(input).map(text).as_deref(), expected, "{input:?}");
    }

    #[test]
    fn forms() {
        check("127.0.0.1", Some("127.0.0.1"));
        check("127.2", Some("127.0.0.2"));
        check("1.2.3", Some("1.2.0.3"));
        check("0x0a.010.3", Some("10.8.0.3"));
        check("2130706433", Some("127.0.0.1"));
        check("4294967296", None);
        check("1.16777216", None);
        check("127.0.0.256", None);
        check("08.1.1.1", None);
        check("1.2.3.4.5", None);
        check("1..2", None);
        check("+1.2.3.4", None);
        check(" 1.2.3.4", None);
        check("", None);
        check("host", None);
        check("::FFFF:a01:203", Some("::ffff:10.1.2.3"));
        check("::1.2.3.4", Some("::1.2.3.4"));
        check("::1", Some("::1"));
        check("::", Some("::"));
        check("1:0:0:2:0:0:0:3", Some("1:0:0:2::3"));
        check("1:0:2:3:4:5:6:7", Some("1:0:2:3:4:5:6:7"));
        check("1::2::3", None);
    }

    #[test]
    fn families_and_special_addresses() {
        assert!(parse_as("::1", Family::Ipv4).is_none());
        assert!(parse_as("1.2.3.4", Family::Ipv4).is_some());
        assert!(parse("0.0").is_some_and(is_wildcard) && !parse("0.1").is_some_and(is_wildcard));
        assert!(
            parse("0177.0.0.01").is_some_and(is_localhost) && !parse("127.0.0.2").is_some_and(is_localhost)
        );
    }
}
