//! `<ip>`: an address of the network's bridge.

use base::Result;
use netaddr::{Family, Subnet, subnet};
use std::net::IpAddr;
use xml::{Node, Writer};

use crate::dhcp::Dhcp;
use crate::fault::{invalid, unsupported};
use crate::read;

/// An address of the network's bridge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ip {
    /// The family, when the document states it.
    pub stated_family: Option<Family>,
    /// The address.
    pub address: IpAddr,
    /// Prefix, when that is stated; 0 counts as not stated.
    pub prefix: u32,
    /// Netmask, when that is stated.
    pub netmask: Option<IpAddr>,
    /// Names of its addresses are not asked for outside.
    pub local_ptr: Option<bool>,
    /// Folder of the TFTP server.
    pub tftp_root: Option<String>,
    /// Addresses handed out.
    pub dhcp: Dhcp,
}

impl Ip {
    pub(crate) fn parse(node: Node<'_>, network: &str) -> Result<Ip> {
        let stated = read::filled(node, "family");
        let text = read::filled(node, "address")
            .ok_or_else(|| invalid(format!("Missing required address attribute in network '{network}'")))?;
        let address = netaddr::ip::parse(text)
            .ok_or_else(|| invalid(format!("Invalid address '{text}' in network '{network}'")))?;
        let shown = text;
        let netmask = match read::filled(node, "netmask") {
            None => None,
            Some(text) => {
                let mask = netaddr::ip::parse(text);
                Some((
                    text,
                    mask.ok_or_else(|| invalid(format!("Invalid netmask '{text}' in network '{network}'")))?,
                ))
            }
        };
        let prefix = read::unsigned32(node, "prefix", false)?;
        let local_ptr = read::yes_no(node, "localPtr")?;
        let stated_family = match stated {
            None if address.is_ipv6() => {
                return Err(unsupported(format!(
                    "no family specified for non-IPv4 address '{shown}' in network '{network}'"
                )));
            }
            None => None,
            Some("ipv4") if address.is_ipv6() => {
                return Err(unsupported(format!(
                    "ipv4 family specified for non-IPv4 address '{shown}' in network '{network}'"
                )));
            }
            Some("ipv6") if address.is_ipv4() => {
                return Err(unsupported(format!(
                    "Family 'ipv6' specified for non-IPv6 address '{shown}' in network '{network}'"
                )));
            }
            Some(text) => Some(
                Family::parse(text)
                    .ok_or_else(|| invalid(format!("Unrecognized family '{text}' in network '{network}'")))?,
            ),
        };
        let netmask = match netmask {
            None => None,
            Some(_) if address.is_ipv6() => {
                return Err(unsupported(format!(
                    "netmask not allowed for IPv6 address '{shown}' in network '{network}'"
                )));
            }
            Some(_) if prefix.is_some() => {
                return Err(unsupported(format!(
                    "Network '{network}' IP address cannot have both a prefix and a netmask"
                )));
            }
            Some((text, mask)) => {
                if mask.is_ipv6() {
                    return Err(unsupported(format!(
                        "Invalid netmask '{text}' for address '{shown}' in network '{network}' (both must be IPv4)"
                    )));
                }
                Some(mask)
            }
        };
        let family = Family::of(address);
        let prefix = prefix.unwrap_or(0);
        if prefix > family.bits() {
            let word = if family == Family::Ipv4 { "IPv4" } else { "IPv6" };
            return Err(unsupported(format!("Invalid {word} prefix '{prefix}' in network '{network}'")));
        }
        let mut ip =
            Ip { stated_family, address, prefix, netmask, local_ptr, tftp_root: None, dhcp: Dhcp::default() };
        if let Some(dhcp) = node.child("dhcp") {
            ip.dhcp = Dhcp::parse(dhcp, &ip, network)?;
        }
        if let Some(tftp) = node.child("tftp") {
            if family == Family::Ipv6 {
                return Err(unsupported(format!(
                    "Unsupported <tftp> element in an IPv6 element in network '{network}'"
                )));
            }
            ip.tftp_root = read::filled(tftp, "root").map(str::to_owned);
        }
        Ok(ip)
    }

    /// Family of the address.
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }

    /// The prefix in force: stated, of the netmask, or of the address's class; `None` for a netmask with holes.
    pub fn effective_prefix(&self) -> Option<u32> {
        match self.netmask {
            _ if self.prefix > 0 => Some(self.prefix),
            Some(netmask) => subnet::prefix(netmask),
            None => Some(subnet::default_prefix(self.address)),
        }
    }

    /// The network the address is in; `None` for a netmask with holes.
    pub fn subnet(&self) -> Option<Subnet> {
        Subnet::of(self.address, self.effective_prefix()?)
    }

    /// The netmask in force; `None` for one with holes.
    pub fn effective_netmask(&self) -> Option<IpAddr> {
        subnet::netmask(self.effective_prefix()?, self.family())
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.element("ip")
            .attr_opt("family", self.stated_family)
            .attr("address", netaddr::ip::text(self.address))
            .attr_opt("netmask", self.netmask.map(netaddr::ip::text))
            .attr_if(self.prefix > 0, "prefix", self.prefix)
            .attr_opt("localPtr", self.local_ptr.map(read::yes_no_text))
            .children_always(|w| {
                if let Some(root) = &self.tftp_root {
                    w.element("tftp").attr("root", root).empty();
                }
                self.dhcp.format(w);
            });
    }
}
