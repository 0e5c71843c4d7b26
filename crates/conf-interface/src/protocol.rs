//! How an interface gets addresses: `<protocol>`.

use crate::read::{decimal, invalid, member};
use base::Result;
use conf_domain::fault;
use xml::{Node, Writer};

base::text_enum! {
    /// A family of addresses.
    pub enum Family {
        V4 = "ipv4",
        V6 = "ipv6",
    }
}

base::text_enum! {
    /// A switch.
    enum YesNo {
        Yes = "yes",
        No = "no",
    }
}

/// An address that an interface has at all times.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Address {
    /// The address as it was written.
    pub address: String,
    /// Length of the network's part, in bits; zero when it is not known.
    pub prefix: i32,
}

/// Addresses that a server gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Dhcp {
    /// Whether the server's name servers become those of the host.
    pub peer_dns: Option<bool>,
}

/// How an interface gets addresses of one family.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Protocol {
    /// The family.
    pub family: Family,
    /// From the routers' advertisements; IPv6 only.
    pub autoconf: bool,
    /// From a server.
    pub dhcp: Option<Dhcp>,
    /// Given ones.
    pub addresses: Vec<Address>,
    /// Where packets go that are for no network of the host.
    pub gateway: Option<String>,
}

impl Protocol {
    /// Nothing but the family.
    pub fn new(family: Family) -> Protocol {
        Protocol { family, autoconf: false, dhcp: None, addresses: Vec::new(), gateway: None }
    }

    pub(crate) fn parse(node: Node<'_>) -> Result<Protocol> {
        let family = node.attr("family").ok_or_else(|| invalid("protocol misses the family attribute"))?;
        let family = Family::parse(family)
            .ok_or_else(|| invalid(format!("unsupported protocol family '{family}'")))?;
        let autoconf = family == Family::V6 && node.child("autoconf").is_some();
        let dhcp = node.child("dhcp").map(Dhcp::parse).transpose()?;
        let mut addresses = Vec::new();
        for ip in node.children("ip") {
            addresses.extend(Address::parse(ip)?);
        }
        let gateway = node.child("route").and_then(|route| route.attr("gateway")).map(str::to_owned);
        Ok(Protocol { family, autoconf, dhcp, addresses, gateway })
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.element("protocol").attr("family", self.family).children_always(|w| {
            if self.autoconf {
                w.element("autoconf").empty();
            }
            if let Some(dhcp) = self.dhcp {
                let peer_dns = dhcp.peer_dns.map(|on| if on { YesNo::Yes } else { YesNo::No });
                w.element("dhcp").attr_opt("peerdns", peer_dns).empty();
            }
            for ip in &self.addresses {
                let element = w.element("ip").attr("address", &ip.address);
                element.attr_if(ip.prefix != 0, "prefix", ip.prefix).empty();
            }
            if let Some(gateway) = &self.gateway {
                w.element("route").attr("gateway", gateway).empty();
            }
        });
    }
}

impl Dhcp {
    fn parse(node: Node<'_>) -> Result<Dhcp> {
        Ok(Dhcp { peer_dns: member::<YesNo>(node, "peerdns")?.map(|word| word == YesNo::Yes) })
    }
}

impl Address {
    /// Nothing when the element has no address.
    fn parse(node: Node<'_>) -> Result<Option<Address>> {
        let Some(address) = node.attr("address") else { return Ok(None) };
        let prefix = match node.attr("prefix") {
            Some(text) => decimal(text).ok_or_else(|| fault::number("ip", "prefix", text, "integer"))?,
            None => 0,
        };
        Ok(Some(Address { address: address.to_owned(), prefix }))
    }
}
