//! Values of attributes: kinds, how they are read and printed.

use crate::VarRef;
use netaddr::{Family, Mac};

/// What an attribute may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A number up to this one, decimal or with `0x` in front.
    Number(u32),
    /// A decimal number up to this one.
    Decimal(u32),
    /// A hardware address.
    Mac,
    /// A mask of hardware addresses: ones, then zeros.
    MacMask,
    /// An address of this family.
    Ip(Family),
    /// The length of a mask, or a mask.
    IpMask(Family),
    /// A switch.
    Bool,
    /// A text of at most 256 bytes.
    Comment,
    /// A protocol above Ethernet by name or number; numbers below this one are lengths.
    EtherType(u32),
    /// A kind of question or answer of ARP, by name or number.
    ArpOperation,
    /// A protocol above IP, by name or number.
    IpProtocol,
    /// States of connections.
    ConnectionState,
    /// Flags of TCP that are looked at, and those that must be set.
    TcpFlags,
    /// The name of a set of addresses.
    IpSet,
    /// Which parts of a packet are looked up in a set.
    IpSetFlags,
}

/// The value of an attribute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Itself: as documents show it, and as a number where it is one.
    Plain {
        /// As it is printed.
        text: String,
        /// As a number.
        number: Option<u32>,
    },
    /// Whatever a variable stands for.
    Variable(VarRef),
}

const ETHER_TYPES: &[(&str, u32)] =
    &[("arp", 0x806), ("rarp", 0x8035), ("ipv4", 0x800), ("ipv6", 0x86dd), ("vlan", 0x8100)];
const ARP_OPERATIONS: &[(&str, u32)] = &[
    ("Request", 1),
    ("Reply", 2),
    ("Request_Reverse", 3),
    ("Reply_Reverse", 4),
    ("DRARP_Request", 5),
    ("DRARP_Reply", 6),
    ("DRARP_Error", 7),
    ("InARP_Request", 8),
    ("ARP_NAK", 9),
];
const IP_PROTOCOLS: &[(&str, u32)] = &[
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("esp", 50),
    ("ah", 51),
    ("icmp", 1),
    ("igmp", 2),
    ("sctp", 132),
    ("icmpv6", 58),
];
const STATES: &[&str] = &["NEW", "ESTABLISHED", "RELATED", "INVALID"];
const TCP_FLAGS: &[&str] = &["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
const COMMENT_MAX: usize = 256;
const IP_SET_MAX: usize = 31;
/// How many parts of a packet a set may hold.
const IP_SET_FLAGS_MAX: usize = 6;

impl Value {
    /// Reads a value.
    pub fn parse(kind: Kind, text: &str) -> Option<Value> {
        if text.starts_with('$') && kind != Kind::Comment {
            return VarRef::parse(text).map(Value::Variable);
        }
        let plain = |text: String| Some(Value::Plain { text, number: None });
        match kind {
            Kind::Number(most) => number(text, most),
            Kind::Decimal(most) => number(text, most).filter(|_| !is_hexadecimal(text)),
            Kind::Mac => plain(text.parse::<Mac>().ok()?.to_string()),
            Kind::MacMask => {
                let mask: Mac = text.parse().ok()?;
                let bits = mask.0.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte)) << 16;
                (bits.leading_ones() == bits.count_ones()).then(|| plain(mask.to_string())).flatten()
            }
            Kind::Ip(family) => plain(netaddr::ip::text(address(text, family)?)),
            Kind::IpMask(family) => mask(text, family),
            Kind::Bool => {
                plain(if matches!(text, "yes" | "true" | "1") { "true" } else { "false" }.to_owned())
            }
            Kind::Comment => {
                let end = (0..=COMMENT_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
                plain(text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned())
            }
            Kind::EtherType(least) => {
                let found = named(ETHER_TYPES, text, 0xffff)?;
                (found.number()? >= least).then_some(found)
            }
            Kind::ArpOperation => named(ARP_OPERATIONS, text, 0xffff),
            Kind::IpProtocol => named(IP_PROTOCOLS, text, 0xff),
            Kind::ConnectionState => plain(states(text)?),
            Kind::TcpFlags => {
                let (looked, set) = text.split_once('/')?;
                plain(format!("{}/{}", tcp_flags(looked)?, tcp_flags(set)?))
            }
            Kind::IpSet => {
                let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-+ ".contains(c);
                let good = !text.is_empty() && text.len() <= IP_SET_MAX && text.chars().all(fits);
                good.then(|| plain(text.to_owned())).flatten()
            }
            Kind::IpSetFlags => {
                let text = text.to_ascii_lowercase();
                let words: Vec<&str> = text.split(',').collect();
                let good = words.len() <= IP_SET_FLAGS_MAX
                    && words.iter().all(|word| matches!(*word, "src" | "dst"));
                good.then(|| plain(text.clone())).flatten()
            }
        }
    }

    /// The number that it is.
    pub fn number(&self) -> Option<u32> {
        match self {
            Value::Plain { number, .. } => *number,
            Value::Variable(_) => None,
        }
    }

    /// As documents show it.
    pub fn text(&self) -> String {
        match self {
            Value::Plain { text, .. } => text.clone(),
            Value::Variable(variable) => variable.to_string(),
        }
    }

    /// The variable that it stands for.
    pub fn variable(&self) -> Option<&VarRef> {
        match self {
            Value::Variable(variable) => Some(variable),
            Value::Plain { .. } => None,
        }
    }
}

fn is_hexadecimal(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with("0x") || text.starts_with("0X")
}

