//! Names of guests, looked up in the files of leases and hardware addresses, as the modules of the name service do.

use crate::leases::{self, Lease};
use crate::mac_map::MacMap;
use netaddr::Family;
use std::net::IpAddr;

/// By which name guests are looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Module {
    /// The name a guest told when it asked for an address; letters of either case are the same.
    Hostname,
    /// The name of the guest's definition.
    Guest,
}

/// Addresses of a guest, those whose lease lasts longest first. `statuses` are contents of files of leases, `maps` of
/// files of hardware addresses. Without a family, IPv4 is meant.
pub fn lookup(
    module: Module,
    name: &str,
    family: Option<Family>,
    statuses: &[String],
    maps: &[String],
    now: i64,
) -> Vec<IpAddr> {
    let family = family.unwrap_or(Family::Ipv4);
    let macs: Vec<String> = match module {
        Module::Hostname => Vec::new(),
        Module::Guest => maps
            .iter()
            .filter_map(|text| MacMap::parse(text))
            .flat_map(|map| map.macs(name).to_vec())
            .collect(),
    };
    let meant = |lease: &Lease| match module {
        Module::Hostname => lease.hostname.as_ref().is_some_and(|host| host.eq_ignore_ascii_case(name)),
        Module::Guest => {
            lease.mac.as_ref().is_some_and(|mac| macs.iter().any(|known| known.eq_ignore_ascii_case(mac)))
        }
    };
    let mut found: Vec<Lease> = statuses
        .iter()
        .filter_map(|text| leases::parse(text))
        .flatten()
        .filter(|lease| lease.holds(now) && Family::of(lease.address) == family && meant(lease))
        .collect();
    found.sort_by_key(|lease| std::cmp::Reverse(lease.expiry));
    found.into_iter().map(|lease| lease.address).collect()
}
