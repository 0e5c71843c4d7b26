//! Sections of a network that change one by one.
//!
//! A change works on a copy. [`Network::changed`] heeds what the section itself forbids; [`Network::updated`] prints the
//! copy and reads it again, so that what the whole document forbids is refused as if the document had come so.

use base::{Error, ErrorCode, ErrorDomain, Result};
use netaddr::{Family, Mac};
use xml::{Document, Node};

use crate::dhcp::{self, Range};
use crate::dns::{self, Srv, Txt};
use crate::fault::{invalid, malformed};
use crate::forward::{Device, Member};
use crate::ip::Ip;
use crate::network::{FormatFlags, Network};
use crate::portgroup::PortGroup;

/// What to do with an entry; numbers of `virNetworkUpdateCommand`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// 1
    Modify,
    /// 2
    Delete,
    /// 3
    AddLast,
    /// 4
    AddFirst,
    /// Any other number.
    Unknown(u32),
}

impl Command {
    /// The command with this number.
    pub fn from_number(number: u32) -> Command {
        match number {
            1 => Command::Modify,
            2 => Command::Delete,
            3 => Command::AddLast,
            4 => Command::AddFirst,
            other => Command::Unknown(other),
        }
    }
}

/// A part of the document; numbers of `virNetworkUpdateSection`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Section {
    /// 1
    Bridge,
    /// 2
    Domain,
    /// 3
    Ip,
    /// 4
    DhcpHost,
    /// 5
    DhcpRange,
    /// 6
    Forward,
    /// 7
    ForwardInterface,
    /// 8
    ForwardPf,
    /// 9
    PortGroup,
    /// 10
    DnsHost,
    /// 11
    DnsTxt,
    /// 12
    DnsSrv,
}

impl Section {
    /// The section with this number.
    pub fn from_number(number: u32) -> Option<Section> {
        Some(match number {
            1 => Section::Bridge,
            2 => Section::Domain,
            3 => Section::Ip,
            4 => Section::DhcpHost,
            5 => Section::DhcpRange,
            6 => Section::Forward,
            7 => Section::ForwardInterface,
            8 => Section::ForwardPf,
            9 => Section::PortGroup,
            10 => Section::DnsHost,
            11 => Section::DnsTxt,
            12 => Section::DnsSrv,
            _ => return None,
        })
    }
}

fn not_valid(text: impl Into<String>) -> Error {
    Error::operation_invalid(ErrorDomain::NETWORK, text)
}

fn not_supported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::OPERATION_UNSUPPORTED, ErrorDomain::NETWORK, text)
}

fn unknown_command(number: u32) -> Error {
    not_supported(format!("unrecognized network update command code {number}"))
}

fn insert<T>(list: &mut Vec<T>, entry: T, first: bool) {
    if first {
        list.insert(0, entry);
    } else {
        list.push(entry);
    }
}

/// What an update is made of, in common to all sections.
struct Change<'n> {
    command: Command,
    node: Node<'n>,
    network: String,
}

impl Change<'_> {
    fn expect(&self, element: &str) -> Result<()> {
        if self.node.name() == element {
            return Ok(());
        }
        Err(invalid(format!(
            "unexpected element <{}>, expecting <{element}>, while updating network '{}'",
            self.node.name(),
            self.network
        )))
    }

    fn first(&self) -> bool {
        self.command == Command::AddFirst
    }
}

impl Network {
    /// The network with one entry of a section changed. `parent`: which `<ip>` element, or -1 for the one that fits.
    ///
    /// # Errors
    /// In the reference's words; nothing is changed then.
    pub fn updated(&self, command: Command, section: u32, parent: i32, text: &str) -> Result<Network> {
        let next = self.changed(command, section, parent, text)?;
        let mut again = Network::parse(&next.format(FormatFlags { inactive: true }), &mut || [0; 16])?;
        // What only the running form knows is kept.
        again.connections = next.connections;
        if again.forward.mode.is_some() {
            again.forward.members = next.forward.members;
        }
        Ok(again)
    }

