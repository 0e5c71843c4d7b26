//! `<forward>`: how a network reaches the rest of the world.
//!
//! | mode | who forwards | carried by |
//! |---|---|---|
//! | nat, route, open | the host | the network's own bridge |
//! | bridge | a bridge of the host, or macvtap | `<bridge name=…>` or a pool of interfaces |
//! | private, vepa, passthrough | macvtap | a pool of interfaces, or the functions of one |
//! | hostdev | nobody | PCI functions given to guests |
//!
//! A network without the element is isolated.

use base::Result;
use netaddr::range;
use std::net::Ipv4Addr;
use xml::{Node, Writer};

use crate::FormatFlags;
use crate::fault::{detail, invalid, unsupported};
use crate::pci::PciAddress;
use crate::read;

base::text_enum! {
    /// Kind of forwarding.
    pub enum Mode {
        Nat = "nat",
        Route = "route",
        Open = "open",
        Bridge = "bridge",
        Private = "private",
        Vepa = "vepa",
        Passthrough = "passthrough",
        Hostdev = "hostdev",
    }
}

base::text_enum! {
    /// Driver that gives PCI devices to guests.
    pub enum PciDriver {
        Kvm = "kvm",
        Vfio = "vfio",
        Xen = "xen",
    }
}

/// Translation of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Nat {
    /// IPv6 is translated as well.
    pub ipv6: Option<bool>,
    /// Addresses that are used outside, both ends included.
    pub addresses: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Ports that are used outside; 0 and 0 for none stated.
    pub ports: (u16, u16),
}

/// A device of a pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Device {
    /// An interface of the host, by name.
    Interface(String),
    /// A PCI function.
    Pci(PciAddress),
}

/// A device of a pool and how many guests use it now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The device.
    pub device: Device,
    /// Guests that are connected through it.
    pub connections: u32,
}

/// How a network reaches the world.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Forward {
    /// Kind; none for an isolated network.
    pub mode: Option<Mode>,
    /// Translation, when [`Mode::Nat`].
    pub nat: Nat,
    /// Pool, or the one interface that traffic leaves through.
    pub members: Vec<Member>,
    /// Physical function whose virtual functions are the pool.
    pub physical: Option<String>,
    /// PCI devices are taken from their host driver and given back.
    pub managed: bool,
    /// Driver of PCI devices.
    pub driver: Option<PciDriver>,
    /// Kernel module of a variant of that driver.
    pub driver_model: Option<String>,
}

impl Mode {
    /// The network has a bridge of its own.
    pub fn own_bridge(mode: Option<Mode>) -> bool {
        matches!(mode, None | Some(Mode::Nat | Mode::Route | Mode::Open))
    }

    /// The mode's name where messages speak of it; an isolated network is "none".
    pub fn word(mode: Option<Mode>) -> &'static str {
        mode.map_or("none", Mode::as_str)
    }
}

impl Forward {
    /// The interface that is listed first, by name.
    pub fn first_interface(&self) -> Option<&str> {
        self.members.iter().find_map(|member| match &member.device {
            Device::Interface(name) => Some(name.as_str()),
            Device::Pci(_) => None,
        })
    }

    pub(crate) fn parse(node: Node<'_>, network: &str) -> Result<Forward> {
        let mode = match read::filled(node, "mode") {
            None => Mode::Nat,
            Some(text) => {
                Mode::parse(text).ok_or_else(|| unsupported(format!("unknown forwarding type '{text}'")))?
            }
        };
        let mut forward = Forward { mode: Some(mode), ..Forward::default() };
        forward.managed = read::filled(node, "managed") == Some("yes");
        if let Some(driver) = node.child("driver") {
            forward.driver = read::member(driver, "name")?;
            forward.driver_model = read::filled(driver, "model").map(str::to_owned);
        }
        let mut nats = node.children("nat");
        if let Some(nat) = nats.next() {
            if mode != Mode::Nat {
                return Err(invalid(format!(
                    "The <nat> element can only be used when <forward> 'mode' is 'nat' in network {network}"
                )));
            }
            if nats.next().is_some() {
                return Err(invalid(format!(
                    "Only one <nat> element is allowed in <forward> of network {network}"
                )));
            }
            forward.nat = Nat::parse(nat, network)?;
        }
        forward.pool(node, network)?;
        Ok(forward)
    }

    fn pool(&mut self, node: Node<'_>, network: &str) -> Result<()> {
        let dev = read::filled(node, "dev");
        let functions = node.children("pf").count();
        let addresses = node.children("address").count();
        if dev.is_some() && (functions > 0 || addresses > 0) {
            return Err(invalid(format!(
                "the <forward> 'dev' attribute cannot be used when <address> or <pf> sub-elements are present \
                 in network {network}"
            )));
        }
        if functions > 1 {
            return Err(invalid(format!(
                "Only one <pf> element is allowed in <forward> of network {network}"
            )));
        }
        if dev.is_some() || node.child("interface").is_some() {
            return self.interfaces(node, dev, network);
        }
        if let Some(function) = node.child("pf") {
            let dev = function.attr("dev").ok_or_else(|| {
                invalid(format!("Missing required dev attribute in <pf> element of network '{network}'"))
            })?;
            self.physical = Some(dev.to_owned());
        }
        for address in node.children("address") {
            let kind = address
                .attr("type")
                .ok_or_else(|| invalid(format!("missing address type in network {network}")))?;
            if kind != "pci" {
                return Err(unsupported(format!("unknown address type '{kind}' in network {network}")));
            }
            let pci = PciAddress::parse(address)?;
            let twice = self
                .members
                .iter()
                .any(|member| matches!(&member.device, Device::Pci(other) if other.same_device(&pci)));
            if twice {
                return Err(invalid(format!(
                    "PCI device '{pci}' can only be listed once in network {network}"
                )));
            }
            self.members.push(Member { device: Device::Pci(pci), connections: 0 });
        }
        Ok(())
    }

