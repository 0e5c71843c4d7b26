//! `<dhcp>`: addresses the network hands out.

use base::Result;
use netaddr::{Family, Mac};
use std::net::IpAddr;
use xml::{Node, Writer};

use crate::fault::{address, invalid, unsupported};
use crate::ip::Ip;
use crate::read;

/// Shortest lease, in seconds, that the server grants.
const LEASE_MIN: u64 = 120;

base::text_enum! {
    /// Unit of a lease time.
    pub enum LeaseUnit {
        Seconds = "seconds",
        Minutes = "minutes",
        Hours = "hours",
    }
}

/// How long an address is lent; an expiry of 0 is for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    /// Time in `unit`.
    pub expiry: u64,
    /// Unit of `expiry`.
    pub unit: LeaseUnit,
}

/// A range of addresses, both ends included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// First address.
    pub start: IpAddr,
    /// Last address.
    pub end: IpAddr,
    /// How long they are lent.
    pub lease: Option<Lease>,
}

/// A host that always gets the same address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Host {
    /// Hardware address as it was spelled; IPv4 only.
    pub mac: Option<String>,
    /// Client id, or DUID for IPv6.
    pub id: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Address.
    pub address: Option<IpAddr>,
    /// How long it is lent.
    pub lease: Option<Lease>,
}

/// What a host boots from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bootp {
    /// File.
    pub file: String,
    /// Server, when it is another than the network's own.
    pub server: Option<IpAddr>,
}

/// What an address of the network hands out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dhcp {
    /// Ranges.
    pub ranges: Vec<Range>,
    /// Hosts with fixed addresses.
    pub hosts: Vec<Host>,
    /// What hosts boot from.
    pub bootp: Option<Bootp>,
}

impl Lease {
    fn parse(parent: Node<'_>) -> Result<Option<Lease>> {
        let Some(node) = parent.child("lease") else { return Ok(None) };
        let Some(expiry) = read::unsigned(node, "expiry", false)? else { return Ok(None) };
        let unit = read::member(node, "unit")?.unwrap_or(LeaseUnit::Minutes);
        let lease = Lease { expiry, unit };
        if lease.seconds().is_some_and(|seconds| seconds < LEASE_MIN) {
            return Err(unsupported("The minimum lease time should be greater than 2 minutes"));
        }
        Ok(Some(lease))
    }

    /// The time in seconds; `None` is for ever.
    pub fn seconds(&self) -> Option<u64> {
        let factor = match self.unit {
            LeaseUnit::Seconds => 1,
            LeaseUnit::Minutes => 60,
            LeaseUnit::Hours => 3600,
        };
        (self.expiry != 0).then(|| self.expiry.saturating_mul(factor))
    }

    fn format(&self, w: &mut Writer) {
        let unit = (self.expiry != 0).then_some(self.unit);
        w.element("lease").attr("expiry", self.expiry).attr_opt("unit", unit).empty();
    }
}

impl Range {
    /// Reads a range that belongs to `ip`.
    pub(crate) fn parse(node: Node<'_>, ip: &Ip, network: &str) -> Result<Range> {
        let end = |name: &str| {
            let text = node.attr(name).ok_or_else(|| {
                invalid(format!("Missing '{name}' attribute in dhcp range for network '{network}'"))
            })?;
            netaddr::ip::parse(text).ok_or_else(|| address(text))
        };
        let (start, end) = (end("start")?, end("end")?);
        netaddr::range::size(start, end, Some((ip.address, ip.effective_prefix())))
            .map_err(|fault| base::Error::internal(base::ErrorDomain::NONE, fault.to_string()))?;
        Ok(Range { start, end, lease: Lease::parse(node)? })
    }

    /// How many addresses it has.
    pub fn size(&self) -> u32 {
        netaddr::range::size(self.start, self.end, None).unwrap_or(0)
    }

    fn format(&self, w: &mut Writer) {
        w.element("range")
            .attr("start", netaddr::ip::text(self.start))
            .attr("end", netaddr::ip::text(self.end))
            .children(|w| {
                if let Some(lease) = &self.lease {
                    lease.format(w);
                }
            });
    }
}

