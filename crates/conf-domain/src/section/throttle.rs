//! Limits of disks: `<iotune>` of a disk and groups of limits.

use crate::fault::invalid;
use crate::{Domain, domain, values};
use base::Result;
use std::collections::BTreeSet;
use xml::Tree;

/// Reads the groups of limits.
///
/// # Errors
/// When one is no number, or a group has no name of its own.
pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    values::read(domain::place("domain"), tree, "throttlegroups")?;
    let mut seen = BTreeSet::new();
    for group in tree.child("throttlegroups").into_iter().flat_map(|groups| groups.all("throttlegroup")) {
        let name = group.text_of("group_name").unwrap_or_default();
        if name.is_empty() {
            return Err(invalid("missing group name"));
        }
        if !seen.insert(name) {
            return Err(invalid(format!("duplicate group name '{name}' found")));
        }
    }
    Ok(())
}

/// A limit is set in total or for reading and writing, not both.
///
/// # Errors
/// With the first that is set twice.
pub(crate) fn check_limits(limits: &Tree) -> Result<()> {
    if limits.children.iter().all(|limit| !limit.name.starts_with("total_")) {
        return Ok(());
    }
    if limits
        .children
        .iter()
        .all(|limit| !limit.name.starts_with("read_") && !limit.name.starts_with("write_"))
    {
        return Ok(());
    }
    for what in ["bytes_sec", "iops_sec", "bytes_sec_max", "iops_sec_max"] {
        let set =
            |who: &str| limits.child(&format!("{who}_{what}")).is_some_and(|limit| !limit.body().is_empty());
        if set("total") && (set("read") || set("write")) {
            return Err(invalid(format!("total and read/write {what} cannot be set at the same time")));
        }
    }
    Ok(())
}

/// Checks the groups of limits.
///
/// # Errors
/// As [`check_limits`].
pub(crate) fn check(domain: &Domain) -> Result<()> {
    let groups = domain.tree.child("throttlegroups");
    groups.into_iter().flat_map(|groups| groups.all("throttlegroup")).try_for_each(check_limits)
}
