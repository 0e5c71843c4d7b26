//! `<network>`: reading and printing.

use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use netaddr::Mac;
use xml::{Document, Node, Writer};

use crate::bridge::Bridge;
use crate::dns::Dns;
use crate::fault::{invalid, malformed};
use crate::forward::{Forward, Mode};
use crate::ip::Ip;
use crate::metadata::Metadata;
use crate::portgroup::PortGroup;
use crate::route::Route;
use crate::virtual_port::PortRules;
use crate::{Bandwidth, VirtualPort, Vlan, read};

/// Namespace of options that are passed on to dnsmasq.
const DNSMASQ: &str = "http://libvirt.org/schemas/network/dnsmasq/1.0";

/// How to print a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FormatFlags {
    /// The stored form: no counts of connections, no devices found at run time.
    pub inactive: bool,
}

/// Domain names of a network's hosts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DomainName {
    /// The domain.
    pub name: String,
    /// Names of this domain are not asked for outside.
    pub local_only: Option<bool>,
    /// The domain is made known to the host's resolver.
    pub register: Option<bool>,
}

/// A virtual network.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Network {
    /// Name.
    pub name: String,
    /// Identity.
    pub uuid: Uuid,
    /// Short text.
    pub title: Option<String>,
    /// Long text.
    pub description: Option<String>,
    /// Notes of applications.
    pub metadata: Metadata,
    /// Guests that are connected now.
    pub connections: u32,
    /// IPv6 works between guests although the network has no IPv6 address.
    pub ipv6_between_guests: bool,
    /// Guests may change their filters.
    pub trust_guest_rx_filters: Option<bool>,
    /// How it reaches the world.
    pub forward: Forward,
    /// The bridge that carries it.
    pub bridge: Bridge,
    /// Largest frame, 0 for the default.
    pub mtu: u32,
    /// Hardware address of the bridge.
    pub mac: Option<Mac>,
    /// Domain of its hosts.
    pub domain: Option<DomainName>,
    /// Name server.
    pub dns: Dns,
    /// Tags.
    pub vlan: Option<Vlan>,
    /// Speed of the whole network.
    pub bandwidth: Option<Bandwidth>,
    /// Ports do not see each other.
    pub port_isolated: Option<bool>,
    /// Addresses of the bridge.
    pub ips: Vec<Ip>,
    /// Networks behind guests.
    pub routes: Vec<Route>,
    /// Profile of all ports.
    pub virtual_port: Option<VirtualPort>,
    /// Classes of ports.
    pub portgroups: Vec<PortGroup>,
    /// Lines for dnsmasq.
    pub dnsmasq_options: Vec<String>,
}

fn xml_error(code: ErrorCode, text: impl Into<String>) -> Error {
    Error::new(code, ErrorDomain::XML, text)
}

impl Network {
    /// Reads a document. `random` gives a UUID when the document has none.
    ///
    /// # Errors
    /// With the reference's words when the text is no XML, no network, or contradicts itself.
    pub fn parse(text: &str, random: &mut dyn FnMut() -> [u8; 16]) -> Result<Network> {
        let document = Document::parse(text).map_err(|error| malformed(text, &error))?;
        let root = document.root();
        if root.name() != "network" {
            let text = format!("expecting root element of 'network', not '{}'", root.name());
            return Err(xml_error(ErrorCode::XML_ERROR, text));
        }
        Network::parse_node(root, random)
    }

