//! `<numa>` of the guest and `<numatune>`: cells in order, distances both ways, sets in one spelling.

use crate::bitmap;
use std::collections::BTreeMap;
use xml::{Tree, Trees};

/// Distance of a cell to itself.
const LOCAL: &str = "10";

pub(crate) fn complete(tree: &mut Tree) {
    if let Some(numa) = tree.child_mut("cpu").and_then(|cpu| cpu.child_mut("numa")) {
        for cell in numa.all_mut("cell") {
            bitmap::spell(cell, "cpus");
        }
        numa.children
            .sort_by_key(|cell| cell.attr("id").and_then(|id| id.parse::<u32>().ok()).unwrap_or(u32::MAX));
        distances(numa);
    }
    let automatic = tree.child("vcpu").is_some_and(|vcpu| vcpu.is("placement", "auto"));
    if automatic && tree.child("numatune").is_none_or(|tune| tune.child("memory").is_none()) {
        let memory = Tree::new("memory").with("mode", "strict").with("placement", "auto");
        tree.child_or_new("numatune").children.push(memory);
    }
    if let Some(tune) = tree.child_mut("numatune") {
        for memory in &mut tune.children {
            if memory.is("placement", "auto") {
                memory.unset("nodeset");
            }
            bitmap::spell(memory, "nodeset");
        }
        tune.children.sort_by_key(|child| {
            let cell = child.attr("cellid").and_then(|id| id.parse::<u32>().ok());
            (child.name != "memory", cell)
        });
    }
    if let Some(vcpu) = tree.child_mut("vcpu") {
        bitmap::spell(vcpu, "cpuset");
    }
    if let Some(tune) = tree.child_mut("cputune") {
        for child in &mut tune.children {
            for attr in ["cpuset", "iothreads", "vcpus"] {
                bitmap::spell(child, attr);
            }
        }
    }
    if let Some(pages) = tree.child_mut("memoryBacking").and_then(|backing| backing.child_mut("hugepages")) {
        for page in &mut pages.children {
            bitmap::spell(page, "nodeset");
            if page.attr("size").is_some() {
                page.default_to("unit", "KiB");
            }
        }
    }
}

/// A distance that is given one way holds the other way too unless that is given as well.
fn distances(numa: &mut Tree) {
    let mut known: BTreeMap<(String, String), String> = BTreeMap::new();
    for cell in numa.all("cell") {
        let from = cell.attr("id").unwrap_or_default();
        for sibling in cell.child("distances").into_iter().flat_map(|distances| distances.all("sibling")) {
            if let (Some(to), Some(value)) = (sibling.attr("id"), sibling.attr("value")) {
                known.insert((from.to_owned(), to.to_owned()), value.to_owned());
            }
        }
    }
    if known.is_empty() {
        return;
    }
    let given: Vec<((String, String), String)> = known.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    for ((from, to), value) in given {
        known.entry((from.clone(), from.clone())).or_insert_with(|| LOCAL.to_owned());
        known.entry((to.clone(), to.clone())).or_insert_with(|| LOCAL.to_owned());
        known.entry((to, from)).or_insert(value);
    }
    let ids: Vec<String> = numa.all("cell").filter_map(|cell| cell.attr("id")).map(str::to_owned).collect();
    for cell in numa.all_mut("cell") {
        let from = cell.attr("id").unwrap_or_default().to_owned();
        // Those that are no cell stay for the checks to refuse.
        let strange: Trees = cell
            .child("distances")
            .into_iter()
            .flat_map(|distances| distances.all("sibling"))
            .filter(|sibling| sibling.attr("id").is_none_or(|id| !ids.iter().any(|known| known == id)))
            .cloned()
            .collect();
        let siblings: Trees = ids
            .iter()
            .filter_map(|to| {
                let value = known.get(&(from.clone(), to.clone()))?;
                Some(Tree::new("sibling").with("id", to.clone()).with("value", value.clone()))
            })
            .chain(strange)
            .collect();
        if !siblings.is_empty() {
            cell.child_or_new("distances").children = siblings;
        }
    }
}
