//! Addresses that are lent.

use crate::{Driver, check_flags, error, internal};
use api::network::NetworkDhcpLease;
use base::object::NetworkRef;
use base::{ErrorCode, Result};
use conf_network::Network;
use netaddr::{Family, Mac};
use network_plan::leases;

impl Driver {
    /// Addresses lent by a network, to all or to one hardware address.
    pub(crate) fn lent(
        &self,
        net: &NetworkRef,
        mac: Option<&str>,
        flags: u32,
    ) -> Result<Vec<NetworkDhcpLease>> {
        check_flags(flags, 0, "networkGetDHCPLeases")?;
        let wanted = mac
            .map(|text| text.parse::<Mac>().map_err(|_| error(ErrorCode::INVALID_MAC, text)))
            .transpose()?;
        let value = self.find(net)?.value();
        let Some(network) = value.current() else { return Ok(Vec::new()) };
        let bridge = network.bridge.name.as_deref().unwrap_or_default();
        let path = self.lease_file(bridge);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => {
                return Err(internal(format!("Unable to read leases file: {}: {cause}", path.display())));
            }
        };
        let all = leases::parse(&text)
            .ok_or_else(|| internal(format!("invalid json in file: {}", path.display())))?;
        let now = host::clock::now();
        let meant = |lease: &leases::Lease| match wanted {
            None => true,
            Some(wanted) => lease.mac.as_ref().and_then(|mac| mac.parse().ok()) == Some(wanted),
        };
        let held = all.into_iter().filter(|lease| lease.holds(now) && meant(lease));
        Ok(held.map(|lease| answer(network, bridge, lease)).collect())
    }
}

fn answer(network: &Network, bridge: &str, lease: leases::Lease) -> NetworkDhcpLease {
    let family = Family::of(lease.address);
    let ip = network.ips.iter().find(|ip| ip.family() == family);
    NetworkDhcpLease {
        iface: bridge.to_owned(),
        expirytime: lease.expiry,
        type_: if family == Family::Ipv4 { 0 } else { 1 },
        mac: lease.mac,
        iaid: lease.iaid,
        ipaddr: netaddr::ip::text(lease.address),
        prefix: ip.and_then(conf_network::ip::Ip::effective_prefix).unwrap_or(0),
        hostname: lease.hostname,
        clientid: lease.client_id,
    }
}
