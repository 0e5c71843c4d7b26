//! Network cards of guests, on the host's side.
//!
//! ```text
//! <interface type='network'> ── port of the network ──▶ <actual>: what it is plugged into
//!                                                           │
//! <interface type='bridge'|'ethernet'|'direct'> ────────────┴──▶ tap or macvtap ─▶ bridge, switch ─▶ descriptors
//! ```
//!
//! * [`port`]: what networks are asked for
//! * [`tap`]: devices on the host
//! * [`change`]: cards of running guests
//!
//! Other types are connections of the emulator's own, which the host need not know of.

mod change;
mod port;
mod tap;

pub(crate) use change::check_floor;

use crate::FROM;
use crate::guest::{MONITOR_WAIT, failed};
use crate::start::Undo;
use api::{Call, Network};
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use conf_domain::Domain;
use conf_network::NetworkPort;
use host::link::Links;
use qmp::Monitor;
use serde_json::json;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use xml::Tree;

/// Connects cards.
pub(crate) struct Nics {
    networks: Arc<dyn Network>,
    links: Links,
}

impl std::fmt::Debug for Nics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nics").finish_non_exhaustive()
    }
}

/// Whose cards they are.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    name: String,
    uuid: Uuid,
    kvm: bool,
}

/// What the emulator gets of a card.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// The card's end of its device, one for each queue.
    pub(crate) taps: Vec<OwnedFd>,
    /// The kernel's back ends, one for each queue.
    pub(crate) vhosts: Vec<OwnedFd>,
}

impl Owner {
    pub(crate) fn of(domain: &Domain) -> Owner {
        Owner { name: domain.name.clone(), uuid: domain.uuid, kvm: domain.kind() == "kvm" }
    }
}

/// Numbers of descriptors.
pub(crate) fn numbers(fds: &[OwnedFd]) -> Vec<i32> {
    fds.iter().map(AsRawFd::as_raw_fd).collect()
}

fn system(cause: &std::io::Error, text: impl std::fmt::Display) -> Error {
    Error::system(ErrorDomain::NONE, cause, text)
}

fn is_virtio(interface: &Tree) -> bool {
    interface.attr_at("model", "type").is_some_and(|model| model.starts_with("virtio"))
}

fn queues(interface: &Tree) -> usize {
    let queues = interface.attr_at("driver", "queues").and_then(|text| text.parse().ok());
    queues.filter(|_| is_virtio(interface)).unwrap_or(1).clamp(1, 256)
}

impl Nics {
    /// # Errors
    /// When the kernel cannot be asked for links.
    pub(crate) fn new(networks: Arc<dyn Network>) -> Result<Nics> {
        let links =
            Links::open().map_err(|cause| Error::system(FROM, &cause, "cannot ask the kernel for links"))?;
        Ok(Nics { networks, links })
    }

    /// Connects a card of a guest that starts; none when the host need not know of it.
    ///
    /// # Errors
    /// When a step fails; what was done is undone by `undo`.
    pub(crate) fn connect(
        self: &Arc<Nics>,
        owner: &Owner,
        interface: &mut Tree,
        undo: &mut Undo,
    ) -> Result<Option<Ends>> {
        if interface.is("type", "network") {
            let port = self.ask(owner, interface)?;
            let nics = self.clone();
            undo.later(move || nics.give_back(&port));
        }
        let actual = conf_domain::device::actual(interface);
        let settings = NetworkPort::parse(&port::document(owner, &actual))?;
        let taps = match actual.attr("type").unwrap_or_default() {
            "network" | "bridge" => self.join(owner, interface, &actual, &settings, undo)?,
            "ethernet" => self.lone(interface, &actual, &settings)?,
            "direct" => self.above(interface, &actual, &settings, undo)?,
            "hostdev" if interface.is("type", "network") => {
                let text = "devices of a pool that guests get as a whole are not supported yet";
                return Err(Error::unsupported(FROM, text));
            }
            _ => return Ok(None),
        };
        let vhosts = vhost(owner, interface)?;
        Ok(Some(Ends { taps, vhosts }))
    }

