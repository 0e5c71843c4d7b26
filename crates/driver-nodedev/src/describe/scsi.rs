//! Host adapters, targets, units.

use super::dev_path;
use crate::sysfs::{Entry, text};
use conf_nodedev::Capability;
use conf_nodedev::capability::scsi::{FibreChannel, Generic, Host, Target, Unit, Vports};
use std::path::Path;

/// Kinds of units by the kernel's numbers.
const UNITS: &[(u64, &str)] = &[
    (0x00, "disk"),
    (0x01, "tape"),
    (0x03, "processor"),
    (0x04, "worm"),
    (0x05, "cdrom"),
    (0x06, "scanner"),
    (0x07, "mod"),
    (0x08, "changer"),
    (0x0d, "enclosure"),
    (0x0e, "rbc"),
];

/// A world wide name, which the kernel writes with `0x` in front.
fn wide_name(path: &Path) -> Option<String> {
    text(path).map(|name| name.strip_prefix("0x").unwrap_or(&name).to_owned())
}

pub(super) fn host(entry: &Entry, root: &Path) -> Option<Capability> {
    let number: u32 = entry.name.strip_prefix("host")?.parse().ok()?;
    let class = root.join("sys/class/scsi_host").join(&entry.name);
    let mut host = Host { host: Some(number), ..Host::default() };
    host.unique_id = text(&class.join("unique_id")).and_then(|text| text.parse().ok());
    let channel = root.join("sys/class/fc_host").join(&entry.name);
    if channel.exists() {
        host.fibre_channel = Some(FibreChannel {
            wwnn: wide_name(&channel.join("node_name")),
            wwpn: wide_name(&channel.join("port_name")),
            fabric_wwn: wide_name(&channel.join("fabric_name")),
        });
        // Either folder may have the file that makes ports.
        let ports = [&channel, &class].into_iter().find(|folder| folder.join("vport_create").exists());
        if let Some(folder) = ports {
            let number =
                |name: &str| text(&folder.join(name)).and_then(|text| text.parse().ok()).unwrap_or(0);
            host.vports =
                Some(Vports { most: number("max_npiv_vports"), present: number("npiv_vports_inuse") });
        }
    }
    Some(Capability::ScsiHost(host))
}

pub(super) fn target(entry: &Entry, root: &Path) -> Capability {
    // The remote port is the folder above, when the target is on a fibre channel.
    let above = entry.path.rsplit('/').nth(1).filter(|name| name.starts_with("rport-"));
    let remote = above.map(|port| {
        let class = root.join("sys/class/fc_remote_ports").join(port);
        (port.to_owned(), wide_name(&class.join("port_name")))
    });
    Capability::ScsiTarget(Target { name: entry.name.clone(), remote })
}

pub(super) fn unit(entry: &Entry) -> Option<Capability> {
    let mut parts = entry.name.split(':');
    let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
    let (host, bus, target) = (number()?, number()?, number()?);
    let lun = parts.next()?.parse().ok()?;
    let kind = entry.number("type");
    let kind = kind.and_then(|kind| UNITS.iter().find(|(number, _)| *number == kind));
    let kind = kind.map(|(_, word)| (*word).to_owned());
    Some(Capability::Scsi(Unit { host, bus, target, lun, kind }))
}

pub(super) fn generic(entry: &Entry) -> Option<Capability> {
    Some(Capability::ScsiGeneric(Generic { path: dev_path(entry.property("DEVNAME")?) }))
}