    /// Reads a `<network>` element of a larger document.
    ///
    /// # Errors
    /// As [`Network::parse`].
    pub fn parse_node(root: Node<'_>, random: &mut dyn FnMut() -> [u8; 16]) -> Result<Network> {
        let mut network = Network::identity(root, random)?;
        let name = network.name.clone();
        network.ipv6_between_guests = match read::filled(root, "ipv6") {
            None | Some("no") => false,
            Some("yes") => true,
            Some(text) => return Err(invalid(format!("Invalid ipv6 setting '{text}' in network '{name}'"))),
        };
        network.trust_guest_rx_filters = read::yes_no(root, "trustGuestRxFilters")?;
        if let Some(domain) = root.child("domain") {
            let local_only = read::yes_no(domain, "localOnly")?;
            let register = read::yes_no(domain, "register")?;
            network.domain =
                domain.attr("name").map(|name| DomainName { name: name.to_owned(), local_only, register });
        }
        if let Some(bandwidth) = root.child("bandwidth") {
            network.bandwidth = Bandwidth::parse(bandwidth, false, None)?;
        }
        network.vlan = root.child("vlan").map(Vlan::parse).transpose()?;
        if let Some(port) = root.child("port") {
            network.port_isolated = read::yes_no(port, "isolated")?;
        }
        if let Some(bridge) = root.child("bridge") {
            network.bridge = Bridge::parse(bridge, &name)?;
        }
        network.mac(root)?;
        if let Some(mtu) = root.child("mtu").and_then(|node| read::filled(node, "size")) {
            // A negative number wraps around, as C's conversion does.
            let negative = mtu.strip_prefix('-').and_then(read::decimal).map(u64::wrapping_neg);
            let size = read::decimal(mtu).filter(|size| *size <= u64::from(u32::MAX)).or(negative);
            let wrong = || invalid(format!("Invalid mtu size '{mtu}' in network '{name}'"));
            network.mtu = size.ok_or_else(wrong)? as u32;
        }
        if let Some(dns) = root.child("dns") {
            network.dns = Dns::parse(dns, &name)?;
        }
        if let Some(port) = root.child("virtualport") {
            let rules = PortRules { kind_required: true, ..PortRules::default() };
            network.virtual_port = VirtualPort::parse(port, rules, random)?;
        }
        for group in root.children("portgroup") {
            network.portgroups.push(PortGroup::parse(group, random)?);
        }
        for ip in root.children("ip") {
            network.ips.push(Ip::parse(ip, &name)?);
        }
        for route in root.children("route") {
            network.routes.push(Route::parse(route, &name)?);
        }
        // To forward nothing is what a network does that says nothing of it.
        if let Some(forward) = root.child("forward").filter(|node| node.attr("mode") != Some("none")) {
            network.forward = Forward::parse(forward, &name)?;
        }
        network.check_routes()?;
        network.check_forward()?;
        if let Some(options) = root.child_ns(DNSMASQ, "options") {
            for option in options.elements().filter(|node| node.name() == "option") {
                let value = option.attr("value").ok_or_else(|| {
                    Error::internal(ErrorDomain::NETWORK, "No dnsmasq options value specified")
                })?;
                network.dnsmasq_options.push(value.to_owned());
            }
        }
        Ok(network)
    }

    fn identity(root: Node<'_>, random: &mut dyn FnMut() -> [u8; 16]) -> Result<Network> {
        let name = root.child_text("name").unwrap_or_default();
        if name.is_empty() {
            return Err(Error::bare(ErrorCode::NO_NAME, ErrorDomain::NETWORK));
        }
        if let Some(bad) = name.chars().find(|c| matches!(c, '/' | '\n')) {
            // A slash would lead out of the folder of definitions, a new line out of their lines.
            return Err(xml_error(ErrorCode::XML_DETAIL, format!("invalid char in name: {bad}")));
        }
        let uuid = match root.child_text("uuid").filter(|text| !text.is_empty()) {
            None => Uuid::from_random(random()),
            Some(text) => {
                text.parse().map_err(|_| Error::internal(ErrorDomain::NETWORK, "malformed uuid element"))?
            }
        };
        let text = |name| root.child_text(name).filter(|text| !text.is_empty());
        let title = text("title");
        if title.as_ref().is_some_and(|title| title.contains('\n')) {
            return Err(invalid("Network title can't contain newlines"));
        }
        let metadata = root.child("metadata").map(Metadata::parse).unwrap_or_default();
        Ok(Network { name, uuid, title, description: text("description"), metadata, ..Network::default() })
    }

    fn mac(&mut self, root: Node<'_>) -> Result<()> {
        let Some(text) = root.child("mac").and_then(|node| read::filled(node, "address")) else {
            return Ok(());
        };
        let name = &self.name;
        let mac: Mac = text
            .parse()
            .map_err(|_| invalid(format!("Invalid bridge mac address '{text}' in network '{name}'")))?;
        if mac.is_multicast() {
            return Err(invalid(format!(
                "Invalid multicast bridge mac address '{text}' in network '{name}'"
            )));
        }
        self.mac = Some(mac);
        Ok(())
    }

    /// A gateway must be reachable through one of the network's addresses.
    fn check_routes(&self) -> Result<()> {
        for route in &self.routes {
            let reachable =
                self.ips.iter().any(|ip| ip.subnet().is_some_and(|net| net.contains(route.gateway)));
            if !reachable {
                return Err(crate::fault::unsupported(format!(
                    "unreachable static route gateway '{}' specified for network '{}'",
                    netaddr::ip::text(route.gateway),
                    self.name
                )));
            }
        }
        Ok(())
    }

