//! Cells of the guest, and where the host puts their memory.

use crate::fault::{internal, invalid, unsupported};
use crate::{Domain, bitmap};
use base::Result;
use std::collections::BTreeSet;
use xml::Tree;

pub(super) fn check(domain: &Domain) -> Result<()> {
    if let Some(numa) = domain.tree.at("cpu/numa") {
        cells(numa)?;
        let sets = numa.all("cell").filter_map(|cell| bitmap::parse(cell.attr("cpus")?));
        if sets.map(|cpus| cpus.len()).sum::<usize>() > domain.vcpus_max() as usize {
            return Err(internal("Number of CPUs in <numa> exceeds the <vcpu> count"));
        }
    }
    let count = domain.tree.at("cpu/numa").map_or(0, |numa| numa.all("cell").count());
    if let Some(tune) = domain.tree.child("numatune") {
        tuning(tune)?;
    }
    pages(domain, count)
}

/// A processor is in one cell.
fn cells(numa: &Tree) -> Result<()> {
    let own: Vec<BTreeSet<u32>> =
        numa.all("cell").map(|cell| cell.attr("cpus").and_then(bitmap::parse).unwrap_or_default()).collect();
    for (at, cpus) in own.iter().enumerate() {
        if let Some(other) = own.iter().take(at).position(|other| !other.is_disjoint(cpus)) {
            return Err(unsupported(format!("NUMA cells {at} and {other} have overlapping vCPU ids")));
        }
    }
    Ok(())
}

/// Nodes that are restricted are so with all memory.
fn tuning(tune: &Tree) -> Result<()> {
    let mode = tune.attr_at("memory", "mode").unwrap_or("strict");
    for node in tune.all("memnode") {
        match (mode, node.attr("mode")) {
            ("restrictive", Some("restrictive")) => {}
            ("restrictive", _) => {
                return Err(invalid(
                    "'restrictive' mode is required in memnode element when mode is 'restrictive' in memory element",
                ));
            }
            (_, Some("restrictive")) => {
                return Err(invalid(
                    "'restrictive' mode is required in memory element when mode is 'restrictive' in memnode element",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Huge pages for cells that are not there.
fn pages(domain: &Domain, cells: usize) -> Result<()> {
    let pages = domain.tree.at("memoryBacking/hugepages");
    for page in pages.into_iter().flat_map(|pages| pages.all("page")) {
        let Some(set) = page.attr("nodeset").and_then(bitmap::parse) else { continue };
        // Without cells the whole guest is node 0.
        if let Some(missing) = set.iter().find(|node| **node as usize >= cells.max(1)) {
            return Err(super::system::detail(format!("hugepages: node {missing} not found")));
        }
    }
    Ok(())
}