    /// Disconnects the cards of a guest that has ended. Taps are gone with the emulator.
    pub(crate) fn disconnect<'t>(&self, owner: &Owner, interfaces: impl Iterator<Item = &'t Tree>) {
        for interface in interfaces {
            let actual = conf_domain::device::actual(interface);
            if let Ok(settings) = NetworkPort::parse(&port::document(owner, &actual)) {
                self.clear(&actual, &settings);
            }
            if let Some(port) = self.port_of(interface) {
                self.give_back(&port);
            }
        }
    }

    /// Puts the cards of a guest that outlived a daemon where they belong: networks may have been stopped and started
    /// in the meantime.
    pub(crate) fn keep(&self, owner: &Owner, domain: &Domain) {
        for interface in domain.all("interface") {
            if let Err(cause) = self.reclaim(owner, interface) {
                log::warn!("guest '{}': {cause}", owner.name);
            }
            let actual = conf_domain::device::actual(interface);
            if matches!(actual.attr("type"), Some("network" | "bridge"))
                && let Ok(settings) = NetworkPort::parse(&port::document(owner, &actual))
                && let Err(cause) = self.rejoin(&actual, &settings)
            {
                log::warn!("guest '{}': {cause}", owner.name);
            }
        }
    }

    /// Addresses that networks have lent to a guest's cards: device, hardware address, and addresses with their prefixes.
    pub(crate) fn lent(&self, domain: &Domain) -> Result<Vec<api::domain_info::DomainInterface>> {
        let cx = Call::internal();
        let mut found = Vec::new();
        for interface in domain.all("interface").filter(|interface| interface.is("type", "network")) {
            let Some(mac) = interface.attr_at("mac", "address") else { continue };
            let name = interface.attr_at("source", "network").unwrap_or_default();
            let network = self.networks.network_lookup_by_name(&cx, name)?;
            let leases = self.networks.network_get_dhcp_leases(&cx, &network, Some(mac), 1, 0)?.leases;
            if leases.is_empty() {
                continue;
            }
            let addrs = leases.into_iter().map(|lease| api::DomainIpAddr {
                type_: lease.type_,
                addr: lease.ipaddr,
                prefix: lease.prefix,
            });
            found.push(api::domain_info::DomainInterface {
                name: interface.attr_at("target", "dev").unwrap_or_default().to_owned(),
                hwaddr: Some(mac.to_owned()),
                addrs: addrs.collect(),
            });
        }
        Ok(found)
    }
}

impl Nics {
    /// The name under which a guest has been lent an address.
    pub(crate) fn lent_name(&self, domain: &Domain) -> Result<Option<String>> {
        let cx = Call::internal();
        for interface in domain.all("interface").filter(|interface| interface.is("type", "network")) {
            let Some(mac) = interface.attr_at("mac", "address") else { continue };
            let name = interface.attr_at("source", "network").unwrap_or_default();
            let network = self.networks.network_lookup_by_name(&cx, name)?;
            let leases = self.networks.network_get_dhcp_leases(&cx, &network, Some(mac), 1, 0)?.leases;
            if let Some(name) = leases.into_iter().find_map(|lease| lease.hostname) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

/// Tells the emulator which cards have no cable.
pub(crate) fn pull_plugs(monitor: &Monitor, domain: &Domain) -> Result<()> {
    for interface in domain.all("interface").filter(|card| card.attr_at("link", "state") == Some("down")) {
        let arguments = json!({"name": interface.attr_at("alias", "name"), "up": false});
        monitor.command("set_link", arguments, MONITOR_WAIT).map_err(|cause| failed("set_link", &cause))?;
    }
    Ok(())
}

/// The kernel's back end, for virtio cards of guests that run on the processor itself.
fn vhost(owner: &Owner, interface: &Tree) -> Result<Vec<OwnedFd>> {
    let wanted = interface.attr_at("driver", "name");
    if !is_virtio(interface) || wanted == Some("qemu") || (wanted.is_none() && !owner.kvm) {
        return Ok(Vec::new());
    }
    match host::tap::vhost(queues(interface)) {
        Ok(fds) => Ok(fds),
        Err(_) if wanted == Some("vhost") => Err(Error::new(
            ErrorCode::CONFIG_UNSUPPORTED,
            FROM,
            "unsupported configuration: vhost-net was requested for an interface, but is unavailable",
        )),
        Err(_) => Ok(Vec::new()),
    }
}