    /// What the kind of forwarding does not go with, as far as the document alone tells.
    fn check_forward(&mut self) -> Result<()> {
        let (name, mode) = (&self.name, self.forward.mode);
        let word = Mode::word(mode);
        let interfaces = self.forward.first_interface().is_some();
        match mode {
            None => {}
            Some(Mode::Nat | Mode::Route) => {
                if self.ips.is_empty() {
                    return Err(invalid(format!(
                        "{word} forwarding requested, but no IP address provided for network '{name}'"
                    )));
                }
                if self.forward.members.len() > 1 {
                    return Err(invalid(format!(
                        "multiple forwarding interfaces specified for network '{name}', only one is supported"
                    )));
                }
            }
            Some(Mode::Open) if !interfaces => {}
            Some(Mode::Open) => {
                return Err(invalid(format!(
                    "forward dev not allowed for network '{name}' with forward mode='{word}'"
                )));
            }
            Some(Mode::Private | Mode::Vepa | Mode::Passthrough | Mode::Hostdev) => {
                for (stated, what) in [
                    (self.bridge.name.is_some(), "bridge name"),
                    (self.bridge.zone.is_some(), "bridge zone"),
                    (self.bridge.mac_table_manager.is_some(), "bridge macTableManager setting"),
                ] {
                    if stated {
                        return Err(invalid(format!("{what} not allowed in {word} mode (network '{name}')")));
                    }
                }
                self.check_bridge_options(word)?;
            }
            Some(Mode::Bridge) => {
                self.check_bridge_options(word)?;
                if self.bridge.name.is_some() && !self.forward.members.is_empty() {
                    return Err(invalid(format!(
                        "A network with forward mode='{word}' can specify a bridge name or a forward dev, but not \
                         both (network '{name}')"
                    )));
                }
            }
        }
        let name = &self.name;
        if self.mtu > 0 && !Mode::own_bridge(mode) {
            return Err(invalid(format!(
                "mtu size only allowed in open, route, nat, and isolated mode, not in {word} (network '{name}')"
            )));
        }
        Ok(())
    }

    fn check_bridge_options(&self, word: &str) -> Result<()> {
        let bridge = &self.bridge;
        if bridge.delay > 0 || bridge.stp_given || bridge.zone.is_some() {
            return Err(invalid(format!(
                "bridge delay/stp/zone options only allowed in open, route, nat, and isolated mode, not in {word} \
                 (network '{}')",
                self.name
            )));
        }
        Ok(())
    }

    /// The document as text, ending in a newline.
    pub fn format(&self, flags: FormatFlags) -> String {
        let mut w = Writer::new();
        self.write(flags, &mut w);
        w.finish()
    }

    /// Prints the element.
    pub fn write(&self, flags: FormatFlags, w: &mut Writer) {
        let connections = (!flags.inactive && self.connections > 0).then_some(self.connections);
        w.element("network")
            .attr_if(!self.dnsmasq_options.is_empty(), "xmlns:dnsmasq", DNSMASQ)
            .attr_opt("connections", connections)
            .attr_if(self.ipv6_between_guests, "ipv6", "yes")
            .attr_opt("trustGuestRxFilters", self.trust_guest_rx_filters.map(read::yes_no_text))
            .children(|w| self.write_children(flags, w));
    }

    fn write_children(&self, flags: FormatFlags, w: &mut Writer) {
        w.leaf("name", &self.name);
        w.leaf("uuid", self.uuid);
        w.leaf_opt("title", self.title.as_ref());
        w.leaf_opt("description", self.description.as_ref());
        self.metadata.format(w);
        self.forward.format(flags, w);
        let own = Mode::own_bridge(self.forward.mode);
        if own || !self.bridge.is_default() {
            self.bridge.format(own, w);
        }
        if self.mtu > 0 {
            w.element("mtu").attr("size", self.mtu).empty();
        }
        if let Some(mac) = self.mac {
            w.element("mac").attr("address", mac).empty();
        }
        if let Some(domain) = &self.domain {
            w.element("domain")
                .attr("name", &domain.name)
                .attr_opt("localOnly", domain.local_only.map(read::yes_no_text))
                .attr_opt("register", domain.register.map(read::yes_no_text))
                .empty();
        }
        self.dns.format(w);
        if let Some(vlan) = &self.vlan {
            vlan.format(w);
        }
        if let Some(bandwidth) = &self.bandwidth {
            bandwidth.format(None, w);
        }
        if let Some(isolated) = self.port_isolated {
            w.element("port").attr("isolated", read::yes_no_text(isolated)).empty();
        }
        for ip in &self.ips {
            ip.format(w);
        }
        for route in &self.routes {
            route.format(w);
        }
        if let Some(port) = &self.virtual_port {
            port.format(w);
        }
        for group in &self.portgroups {
            group.format(w);
        }
        if !self.dnsmasq_options.is_empty() {
            w.element("dnsmasq:options").children(|w| {
                for option in &self.dnsmasq_options {
                    w.element("dnsmasq:option").attr("value", option).empty();
                }
            });
        }
    }

    /// The group of ports a guest chooses by name, or the default one.
    pub fn portgroup(&self, name: Option<&str>) -> Option<&PortGroup> {
        match name {
            Some(name) => self.portgroups.iter().find(|group| group.name == name),
            None => self.portgroups.iter().find(|group| group.default),
        }
    }
}
