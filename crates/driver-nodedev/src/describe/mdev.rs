//! Mediated devices, and what kinds of them a device can have.

use super::Found;
use crate::sysfs::Entry;
use conf_nodedev::Capability;
use conf_nodedev::capability::mdev::{Making, Mdev, MdevType};

pub(super) fn mdev(entry: &Entry) -> Option<Found> {
    let uuid = entry.name.parse().ok()?;
    let kind = entry.link("mdev_type")?;
    let parent = entry.path.rsplit('/').nth(1)?.to_owned();
    let making = Making { kind, attributes: Vec::new() };
    let mdev = Mdev {
        defined: making.clone(),
        active: making,
        uuid: Some(uuid),
        parent_addr: Some(parent.clone()),
        iommu_group: entry.link("iommu_group").and_then(|number| number.parse().ok()).unwrap_or(0),
        autostart: false,
    };
    Some(Found { capability: Capability::Mdev(mdev), suffix: Some(parent) })
}

pub(super) fn types(entry: &Entry) -> Vec<MdevType> {
    let kind = |id: String| {
        let at = |name: &str| entry.attr(&format!("mdev_supported_types/{id}/{name}"));
        Some(MdevType {
            name: at("name"),
            device_api: at("device_api")?,
            available: at("available_instances").and_then(|count| count.parse().ok()).unwrap_or(0),
            id,
        })
    };
    entry.names("mdev_supported_types").into_iter().filter_map(kind).collect()
}
