//! `<vcpu>` and `<vcpus>`: how many processors, which of them are there from the start.

use crate::fault::{invalid, unsupported};
use crate::{bitmap, domain, values};
use base::Result;
use xml::Tree;

/// Sets with all numbers that a set may hold say nothing.
const EVERYWHERE: usize = 1 << 14;

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let given = tree.child("vcpu").is_some();
    let vcpu = tree.child_or_new("vcpu");
    let most = match given {
        false => 1,
        true => values::decimal(vcpu.body())
            .and_then(|count| u32::try_from(count).ok())
            .ok_or_else(|| invalid("maximum vcpus count must be an integer"))?,
    };
    vcpu.text = Some(most.to_string());
    values::read(domain::place("domain"), tree, "vcpu")?;
    let vcpu = tree.child_or_new("vcpu");
    if let Some(current) = vcpu.attr("current").and_then(|text| text.parse::<u32>().ok()) {
        if current > most {
            return Err(unsupported("maximum vCPU count must not be less than current vCPU count"));
        }
        if current == most {
            vcpu.unset("current");
        }
    }
    vcpu.default_to("placement", "static");
    let everywhere = match vcpu.is("placement", "auto") {
        true => true,
        false => bitmap::take(vcpu, "cpuset")?.is_some_and(|set| set.len() == EVERYWHERE),
    };
    if everywhere {
        vcpu.unset("cpuset");
    }
    each(tree, most)
}

/// Reads what is said of each processor; those that are not named are not there at first.
fn each(tree: &mut Tree, most: u32) -> Result<()> {
    if tree.child("vcpus").is_none_or(|vcpus| vcpus.children.is_empty()) {
        tree.remove("vcpus");
        return Ok(());
    }
    values::read(domain::place("domain"), tree, "vcpus")?;
    let Some(vcpus) = tree.child_mut("vcpus") else { return Ok(()) };
    let mut online = 0;
    let mut all = Vec::new();
    for vcpu in &vcpus.children {
        let id = vcpu.attr("id").and_then(|id| id.parse::<u32>().ok()).unwrap_or(u32::MAX);
        if id >= most {
            return Err(invalid(format!("vcpu id '{id}' is out of range of maximum vcpu count")));
        }
        let mut vcpu = vcpu.clone();
        let enabled = vcpu.is("enabled", "yes");
        vcpu.default_to("hotpluggable", if enabled { "no" } else { "yes" });
        if !enabled && vcpu.is("hotpluggable", "no") {
            return Err(unsupported(format!("vcpu '{id}' is both offline and not hotpluggable")));
        }
        all.push((id, vcpu));
    }
    vcpus.children.clear();
    for id in 0..most.min(bitmap::LIMIT) {
        let named = all.iter().rev().find(|(known, _)| *known == id).map(|(_, vcpu)| vcpu.clone());
        let vcpu = named.unwrap_or_else(|| {
            Tree::new("vcpu").with("id", id.to_string()).with("enabled", "no").with("hotpluggable", "yes")
        });
        online += u32::from(vcpu.is("enabled", "yes"));
        vcpus.children.push(vcpu);
    }
    let vcpu = tree.child_or_new("vcpu");
    if online == most {
        vcpu.unset("current");
    } else {
        vcpu.set("current", online.to_string());
    }
    Ok(())
}