    /// The network with one entry of a section changed, whatever the rest of the document has to say to that.
    ///
    /// # Errors
    /// In the reference's words; nothing is changed then.
    pub fn changed(&self, command: Command, section: u32, parent: i32, text: &str) -> Result<Network> {
        let section = Section::from_number(section)
            .ok_or_else(|| not_supported("can't update unrecognized section of network"))?;
        let document = Document::parse(text).map_err(|error| malformed(text, &error))?;
        let mut next = self.clone();
        let change = Change { command, node: document.root(), network: self.name.clone() };
        let closed =
            |word: &str| not_supported(format!("can't update '{word}' section of network '{}'", self.name));
        match section {
            Section::Bridge => return Err(closed("bridge")),
            Section::Domain => return Err(closed("domain")),
            Section::Ip => return Err(closed("ip")),
            Section::Forward => return Err(closed("forward")),
            Section::ForwardPf => return Err(closed("forward pf")),
            Section::DhcpHost => change.dhcp_host(&mut next, parent)?,
            Section::DhcpRange => change.dhcp_range(&mut next, parent)?,
            Section::ForwardInterface => change.interface(&mut next)?,
            Section::PortGroup => change.portgroup(&mut next)?,
            Section::DnsHost => change.dns_host(&mut next)?,
            Section::DnsTxt => change.dns_txt(&mut next)?,
            Section::DnsSrv => change.dns_srv(&mut next)?,
        }
        Ok(next)
    }

    fn ip_for_dhcp(&mut self, parent: i32) -> Result<usize> {
        let name = self.name.clone();
        if let Ok(index) = usize::try_from(parent) {
            if index < self.ips.len() {
                return Ok(index);
            }
            return Err(not_valid(format!(
                "couldn't update dhcp host entry - no <ip> element found at index {index} in network '{name}'"
            )));
        }
        let serving = self.ips.iter().position(|ip| ip.dhcp.serves());
        let of = |family| self.ips.iter().position(|ip| ip.family() == family);
        serving.or_else(|| of(Family::Ipv4)).or_else(|| of(Family::Ipv6)).ok_or_else(|| {
            not_valid(format!("couldn't update dhcp host entry - no <ip> element found in network '{name}'"))
        })
    }

    /// Only one address of each family hands out addresses.
    fn only_server(&self, at: usize, family: Family) -> Result<()> {
        let other = self
            .ips
            .iter()
            .enumerate()
            .any(|(index, ip)| index != at && ip.family() == family && ip.dhcp.serves());
        if !other {
            return Ok(());
        }
        let word = if family == Family::Ipv4 { "IPv4" } else { "IPv6" };
        Err(not_valid(format!("dhcp is supported only for a single {word} address on each network")))
    }
}

fn mac_of(host: &dhcp::Host) -> Option<Mac> {
    host.mac.as_ref()?.parse().ok()
}

fn both_equal<T: PartialEq + ?Sized>(one: Option<&T>, other: Option<&T>) -> bool {
    one.is_some() && one == other
}

/// Whether two hosts have an identifying field in common.
fn related(one: &dhcp::Host, other: &dhcp::Host) -> bool {
    both_equal(mac_of(one).as_ref(), mac_of(other).as_ref())
        || both_equal(one.name.as_ref(), other.name.as_ref())
        || both_equal(one.address.as_ref(), other.address.as_ref())
}

/// Whether a host has all fields that a partial one states.
fn fits(partial: &dhcp::Host, host: &dhcp::Host) -> bool {
    (partial.mac.is_none() || mac_of(partial) == mac_of(host))
        && (partial.name.is_none() || partial.name == host.name)
        && (partial.address.is_none() || partial.address == host.address)
}

