//! Sections with little to say: `<perf>`, `<idmap>`, `<keywrap>`, `<resource>`.

use crate::fault::{internal, invalid, unsupported};
use crate::{Domain, domain, values};
use base::Result;
use std::collections::BTreeSet;
use xml::Tree;

/// Each event is counted or not.
pub(crate) fn events(tree: &Tree) -> Result<()> {
    let mut seen = BTreeSet::new();
    for event in tree.child("perf").into_iter().flat_map(|perf| perf.all("event")) {
        let name = event.attr("name").unwrap_or_default();
        if !seen.insert(name) {
            return Err(invalid(format!("perf event '{name}' was already specified")));
        }
    }
    Ok(())
}

/// Reads which keys of the guest are wrapped.
pub(crate) fn ciphers(tree: &mut Tree) -> Result<()> {
    values::read(domain::place("domain"), tree, "keywrap")?;
    let mut seen = BTreeSet::new();
    for cipher in tree.child("keywrap").into_iter().flat_map(|wrap| wrap.all("cipher")) {
        let name = cipher.attr("name").unwrap_or_default();
        if !seen.insert(name) {
            return Err(internal(format!(
                "A domain definition can have no more than one cipher node with name {name}"
            )));
        }
    }
    Ok(())
}

/// Checks which users of the host a container's users are.
pub(crate) fn check(domain: &Domain) -> Result<()> {
    let Some(map) = domain.tree.child("idmap") else { return Ok(()) };
    let first = |name: &str| map.all(name).filter_map(|range| range.attr("start")?.parse::<u32>().ok()).min();
    match (first("uid"), first("gid")) {
        (None, None) => Ok(()),
        (Some(0), Some(0)) => Ok(()),
        (Some(_), Some(_)) => Err(unsupported("You must map the root user of container")),
        _ => Err(unsupported("uid and gid should be mapped both")),
    }
}
