//! What was printed once reads and prints as itself, in every way in which a document is read and printed.
//!
//! ```text
//! document ─parse─▶ ─format─▶ first ─parse─▶ ─format─▶ second      first = second
//! ```

mod corpus;
mod generated;

use base::Result;
use conf_domain::{Domain, FormatFlags, ParseFlags, Reader};
use conf_interface::Interface;
use conf_network::{Network, NetworkPort};
use conf_nodedev::{Capability, Device, Origin};
use conf_nwfilter::{Binding, Filter};
use conf_secret::Secret;
use conf_snapshot::backup::Backup;
use conf_snapshot::checkpoint::{Checkpoint, Show};
use conf_snapshot::snapshot::{ReadAs, Snapshot};
use conf_storage::permissions;
use conf_storage::{Pool, Volume, volume as volumes};
use qemu_status::Status;

type Pass = fn(&str) -> Result<String>;

/// Outermost elements, and the ways in which their documents are read and printed.
const KINDS: &[(&str, &str, Pass)] = &[
    ("domain", "stored", |text| domain(text, STORED, FormatFlags::STORED)),
    ("domain", "generic", |text| domain(text, ParseFlags { generic: true, ..STORED }, FormatFlags::STORED)),
    ("domain", "running", |text| {
        domain(text, ParseFlags::default(), FormatFlags { secure: true, ..FormatFlags::default() })
    }),
    ("domain", "migratable", |text| {
        domain(text, STORED, FormatFlags { migratable: true, ..FormatFlags::STORED })
    }),
    ("domainsnapshot", "stored", |text| snapshot(text, true)),
    ("domainsnapshot", "shown", |text| snapshot(text, false)),
    ("domaincheckpoint", "stored", |text| checkpoint(text)),
    ("domainbackup", "stored", |text| Ok(Backup::parse(text, true)?.format(true))),
    ("domainbackup", "shown", |text| Ok(Backup::parse(text, false)?.format(false))),
    ("network", "stored", |text| network(text, true)),
    ("network", "running", |text| network(text, false)),
    ("networkport", "stored", |text| Ok(NetworkPort::parse(text)?.format())),
    ("filter", "stored", |text| Ok(Filter::parse(text, false, &mut || [7; 16])?.format_stored())),
    ("filterbinding", "stored", |text| Ok(Binding::parse(text, false)?.format())),
    ("secret", "stored", |text| Ok(Secret::parse(text, false, &mut || [7; 16])?.format())),
    ("interface", "stored", |text| Ok(Interface::parse(text, false)?.format())),
    ("pool", "stored", |text| Ok(Pool::parse_stored(text, &mut || [7; 16])?.format())),
    ("volume", "in a folder", |text| volume(text, conf_storage::Kind::Dir)),
    ("volume", "in a volume group", |text| volume(text, conf_storage::Kind::Logical)),
    ("volume", "on a disk", |text| volume(text, conf_storage::Kind::Disk)),
    ("volume", "in a cluster", |text| volume(text, conf_storage::Kind::Rbd)),
    ("device", "running", |text| device(text, false)),
    ("device", "stored", |text| device(text, true)),
    ("cpu", "given", |text| Ok(cpu::api::parse(text)?.to_xml())),
    ("domstatus", "stored", |text| {
        Ok(Status::parse(text, "/var/lib/libvirt/qemu/ram", &mut || [7; 16], &|_, _, _| Ok(()))?.format())
    }),
];

const STORED: ParseFlags = ParseFlags { inactive: true, ..ParseFlags::NONE };

fn domain(text: &str, read: ParseFlags, print: FormatFlags) -> Result<String> {
    Ok(Domain::parse(text, read, &mut || [7; 16])?.format(print))
}

fn network(text: &str, inactive: bool) -> Result<String> {
    Ok(Network::parse(text, &mut || [7; 16])?.format(conf_network::FormatFlags { inactive }))
}

fn volume(text: &str, kind: conf_storage::Kind) -> Result<String> {
    let flags = volumes::ParseFlags { origin: permissions::Origin::Stored, ..volumes::ParseFlags::default() };
    Ok(Volume::parse(text, kind, flags)?.format())
}

fn device(text: &str, inactive: bool) -> Result<String> {
    let mut device = Device::parse(text, Origin::Existing, false)?;
    for capability in &mut device.capabilities {
        if let Capability::Mdev(mdev) = capability {
            mdev.run_as_defined();
        }
    }
    Ok(device.format(conf_nodedev::device::FormatFlags { inactive }))
}

fn with_reader<T>(work: impl FnOnce(&mut Reader<'_>) -> T) -> T {
    let mut random = || [7; 16];
    work(&mut Reader { random: &mut random, complete: &|_, _| Ok(()) })
}

fn snapshot(text: &str, internal: bool) -> Result<String> {
    let how = ReadAs { redefine: true, internal, offline: false };
    Ok(with_reader(|reader| Snapshot::parse(text, how, 0, reader))?.format(true, internal))
}

fn checkpoint(text: &str) -> Result<String> {
    let show = Show { secure: true, no_domain: false, size: false };
    Ok(with_reader(|reader| Checkpoint::parse(text, true, 0, reader))?.format(show))
}
