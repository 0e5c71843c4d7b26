//! `<numa>` of the guest's processor: cells in order, distances both ways, caches and links.

use crate::fault::{element, internal, invalid, unsupported};
use crate::section::memory;
use crate::{bitmap, domain, values};
use base::Result;
use std::collections::{BTreeMap, BTreeSet};
use xml::Tree;

/// Distance of a cell to itself.
const LOCAL: u32 = 10;

/// Distance of cells that do not reach each other.
const FARTHEST: u32 = 255;

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let vcpus = tree.text_of("vcpu").and_then(|text| text.parse::<u32>().ok()).unwrap_or(1);
    if let Some(numa) = tree.child_mut("cpu").and_then(|cpu| cpu.child_mut("numa")) {
        if numa.child("cell").is_none() {
            return Err(invalid("NUMA topology defined without NUMA cells"));
        }
        number(numa)?;
        numa.children.sort_by_key(|cell| id(cell, "id").unwrap_or(u32::MAX));
        distances(numa);
        links(numa)?;
    }
    processors(tree, vcpus)
}

fn id(tree: &Tree, name: &str) -> Option<u32> {
    tree.attr(name).and_then(|id| id.parse().ok())
}

/// Reads the cells; those without a number are counted.
fn number(numa: &mut Tree) -> Result<()> {
    values::read(domain::place("domain/cpu/numa"), numa, "cell")?;
    let count = numa.all("cell").count();
    let mut seen = BTreeSet::new();
    for (index, cell) in numa.all_mut("cell").enumerate() {
        cell.default_to("id", &index.to_string());
        let own = id(cell, "id").unwrap_or(u32::MAX);
        if own as usize >= count {
            return Err(invalid(
                "Exactly one 'cell' element per guest NUMA cell allowed, non-contiguous ranges or ranges not starting from 0 are not allowed",
            ));
        }
        if !seen.insert(own) {
            return Err(invalid(format!("Duplicate NUMA cell info for cell id '{own}'")));
        }
        self::cell(cell, count)?;
    }
    Ok(())
}

fn cell(cell: &mut Tree, cells: usize) -> Result<()> {
    if let Some(text) = cell.attr("cpus") {
        let set = bitmap::read(text)?;
        if set.is_empty() {
            cell.unset("cpus");
        } else {
            cell.set("cpus", bitmap::format(&set));
        }
    }
    let size = memory::attribute(cell, "memory", "./@memory")?;
    cell.set("memory", base::size::kib_rounded_up(size).to_string());
    cell.set("unit", "KiB");
    let own = id(cell, "id").unwrap_or(u32::MAX);
    if let Some(distances) = cell.child("distances") {
        if distances.child("sibling").is_none() {
            return Err(invalid("NUMA distances defined without siblings"));
        }
        for sibling in distances.all("sibling") {
            distance(sibling, own, cells)?;
        }
    }
    let mut levels = BTreeSet::new();
    for cache in cell.all_mut("cache") {
        for (name, unit) in [("size", "KiB"), ("line", "B")] {
            let path = format!("./{name}/@value");
            // The reference reads the unit of neither.
            let text = cache.attr_at(name, "value").unwrap_or_default().to_owned();
            if text.is_empty() {
                return Err(memory::nothing(&path));
            }
            let value = values::decimal(&text).ok_or_else(|| element(&path, &text))?;
            let part = cache.child_or_new(name);
            part.set("value", value.to_string());
            part.set("unit", unit);
        }
        let level = cache.word("level");
        if !levels.insert(level.clone()) {
            return Err(invalid(format!("Cache level '{level}' already defined")));
        }
    }
    Ok(())
}

fn distance(sibling: &Tree, own: u32, cells: usize) -> Result<()> {
    let to = id(sibling, "id").unwrap_or(u32::MAX);
    if to as usize >= cells {
        return Err(invalid(format!(
            "'sibling_id {to}' does not refer to a valid cell within NUMA 'cell id {own}'"
        )));
    }
    let value = id(sibling, "value").unwrap_or(u32::MAX);
    let fits = if to == own { value == LOCAL } else { value > LOCAL && value <= FARTHEST };
    if !fits {
        return Err(invalid(format!(
            "'value {value}' is invalid for 'sibling id {to}' under NUMA 'cell id {own}'"
        )));
    }
    Ok(())
}

