//! Memory and cells: what is left open, and what new definitions with memory that can be plugged need.

use super::setting::Setting;
use crate::validate::invalid;
use base::Result;
use conf_domain::{Domain, bitmap};
use std::collections::BTreeSet;
use xml::Tree;

/// Modules of POWER machines come in steps of 256 MiB.
const POWER_STEP_KIB: u64 = 256 << 10;

fn kib(tree: Option<&Tree>) -> u64 {
    tree.and_then(|tree| tree.body().trim().parse().ok()).unwrap_or(0)
}

/// Brings the memory of a definition together, and puts its processors into cells.
pub(super) fn complete(domain: &mut Domain, setting: &Setting<'_>) -> Result<()> {
    if setting.abi_update {
        if setting.is_ppc64() {
            align_modules(domain);
        }
        cell_for_modules(domain)?;
    }
    conf_domain::memory::settle(domain, setting.abi_update)?;
    leftover_vcpus(domain);
    for module in domain.devices_mut().iter_mut().filter(|device| device.name == "memory") {
        if module.is("model", "virtio-pmem") {
            module.default_to("access", "shared");
        }
    }
    Ok(())
}

/// Sizes come in steps: those of memory at the start, and those of modules.
fn steps(setting: &Setting<'_>) -> (u64, u64) {
    if setting.is_ppc64() { (POWER_STEP_KIB, POWER_STEP_KIB) } else { (1 << 10, 2 << 10) }
}

fn align(tree: Option<&mut Tree>, step: u64) -> u64 {
    let Some(tree) = tree else { return 0 };
    let aligned = kib(Some(tree)).checked_next_multiple_of(step).unwrap_or(u64::MAX);
    tree.text = Some(aligned.to_string());
    aligned
}

/// Size of a module after it has been brought to its step. What lasts on POWER is cut instead, and its label comes on top.
fn align_module(module: &mut Tree, step: u64, power: bool) -> u64 {
    let lasts = module.is("model", "nvdimm");
    let Some(target) = module.child_mut("target") else { return 0 };
    let label = kib(target.at("label/size"));
    let Some(size) = target.child_mut("size") else { return 0 };
    if !(power && lasts) {
        return align(Some(size), step);
    }
    let area = kib(Some(size)).saturating_sub(label);
    let cut = (area / step * step).saturating_add(label);
    size.text = Some(cut.to_string());
    cut
}

/// Modules of POWER machines are brought to their step when they are defined.
fn align_modules(domain: &mut Domain) {
    let mut total = domain.memory_kib();
    for module in domain.devices_mut().iter_mut().filter(|device| device.name == "memory") {
        let given = kib(module.at("target/size"));
        total = total.saturating_sub(given).saturating_add(align_module(module, POWER_STEP_KIB, true));
    }
    if let Some(memory) = domain.tree.child_mut("memory") {
        memory.text = Some(total.to_string());
    }
}

/// Brings all sizes to their steps before a start.
pub(super) fn align_all(domain: &mut Domain, setting: &Setting<'_>) {
    let (step, module_step) = steps(setting);
    let mut initial = domain.memory_kib();
    let mut modules = 0u64;
    for module in domain.devices_mut().iter_mut().filter(|device| device.name == "memory") {
        // Enclaves are no part of the memory that is counted.
        let counted = !module.is("model", "sgx-epc");
        let given = kib(module.at("target/size"));
        let own = align_module(module, module_step, setting.is_ppc64());
        if let Some(target) = module.child_mut("target") {
            align(target.child_mut("requested"), module_step);
        }
        if counted {
            initial = initial.saturating_sub(given);
            modules = modules.saturating_add(own);
        }
    }
    let mut cells = None;
    if let Some(numa) = domain.tree.child_mut("cpu").and_then(|cpu| cpu.child_mut("numa")) {
        for cell in numa.all_mut("cell") {
            let size = cell.attr("memory").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
            let size = size.checked_next_multiple_of(step).unwrap_or(u64::MAX);
            cell.set("memory", size.to_string());
            cells = Some(cells.unwrap_or(0u64).saturating_add(size));
        }
    }
    let initial = cells.unwrap_or_else(|| initial.checked_next_multiple_of(step).unwrap_or(u64::MAX));
    if let Some(memory) = domain.tree.child_mut("memory") {
        memory.text = Some(initial.saturating_add(modules).to_string());
    }
    align(domain.tree.child_mut("maxMemory"), step);
}

/// Modules belong to cells: a new definition that has none gets one with all processors.
fn cell_for_modules(domain: &mut Domain) -> Result<()> {
    let cells = domain.tree.at("cpu/numa").is_some_and(|numa| numa.child("cell").is_some());
    if cells || domain.tree.child("maxMemory").is_none() {
        return Ok(());
    }
    let total = domain.memory_kib();
    let modules: u64 = domain.all("memory").map(|module| kib(module.at("target/size"))).sum();
    let initial = total
        .checked_sub(modules)
        .ok_or_else(|| invalid("Total size of memory devices exceeds the total memory size"))?;
    let last = domain.vcpus_max().saturating_sub(1);
    let cpus = if last == 0 { "0".to_owned() } else { format!("0-{last}") };
    let cell = Tree::new("cell")
        .with("id", "0")
        .with("cpus", cpus)
        .with("memory", initial.to_string())
        .with("unit", "KiB");
    domain.tree.child_or_new("cpu").child_or_new("numa").children.push(cell);
    for module in domain.devices_mut().iter_mut().filter(|device| device.name == "memory") {
        // Persistent memory is in no cell.
        if module.is("model", "virtio-pmem") {
            continue;
        }
        let Some(target) = module.child_mut("target") else { continue };
        if target.child("node").is_none() {
            target.children.push(Tree::leaf("node", "0"));
        }
    }
    Ok(())
}

/// Processors that are in no cell are in the first.
fn leftover_vcpus(domain: &mut Domain) {
    let count = domain.vcpus_max();
    let Some(numa) = domain.tree.child_mut("cpu").and_then(|cpu| cpu.child_mut("numa")) else { return };
    let placed: BTreeSet<u32> =
        numa.all("cell").filter_map(|cell| cell.attr("cpus").and_then(bitmap::parse)).flatten().collect();
    let left: Vec<u32> = (0..count.min(1 << 14)).filter(|cpu| !placed.contains(cpu)).collect();
    if left.is_empty() {
        return;
    }
    if let Some(first) = numa.all_mut("cell").next() {
        let mut own = first.attr("cpus").and_then(bitmap::parse).unwrap_or_default();
        own.extend(left);
        first.set("cpus", bitmap::format(&own));
    }
}
