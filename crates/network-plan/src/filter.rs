//! What a network wants of the packet filter.

use base::Result;
use conf_network::forward::Mode;
use conf_network::{Network, validate};
use firewall::{Intent, Kind, Nat};

/// The intent of a network; none for networks whose traffic is not restricted.
///
/// # Errors
/// When an address has a netmask with holes.
pub fn intent(network: &Network) -> Result<Option<Intent>> {
    let kind = match network.forward.mode {
        None => Kind::Isolated,
        Some(Mode::Route) => Kind::Route,
        Some(Mode::Nat) => {
            let nat = &network.forward.nat;
            Kind::Nat(Nat { ipv6: nat.ipv6 == Some(true), addresses: nat.addresses, ports: nat.ports })
        }
        Some(_) => return Ok(None),
    };
    let bridge = network.bridge.name.clone().unwrap_or_default();
    let subnets = network.ips.iter().map(|ip| {
        ip.subnet().ok_or_else(|| {
            validate::internal(format!("bridge '{bridge}' has an invalid netmask or IP address"))
        })
    });
    Ok(Some(Intent {
        kind,
        dev: network.forward.first_interface().map(str::to_owned),
        subnets: subnets.collect::<Result<_>>()?,
        ipv6_between_guests: network.ipv6_between_guests,
        dhcp: network.ips.iter().any(|ip| ip.address.is_ipv4() && ip.dhcp.serves()),
        tftp: network.ips.iter().any(|ip| ip.address.is_ipv4() && ip.tftp_root.is_some()),
        bridge,
    }))
}
