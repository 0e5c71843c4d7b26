//! What rules can look at: protocols and their attributes, in the order of documents.
//!
//! An attribute that belongs to another (a mask to its address, the end of a range to its begin) is negated with it.

use crate::value::Kind;
use netaddr::Family::{Ipv4, Ipv6};

base::text_enum! {
    /// Protocols, by the names of elements.
    pub enum Protocol {
        Mac = "mac",
        Vlan = "vlan",
        Stp = "stp",
        Arp = "arp",
        Rarp = "rarp",
        Ip = "ip",
        Ipv6 = "ipv6",
        Tcp = "tcp",
        Udp = "udp",
        UdpLite = "udplite",
        Esp = "esp",
        Ah = "ah",
        Sctp = "sctp",
        Icmp = "icmp",
        Igmp = "igmp",
        All = "all",
        TcpIpv6 = "tcp-ipv6",
        UdpIpv6 = "udp-ipv6",
        UdpLiteIpv6 = "udplite-ipv6",
        EspIpv6 = "esp-ipv6",
        AhIpv6 = "ah-ipv6",
        SctpIpv6 = "sctp-ipv6",
        Icmpv6 = "icmpv6",
        AllIpv6 = "all-ipv6",
    }
}

/// Who filters a protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layer {
    /// Frames.
    Ethernet,
    /// Packets of IPv4.
    Ipv4,
    /// Packets of IPv6.
    Ipv6,
}

/// An attribute.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// The attribute it is negated with.
    pub follows: Option<&'static str>,
    /// It is read, and then passed over.
    pub ignored: bool,
}

const fn on_its_own(name: &'static str, kind: Kind) -> Attribute {
    Attribute { name, kind, follows: None, ignored: false }
}

const fn with(name: &'static str, kind: Kind, follows: &'static str) -> Attribute {
    Attribute { name, kind, follows: Some(follows), ignored: false }
}

const fn unused(name: &'static str, kind: Kind) -> Attribute {
    Attribute { name, kind, follows: None, ignored: true }
}

const U8: Kind = Kind::Number(0xff);
const U16: Kind = Kind::Number(0xffff);
const U32: Kind = Kind::Number(u32::MAX);
const DSCP: Attribute = on_its_own("dscp", Kind::Number(63));

const FRAME: &[Attribute] = &[
    on_its_own("srcmacaddr", Kind::Mac),
    with("srcmacmask", Kind::MacMask, "srcmacaddr"),
    on_its_own("dstmacaddr", Kind::Mac),
    with("dstmacmask", Kind::MacMask, "dstmacaddr"),
];
/// Of ARP the masks are on their own.
const ARP_FRAME: &[Attribute] = &[
    on_its_own("srcmacaddr", Kind::Mac),
    on_its_own("srcmacmask", Kind::MacMask),
    on_its_own("dstmacaddr", Kind::Mac),
    on_its_own("dstmacmask", Kind::MacMask),
];
const MAC: &[Attribute] = &[on_its_own("protocolid", Kind::EtherType(0x600))];
const VLAN: &[Attribute] =
    &[on_its_own("vlanid", Kind::Number(4095)), on_its_own("encap-protocol", Kind::EtherType(0))];
const STP: &[Attribute] = &[
    on_its_own("srcmacaddr", Kind::Mac),
    with("srcmacmask", Kind::MacMask, "srcmacaddr"),
    on_its_own("type", U8),
    on_its_own("flags", U8),
    on_its_own("root-priority", U16),
    with("root-priority-hi", U16, "root-priority"),
    on_its_own("root-address", Kind::Mac),
    with("root-address-mask", Kind::MacMask, "root-address"),
    on_its_own("root-cost", U32),
    with("root-cost-hi", U32, "root-cost"),
    on_its_own("sender-priority", U16),
    with("sender-priority-hi", U16, "sender-priority"),
    on_its_own("sender-address", Kind::Mac),
    with("sender-address-mask", Kind::MacMask, "sender-address"),
    on_its_own("port", U16),
    with("port-hi", U16, "port"),
    on_its_own("age", U16),
    with("age-hi", U16, "age"),
    on_its_own("max-age", U16),
    with("max-age-hi", U16, "max-age"),
    on_its_own("hello-time", U16),
    with("hello-time-hi", U16, "hello-time"),
    on_its_own("forward-delay", U16),
    with("forward-delay-hi", U16, "forward-delay"),
];
const ARP: &[Attribute] = &[
    on_its_own("hwtype", U16),
    on_its_own("protocoltype", U16),
    on_its_own("opcode", Kind::ArpOperation),
    on_its_own("arpsrcmacaddr", Kind::Mac),
    on_its_own("arpdstmacaddr", Kind::Mac),
    on_its_own("arpsrcipaddr", Kind::Ip(Ipv4)),
    on_its_own("arpsrcipmask", Kind::IpMask(Ipv4)),
    on_its_own("arpdstipaddr", Kind::Ip(Ipv4)),
    on_its_own("arpdstipmask", Kind::IpMask(Ipv4)),
    on_its_own("gratuitous", Kind::Bool),
];
const ADDRESSES4: &[Attribute] = &[
    on_its_own("srcipaddr", Kind::Ip(Ipv4)),
    with("srcipmask", Kind::IpMask(Ipv4), "srcipaddr"),
    on_its_own("dstipaddr", Kind::Ip(Ipv4)),
    with("dstipmask", Kind::IpMask(Ipv4), "dstipaddr"),
];
const ADDRESSES6: &[Attribute] = &[
    on_its_own("srcipaddr", Kind::Ip(Ipv6)),
    with("srcipmask", Kind::IpMask(Ipv6), "srcipaddr"),
    on_its_own("dstipaddr", Kind::Ip(Ipv6)),
    with("dstipmask", Kind::IpMask(Ipv6), "dstipaddr"),
];
const RANGES4: &[Attribute] = &[
    on_its_own("srcipfrom", Kind::Ip(Ipv4)),
    with("srcipto", Kind::Ip(Ipv4), "srcipfrom"),
    on_its_own("dstipfrom", Kind::Ip(Ipv4)),
    with("dstipto", Kind::Ip(Ipv4), "dstipfrom"),
];
const RANGES6: &[Attribute] = &[
    on_its_own("srcipfrom", Kind::Ip(Ipv6)),
    with("srcipto", Kind::Ip(Ipv6), "srcipfrom"),
    on_its_own("dstipfrom", Kind::Ip(Ipv6)),
    // The end of this range alone is read as one of IPv4, by the reference as well.
    with("dstipto", Kind::Ip(Ipv4), "dstipfrom"),
];
const CONNECTION: &[Attribute] =
    &[DSCP, on_its_own("connlimit-above", Kind::Decimal(0xffff)), on_its_own("state", Kind::ConnectionState)];
