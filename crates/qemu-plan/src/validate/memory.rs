//! Memory devices, shared memory, alignment.

use crate::complete::setting::Setting;
use crate::complete::unsupported;
use base::Result;
use conf_domain::{Domain, bitmap};
use std::collections::BTreeSet;

pub(super) fn check(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    let cells = domain.tree.at("cpu/numa").map_or(0, |numa| numa.all("cell").count());
    if domain.tree.at("memtune/min_guarantee").is_some() {
        return Err(unsupported("Parameter 'min_guarantee' not supported by QEMU."));
    }
    let plugged = domain.tree.child("maxMemory").is_some();
    let modules = domain.all("memory").any(|memory| matches!(memory.attr("model"), Some("dimm" | "nvdimm")));
    // POWER machines take memory without cells.
    if plugged && cells == 0 && !setting.is_ppc64() {
        return Err(unsupported("At least one numa node has to be configured when enabling memory hotplug"));
    }
    if modules && !plugged {
        return Err(unsupported("cannot use/hotplug a memory device when domain 'maxMemory' is not defined"));
    }
    let slotted =
        domain.all("memory").filter(|memory| matches!(memory.attr("model"), Some("dimm" | "nvdimm")));
    let slots = domain.tree.child("maxMemory").and_then(|most| most.attr("slots")?.parse().ok()).unwrap_or(0);
    let count = slotted.count();
    if plugged && count > slots {
        return Err(unsupported(format!(
            "count of memory devices requiring memory slots '{count}' exceeds slots count '{slots}'"
        )));
    }
    Ok(())
}

/// Sizes are brought to a multiple of this before a start.
const STEP_KIB: u64 = 1 << 10;

pub(super) fn start(domain: &Domain, host_nodes: Option<&BTreeSet<u32>>) -> Result<()> {
    let tune = domain.tree.child("numatune");
    for memory in tune.into_iter().flat_map(|tune| &tune.children) {
        let wanted = memory.attr("nodeset").and_then(bitmap::parse).unwrap_or_default();
        if let Some(missing) = host_nodes.and_then(|known| wanted.difference(known).next().copied()) {
            return Err(unsupported(format!("NUMA node {missing} is unavailable")));
        }
    }
    let numa = domain.tree.at("cpu/numa");
    for cell in numa.into_iter().flat_map(|numa| numa.all("cell")) {
        let Some(size) = cell.attr("memory").and_then(|size| size.parse::<u64>().ok()) else { continue };
        let aligned = size.checked_next_multiple_of(STEP_KIB).filter(|kib| *kib <= i64::MAX as u64 / 1024);
        if aligned.is_none() {
            let id = cell.attr("id").unwrap_or_default();
            return Err(unsupported(format!("memory size of NUMA node '{id}' overflowed after alignment")));
        }
    }
    Ok(())
}
