//! Cells of the guest: `-numa` with processors, memory, distances, and the table of heterogeneous memory (HMAT).

use super::Builder;
use super::address::number;
use super::machine::Options;
use super::memory::{self, Need};
use crate::complete::machine as machine_name;
use base::Result;
use conf_domain::{Domain, bitmap};
use std::collections::BTreeMap;
use xml::Tree;

/// Distance of a cell to itself, and to another one that is not told.
const LOCAL: u64 = 10;
const REMOTE: u64 = 20;

fn cells(domain: &Domain) -> Vec<&Tree> {
    domain.tree.at("cpu/numa").into_iter().flat_map(|numa| numa.all("cell")).collect()
}

fn value(tree: &Tree, name: &str) -> Option<u64> {
    tree.attr(name).and_then(number)
}

/// Entries of the table of heterogeneous memory.
fn interconnects(domain: &Domain) -> &[Tree] {
    domain.tree.at("cpu/numa/interconnects").map_or(&[], |table| &table.children)
}

/// Whether the guest has a table of heterogeneous memory.
pub(super) fn has_hmat(domain: &Domain) -> bool {
    !interconnects(domain).is_empty() || cells(domain).iter().any(|cell| cell.child("cache").is_some())
}

/// A size with its unit, in KiB.
fn kib(tree: &Tree, unit: &str) -> Option<u64> {
    let unit = tree.attr("unit").unwrap_or(unit);
    Some(base::size::scale(value(tree, "value")?, unit, 1024, u64::MAX)? / 1024)
}

/// The cell whose processors reach a cell's memory best: its own, else by bandwidth, latency, distance.
fn initiator(domain: &Domain, cell: &Tree) -> Option<u64> {
    let own = value(cell, "id")?;
    if cell.attr("cpus").is_some() {
        return Some(own);
    }
    let known = interconnects(domain).iter().filter(|entry| {
        value(entry, "target") == Some(own)
            && entry.attr("cache").is_none_or(|cache| cache == "0")
            && value(entry, "initiator") != Some(own)
    });
    let widest =
        known.clone().filter(|entry| entry.name == "bandwidth").max_by_key(|entry| kib(entry, "KiB"));
    let fastest = known.filter(|entry| entry.name == "latency").min_by_key(|entry| value(entry, "value"));
    if let Some(id) = widest.or(fastest).and_then(|entry| value(entry, "initiator")) {
        return Some(id);
    }
    let with_cpus = || cells(domain).into_iter().filter(|cell| cell.attr("cpus").is_some());
    let told = distances(domain);
    let nearest = with_cpus()
        .filter_map(|other| value(other, "id"))
        .filter_map(|other| Some((*told.get(&(own, other))?, other)))
        .min();
    nearest.map(|(_, id)| id).or_else(|| with_cpus().find_map(|cell| value(cell, "id")))
}

fn distances(domain: &Domain) -> BTreeMap<(u64, u64), u64> {
    let mut told = BTreeMap::new();
    for cell in cells(domain) {
        let siblings = cell.child("distances").into_iter().flat_map(|distances| distances.all("sibling"));
        for sibling in siblings {
            if let (Some(from), Some(to), Some(far)) =
                (value(cell, "id"), value(sibling, "id"), value(sibling, "value"))
            {
                told.insert((from, to), far);
            }
        }
    }
    told
}

/// Whether cells take their memory as objects.
fn as_objects(b: &Builder<'_>, backends: &[memory::Backend]) -> bool {
    let old = b.caps.machine(machine_name(b.domain)).is_some_and(|machine| machine.numa_mem);
    !old || backends.iter().any(|backend| !backend.plain)
}

