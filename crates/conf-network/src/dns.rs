//! `<dns>`: what the network's name server answers by itself, and whom it asks.

use base::Result;
use std::net::IpAddr;
use xml::{Node, Writer};

use crate::fault::{detail, invalid};
use crate::read;

/// A server that is asked, for all names or those of a domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forwarder {
    /// Names of this domain only.
    pub domain: Option<String>,
    /// The server; without one the host's servers are asked.
    pub address: Option<IpAddr>,
}

/// A text record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Txt {
    /// Name, without blanks and commas.
    pub name: String,
    /// Text.
    pub value: String,
}

/// A service record. Numbers are 0 when they are not stated.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Srv {
    /// Service.
    pub service: Option<String>,
    /// Transport protocol.
    pub protocol: Option<String>,
    /// Domain.
    pub domain: Option<String>,
    /// Host that serves.
    pub target: Option<String>,
    /// Port of the host.
    pub port: u16,
    /// Lower ones are tried first.
    pub priority: u16,
    /// Share among those of the same priority.
    pub weight: u16,
}

/// Names of an address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Host {
    /// Address.
    pub address: Option<IpAddr>,
    /// Names.
    pub names: Vec<String>,
}

/// The name server of a network.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dns {
    /// Whether there is one.
    pub enabled: Option<bool>,
    /// Whether names without a domain are asked for outside.
    pub forward_plain_names: Option<bool>,
    /// Servers that are asked.
    pub forwarders: Vec<Forwarder>,
    /// Text records.
    pub txts: Vec<Txt>,
    /// Service records.
    pub srvs: Vec<Srv>,
    /// Names of addresses.
    pub hosts: Vec<Host>,
}

impl Dns {
    pub(crate) fn parse(node: Node<'_>, network: &str) -> Result<Dns> {
        let mut dns = Dns {
            enabled: read::yes_no(node, "enable")?,
            forward_plain_names: read::yes_no(node, "forwardPlainNames")?,
            ..Dns::default()
        };
        for forwarder in node.children("forwarder") {
            dns.forwarders.push(Forwarder::parse(forwarder, network)?);
        }
        for host in node.children("host") {
            dns.hosts.push(Host::parse(host, network, false)?);
        }
        for srv in node.children("srv") {
            dns.srvs.push(Srv::parse(srv, network, false)?);
        }
        for txt in node.children("txt") {
            dns.txts.push(Txt::parse(txt, network, false)?.0);
        }
        if dns.enabled == Some(false) && !dns.is_empty() {
            return Err(invalid(format!("Extra data in disabled network '{network}'")));
        }
        Ok(dns)
    }

    /// No records and no servers.
    pub fn is_empty(&self) -> bool {
        self.forwarders.is_empty() && self.txts.is_empty() && self.srvs.is_empty() && self.hosts.is_empty()
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.element("dns")
            .attr_opt("enable", self.enabled.map(read::yes_no_text))
            .attr_opt("forwardPlainNames", self.forward_plain_names.map(read::yes_no_text))
            .children_or_nothing(|w| {
                for forwarder in &self.forwarders {
                    w.element("forwarder")
                        .attr_opt("domain", forwarder.domain.as_ref())
                        .attr_opt("addr", forwarder.address.map(netaddr::ip::text))
                        .empty();
                }
                for txt in &self.txts {
                    w.element("txt").attr("name", &txt.name).attr("value", &txt.value).empty();
                }
                for srv in &self.srvs {
                    srv.format(w);
                }
                for host in &self.hosts {
                    let address = host.address.map(netaddr::ip::text);
                    w.element("host").attr_opt("ip", address).children_always(|w| {
                        for name in &host.names {
                            w.leaf("hostname", name);
                        }
                    });
                }
            });
    }
}

impl Forwarder {
    fn parse(node: Node<'_>, network: &str) -> Result<Forwarder> {
        let (address, domain) = (node.attr("addr"), node.attr("domain"));
        if address.is_none() && domain.is_none() {
            return Err(invalid("Invalid forwarder element, must contain at least one of addr or domain"));
        }
        let address = address.map(|text| {
            netaddr::ip::parse(text).ok_or_else(|| {
                invalid(format!("Invalid forwarder IP address '{text}' in network '{network}'"))
            })
        });
        Ok(Forwarder { domain: domain.map(str::to_owned), address: address.transpose()? })
    }
}