/// A number as C reads it with the base told by its prefix; the prefix stays when it is printed.
fn number(text: &str, most: u32) -> Option<Value> {
    let text = text.trim_start();
    let value = if is_hexadecimal(text) {
        let digits = text.get(2..).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()?
    } else {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()?
    };
    let printed = if is_hexadecimal(text) { format!("0x{value:x}") } else { value.to_string() };
    (value <= most).then_some(Value::Plain { text: printed, number: Some(value) })
}

/// A number that may have a name; it is printed by its name.
fn named(names: &[(&str, u32)], text: &str, most: u32) -> Option<Value> {
    if let Some((name, value)) = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Some(Value::Plain { text: (*name).to_owned(), number: Some(*value) });
    }
    let found = number(text, most)?;
    let name = names.iter().find(|(_, value)| Some(*value) == found.number());
    Some(match name {
        Some((name, value)) => Value::Plain { text: (*name).to_owned(), number: Some(*value) },
        None => found,
    })
}

fn address(text: &str, family: Family) -> Option<std::net::IpAddr> {
    if let Some(found) = netaddr::ip::parse_as(text, family) {
        return Some(found);
    }
    // An address of the old kind in the dress of the new one.
    let mapped = netaddr::ip::parse_v6(text).filter(|_| family == Family::Ipv4)?;
    mapped.to_ipv4_mapped().map(std::net::IpAddr::V4)
}

/// The length of a mask.
fn mask(text: &str, family: Family) -> Option<Value> {
    let length = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok().filter(|length: &u32| *length <= family.bits())?
    } else {
        netaddr::subnet::prefix(netaddr::ip::parse_as(text, family)?)?
    };
    Some(Value::Plain { text: length.to_string(), number: Some(length) })
}

fn states(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(',')
        .map(|word| word.trim().to_ascii_uppercase())
        .filter(|word| !word.is_empty())
        .collect();
    if words.iter().any(|word| !STATES.contains(&word.as_str()) && word != "NONE") {
        return None;
    }
    if words.iter().any(|word| word == "NONE") {
        return Some("NONE".to_owned());
    }
    let kept: Vec<&str> =
        STATES.iter().copied().filter(|state| words.iter().any(|word| word == state)).collect();
    Some(kept.join(","))
}

fn tcp_flags(text: &str) -> Option<String> {
    let mut set = [false; TCP_FLAGS.len()];
    for word in text.split(',').map(|word| word.trim().to_ascii_uppercase()).filter(|word| !word.is_empty()) {
        match word.as_str() {
            "ALL" => set = [true; TCP_FLAGS.len()],
            "NONE" => {}
            word => *set.get_mut(TCP_FLAGS.iter().position(|flag| *flag == word)?)? = true,
        }
    }
    if set.iter().all(|flag| *flag) {
        return Some("ALL".to_owned());
    }
    let words: Vec<&str> = TCP_FLAGS.iter().zip(set).filter(|(_, set)| *set).map(|(flag, _)| *flag).collect();
    Some(if words.is_empty() { "NONE".to_owned() } else { words.join(",") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, text: &str, printed: Option<&str>) {
        let found = Value::parse(kind, text).map(|value| value.text());
        assert_eq!(found.as_deref(), printed, "{kind:?} {text:?}");
    }

    #[test]
    fn values_are_printed_in_one_form() {
        check(Kind::Number(255), "0XFF", Some("0xff"));
        check(Kind::Number(255), "010", Some("10"));
        check(Kind::Number(255), " 5", Some("5"));
        check(Kind::Number(255), "5 ", None);
        check(Kind::Number(255), "256", None);
        check(Kind::Number(255), "-1", None);
        check(Kind::Decimal(255), "0x1", None);
        check(Kind::Mac, "1:2:3:4:5:6", Some("01:02:03:04:05:06"));
        check(Kind::MacMask, "ff:ff:80:0:0:0", Some("ff:ff:80:00:00:00"));
        check(Kind::MacMask, "1:2:3:4:5:6", None);
        check(Kind::Ip(Family::Ipv4), "10.1.2", Some("10.1.0.2"));
        check(Kind::Ip(Family::Ipv4), "1::2", None);
        check(Kind::Ip(Family::Ipv4), "::ffff:1.2.3.4", Some("1.2.3.4"));
        check(Kind::Ip(Family::Ipv6), "A:B::C", Some("a:b::c"));
        check(Kind::IpMask(Family::Ipv4), "255.255.0.0", Some("16"));
        check(Kind::IpMask(Family::Ipv4), "255.0.255.0", None);
        check(Kind::IpMask(Family::Ipv4), "33", None);
        check(Kind::IpMask(Family::Ipv6), "ffff::", Some("16"));
        check(Kind::Bool, "TRUE", Some("false"));
        check(Kind::Comment, &"x".repeat(300), Some(&"x".repeat(256)));
        check(Kind::EtherType(0x600), "2048", Some("ipv4"));
        check(Kind::EtherType(0x600), "1535", None);
        check(Kind::EtherType(0), "1535", Some("1535"));
        check(Kind::ArpOperation, "0x1", Some("Request"));
        check(Kind::IpProtocol, "TCP", Some("tcp"));
        check(Kind::ConnectionState, "established,,new", Some("NEW,ESTABLISHED"));
        check(Kind::ConnectionState, "NEW,NONE", Some("NONE"));
        check(Kind::ConnectionState, "bogus", None);
        check(Kind::TcpFlags, "syn,ack/", Some("SYN,ACK/NONE"));
        check(Kind::TcpFlags, "SYN", None);
        check(Kind::IpSet, "a=b", None);
        check(Kind::IpSetFlags, "SRC,dSt", Some("src,dst"));
        check(Kind::IpSetFlags, "src,", None);
        check(Kind::IpSetFlags, "$F", Some("$F"));
    }
}
