//! `<route>`: a network behind a guest.

use base::{Error, ErrorCode, ErrorDomain, Result};
use netaddr::{Family, Subnet, subnet};
use std::net::IpAddr;
use xml::{Node, Writer};

use crate::fault::invalid;
use crate::read;

/// A network that is reached through a gateway on this one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// The family, when the document states it.
    pub stated_family: Option<Family>,
    /// Address of the network behind.
    pub address: IpAddr,
    /// Prefix, when that is stated.
    pub prefix: Option<u32>,
    /// Netmask, when that is stated.
    pub netmask: Option<IpAddr>,
    /// The gateway.
    pub gateway: IpAddr,
    /// Metric, when it is stated; never 0.
    pub metric: Option<u32>,
}

impl Route {
    pub(crate) fn parse(node: Node<'_>, network: &str) -> Result<Route> {
        let wrong = |text: String| invalid(format!("{network}: {text}"));
        let stated = read::filled(node, "family");
        let address_text = read::filled(node, "address");
        let netmask_text = read::filled(node, "netmask");
        let gateway_text = read::filled(node, "gateway");
        let prefix = read::unsigned32(node, "prefix", false)?;
        let metric = read::unsigned32(node, "metric", false)?;
        if metric == Some(0) {
            return Err(Error::new(
                ErrorCode::XML_ERROR,
                ErrorDomain::XML,
                "Invalid value for attribute 'metric' in element 'route': Zero is not permitted",
            ));
        }
        let address_text = address_text
            .ok_or_else(|| wrong("Missing required address attribute in route definition".to_owned()))?;
        let gateway_text = gateway_text
            .ok_or_else(|| wrong("Missing required gateway attribute in route definition".to_owned()))?;
        let address = netaddr::ip::parse(address_text)
            .ok_or_else(|| wrong(format!("Bad network address '{address_text}' in route definition")))?;
        let gateway = netaddr::ip::parse(gateway_text)
            .ok_or_else(|| wrong(format!("Bad gateway address '{gateway_text}' in route definition")))?;
        let netmask = netmask_text.map(|text| {
            netaddr::ip::parse(text)
                .ok_or_else(|| wrong(format!("Bad netmask address '{text}' in route definition")))
        });
        let netmask = netmask.transpose()?;
        let shown = netaddr::ip::text(address);
        let stated_family = match stated {
            None if address.is_ipv6() => {
                return Err(wrong(format!(
                    "No family specified for non-IPv4 address '{shown}' in route definition"
                )));
            }
            None if gateway.is_ipv6() => {
                return Err(wrong(format!(
                    "No family specified for non-IPv4 gateway '{shown}' in route definition"
                )));
            }
            None => None,
            Some("ipv4") if address.is_ipv6() => {
                return Err(wrong(format!(
                    "IPv4 family specified for non-IPv4 address '{shown}' in route definition"
                )));
            }
            Some("ipv4") if gateway.is_ipv6() => {
                return Err(wrong(format!(
                    "IPv4 family specified for non-IPv4 gateway '{shown}' in route definition"
                )));
            }
            Some("ipv6") if address.is_ipv4() => {
                return Err(wrong(format!(
                    "ipv6 family specified for non-IPv6 address '{shown}' in route definition"
                )));
            }
            Some("ipv6") if gateway.is_ipv4() => {
                return Err(wrong(format!(
                    "ipv6 specified for non-IPv6 gateway address '{gateway_text}' in route definition"
                )));
            }
            Some(text) => {
                let family = Family::parse(text);
                Some(
                    family
                        .ok_or_else(|| wrong(format!("Unrecognized family '{text}' in route definition")))?,
                )
            }
        };
        let family = Family::of(address);
        if family == Family::Ipv6 && netmask.is_some() {
            return Err(wrong(format!(
                "Specifying netmask invalid for IPv6 address '{shown}' in route definition"
            )));
        }
        if netmask.is_some() && prefix.is_some() {
            return Err(wrong("Route definition cannot have both a prefix and a netmask".to_owned()));
        }
        if netmask.is_some_and(|netmask| netmask.is_ipv6()) {
            let text = netmask_text.unwrap_or_default();
            return Err(wrong(format!("Invalid netmask '{text}' for address '{shown}' (both must be IPv4)")));
        }
        if let Some(prefix) = prefix.filter(|prefix| *prefix > family.bits()) {
            let most = family.bits();
            return Err(wrong(format!(
                "Invalid prefix {prefix} specified in route definition, must be 0 - {most}"
            )));
        }
        let route = Route { stated_family, address, prefix, netmask, gateway, metric };
        // A netmask with holes cannot be compared with.
        let network_address = match route.netmask {
            Some(netmask) => {
                subnet::same_network(address, address, netmask) && masked(address, netmask) == Some(address)
            }
            None => subnet::mask(address, route.effective_prefix().unwrap_or(0)) == Some(address),
        };
        if !network_address {
            return Err(wrong(format!(
                "Address '{address_text}' in route definition is not a network address"
            )));
        }
        Ok(route)
    }

    /// The prefix in force; `None` for a netmask with holes.
    pub fn effective_prefix(&self) -> Option<u32> {
        match (self.prefix, self.netmask) {
            (Some(prefix), _) => Some(prefix),
            (None, Some(netmask)) => subnet::prefix(netmask),
            (None, None) if self.address.is_unspecified() => Some(0),
            // Addresses without prefix stand for one host, which is no network.
            (None, None) => Some(0),
        }
    }

    /// The network behind; `None` for a netmask with holes.
    pub fn subnet(&self) -> Option<Subnet> {
        Subnet::of(self.address, self.effective_prefix()?)
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.element("route")
            .attr_opt("family", self.stated_family)
            .attr("address", netaddr::ip::text(self.address))
            .attr_opt("netmask", self.netmask.map(netaddr::ip::text))
            .attr_opt("prefix", self.prefix)
            .attr("gateway", netaddr::ip::text(self.gateway))
            .attr_opt("metric", self.metric)
            .empty();
    }
}

fn masked(address: IpAddr, netmask: IpAddr) -> Option<IpAddr> {
    match (address, netmask) {
        (IpAddr::V4(address), IpAddr::V4(netmask)) => Some(IpAddr::V4(address & netmask)),
        (IpAddr::V6(address), IpAddr::V6(netmask)) => Some(IpAddr::V6(address & netmask)),
        _ => None,
    }
}
