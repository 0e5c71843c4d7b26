//! What carries a running network on the host: its bridge, addresses, routes, limits.

use crate::{Driver, command, internal};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_network::Network;
use conf_network::bridge::MacTableManager;
use host::link::{Bridge, Deletion};
use host::sysctl;
use netaddr::{Family, subnet};
use network_plan::traffic;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// How long the end of a network waits for its bridge to be gone from sight.
const SIGHT: Duration = Duration::from_millis(15);

fn system(cause: &std::io::Error, text: impl std::fmt::Display) -> Error {
    Error::system(ErrorDomain::NONE, cause, text)
}

/// The name of a network's own bridge.
pub(crate) fn name(network: &Network) -> &str {
    network.bridge.name.as_deref().unwrap_or_default()
}

impl Driver {
    /// Refuses a network whose addresses somebody else on the host has.
    pub(crate) fn check_addresses(&self, network: &Network) -> Result<()> {
        let (Ok(routes), Ok(links)) = (self.links.routes(false), self.links.all()) else { return Ok(()) };
        let link =
            |index| links.iter().find(|link| link.index == index).map_or("?", |link| link.name.as_str());
        for net in
            network.ips.iter().filter(|ip| ip.address.is_ipv4()).filter_map(conf_network::ip::Ip::subnet)
        {
            let taken =
                routes.iter().find(|route| route.to == Some(net.network) && route.prefix == net.prefix);
            if let Some(route) = taken {
                let text = format!("Network is already in use by interface {}", link(route.link));
                return Err(Error::internal(ErrorDomain::NONE, text));
            }
        }
        let Ok(addresses) = self.links.addresses() else { return Ok(()) };
        for behind in network.routes.iter().filter_map(conf_network::route::Route::subnet) {
            let taken = addresses
                .iter()
                .find(|found| behind.contains(found.address) && found.prefix == behind.prefix);
            if let Some(found) = taken {
                let text = format!(
                    "Route address '{}' conflicts with IP address for '{}'",
                    netaddr::ip::text(behind.network),
                    link(found.link)
                );
                return Err(Error::internal(ErrorDomain::NONE, text));
            }
        }
        Ok(())
    }

    /// Makes the bridge.
    pub(crate) fn make_bridge(&self, network: &Network) -> Result<()> {
        let bridge = name(network);
        let settings = Bridge {
            stp: network.bridge.stp,
            delay: u32::try_from(network.bridge.delay.saturating_mul(100)).unwrap_or(u32::MAX),
            vlan_filtering: false,
        };
        self.links
            .create_bridge(bridge, network.mac.map(|mac| mac.0), &settings)
            .map_err(|cause| system(&cause, format!("error creating bridge interface {bridge}")))
    }

    /// Takes the bridge away. The kernel may take its time over one after another; then the rest of it goes on.
    pub(crate) fn drop_bridge(&self, network: &Network, begun: std::io::Result<Deletion>) {
        match begun.and_then(|deletion| deletion.within(SIGHT)) {
            Ok(None) => {}
            Ok(Some(deletion)) => self.leaving().push(deletion),
            Err(cause) => log::warn!("bridge '{}' of network '{}': {cause}", name(network), network.name),
        }
    }

    /// Waits until bridges of stopped networks are gone, whose names and addresses others may want.
    pub(crate) fn await_gone(&self) {
        for deletion in self.leaving().drain(..) {
            if let Err(cause) = deletion.wait() {
                log::warn!("a bridge stays: {cause}");
            }
        }
    }

    fn leaving(&self) -> MutexGuard<'_, Vec<Deletion>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the bridge up. What fails is undone by removing the bridge.
    pub(crate) fn set_bridge(&self, network: &Network) -> Result<()> {
        let bridge = name(network);
        if network.mtu > 0 {
            self.links
                .set_mtu(bridge, network.mtu)
                .map_err(|cause| system(&cause, format!("Cannot set interface MTU on '{bridge}'")))?;
        }
        if network.bridge.mac_table_manager == Some(MacTableManager::Libvirt) {
            // A kernel without tags says so in other words than the interface does.
            self.links.set_vlan_filtering(bridge, true).map_err(|_| {
                let cause = std::io::Error::from_raw_os_error(22);
                system(&cause, format!("Unable to set bridge {bridge} vlan_filtering via ioctl"))
            })?;
        }
        self.set_ipv6(network)
    }

    /// Whether the host speaks IPv6 on the bridge, and whom it believes.
    fn set_ipv6(&self, network: &Network) -> Result<()> {
        let bridge = name(network);
        let has = network.ips.iter().any(|ip| ip.family() == Family::Ipv6);
        if sysctl::get(&format!("ipv6/conf/{bridge}/disable_ipv6")).is_err() {
            if has {
                log::warn!("the kernel has no IPv6 for the addresses of network '{}'", network.name);
            }
            return Ok(());
        }
        let set = |switch: &str, value: &str| {
            let switch = format!("ipv6/conf/{bridge}/{switch}");
            sysctl::ensure(&switch, value).map_err(|cause| {
                system(&cause, format!("cannot write to /proc/sys/net/{switch} on bridge {bridge}"))
            })
        };
        set("disable_ipv6", if has { "0" } else { "1" })?;
        if has {
            // The host's own word counts on its bridge, nobody else's.
            set("accept_ra", "0")?;
            set("autoconf", "0")?;
        }
        Ok(())
    }