/// All ports are negated with the first.
const PORTS: &[Attribute] = &[
    on_its_own("srcportstart", U16),
    with("srcportend", U16, "srcportstart"),
    with("dstportstart", U16, "srcportstart"),
    with("dstportend", U16, "srcportstart"),
];
const IP_PROTOCOL: &[Attribute] = &[on_its_own("protocol", Kind::IpProtocol)];
const IP_END: &[Attribute] = &[DSCP];
const IPV6_END: &[Attribute] = &[
    on_its_own("type", U8),
    with("typeend", U8, "type"),
    with("code", U8, "type"),
    with("codeend", U8, "type"),
];
const ICMP: &[Attribute] = &[on_its_own("type", U8), with("code", U8, "type")];
const TCP: &[Attribute] = &[on_its_own("flags", Kind::TcpFlags)];
const SOURCE: &[Attribute] = &[on_its_own("srcmacaddr", Kind::Mac)];
const IP_SET: &[Attribute] = &[on_its_own("ipset", Kind::IpSet), on_its_own("ipsetflags", Kind::IpSetFlags)];
/// Sets are for rules of all protocols alone.
const NO_IP_SET: &[Attribute] = &[unused("ipset", Kind::IpSet), unused("ipsetflags", Kind::IpSetFlags)];
const COMMENT: &[Attribute] = &[on_its_own("comment", Kind::Comment)];

impl Protocol {
    /// Groups of attributes, in the order of documents.
    pub fn attributes(self) -> Vec<&'static Attribute> {
        let ports = |more: &'static [Attribute], v6: bool| {
            let (addresses, ranges) = if v6 { (ADDRESSES6, RANGES6) } else { (ADDRESSES4, RANGES4) };
            vec![SOURCE, addresses, ranges, CONNECTION, PORTS, more, NO_IP_SET, COMMENT]
        };
        let plain = |more: &'static [Attribute], v6: bool| {
            let (addresses, ranges) = if v6 { (ADDRESSES6, RANGES6) } else { (ADDRESSES4, RANGES4) };
            vec![SOURCE, addresses, ranges, CONNECTION, more, COMMENT]
        };
        let groups: Vec<&'static [Attribute]> = match self {
            Protocol::Mac => vec![FRAME, MAC, COMMENT],
            Protocol::Vlan => vec![FRAME, VLAN, COMMENT],
            Protocol::Stp => vec![STP, COMMENT],
            Protocol::Arp | Protocol::Rarp => vec![ARP_FRAME, ARP, COMMENT],
            Protocol::Ip => vec![FRAME, ADDRESSES4, IP_PROTOCOL, PORTS, IP_END, COMMENT],
            Protocol::Ipv6 => vec![FRAME, ADDRESSES6, IP_PROTOCOL, PORTS, IPV6_END, COMMENT],
            Protocol::Tcp => ports(TCP, false),
            Protocol::Udp | Protocol::Sctp => ports(&[], false),
            Protocol::TcpIpv6 | Protocol::UdpIpv6 | Protocol::SctpIpv6 => ports(&[], true),
            Protocol::Icmp => {
                let mut groups = plain(ICMP, false);
                groups.push(NO_IP_SET);
                groups
            }
            Protocol::Icmpv6 => {
                let mut groups = plain(ICMP, true);
                groups.push(NO_IP_SET);
                groups
            }
            Protocol::All => plain(IP_SET, false),
            Protocol::AllIpv6 => plain(IP_SET, true),
            Protocol::UdpLite | Protocol::Esp | Protocol::Ah | Protocol::Igmp => plain(NO_IP_SET, false),
            Protocol::UdpLiteIpv6 | Protocol::EspIpv6 | Protocol::AhIpv6 => plain(NO_IP_SET, true),
        };
        groups.into_iter().flatten().collect()
    }

    /// Who filters it.
    pub fn layer(self) -> Layer {
        match self {
            Protocol::Mac
            | Protocol::Vlan
            | Protocol::Stp
            | Protocol::Arp
            | Protocol::Rarp
            | Protocol::Ip
            | Protocol::Ipv6 => Layer::Ethernet,
            Protocol::Icmpv6 => Layer::Ipv6,
            other if other.as_str().ends_with("-ipv6") => Layer::Ipv6,
            _ => Layer::Ipv4,
        }
    }
}
