//! Documents of what guests use: interfaces of the host, storage, filters, devices, secrets, processors.

use super::documents::documents;
use super::{Target, outcome, same};
use base::Result;
use conf_interface::Interface;
use conf_nodedev::Device;
use conf_nodedev::device::FormatFlags;
use conf_nwfilter::{Binding, Filter};
use conf_secret::Secret;
use conf_storage::permissions::Origin;
use conf_storage::volume::ParseFlags;
use conf_storage::{Kind as PoolKind, Pool, Volume};
use schema::Kind;
use schema::sample::Sampler;

/// Interfaces of the host.
pub(super) const INTERFACE: Target =
    Target { seeds: || sampled(&[Kind::Interface]), ..documents("interface", interface) };
/// Pools and volumes.
pub(super) const STORAGE: Target =
    Target { seeds: || sampled(&[Kind::StoragePool, Kind::StorageVolume]), ..documents("storage", storage) };
/// Filters and their bindings.
pub(super) const FILTER: Target =
    Target { seeds: || sampled(&[Kind::NwFilter, Kind::NwFilterBinding]), ..documents("filter", filter) };
/// Devices of the host.
pub(super) const NODE_DEVICE: Target =
    Target { seeds: || sampled(&[Kind::NodeDevice]), ..documents("node-device", node_device) };
/// Secrets.
pub(super) const SECRET: Target =
    Target { seeds: || sampled(&[Kind::Secret]), ..documents("secret", secret) };
/// Processors.
pub(super) const CPU: Target = Target { seeds: || sampled(&[Kind::Cpu]), ..documents("cpu", processor) };

/// Documents of each kind, as its schema has them.
fn sampled(kinds: &[Kind]) -> Vec<Vec<u8>> {
    let of = |kind: &Kind| {
        let mut sampler = Sampler::new(*kind, 1);
        (0..200).map(|_| sampler.document().into_bytes()).collect::<Vec<_>>()
    };
    kinds.iter().flat_map(of).collect()
}

/// What was printed reads again, and prints the same.
fn stable(bytes: &[u8], what: &str, pass: &dyn Fn(&str) -> Result<String>) -> u64 {
    kept(bytes, what, pass, pass)
}

/// As [`stable`], where what was printed is read in another way than what clients say.
fn kept(
    bytes: &[u8],
    what: &str,
    pass: &dyn Fn(&str) -> Result<String>,
    again: &dyn Fn(&str) -> Result<String>,
) -> u64 {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text,
        _ => return 0,
    };
    let read = pass(text);
    if let Ok(first) = &read {
        let second =
            again(first).unwrap_or_else(|error| panic!("not read again: {}: {first}", error.message()));
        // A line end that came as a number is a blank the next time.
        let flat = |text: &str| text.replace(['\t', '\n', '\r'], " ");
        if flat(first) != flat(&second) {
            same(first, &second, what);
        }
    }
    outcome(&read)
}

fn random() -> [u8; 16] {
    [7; 16]
}

fn interface(bytes: &[u8]) -> u64 {
    stable(bytes, "an interface", &|text| Ok(Interface::parse(text, false)?.format()))
}

fn storage(bytes: &[u8]) -> u64 {
    let pool = kept(bytes, "a pool", &|text| Ok(Pool::parse(text, &mut random)?.format()), &|text| {
        Ok(Pool::parse_stored(text, &mut random)?.format())
    });
    let volume = |kind| {
        let pass = |origin| {
            let flags = ParseFlags { origin, ..ParseFlags::default() };
            move |text: &str| Ok(Volume::parse(text, kind, flags)?.format())
        };
        kept(bytes, "a volume", &pass(Origin::Client), &pass(Origin::Stored))
    };
    pool.wrapping_mul(31) ^ volume(PoolKind::Dir).wrapping_mul(17) ^ volume(PoolKind::Logical)
}

fn filter(bytes: &[u8]) -> u64 {
    let filter =
        stable(bytes, "a filter", &|text| Ok(Filter::parse(text, false, &mut random)?.format_stored()));
    filter.wrapping_mul(31) ^ stable(bytes, "a binding", &|text| Ok(Binding::parse(text, false)?.format()))
}

fn node_device(bytes: &[u8]) -> u64 {
    stable(bytes, "a device", &|text| {
        Ok(Device::parse(text, conf_nodedev::Origin::Existing, false)?.format(FormatFlags { inactive: true }))
    })
}

fn secret(bytes: &[u8]) -> u64 {
    stable(bytes, "a secret", &|text| Ok(Secret::parse(text, false, &mut random)?.format()))
}

fn processor(bytes: &[u8]) -> u64 {
    stable(bytes, "a processor", &|text| Ok(cpu::api::parse(text)?.to_xml()))
}
