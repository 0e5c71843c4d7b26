//! `<vcpu>`, `<iothreads>` and what they imply.

use crate::fault::{invalid, unsupported};
use base::Result;
use std::collections::BTreeSet;
use xml::Tree;

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let automatic = tree.attr_at("numatune/memory", "placement") == Some("auto");
    let vcpu = tree.child_or_new("vcpu");
    let text = vcpu.body().trim().to_owned();
    let most: u32 = if text.is_empty() {
        1
    } else {
        text.parse().map_err(|_| invalid("maximum vcpus count must be an integer"))?
    };
    vcpu.text = Some(most.to_string());
    if let Some(text) = vcpu.attr("current") {
        let current: u32 = text.parse().map_err(|_| invalid("current vcpus count must be an integer"))?;
        if current > most {
            return Err(unsupported("maximum vCPU count must not be less than current vCPU count"));
        }
        if current == most {
            vcpu.unset("current");
        }
    }
    if vcpu.attr("cpuset").is_some_and(str::is_empty) {
        vcpu.unset("cpuset");
    }
    let placement = if automatic && vcpu.attr("cpuset").is_none() { "auto" } else { "static" };
    vcpu.default_to("placement", placement);

    let counted = tree.text_of("iothreads").map(str::trim).filter(|text| !text.is_empty());
    if let Some(text) = counted
        && text.parse::<u32>().is_err()
    {
        return Err(invalid(format!("invalid iothreads count '{text}'")));
    }
    if counted.is_none_or(|text| text.parse() == Ok(0)) {
        tree.remove("iothreads");
    }
    let threads = || tree.child("iothreadids").into_iter().flat_map(|ids| ids.all("iothread"));
    threads().chain(tree.child("defaultiothread")).try_for_each(pool)?;
    let mut named = BTreeSet::new();
    for id in threads().filter_map(|thread| thread.attr("id")?.parse::<u32>().ok()) {
        if !named.insert(id) {
            return Err(invalid(format!("duplicate iothread id '{id}' found")));
        }
    }
    iothreads(tree);
    Ok(())
}

/// Bounds of a thread's helpers.
fn pool(thread: &Tree) -> Result<()> {
    let bound = |name: &str| thread.attr(name).and_then(|text| text.parse::<i32>().ok());
    let (least, most) = (bound("thread_pool_min"), bound("thread_pool_max"));
    if most == Some(0) {
        return Err(unsupported("thread_pool_max must be a positive integer"));
    }
    if least.is_some_and(|least| least > 0 && most.is_none_or(|most| most >= 0 && least > most)) {
        return Err(unsupported("thread_pool_min must be smaller or equal to thread_pool_max"));
    }
    Ok(())
}

/// As many threads as are counted or named, whichever is more; threads without a number get the lowest free ones.
fn iothreads(tree: &mut Tree) {
    let counted = tree.text_of("iothreads").and_then(|text| text.trim().parse::<usize>().ok()).unwrap_or(0);
    let Some(ids) = tree.child_mut("iothreadids") else { return };
    let mut taken: BTreeSet<u32> =
        ids.all("iothread").filter_map(|thread| thread.attr("id")?.parse().ok()).collect();
    let named = ids.all("iothread").count();
    // Bounded, so that a large count costs little.
    let mut free = 1;
    for _ in named..counted.min(named + (1 << 16)) {
        while !taken.insert(free) {
            free += 1;
        }
        ids.children.push(Tree::new("iothread").with("id", free.to_string()));
    }
    if named > counted {
        tree.child_or_new("iothreads").text = Some(named.to_string());
    }
}
