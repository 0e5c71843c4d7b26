//! The kinds of pools and what each knows.

use crate::format;

base::text_enum! {
    /// Kinds of pools, in the order of their numbers.
    pub enum Kind {
        Dir = "dir",
        Fs = "fs",
        Netfs = "netfs",
        Logical = "logical",
        Disk = "disk",
        Iscsi = "iscsi",
        IscsiDirect = "iscsi-direct",
        Scsi = "scsi",
        Mpath = "mpath",
        Rbd = "rbd",
        Sheepdog = "sheepdog",
        Gluster = "gluster",
        Zfs = "zfs",
        Vstorage = "vstorage",
    }
}

/// Formats to choose from, and the one that counts when nothing is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Formats {
    /// When nothing is said.
    pub default: &'static str,
    /// All there are.
    pub all: &'static [&'static str],
}

/// Parts of a source that a kind of pool has; others are read, but mean nothing and are not printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Parts {
    /// Hosts.
    pub host: bool,
    /// Devices.
    pub device: bool,
    /// A folder.
    pub dir: bool,
    /// An adapter.
    pub adapter: bool,
    /// A name.
    pub name: bool,
    /// A name we give to the other side.
    pub initiator: bool,
    /// Volumes are reached without this host's file system: no target.
    pub network: bool,
}

/// Nothing but what the target says.
const NONE: Parts = Parts {
    host: false,
    device: false,
    dir: false,
    adapter: false,
    name: false,
    initiator: false,
    network: false,
};

const IMAGES: Formats = Formats { default: "raw", all: format::FILES };

impl Kind {
    /// Parts of its source.
    pub fn parts(self) -> Parts {
        match self {
            Kind::Dir | Kind::Mpath => NONE,
            Kind::Fs | Kind::Disk => Parts { device: true, ..NONE },
            Kind::Netfs => Parts { host: true, dir: true, ..NONE },
            Kind::Logical | Kind::Zfs => Parts { name: true, device: true, ..NONE },
            Kind::Iscsi => Parts { host: true, device: true, initiator: true, ..NONE },
            Kind::IscsiDirect => Parts { host: true, device: true, initiator: true, network: true, ..NONE },
            Kind::Scsi => Parts { adapter: true, ..NONE },
            Kind::Rbd | Kind::Sheepdog => Parts { host: true, name: true, network: true, ..NONE },
            Kind::Gluster => Parts { host: true, name: true, dir: true, network: true, ..NONE },
            Kind::Vstorage => Parts { name: true, ..NONE },
        }
    }

    /// Formats of its source.
    pub fn source_formats(self) -> Option<Formats> {
        Some(match self {
            Kind::Fs => Formats { default: "auto", all: format::FILE_SYSTEMS },
            Kind::Netfs => Formats { default: "auto", all: format::NETWORK_FILE_SYSTEMS },
            Kind::Logical => Formats { default: "lvm2", all: format::VOLUME_MANAGERS },
            Kind::Disk => Formats { default: "unknown", all: format::DISK_LABELS },
            _ => return None,
        })
    }

    /// Formats of its volumes.
    pub fn volume_formats(self) -> Option<Formats> {
        Some(match self {
            Kind::Dir | Kind::Fs | Kind::Netfs | Kind::Gluster | Kind::Vstorage => IMAGES,
            Kind::Disk => Formats { default: "none", all: format::PARTITIONS },
            // Images are raw; nothing is offered.
            Kind::Rbd => Formats { default: "raw", all: &[] },
            _ => return None,
        })
    }

    /// Volumes are files in a folder.
    pub fn holds_files(self) -> bool {
        matches!(self, Kind::Dir | Kind::Fs | Kind::Netfs | Kind::Vstorage)
    }
}