impl Host {
    /// Reads a host of an address of `family`. A `partial` one, which only finds another, may lack the rest.
    pub(crate) fn parse(node: Node<'_>, family: Family, network: &str, partial: bool) -> Result<Host> {
        let v6 = family == Family::Ipv6;
        let mac = node.attr("mac").map(str::to_owned);
        if let Some(text) = &mac {
            if v6 {
                return Err(invalid(format!(
                    "Invalid to specify MAC address '{text}' in network '{network}' IPv6 static host definition"
                )));
            }
            let parsed: Mac = text
                .parse()
                .map_err(|_| invalid(format!("Cannot parse MAC address '{text}' in network '{network}'")))?;
            if parsed.is_multicast() {
                return Err(invalid(format!(
                    "expected unicast mac address, found multicast '{text}' in network '{network}'"
                )));
            }
        }
        let id = node.attr("id").map(str::to_owned);
        if let Some(id) = &id
            && let Some(other) = id.chars().find(|c| !c.is_ascii_hexdigit() && *c != ':')
        {
            return Err(invalid(format!("Invalid character '{other}' in id '{id}' of network '{network}'")));
        }
        let name = node.attr("name").map(str::to_owned);
        if let Some(name) = &name
            && !name.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return Err(invalid(format!("Cannot use host name '{name}' in network '{network}'")));
        }
        let address = node.attr("ip");
        let parsed = address.map(|text| {
            netaddr::ip::parse(text).ok_or_else(|| {
                invalid(format!("Invalid IP address in static host definition for network '{network}'"))
            })
        });
        let parsed = parsed.transpose()?;
        if partial {
            if mac.is_none() && name.is_none() && parsed.is_none() {
                return Err(invalid(format!(
                    "At least one of name, mac, or ip attribute must be specified for static host definition in \
                     network '{network}'"
                )));
            }
        } else {
            if v6 && id.is_none() && name.is_none() {
                return Err(invalid(format!(
                    "Static host definition in IPv6 network '{network}' must have id or name attribute"
                )));
            }
            if !v6 && mac.is_none() && name.is_none() {
                return Err(invalid(format!(
                    "Static host definition in IPv4 network '{network}' must have mac or name attribute"
                )));
            }
            if parsed.is_none() {
                return Err(invalid(format!(
                    "Missing IP address in static host definition for network '{network}'"
                )));
            }
        }
        Ok(Host { mac, id, name, address: parsed, lease: Lease::parse(node)? })
    }

    fn format(&self, w: &mut Writer) {
        w.element("host")
            .attr_opt("mac", self.mac.as_ref())
            .attr_opt("id", self.id.as_ref())
            .attr_opt("name", self.name.as_ref())
            .attr_opt("ip", self.address.map(netaddr::ip::text))
            .children(|w| {
                if let Some(lease) = &self.lease {
                    lease.format(w);
                }
            });
    }
}

impl Dhcp {
    pub(crate) fn parse(node: Node<'_>, ip: &Ip, network: &str) -> Result<Dhcp> {
        let mut dhcp = Dhcp::default();
        for node in node.elements() {
            match node.name() {
                "range" => dhcp.ranges.push(Range::parse(node, ip, network)?),
                "host" => dhcp.hosts.push(Host::parse(node, ip.family(), network, false)?),
                "bootp" if ip.family() == Family::Ipv4 => {
                    let file = node
                        .attr("file")
                        .ok_or_else(|| conf_domain::fault::missing("bootp", "file"))?
                        .to_owned();
                    let server = node
                        .attr("server")
                        .map(|text| netaddr::ip::parse(text).ok_or_else(|| address(text)))
                        .transpose()?;
                    // The last one counts.
                    dhcp.bootp = Some(Bootp { file, server });
                }
                _ => {}
            }
        }
        Ok(dhcp)
    }

    /// Hands out addresses, by range or host.
    pub fn serves(&self) -> bool {
        !self.ranges.is_empty() || !self.hosts.is_empty()
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        if !self.serves() {
            return;
        }
        w.element("dhcp").children(|w| {
            for range in &self.ranges {
                range.format(w);
            }
            for host in &self.hosts {
                host.format(w);
            }
            if let Some(bootp) = &self.bootp {
                w.element("bootp")
                    .attr("file", &bootp.file)
                    .attr_opt("server", bootp.server.map(netaddr::ip::text))
                    .empty();
            }
        });
    }
}