impl Txt {
    /// Reads a record and whether it has a value; a `partial` one, which only finds another, needs none.
    pub(crate) fn parse(node: Node<'_>, network: &str, partial: bool) -> Result<(Txt, bool)> {
        let Some(name) = node.attr("name") else {
            return Err(detail(format!(
                "missing required name attribute in DNS TXT record of network {network}"
            )));
        };
        if name.contains([' ', ',']) {
            return Err(detail(format!(
                "prohibited character in DNS TXT record name '{name}' of network {network}"
            )));
        }
        let value = node.attr("value");
        if value.is_none() && !partial {
            return Err(detail(format!(
                "missing required value attribute in DNS TXT record named '{name}' of network {network}"
            )));
        }
        let txt = Txt { name: name.to_owned(), value: value.unwrap_or_default().to_owned() };
        Ok((txt, value.is_some()))
    }
}

impl Srv {
    /// Reads a record; a `partial` one only finds another.
    pub(crate) fn parse(node: Node<'_>, network: &str, partial: bool) -> Result<Srv> {
        let text = |name| node.attr(name).map(str::to_owned);
        let mut srv = Srv {
            service: text("service"),
            protocol: text("protocol"),
            domain: text("domain"),
            target: text("target"),
            ..Srv::default()
        };
        let service = match &srv.service {
            Some(service) => service.clone(),
            None if partial => "(null)".to_owned(),
            None => {
                return Err(detail(format!(
                    "missing required service attribute in DNS SRV record of network '{network}'"
                )));
            }
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '/');
        let checked = |name: &str, value: Option<&String>| match value {
            Some(value) if !value.chars().all(|c| plain(c) || c == '_' && name == "service") => {
                Err(detail(format!(
                    "invalid character in {name} attribute '{value}' in DNS SRV record of network '{network}'"
                )))
            }
            _ => Ok(()),
        };
        checked("service", srv.service.as_ref())?;
        if srv.protocol.is_none() && !partial {
            return Err(detail(format!(
                "missing required protocol attribute in DNS SRV record '{service}' of network '{network}'"
            )));
        }
        checked("protocol", srv.protocol.as_ref())?;
        let number = |name: &str, word: &str, least: u64| -> Result<u16> {
            let Some(text) = node.attr(name) else { return Ok(0) };
            let value = read::decimal(text).filter(|value| *value >= least);
            let number = value.and_then(|value| u16::try_from(value).ok()).ok_or_else(|| {
                detail(format!(
                    "{word} DNS SRV {name} attribute for service '{service}' in network '{network}'"
                ))
            })?;
            if srv.target.is_none() {
                return Err(detail(format!(
                    "DNS SRV {name} attribute not permitted without target for service '{service}' in network \
                     '{network}'"
                )));
            }
            Ok(number)
        };
        let port = number("port", "invalid", 1)?;
        let priority = number("priority", "Invalid", 0)?;
        let weight = number("weight", "invalid", 0)?;
        (srv.port, srv.priority, srv.weight) = (port, priority, weight);
        Ok(srv)
    }

    fn format(&self, w: &mut Writer) {
        let shown = |number: u16| (number != 0).then_some(number);
        w.element("srv")
            .attr_opt("service", self.service.as_ref())
            .attr_opt("protocol", self.protocol.as_ref())
            .attr_opt("domain", self.domain.as_ref())
            .attr_opt("target", self.target.as_ref())
            .attr_opt("port", shown(self.port))
            .attr_opt("priority", shown(self.priority))
            .attr_opt("weight", shown(self.weight))
            .empty();
    }
}

impl Host {
    /// Reads a record; a `partial` one only finds another.
    pub(crate) fn parse(node: Node<'_>, network: &str, partial: bool) -> Result<Host> {
        let record = || format!("network '{network}' DNS HOST record");
        let names: Vec<String> = node.children("hostname").map(Node::text).collect();
        if names.iter().any(String::is_empty) || (names.is_empty() && !partial) {
            return Err(detail(format!("Missing hostname in {}", record())));
        }
        let address = match node.attr("ip") {
            Some(text) => Some(
                netaddr::ip::parse(text)
                    .ok_or_else(|| detail(format!("Invalid IP address in {}", record())))?,
            ),
            None if !partial => return Err(detail(format!("Missing IP address in {}", record()))),
            None => None,
        };
        if names.is_empty() && address.is_none() {
            return Err(detail(format!("Missing ip and hostname in {}", record())));
        }
        Ok(Host { address, names })
    }
}