    /// Gives the bridge its addresses and switches it on.
    pub(crate) fn give_addresses(&self, network: &Network) -> Result<()> {
        let bridge = name(network);
        for ip in &network.ips {
            let prefix = ip
                .effective_prefix()
                .ok_or_else(|| internal(format!("bridge '{bridge}' has an invalid netmask or IP address")))?;
            let broadcast =
                subnet::broadcast(ip.address, prefix).filter(|_| ip.address.is_ipv4() && prefix < 31);
            self.links.add_address(bridge, ip.address, prefix, broadcast).map_err(|cause| {
                let address = netaddr::ip::text(ip.address);
                system(&cause, format!("Failed to add IP address {address}/{prefix} to {bridge}"))
            })?;
        }
        self.links
            .set_up(bridge, true)
            .map_err(|cause| system(&cause, format!("Cannot set interface flags on '{bridge}'")))?;
        for route in &network.routes {
            let (Some(prefix), to) = (route.effective_prefix(), route.address) else {
                return Err(internal(format!(
                    "network '{}' has an invalid netmask or IP address in route definition",
                    network.name
                )));
            };
            self.links.add_route(bridge, to, prefix, route.gateway, route.metric.unwrap_or(1)).map_err(
                |cause| {
                    let to = netaddr::ip::text(to);
                    system(&cause, format!("Failed to add route {to}/{prefix} to {bridge}"))
                },
            )?;
        }
        Ok(())
    }

    /// Lets the host forward for networks that leave it.
    pub(crate) fn allow_forwarding(&self, network: &Network) -> Result<()> {
        if network.forward.mode.is_none() {
            return Ok(());
        }
        for (family, switch) in
            [(Family::Ipv4, "ipv4/ip_forward"), (Family::Ipv6, "ipv6/conf/all/forwarding")]
        {
            if network.ips.iter().any(|ip| ip.family() == family) {
                if family == Family::Ipv6 {
                    self.keep_learned_routes()?;
                }
                sysctl::ensure(switch, "1")
                    .map_err(|cause| Error::system(crate::FROM, &cause, "failed to enable IP forwarding"))?;
            }
        }
        Ok(())
    }

    /// A host that forwards no longer believes advertisements of routers; where it has learned routes from them, they
    /// would be lost.
    fn keep_learned_routes(&self) -> Result<()> {
        if sysctl::get("ipv6/conf/all/forwarding").is_ok_and(|now| now == "1") {
            return Ok(());
        }
        let (Ok(routes), Ok(links)) = (self.links.learned_routes(), self.links.all()) else { return Ok(()) };
        for link in links.iter().filter(|link| routes.contains(&link.index)) {
            let believes = sysctl::get(&format!("ipv6/conf/{}/accept_ra", link.name)).unwrap_or_default();
            if believes != "2" {
                let text = format!(
                    "Check the host setup: interface {} has kernel autoconfigured IPv6 routes and enabling \
                     forwarding without accept_ra set to 2 will cause the kernel to flush them, breaking networking.",
                    link.name
                );
                return Err(Error::internal(ErrorDomain::NONE, text));
            }
        }
        Ok(())
    }

    /// Holds the bridge to the network's limits.
    pub(crate) fn limit_bridge(&self, network: &Network) -> Result<()> {
        let how = traffic::How { classes: true, swapped: true, clear: false };
        let mut rooted = false;
        for call in traffic::set(name(network), network.bandwidth.as_ref(), how) {
            if call == traffic::show_root(name(network)) {
                let answer = command::ask(&call, "");
                rooted = answer.success && !answer.output.trim().is_empty();
                continue;
            }
            // A root that is there already, e.g. for checksums, is used.
            if rooted && call == traffic::add_root(name(network), true) {
                continue;
            }
            command::run(&call)?;
        }
        Ok(())
    }

    /// Finds a name for a bridge: `template` holds `%d`.
    pub(crate) fn free_bridge(&self, template: &str) -> Result<String> {
        let links = self.links.all().unwrap_or_default();
        let networks = self.networks.snapshot();
        (0..=256)
            .map(|number: u32| template.replacen("%d", &number.to_string(), 1))
            .find(|name| {
                let known = networks.values().any(|net| {
                    let value = net.value();
                    let of = |network: &Network| network.bridge.name.as_deref() == Some(name);
                    value.config.as_deref().is_some_and(of)
                        || value.live.as_ref().is_some_and(|live| of(&live.status.network))
                });
                !known && links.iter().all(|link| link.name != *name)
            })
            .ok_or_else(|| {
                Error::new(ErrorCode::INTERNAL_ERROR, crate::FROM, "Bridge generation exceeded max id 256")
            })
    }
}
