//! `<numatune>`: where the host puts a guest's memory.

use crate::fault::{invalid, unsupported};
use crate::{bitmap, domain, values};
use base::Result;
use std::collections::BTreeSet;
use xml::Tree;

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let cells = tree.at("cpu/numa").map_or(0, |numa| numa.all("cell").count());
    let automatic = tree.child("vcpu").is_some_and(|vcpu| vcpu.is("placement", "auto"));
    if let Some(tune) = tree.child_mut("numatune") {
        if cells == 0 && tune.child("memnode").is_some() {
            return Err(invalid("Element 'memnode' is invalid without any guest NUMA cells"));
        }
        let place = domain::place("domain/numatune");
        values::read(place, tune, "memnode")?;
        nodes(tune, cells)?;
        values::read(place, tune, "memory")?;
        if let Some(memory) = tune.child_mut("memory") {
            self::memory(memory, automatic)?;
        }
    }
    if automatic
        && tree
            .at("numatune/memory")
            .is_none_or(|memory| memory.attr("placement").is_none() && memory.attr("nodeset").is_none())
    {
        let tune = tree.child_or_new("numatune");
        let memory = tune.child_or_new("memory");
        memory.default_to("mode", "strict");
        memory.set("placement", "auto");
    }
    let bound = tree.at("numatune/memory").is_some_and(|memory| memory.is("placement", "auto"));
    if bound && tree.at("numatune/memnode").is_some() {
        return Err(unsupported("Per-node binding is not compatible with automatic NUMA placement."));
    }
    // Processors go where their memory is.
    if bound && let Some(vcpu) = tree.child_mut("vcpu").filter(|vcpu| vcpu.attr("cpuset").is_none()) {
        vcpu.set("placement", "auto");
    }
    if let Some(tune) = tree.child_mut("numatune") {
        let cell = |child: &Tree| child.attr("cellid").and_then(|id| id.parse::<u32>().ok());
        tune.children.sort_by_key(|child| (child.name != "memory", cell(child)));
    }
    Ok(())
}

fn memory(memory: &mut Tree, automatic: bool) -> Result<()> {
    if memory.attrs.is_empty() {
        return Ok(());
    }
    bitmap::take(memory, "nodeset")?;
    let fixed = memory.attr("nodeset").is_some();
    let auto = memory.is("placement", "auto") || memory.attr("placement").is_none() && !fixed && automatic;
    memory.default_to("mode", "strict");
    memory.unset("placement");
    if auto {
        memory.set("placement", "auto");
        memory.unset("nodeset");
    } else if !fixed {
        return Err(unsupported("nodeset for NUMA memory tuning must be set if 'placement' is 'static'"));
    }
    Ok(())
}

fn nodes(tune: &mut Tree, cells: usize) -> Result<()> {
    let mut seen = BTreeSet::new();
    for node in tune.all_mut("memnode") {
        let cell = node.attr("cellid").and_then(|id| id.parse::<usize>().ok()).unwrap_or(usize::MAX);
        if cell >= cells {
            return Err(invalid(
                "Argument 'cellid' in memnode element must correspond to existing guest's NUMA cell",
            ));
        }
        if !seen.insert(cell) {
            return Err(invalid(format!("Multiple memnode elements with cellid {cell}")));
        }
        node.default_to("mode", "strict");
        if node.attr("nodeset").is_none() {
            return Err(invalid("Missing required nodeset attribute in memnode element"));
        }
        bitmap::take(node, "nodeset")?;
    }
    Ok(())
}
