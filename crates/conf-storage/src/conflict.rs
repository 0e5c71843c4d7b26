//! Pools that would share a source, and spoil each other's volumes.

use crate::kind::Kind;
use crate::pool::Pool;
use crate::source::Source;

fn same_host(one: &Source, other: &Source) -> bool {
    match (one.hosts.as_slice(), other.hosts.as_slice()) {
        ([one], [other]) => one.name == other.name,
        _ => false,
    }
}

fn share_device(one: &Source, other: &Source) -> bool {
    one.devices.iter().any(|device| other.devices.iter().any(|known| known.path == device.path))
}

/// Kinds whose pools own devices.
fn owns_devices(kind: Kind) -> bool {
    matches!(kind, Kind::Fs | Kind::Logical | Kind::Disk | Kind::Zfs)
}

/// Whether two pools would have the same source.
pub fn same_source(one: &Pool, other: &Pool) -> bool {
    let (source, known) = (&one.source, &other.source);
    if owns_devices(one.kind) && owns_devices(other.kind) {
        return share_device(source, known);
    }
    if one.kind != other.kind {
        return false;
    }
    match one.kind {
        Kind::Dir => one.path == other.path,
        Kind::Gluster => source.name == known.name && source.dir == known.dir && same_host(source, known),
        Kind::Netfs => source.dir == known.dir && same_host(source, known),
        Kind::Scsi => source.adapter == known.adapter,
        Kind::Iscsi | Kind::IscsiDirect => {
            same_host(source, known) && source.initiator == known.initiator && share_device(source, known)
        }
        Kind::Rbd | Kind::Sheepdog => source.name == known.name && same_host(source, known),
        Kind::Mpath => true,
        Kind::Vstorage => source.name == known.name,
        Kind::Fs | Kind::Logical | Kind::Disk | Kind::Zfs => false,
    }
}
