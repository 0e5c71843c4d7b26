//! `<cachetune>` and `<memorytune>`: shares of caches and of the memory's bandwidth that groups of processors have.

use crate::fault::invalid;
use crate::section::memory;
use crate::{bitmap, domain, values};
use base::{Error, ErrorCode, ErrorDomain, Result, size};
use std::collections::BTreeSet;
use xml::{Tree, Trees};

/// A group of processors.
type Vcpus = BTreeSet<u32>;

fn argument(text: &str) -> Error {
    Error::new(ErrorCode::INVALID_ARG, ErrorDomain::DOMAIN, text)
}

fn control(text: String) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::RESCTRL, text)
}

fn is_group(tree: &Tree) -> bool {
    matches!(&*tree.name, "cachetune" | "memorytune")
}

/// Which of the guest's processors an element speaks of.
fn vcpus(tree: &mut Tree, count: u32) -> Result<Vcpus> {
    let name = &tree.name;
    let text = tree.attr("vcpus").ok_or_else(|| invalid(format!("Missing {name} attribute 'vcpus'")))?;
    let set = bitmap::parse(text)
        .ok_or_else(|| invalid(format!("Invalid {name} attribute 'vcpus' value '{text}'")))?;
    let own: Vcpus = set.into_iter().filter(|id| *id < count).collect();
    tree.set("vcpus", bitmap::format(&own));
    Ok(own)
}

/// Reads all groups. Those of processors that the guest does not have mean nothing, and so do those that say nothing.
///
/// # Errors
/// In the reference's words.
pub(super) fn complete(tune: &mut Tree, count: u32) -> Result<()> {
    let mut groups: Vec<(bool, Vcpus)> = Vec::new();
    let mut watched: Vec<(Vcpus, bool, Vcpus)> = Vec::new();
    for name in ["cachetune", "memorytune"] {
        let place = domain::place("domain/cputune").child(name);
        for group in tune.all_mut(name) {
            group.unset("id");
            let own = vcpus(group, count)?;
            if own.is_empty() {
                group.children.clear();
                continue;
            }
            let caches = name == "cachetune";
            if let Some(place) = place {
                let part = if caches { "cache" } else { "node" };
                values::read(place, group, part)?;
                if caches {
                    self::caches(group)?;
                } else {
                    nodes(group)?;
                }
                values::read(place, group, "monitor")?;
            }
            monitors(group, count, &own, caches, &mut watched)?;
            if group.children.is_empty() {
                continue;
            }
            for (kind, theirs) in &groups {
                // A group of each kind may be of the same processors.
                let twin = *kind != caches && *theirs == own;
                if !twin && !theirs.is_disjoint(&own) {
                    return Err(invalid("Overlapping vcpus in resctrls"));
                }
            }
            groups.push((caches, own));
        }
    }
    tune.children.retain(|child| !is_group(child) || !child.children.is_empty());
    Ok(())
}

/// Reads the parts of caches: sizes in the largest unit that fits, in the order of levels, kinds and numbers.
fn caches(group: &mut Tree) -> Result<()> {
    let mut taken: BTreeSet<(u32, &'static str, u32)> = BTreeSet::new();
    let number = |tree: &Tree, name: &str| tree.attr(name).and_then(|text| text.parse().ok()).unwrap_or(0);
    let kind_of = |tree: &Tree| match tree.attr("type") {
        Some("code") => "code",
        Some("data") => "data",
        _ => "both",
    };
    for cache in group.all_mut("cache") {
        let bytes = memory::attribute(cache, "size", "./@size")?;
        let (value, unit) = size::pretty(bytes);
        cache.set("size", value.to_string());
        cache.set("unit", unit);
        let (level, id, kind) = (number(cache, "level"), number(cache, "id"), kind_of(cache));
        let clash = match kind {
            "both" => ["both", "code", "data"].iter().any(|kind| taken.contains(&(level, kind, id))),
            kind => [kind, "both"].iter().any(|kind| taken.contains(&(level, kind, id))),
        };
        if clash {
            return Err(control(format!(
                "Colliding cache allocations for cache level '{level}' id '{id}', type '{kind}'"
            )));
        }
        taken.insert((level, kind, id));
    }
    sort(&mut group.children, "cache", |cache| (number(cache, "level"), kind_of(cache), number(cache, "id")));
    Ok(())
}

/// Reads shares of bandwidth, in the order of nodes.
fn nodes(group: &mut Tree) -> Result<()> {
    let id = |node: &Tree| node.attr("id").and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    let mut taken = BTreeSet::new();
    for node in group.all("node") {
        if !taken.insert(id(node)) {
            return Err(control(format!("Memory Bandwidth already defined for node {}", id(node))));
        }
    }
    sort(&mut group.children, "node", id);
    Ok(())
}

fn sort<K: Ord>(children: &mut Trees, name: &str, key: impl Fn(&Tree) -> K) {
    let (mut own, others): (Vec<Tree>, Vec<Tree>) =
        std::mem::take(children).into_iter().partition(|child| child.name == name);
    own.sort_by_key(key);
    children.extend(own);
    children.extend(others);
}

/// Reads who is watched. `watched` holds who is already: the processors of the group, the kind of the group, the own ones.
fn monitors(
    group: &mut Tree,
    count: u32,
    all: &Vcpus,
    caches: bool,
    watched: &mut Vec<(Vcpus, bool, Vcpus)>,
) -> Result<()> {
    // A group with nothing but monitors has no share of its own.
    let share = group.children.iter().any(|child| child.name != "monitor");
    for monitor in group.all_mut("monitor") {
        if caches && !monitor.is("level", "3") {
            let level = monitor.attr("level").unwrap_or_default();
            return Err(invalid(format!("Invalid monitor cache level '{level}'")));
        }
        let own = vcpus(monitor, count)?;
        if own.is_empty() {
            continue;
        }
        if !own.is_subset(all) {
            return Err(argument("Monitor vcpus conflicts with allocation"));
        }
        for (group, kind, theirs) in watched.iter().filter(|(group, ..)| group == all) {
            if *theirs == own && *kind == caches {
                return Err(argument("Identical vcpus found in same type monitors"));
            }
            // Who watches the whole group watches the share.
            let whole = |set: &Vcpus| share && set == group;
            if *theirs != own && !whole(theirs) && !whole(&own) && !theirs.is_disjoint(&own) {
                return Err(argument("vcpus overlaps in resctrl groups"));
            }
        }
        watched.push((all.clone(), caches, own));
    }
    group.children.retain(|child| child.name != "monitor" || !child.is("vcpus", ""));
    Ok(())
}
