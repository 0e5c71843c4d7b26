//! File systems as the guest sees them, and the disks they lie on.

use super::{entries, list, number, text};
use serde_json::Value;

/// Where a disk is, as the guest sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The kind of bus, e.g. `virtio`, `scsi`.
    pub kind: String,
    /// Domain, bus, slot, function of the controller on the PCI bus.
    pub pci: Option<(u32, u32, u32, u32)>,
    /// Channel, target, unit on the disk's own bus.
    pub unit: (u32, u32, u32),
    /// The address of a device of a mainframe's channel.
    pub ccw: Option<(u32, u32, u32)>,
}

/// A disk a file system lies on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilesystemDisk {
    /// Where it is.
    pub place: Place,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its device in the guest.
    pub device: Option<String>,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filesystem {
    /// Where it is mounted.
    pub mountpoint: String,
    /// Its device in the guest.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Bytes of it.
    pub total: Option<u64>,
    /// Bytes that are used.
    pub used: Option<u64>,
    /// Disks it lies on.
    pub disks: Vec<FilesystemDisk>,
}

fn small(value: &Value, name: &str) -> u32 {
    number(value, name).and_then(|number| number.try_into().ok()).unwrap_or(0)
}

/// A disk's address.
pub(super) fn place(value: &Value) -> Option<Place> {
    let kind = text(value, "bus-type")?.to_owned();
    let pci = value
        .get("pci-controller")
        .map(|pci| (small(pci, "domain"), small(pci, "bus"), small(pci, "slot"), small(pci, "function")));
    let ccw =
        value.get("ccw-address").map(|ccw| (small(ccw, "cssid"), small(ccw, "ssid"), small(ccw, "devno")));
    Some(Place { kind, pci, unit: (small(value, "bus"), small(value, "target"), small(value, "unit")), ccw })
}

/// The answer to `guest-get-fsinfo`. Shared and temporary file systems lie on no disk.
pub fn filesystems(answer: &Value) -> Vec<Filesystem> {
    let disk = |value: &Value| {
        Some(FilesystemDisk {
            place: place(value)?,
            serial: text(value, "serial").map(str::to_owned),
            device: text(value, "dev").map(str::to_owned),
        })
    };
    let read = |entry: &Value| {
        Some(Filesystem {
            mountpoint: text(entry, "mountpoint")?.to_owned(),
            name: text(entry, "name")?.to_owned(),
            kind: text(entry, "type")?.to_owned(),
            total: number(entry, "total-bytes"),
            used: number(entry, "used-bytes"),
            disks: list(entry, "disk").iter().filter_map(disk).collect(),
        })
    };
    entries(answer).iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_one_disk() {
        let answer = json!([
            {"name": "vda1", "mountpoint": "/", "type": "ext4", "total-bytes": 10, "used-bytes": 3, "disk": [
                {"bus-type": "virtio", "bus": 0, "unit": 0, "target": 0, "serial": "s",
                 "pci-controller": {"domain": 0, "bus": 0, "slot": 4, "function": 0}}]},
            {"name": "x"},
        ]);
        let found = filesystems(&answer);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].disks[0].place.pci, Some((0, 0, 4, 0)));
        assert_eq!(found[0].used, Some(3));
    }
}