/// One cell; its memory is an object, or a size in KiB where the machine is that old.
fn node(b: &Builder<'_>, cell: &Tree, memory: std::result::Result<&str, u64>) -> String {
    let mut options = Options::new("node");
    options.put_opt("nodeid", cell.attr("id"));
    let cpus =
        cell.attr("cpus").map(|cpus| bitmap::parse(cpus).map_or(cpus.to_owned(), |set| bitmap::format(&set)));
    for range in cpus.iter().flat_map(|cpus| cpus.split(',')) {
        options.put("cpus", range);
    }
    if has_hmat(b.domain) {
        options.put_opt("initiator", initiator(b.domain, cell));
    }
    match memory {
        Ok(object) => options.put("memdev", object),
        Err(kib) => options.put("mem", kib / 1024),
    }
    options.text()
}

/// How a way to memory is called: without a cache, or behind the cache of a level.
fn hierarchy(entry: &Tree) -> &'static str {
    match entry.attr("cache") {
        None | Some("0") => "memory",
        Some("1") => "first-level",
        Some("2") => "second-level",
        _ => "third-level",
    }
}

/// Latency or bandwidth of one way from processors to memory.
fn way(entry: &Tree) -> String {
    let mut options = Options::new("hmat-lb");
    options.put_opt("initiator", entry.attr("initiator"));
    options.put_opt("target", entry.attr("target"));
    options.put("hierarchy", hierarchy(entry));
    options.put("data-type", format_args!("{}-{}", entry.attr("type").unwrap_or("access"), entry.name));
    if entry.name == "latency" {
        options.put_opt("latency", entry.attr("value"));
    } else {
        options.put_opt("bandwidth", kib(entry, "KiB").map(|kib| format!("{kib}K")));
    }
    options.text()
}

fn cache(cell: &Tree, cache: &Tree) -> String {
    let mut options = Options::new("hmat-cache");
    options.put_opt("node-id", cell.attr("id"));
    options
        .put_opt("size", cache.child("size").and_then(|size| kib(size, "KiB")).map(|kib| format!("{kib}K")));
    options.put_opt("level", cache.attr("level"));
    options.put_opt(
        "associativity",
        cache.attr("associativity").map(|word| if word == "full" { "complex" } else { word }),
    );
    options.put_opt(
        "policy",
        cache.attr("policy").map(|word| match word {
            "writeback" => "write-back",
            "writethrough" => "write-through",
            other => other,
        }),
    );
    let line = cache.child("line").and_then(|line| {
        base::size::scale(value(line, "value")?, line.attr("unit").unwrap_or("B"), 1, u64::MAX)
    });
    options.put_opt("line", line);
    options.text()
}

pub(super) fn numa(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    let cells = cells(domain);
    if cells.is_empty() {
        return Ok(());
    }
    let needs: Vec<Need<'_>> = cells
        .iter()
        .map(|cell| {
            let id = value(cell, "id").unwrap_or(0);
            let name = format!("ram-node{id}");
            Need {
                file: name.clone(),
                id: name,
                kib: value(cell, "memory").unwrap_or(0),
                cell: u32::try_from(id).ok(),
                ..Need::default()
            }
        })
        .collect();
    let mut backends = needs.iter().map(|need| memory::backend(b, need)).collect::<Result<Vec<_>>>()?;
    let objects = as_objects(b, &backends);
    if !objects {
        memory::old_backing(b)?;
    }
    for ((cell, need), backend) in cells.iter().zip(&needs).zip(backends.drain(..)) {
        let text = if objects {
            backend.append(b);
            node(b, cell, Ok(&need.id))
        } else {
            node(b, cell, Err(need.kib))
        };
        b.option("-numa", text);
    }
    let told = distances(domain);
    if !told.is_empty() {
        let ids: Vec<u64> = cells.iter().filter_map(|cell| value(cell, "id")).collect();
        for from in &ids {
            for to in &ids {
                let usual = if from == to { LOCAL } else { REMOTE };
                let far = told.get(&(*from, *to)).copied().unwrap_or(usual);
                b.option("-numa", format!("dist,src={from},dst={to},val={far}"));
            }
        }
    }
    for entry in interconnects(domain) {
        b.option("-numa", way(entry));
    }
    for cell in &cells {
        for one in cell.all("cache") {
            b.option("-numa", cache(cell, one));
        }
    }
    Ok(())
}
