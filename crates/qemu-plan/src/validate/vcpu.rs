//! Processors: how many a machine takes, which of them are there, and groups of them.

use crate::complete::setting::{Board, Setting};
use crate::complete::unsupported;
use base::Result;
use conf_domain::Domain;
use xml::Tree;

/// More processors than this need a controller that numbers them with more than eight bits.
const SMALL: u32 = 255;

pub(super) fn check(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    let most = domain.vcpus_max();
    if let Some(limit) = setting.caps.machine(&setting.machine).map(|machine| machine.max_cpus)
        && limit > 0
        && most > limit
    {
        return Err(unsupported(format!("Maximum CPUs greater than specified machine type limit {limit}")));
    }
    if most > SMALL && setting.is_x86() {
        if setting.board != Board::Q35 {
            return Err(unsupported("more than 255 vCPUs are only supported on q35-based machine types"));
        }
        let extended = domain
            .all("iommu")
            .any(|iommu| iommu.is("model", "virtio") || iommu.attr_at("driver", "eim") == Some("on"));
        if !extended {
            return Err(unsupported(
                "more than 255 vCPUs require extended interrupt mode enabled on the iommu device",
            ));
        }
    }
    groups(domain)?;
    topology(domain)?;
    match domain.tree.child("vcpus") {
        Some(vcpus) => each(vcpus),
        None if domain.vcpus() == 0 => Err(unsupported("vcpu 0 can't be offline")),
        None => Ok(()),
    }
}

/// Only the kernel's virtual machines can be given parts of caches.
fn groups(domain: &Domain) -> Result<()> {
    let Some(tune) = domain.tree.child("cputune") else { return Ok(()) };
    if domain.kind() != "kvm"
        && tune.children.iter().any(|child| matches!(&*child.name, "cachetune" | "memorytune"))
    {
        return Err(unsupported("cachetune is only supported for KVM domains"));
    }
    Ok(())
}

fn topology(domain: &Domain) -> Result<()> {
    let Some(topology) = domain.tree.at("cpu/topology") else { return Ok(()) };
    let count = ["sockets", "dies", "clusters", "cores", "threads"]
        .iter()
        .map(|name| topology.attr(name).and_then(|text| text.parse::<u32>().ok()).unwrap_or(1))
        .fold(1u32, u32::saturating_mul);
    if count != domain.vcpus_max() {
        return Err(unsupported("CPU topology doesn't match maximum vcpu count"));
    }
    Ok(())
}

/// Processors that stay are there before those that can be taken away.
fn each(vcpus: &Tree) -> Result<()> {
    let order = |vcpu: &Tree| vcpu.attr("order").and_then(|text| text.parse::<u32>().ok());
    let online: Vec<&Tree> = vcpus.all("vcpu").filter(|vcpu| vcpu.is("enabled", "yes")).collect();
    let Some(first) = online.first().filter(|vcpu| vcpu.is("id", "0")) else {
        return Err(unsupported("vcpu 0 can't be offline"));
    };
    if first.is("hotpluggable", "yes") {
        return Err(unsupported("vcpu0 can't be hotpluggable"));
    }
    if order(first).is_some_and(|order| order != 1) {
        return Err(unsupported("vcpu0 must be enabled first"));
    }
    let ordered = order(first).is_some();
    if online.iter().any(|vcpu| order(vcpu).is_some() != ordered) {
        return Err(unsupported("all vcpus must have either set or unset order"));
    }
    let mut last = 0;
    let mut earliest: Option<u32> = None;
    for (index, vcpu) in online.iter().enumerate() {
        let at = order(vcpu).unwrap_or(index as u32 + 1);
        if vcpu.is("hotpluggable", "yes") {
            earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
            continue;
        }
        if earliest.is_some_and(|earliest| at > earliest) {
            return Err(unsupported(
                "online non-hotpluggable vcpus need to be ordered prior to hotpluggable vcpus",
            ));
        }
        if at < last {
            return Err(unsupported("online non-hotpluggable vcpus must be ordered in ascending order"));
        }
        last = at;
    }
    Ok(())
}