    fn interfaces(&mut self, node: Node<'_>, dev: Option<&str>, network: &str) -> Result<()> {
        if let Some(dev) = dev {
            self.members.push(Member { device: Device::Interface(dev.to_owned()), connections: 0 });
        }
        for (at, interface) in node.children("interface").enumerate() {
            let name = interface.attr("dev").ok_or_else(|| {
                invalid(format!(
                    "Missing required dev attribute in <forward> <interface> element of network {network}"
                ))
            })?;
            if at == 0
                && let Some(dev) = dev
            {
                // The attribute only repeats the first interface.
                if dev != name {
                    return Err(invalid(format!(
                        "<forward dev='{dev}'> must match first <interface dev='{name}'/> in network {network}"
                    )));
                }
                continue;
            }
            let device = Device::Interface(name.to_owned());
            if self.members.iter().any(|member| member.device == device) {
                return Err(invalid(format!(
                    "interface '{name}' can only be listed once in network {network}"
                )));
            }
            self.members.push(Member { device, connections: 0 });
        }
        Ok(())
    }

    pub(crate) fn format(&self, flags: FormatFlags, w: &mut Writer) {
        let Some(mode) = self.mode else { return };
        let managed = (mode == Mode::Hostdev).then(|| read::yes_no_text(self.managed));
        w.element("forward")
            .attr_opt("dev", self.first_interface().filter(|_| self.physical.is_none()))
            .attr("mode", mode)
            .attr_opt("managed", managed)
            .children(|w| {
                if self.driver.is_some() || self.driver_model.is_some() {
                    w.element("driver")
                        .attr_opt("name", self.driver)
                        .attr_opt("model", self.driver_model.as_ref())
                        .empty();
                }
                if mode == Mode::Nat {
                    self.nat.format(w);
                }
                if let Some(physical) = &self.physical {
                    w.element("pf").attr("dev", physical).empty();
                }
                // What was found below a physical function is not part of the definition.
                if self.physical.is_some() && flags.inactive {
                    return;
                }
                for member in &self.members {
                    let used = (!flags.inactive && member.connections > 0).then_some(member.connections);
                    match &member.device {
                        Device::Interface(name) => {
                            w.element("interface").attr("dev", name).attr_opt("connections", used).empty();
                        }
                        Device::Pci(pci) => {
                            pci.attributes(w.element("address").attr("type", "pci"))
                                .attr_opt("connections", used)
                                .empty();
                        }
                    }
                }
            });
    }
}

impl Nat {
    fn parse(node: Node<'_>, network: &str) -> Result<Nat> {
        let mut nat = Nat { ipv6: read::yes_no(node, "ipv6")?, ..Nat::default() };
        let only = |name: &str| {
            let mut found = node.children(name);
            match (found.next(), found.next()) {
                (first, None) => Ok(first),
                _ => Err(invalid(format!(
                    "Only one <{name}> element is allowed in <nat> in <forward> in network {network}"
                ))),
            }
        };
        if let Some(address) = only("address")? {
            let end = |name: &str| {
                let text = read::filled(address, name).ok_or_else(|| {
                    invalid(format!(
                        "missing '{name}' attribute in <address> element in <nat> in <forward> in network {network}"
                    ))
                })?;
                Ok::<_, base::Error>(text)
            };
            let (start, last) = (end("start")?, end("end")?);
            let parse = |text: &str, which: &str| {
                netaddr::ip::parse(text)
                    .and_then(|address| match address {
                        std::net::IpAddr::V4(address) => Some(address),
                        std::net::IpAddr::V6(_) => None,
                    })
                    .ok_or_else(|| {
                        invalid(format!(
                            "Bad ipv4 {which} address '{text}' in <nat> in <forward> in network '{network}'"
                        ))
                    })
            };
            let (start, last) = (parse(start, "start")?, parse(last, "end")?);
            range::size(start.into(), last.into(), None)
                .map_err(|fault| base::Error::internal(base::ErrorDomain::NONE, fault.to_string()))?;
            nat.addresses = Some((start, last));
        }
        if let Some(port) = only("port")? {
            let number = |name: &str, least: u64| {
                read::filled(port, name)
                    .and_then(read::decimal)
                    .filter(|number| *number >= least && *number <= 65535)
                    .ok_or_else(|| {
                        detail(format!(
                            "Missing or invalid '{name}' attribute in <port> in <nat> in <forward> in network {network}"
                        ))
                    })
            };
            let start = number("start", 0)?;
            let end = number("end", start)?;
            nat.ports = (start as u16, end as u16);
        }
        Ok(nat)
    }

    fn format(&self, w: &mut Writer) {
        w.element("nat").attr_opt("ipv6", self.ipv6.map(read::yes_no_text)).children_or_nothing(|w| {
            if let Some((start, end)) = self.addresses {
                w.element("address").attr("start", start).attr("end", end).empty();
            }
            if self.ports != (0, 0) {
                w.element("port").attr("start", self.ports.0).attr("end", self.ports.1).empty();
            }
        });
    }
}
