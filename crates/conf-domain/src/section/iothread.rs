//! `<iothreads>`, `<iothreadids>` and `<defaultiothread>`: threads that serve devices.

use crate::fault::{invalid, unsupported};
use crate::{Domain, domain, values};
use base::Result;
use std::collections::BTreeSet;
use xml::Tree;

/// Threads that are made up for a count, at most.
const MOST: usize = 1 << 16;

/// As many threads as are counted or named, whichever is more; threads without a number get the lowest free ones.
pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let text = tree.text_of("iothreads").unwrap_or_default();
    let counted = match text {
        "" => 0,
        text => values::decimal(text)
            .and_then(|count| u32::try_from(count).ok())
            .ok_or_else(|| invalid(format!("invalid iothreads count '{text}'")))?,
    };
    for name in ["defaultiothread", "iothreadids"] {
        values::read(domain::place("domain"), tree, name)?;
    }
    let mut count = counted as usize;
    if let Some(ids) = tree.child_mut("iothreadids").filter(|ids| !ids.children.is_empty()) {
        let mut taken: BTreeSet<u32> = BTreeSet::new();
        for thread in &mut ids.children {
            let id = thread.attr("id").and_then(|id| id.parse().ok()).unwrap_or(0);
            if !taken.insert(id) {
                return Err(invalid(format!("duplicate iothread id '{id}' found")));
            }
        }
        count = count.max(taken.len());
        let mut free = 1;
        for _ in taken.len()..count.min(taken.len() + MOST) {
            // What is taken below stays taken.
            free = (free..u32::MAX).find(|id| !taken.contains(id)).unwrap_or(1);
            taken.insert(free);
            ids.children.push(Tree::new("iothread").with("id", free.to_string()));
        }
    }
    tree.remove("iothreads");
    if count > 0 {
        tree.children.push(Tree::leaf("iothreads", count.to_string()));
    }
    Ok(())
}

/// Numbers of all threads of a definition.
pub(crate) fn known(tree: &Tree) -> BTreeSet<u32> {
    match tree.child("iothreadids") {
        Some(ids) if !ids.children.is_empty() => {
            ids.all("iothread").filter_map(|thread| thread.attr("id")?.parse().ok()).collect()
        }
        _ => {
            let count = tree.text_of("iothreads").and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
            (1..=count.min(MOST as u32)).collect()
        }
    }
}

/// Checks how many helpers threads may have.
pub(crate) fn check(domain: &Domain) -> Result<()> {
    let threads = domain.tree.child("iothreadids").into_iter().flat_map(|ids| ids.all("iothread"));
    for thread in threads.chain(domain.tree.child("defaultiothread")) {
        let limit = |name: &str| thread.attr(name).and_then(|text| text.parse::<u32>().ok());
        let (least, most) = (limit("thread_pool_min"), limit("thread_pool_max"));
        if most == Some(0) {
            return Err(unsupported("thread_pool_max must be a positive integer"));
        }
        if least.is_some_and(|least| least > most.unwrap_or(0)) {
            return Err(unsupported("thread_pool_min must be smaller or equal to thread_pool_max"));
        }
    }
    Ok(())
}
