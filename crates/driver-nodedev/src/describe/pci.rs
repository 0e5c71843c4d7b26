//! PCI functions.

use super::{express, mdev, vpd};
use crate::names::Names;
use crate::sysfs::{Entry, children};
use conf_nodedev::Capability;
use conf_nodedev::Identifier;
use conf_nodedev::capability::pci::{Address, Pci};
use std::path::Path;

pub(super) fn pci(entry: &Entry, root: &Path, names: &Names) -> Option<Capability> {
    let (vendor, product) = (entry.hexadecimal("vendor")?, entry.hexadecimal("device")?);
    let config = entry.bytes("config").unwrap_or_default();
    let most = entry.number("sriov_totalvfs").filter(|most| *most > 0);
    Some(Capability::Pci(Box::new(Pci {
        class: u32::from_str_radix(entry.property("PCI_CLASS")?, 16).ok(),
        address: entry.name.parse().ok()?,
        product: Identifier { number: product, name: names.product(vendor, product) },
        vendor: Identifier { number: vendor, name: names.vendor(vendor) },
        physical_function: entry.link("physfn").and_then(|name| name.parse().ok()),
        virtual_functions: most.map(|most| (functions(entry), u32::try_from(most).unwrap_or(u32::MAX))),
        bridge: express::bridge(&config),
        mdev_types: mdev::types(entry),
        vpd: entry.bytes("vpd").and_then(|data| vpd::parse(&data)),
        iommu_group: group(entry, root),
        numa_node: entry.attr("numa_node").and_then(|node| node.parse().ok()).filter(|node| *node >= 0),
        express: express::express(&config),
    })))
}

/// Virtual functions in the order of their numbers.
fn functions(entry: &Entry) -> Vec<Address> {
    (0..).map_while(|number| entry.link(&format!("virtfn{number}"))?.parse().ok()).collect()
}

/// The isolation group and who is in it.
fn group(entry: &Entry, root: &Path) -> Option<(u32, Vec<Address>)> {
    let number = entry.link("iommu_group")?;
    let folder = root.join("sys/kernel/iommu_groups").join(&number).join("devices");
    let members = children(&folder);
    let mut members: Vec<Address> =
        members.iter().filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect();
    members.sort();
    Some((number.parse().ok()?, members))
}
