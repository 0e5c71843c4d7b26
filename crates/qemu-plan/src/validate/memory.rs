//! Memory devices, shared memory, alignment.

use crate::complete::setting::Setting;
use crate::complete::{conflict, unsupported};
use base::Result;
use conf_domain::{Domain, bitmap};
use qemu_caps::Flag;
use std::collections::BTreeSet;
use xml::Tree;

pub(super) fn check(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    let cells = domain.tree.at("cpu/numa").map_or(0, |numa| numa.all("cell").count());
    let plugged = domain.tree.child("maxMemory").is_some();
    if !plugged && domain.all("memory").next().is_some() {
        return Err(unsupported("cannot use/hotplug a memory device when domain 'maxMemory' is not defined"));
    }
    // POWER machines take memory without cells.
    if plugged && cells == 0 && !setting.is_ppc64() {
        return Err(unsupported("At least one numa node has to be configured when enabling memory hotplug"));
    }
    for memory in domain.all("memory") {
        placed(domain, memory)?;
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

/// Checks whether the emulator has a memory device.
pub(super) fn device(device: &Tree, setting: &Setting<'_>) -> Result<()> {
    let model = device.attr("model").unwrap_or_default();
    let (flag, name) = match model {
        "dimm" => (Flag::PcDimm, "memory hotplug"),
        "nvdimm" => (Flag::Nvdimm, "nvdimm"),
        "virtio-pmem" => (Flag::VirtioPmemPci, "virtio-pmem"),
        "virtio-mem" => (Flag::VirtioMemPci, "virtio-mem"),
        _ => (Flag::SgxEpc, "sgx epc"),
    };
    match setting.has(flag) || model == "virtio-mem" && setting.is_s390() {
        true => Ok(()),
        false => Err(unsupported(format!("{name} isn't supported by this QEMU binary"))),
    }
}

/// Checks where a memory device is.
fn placed(domain: &Domain, device: &Tree) -> Result<()> {
    let model = device.attr("model").unwrap_or_default();
    let place = device.attr_at("address", "type");
    match model {
        "sgx-epc" if place.is_some() => {
            return Err(conflict(format!("memory device address is not supported for model '{model}'")));
        }
        "dimm" | "nvdimm" => {
            if place.is_some_and(|place| place != "dimm") {
                return Err(unsupported("only 'dimm' addresses are supported for the pc-dimm device"));
            }
            let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok());
            let slots = number(domain.tree.attr_at("maxMemory", "slots")).unwrap_or(0);
            if let Some(slot) = number(device.attr_at("address", "slot"))
                && slot >= slots
            {
                return Err(unsupported(format!(
                    "memory device slot '{slot}' exceeds slots count '{slots}'"
                )));
            }
        }
        "virtio-pmem" if place.is_some_and(|place| place != "pci") => {
            return Err(unsupported("only 'pci' addresses are supported for the virtio-pmem device"));
        }
        "virtio-mem" if place.is_some_and(|place| !matches!(place, "pci" | "ccw")) => {
            return Err(unsupported(
                "only 'pci' and 'ccw' addresses are supported for the virtio-mem device",
            ));
        }
        _ => {}
    }
    let cells = domain.tree.at("cpu/numa").is_some_and(|numa| numa.child("cell").is_some());
    let placed = !matches!(model, "virtio-pmem" | "sgx-epc");
    if placed && cells && device.at("target/node").is_none() {
        return Err(unsupported("target NUMA node needs to be specified for memory device"));
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