/// A distance that is given one way holds the other way too unless that is given as well.
fn distances(numa: &mut Tree) {
    let mut known: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    let mut back: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    for cell in numa.all("cell") {
        let Some(from) = id(cell, "id") else { continue };
        for sibling in cell.child("distances").into_iter().flat_map(|distances| distances.all("sibling")) {
            if let (Some(to), Some(value)) = (id(sibling, "id"), id(sibling, "value")) {
                known.insert((from, to), value);
                // What was said first holds the other way.
                back.entry((to, from)).or_insert(value);
            }
        }
    }
    if known.is_empty() {
        return;
    }
    for ((from, to), value) in back {
        known.entry((from, from)).or_insert(LOCAL);
        known.entry((to, to)).or_insert(LOCAL);
        known.entry((from, to)).or_insert(value);
    }
    let ids: Vec<u32> = numa.all("cell").filter_map(|cell| id(cell, "id")).collect();
    for cell in numa.all_mut("cell") {
        let from = id(cell, "id").unwrap_or(u32::MAX);
        let siblings = ids.iter().filter_map(|to| {
            let value = known.get(&(from, *to))?;
            Some(Tree::new("sibling").with("id", to.to_string()).with("value", value.to_string()))
        });
        let siblings = siblings.collect::<xml::Trees>();
        if !siblings.is_empty() {
            cell.child_or_new("distances").children = siblings;
        }
    }
}

/// Reads how fast cells reach each other's memory.
fn links(numa: &mut Tree) -> Result<()> {
    let cells = numa.all("cell").count() as u32;
    let levels: BTreeSet<(u32, u32)> = numa
        .all("cell")
        .filter_map(|cell| Some((id(cell, "id")?, cell)))
        .flat_map(|(own, cell)| cell.all("cache").filter_map(move |cache| Some((own, id(cache, "level")?))))
        .collect();
    let Some(links) = numa.child_mut("interconnects") else { return Ok(()) };
    let mut seen = BTreeSet::new();
    for link in &mut links.children {
        let ends = ["initiator", "target"].map(|name| id(link, name).unwrap_or(u32::MAX));
        for (name, end) in ["initiator", "target"].into_iter().zip(ends) {
            if end >= cells {
                return Err(invalid(format!("'{name}' refers to a non-existent NUMA node")));
            }
        }
        let cache = id(link, "cache").unwrap_or(0);
        if cache > 0 && !levels.contains(&(ends[1], cache)) {
            return Err(invalid("'cache' refers to a non-existent NUMA node cache"));
        }
        let bandwidth = link.name == "bandwidth";
        if bandwidth {
            let bytes = memory::attribute(link, "value", "./@value")?;
            link.set("value", base::size::kib_rounded_up(bytes).to_string());
            link.set("unit", "KiB");
        }
        let kind = link.word("type");
        if !seen.insert((bandwidth, ends, cache, kind)) {
            return Err(invalid("Duplicate info for NUMA latencies"));
        }
    }
    Ok(())
}

/// Checks the processors in cells against those that the guest has.
fn processors(tree: &Tree, vcpus: u32) -> Result<()> {
    let cells = tree.at("cpu/numa").into_iter().flat_map(|numa| numa.all("cell"));
    let sets: Vec<BTreeSet<u32>> =
        cells.map(|cell| cell.attr("cpus").and_then(bitmap::parse).unwrap_or_default()).collect();
    for (at, cpus) in sets.iter().enumerate() {
        if let Some(other) = sets.iter().take(at).position(|other| !other.is_disjoint(cpus)) {
            return Err(unsupported(format!("NUMA cells {at} and {other} have overlapping vCPU ids")));
        }
    }
    if sets.iter().map(BTreeSet::len).sum::<usize>() > vcpus as usize {
        return Err(internal("Number of CPUs in <numa> exceeds the <vcpu> count"));
    }
    match sets.iter().filter_map(BTreeSet::last).max().copied().unwrap_or(0) >= vcpus {
        true => Err(internal("CPU IDs in <numa> exceed the <vcpu> count")),
        false => Ok(()),
    }
}
