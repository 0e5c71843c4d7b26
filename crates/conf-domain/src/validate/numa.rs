//! Cells of the guest, and where the host puts their memory.

use crate::fault::{internal, invalid, unsupported};
use crate::{Domain, bitmap};
use base::{Error, ErrorCode, ErrorDomain, Result};
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
        tuning(tune, count)?;
    }
    sets(domain)?;
    pages(domain, count)
}

fn cells(numa: &Tree) -> Result<()> {
    let cells: Vec<&Tree> = numa.all("cell").collect();
    let mut seen: BTreeSet<u32> = BTreeSet::new();
    for cell in &cells {
        let id = cell.attr("id").and_then(|id| id.parse::<u32>().ok()).unwrap_or(u32::MAX);
        if id as usize >= cells.len() {
            return Err(invalid(
                "Exactly one 'cell' element per guest NUMA cell allowed, non-contiguous ranges or ranges not starting from 0 are not allowed",
            ));
        }
        if !seen.insert(id) {
            return Err(invalid(format!("Duplicate NUMA cell info for cell id '{id}'")));
        }
        if let Some(access) = cell.attr("memAccess")
            && !matches!(access, "shared" | "private")
        {
            return Err(crate::fault::attribute("cell", "memAccess", access));
        }
        for sibling in cell.child("distances").into_iter().flat_map(|distances| distances.all("sibling")) {
            let Some(to) = sibling.attr("id").and_then(|id| id.parse::<u32>().ok()) else { continue };
            if to as usize >= cells.len() {
                return Err(invalid(format!(
                    "'sibling_id {to}' does not refer to a valid cell within NUMA 'cell id {id}'"
                )));
            }
        }
    }
    let own: Vec<BTreeSet<u32>> =
        cells.iter().map(|cell| cell.attr("cpus").and_then(bitmap::parse).unwrap_or_default()).collect();
    for (at, cpus) in own.iter().enumerate() {
        if let Some(other) = own[..at].iter().position(|other| !other.is_disjoint(cpus)) {
            return Err(invalid(format!("NUMA cells {at} and {other} have overlapping vCPU ids")));
        }
    }
    Ok(())
}

fn tuning(tune: &Tree, cells: usize) -> Result<()> {
    if let Some(memory) = tune.child("memory")
        && !memory.is("placement", "auto")
        && memory.attr("nodeset").is_none()
    {
        return Err(unsupported("nodeset for NUMA memory tuning must be set if 'placement' is 'static'"));
    }
    let mode = tune.attr_at("memory", "mode").unwrap_or("strict");
    let mut seen = BTreeSet::new();
    for node in tune.all("memnode") {
        if cells == 0 {
            return Err(invalid("Element 'memnode' is invalid without any guest NUMA cells"));
        }
        let cell = node.attr("cellid").and_then(|id| id.parse::<usize>().ok());
        if cell.is_none_or(|cell| cell >= cells) {
            return Err(invalid(
                "Argument 'cellid' in memnode element must correspond to existing guest's NUMA cell",
            ));
        }
        if let Some(cell) = cell.filter(|cell| !seen.insert(*cell)) {
            return Err(invalid(format!("Multiple memnode elements with cellid {cell}")));
        }
        if mode == "restrictive" && node.attr("mode") != Some("restrictive") {
            return Err(invalid(
                "'restrictive' mode is required in memnode element when mode is 'restrictive' in memory element",
            ));
        }
        if mode != "restrictive" && node.attr("mode") == Some("restrictive") {
            return Err(invalid(
                "'restrictive' mode is required in memory element when mode is 'restrictive' in memnode element",
            ));
        }
    }
    Ok(())
}

/// Sets of processors and nodes that cannot be read, or are empty.
fn sets(domain: &Domain) -> Result<()> {
    if let Some(text) = domain.tree.attr_at("vcpu", "cpuset") {
        match bitmap::parse(text) {
            None => return Err(unreadable(text)),
            Some(set) if set.is_empty() => {
                return Err(unsupported(format!("Invalid value of 'cpuset': {text}")));
            }
            Some(_) => {}
        }
    }
    let Some(tune) = domain.tree.child("numatune") else { return Ok(()) };
    for memory in &tune.children {
        let Some(text) = memory.attr("nodeset") else { continue };
        match bitmap::parse(text) {
            None => return Err(unreadable(text)),
            Some(set) if set.is_empty() => {
                return Err(unsupported(format!("Invalid value of 'nodeset': {text}")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn unreadable(text: &str) -> Error {
    Error::new(ErrorCode::INVALID_ARG, ErrorDomain::NONE, format!("Failed to parse bitmap '{text}'"))
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