impl Change<'_> {
    fn dhcp_host(&self, network: &mut Network, parent: i32) -> Result<()> {
        let at = network.ip_for_dhcp(parent)?;
        self.expect("host")?;
        let name = &self.network;
        let family = network.ips.get(at).map_or(Family::Ipv4, Ip::family);
        let host = dhcp::Host::parse(self.node, family, name, self.command == Command::Delete)?;
        let deleted = self.command == Command::Delete;
        if !deleted && host.address.is_some_and(|address| Family::of(address) != family) {
            return Err(not_valid(
                "the address family of a host entry IP must match the address family of the dhcp element's parent",
            ));
        }
        let shown = || {
            let text = |text: Option<&String>, none: &str| text.map_or(none.to_owned(), Clone::clone);
            let ip = host.address.map_or_else(|| "unknown".to_owned(), netaddr::ip::text);
            (text(host.mac.as_ref(), "unknown"), text(host.name.as_ref(), "(null)"), ip)
        };
        match self.command {
            Command::Modify => {
                let hosts = hosts(network, at);
                let found = hosts.iter_mut().find(|known| related(known, &host)).ok_or_else(|| {
                    let (mac, host_name, ip) = shown();
                    not_valid(format!(
                        "couldn't locate an existing dhcp host entry with \"mac='{mac}'\" \"name='{host_name}'\" \
                         \"ip='{ip}'\" in network '{name}'"
                    ))
                })?;
                *found = host;
            }
            Command::AddFirst | Command::AddLast => {
                network.only_server(at, family)?;
                let hosts = hosts(network, at);
                if hosts.iter().any(|known| related(known, &host)) {
                    let (mac, host_name, ip) = shown();
                    return Err(not_valid(format!(
                        "there is an existing dhcp host entry in network '{name}' that matches \
                         \"<host mac='{mac}' name='{host_name}' ip='{ip}'/>\""
                    )));
                }
                insert(hosts, host, self.first());
            }
            Command::Delete => {
                let hosts = hosts(network, at);
                let found = hosts.iter().position(|known| fits(&host, known)).ok_or_else(|| {
                    not_valid(format!("couldn't locate a matching dhcp host entry in network '{name}'"))
                })?;
                hosts.remove(found);
            }
            Command::Unknown(number) => return Err(unknown_command(number)),
        }
        Ok(())
    }

    fn dhcp_range(&self, network: &mut Network, parent: i32) -> Result<()> {
        self.expect("range")?;
        let at = network.ip_for_dhcp(parent)?;
        if self.command == Command::Modify {
            return Err(not_supported("dhcp ranges cannot be modified, only added or deleted"));
        }
        let name = &self.network;
        let Some(ip) = network.ips.get(at) else { return Ok(()) };
        let (family, range) = (ip.family(), Range::parse(self.node, ip, name)?);
        let same = |known: &Range| known.start == range.start && known.end == range.end;
        match self.command {
            Command::AddFirst | Command::AddLast => {
                network.only_server(at, family)?;
                if network.ips.get(at).is_some_and(|ip| ip.dhcp.ranges.iter().any(same)) {
                    let [start, end] = [range.start, range.end].map(netaddr::ip::text);
                    return Err(not_valid(format!(
                        "there is an existing dhcp range entry in network '{name}' that matches \
                         \"<range start='{start}' end='{end}'/>\""
                    )));
                }
                if let Some(ip) = network.ips.get_mut(at) {
                    insert(&mut ip.dhcp.ranges, range, self.first());
                }
            }
            Command::Delete => {
                let ranges = network.ips.get_mut(at).map(|ip| &mut ip.dhcp.ranges);
                let found = ranges.and_then(|ranges| {
                    let found = ranges.iter().position(same)?;
                    Some(ranges.remove(found))
                });
                found.ok_or_else(|| {
                    not_valid(format!("couldn't locate a matching dhcp range entry in network '{name}'"))
                })?;
            }
            Command::Modify => {}
            Command::Unknown(number) => return Err(unknown_command(number)),
        }
        Ok(())
    }

    fn interface(&self, network: &mut Network) -> Result<()> {
        self.expect("interface")?;
        if self.command == Command::Modify {
            return Err(not_supported("forward interface entries cannot be modified, only added or deleted"));
        }
        let name = &self.network;
        let dev = self
            .node
            .attr("dev")
            .ok_or_else(|| invalid("missing dev attribute in <interface> element"))?
            .to_owned();
        let device = Device::Interface(dev.clone());
        let members = &mut network.forward.members;
        let known = members.iter().position(|member| member.device == device);
        match self.command {
            Command::AddFirst | Command::AddLast => {
                if known.is_some() {
                    return Err(not_valid(format!(
                        "there is an existing interface entry in network '{name}' that matches \
                         \"<interface dev='{dev}'>\""
                    )));
                }
                insert(members, Member { device, connections: 0 }, self.first());
            }
            Command::Delete => {
                let at = known.ok_or_else(|| {
                    not_valid(format!(
                        "couldn't find an interface entry in network '{name}' matching <interface dev='{dev}'>"
                    ))
                })?;
                let users = members.get(at).map_or(0, |member| member.connections);
                if users > 0 {
                    return Err(not_valid(format!(
                        "unable to delete interface '{dev}' in network '{name}'. It is currently being used  by \
                         {users} domains."
                    )));
                }
                members.remove(at);
            }
            Command::Modify => {}
            Command::Unknown(number) => return Err(unknown_command(number)),
        }
        Ok(())
    }

    fn portgroup(&self, network: &mut Network) -> Result<()> {
        self.expect("portgroup")?;
        let name = &self.network;
        let group = PortGroup::parse(self.node, &mut || [0; 16])?;
        let known = network.portgroups.iter().position(|known| known.name == group.name);
        let other_default =
            network.portgroups.iter().any(|known| known.default && known.name != group.name) && group.default;
        let missing = || {
            not_valid(format!(
                "couldn't find a portgroup entry in network '{name}' matching <portgroup name='{}'>",
                group.name
            ))
        };
        let second_default = || {
            not_valid(format!(
                "a different portgroup entry in network '{name}' is already set as the default. Only one default is \
                 allowed."
            ))
        };
        match self.command {
            Command::AddFirst | Command::AddLast => {
                if known.is_some() {
                    return Err(not_valid(format!(
                        "there is an existing portgroup entry in network '{name}' that matches \
                         \"<portgroup name='{}'>\"",
                        group.name
                    )));
                }
                if other_default {
                    return Err(second_default());
                }
                insert(&mut network.portgroups, group, self.first());
            }
            Command::Modify => {
                let at = known.ok_or_else(missing)?;
                if other_default {
                    return Err(second_default());
                }
                if let Some(old) = network.portgroups.get_mut(at) {
                    *old = group;
                }
            }
            Command::Delete => {
                network.portgroups.remove(known.ok_or_else(missing)?);
            }
            Command::Unknown(_) if other_default => return Err(second_default()),
            Command::Unknown(number) => return Err(unknown_command(number)),
        }
        Ok(())
    }

    fn dns_host(&self, network: &mut Network) -> Result<()> {
        self.expect("host")?;
        let name = &self.network;
        let delete = self.command == Command::Delete;
        let adding = matches!(self.command, Command::AddFirst | Command::AddLast);
        // A record that is to be found needs no more than what finds it.
        let host = dns::Host::parse(self.node, name, !adding)?;
        let found: Vec<usize> = network
            .dns
            .hosts
            .iter()
            .enumerate()
            .filter(|(_, known)| {
                both_equal(known.address.as_ref(), host.address.as_ref())
                    || (delete && known.names.iter().any(|known| host.names.contains(known)))
            })
            .map(|(at, _)| at)
            .collect();
        let hosts = &mut network.dns.hosts;
        let one = |found: &[usize]| match found {
            [] => Err(not_valid(format!("couldn't locate a matching DNS HOST record in network {name}"))),
            [at] => Ok(*at),
            _ => Err(not_valid(format!("multiple matching DNS HOST records were found in network {name}"))),
        };
        match self.command {
            Command::AddFirst | Command::AddLast => {
                if !found.is_empty() {
                    return Err(not_valid(format!(
                        "there is already at least one DNS HOST record with a matching field in network {name}"
                    )));
                }
                insert(hosts, host, self.first());
            }
            Command::Modify => {
                let at = one(&found)?;
                if let Some(old) = hosts.get_mut(at) {
                    *old = host;
                }
            }
            Command::Delete => {
                hosts.remove(one(&found)?);
            }
            Command::Unknown(number) => return Err(unknown_command(number)),
        }
        Ok(())
    }

    fn dns_txt(&self, network: &mut Network) -> Result<()> {
        self.expect("txt")?;
        let name = &self.network;
        let adding = matches!(self.command, Command::AddFirst | Command::AddLast);
        let (txt, valued) = Txt::parse(self.node, name, !adding)?;
        let txts = &mut network.dns.txts;
        let known = txts.iter().position(|known| known.name == txt.name);
        let missing = || not_valid(format!("couldn't locate a matching DNS TXT record in network {name}"));
        match self.command {
            Command::AddFirst | Command::AddLast => {
                if known.is_some() {
                    return Err(not_valid(format!(
                        "there is already a DNS TXT record with name '{}' in network {name}",
                        txt.name
                    )));
                }
                insert(txts, txt, self.first());
            }
            Command::Modify => {
                let at = known.ok_or_else(missing)?;
                if !valued {
                    return Err(not_valid(format!(
                        "missing value of modifying DNS TXT record in network {name}"
                    )));
                }
                if let Some(old) = txts.get_mut(at) {
                    *old = txt;
                }
            }
            Command::Delete => {
                txts.remove(known.ok_or_else(missing)?);
            }
            Command::Unknown(number) => return Err(unknown_command(number)),
        }
        Ok(())
    }

    fn dns_srv(&self, network: &mut Network) -> Result<()> {
        self.expect("srv")?;
        if self.command == Command::Modify {
            return Err(not_supported("DNS SRV records cannot be modified, only added or deleted"));
        }
        let name = &self.network;
        let adding = matches!(self.command, Command::AddFirst | Command::AddLast);
        let srv = Srv::parse(self.node, name, !adding)?;
        fn text(wanted: Option<&String>, known: Option<&String>) -> bool {
            wanted.is_none() || wanted == known
        }
        let number = |wanted: u16, known: u16| wanted == 0 || wanted == known;
        let srvs = &mut network.dns.srvs;
        let found: Vec<usize> = srvs
            .iter()
            .enumerate()
            .filter(|(_, known)| {
                text(srv.service.as_ref(), known.service.as_ref())
                    && text(srv.protocol.as_ref(), known.protocol.as_ref())
                    && text(srv.domain.as_ref(), known.domain.as_ref())
                    && text(srv.target.as_ref(), known.target.as_ref())
                    && number(srv.port, known.port)
                    && number(srv.priority, known.priority)
                    && number(srv.weight, known.weight)
            })
            .map(|(at, _)| at)
            .collect();
        match (self.command, found.as_slice()) {
            (Command::AddFirst | Command::AddLast, []) => insert(srvs, srv, self.first()),
            (Command::AddFirst | Command::AddLast, _) => {
                return Err(not_valid(format!(
                    "there is already at least one DNS SRV record matching all specified fields in network {name}"
                )));
            }
            (Command::Delete, []) => {
                return Err(not_valid(format!(
                    "couldn't locate a matching DNS SRV record in network {name}"
                )));
            }
            (Command::Delete, [at]) => {
                srvs.remove(*at);
            }
            (Command::Delete, _) => {
                return Err(not_valid(format!(
                    "multiple DNS SRV records matching all specified fields were found in network {name}"
                )));
            }
            (Command::Modify, _) => {}
            (Command::Unknown(number), _) => return Err(unknown_command(number)),
        }
        Ok(())
    }
}

fn hosts(network: &mut Network, at: usize) -> &mut Vec<dhcp::Host> {
    // The index comes from a search in the same list.
    &mut network.ips[at].dhcp.hosts
}
