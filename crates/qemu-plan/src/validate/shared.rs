//! Devices served by other processes read the guest's memory.

use crate::complete::unsupported;
use base::Result;
use conf_domain::Domain;

/// Whether other processes may be given the guest's memory: all of it, or that of every cell.
fn is_shared(domain: &Domain) -> bool {
    let all = domain.tree.attr_at("memoryBacking/access", "mode") == Some("shared");
    let cells: Vec<&xml::Tree> =
        domain.tree.at("cpu/numa").into_iter().flat_map(|numa| numa.all("cell")).collect();
    let cell = |cell: &&xml::Tree| match cell.attr("memAccess") {
        Some(access) => access == "shared",
        None => all,
    };
    if cells.is_empty() { all } else { cells.iter().all(cell) }
}

/// Refuses a device, named by `what`, that needs the guest's memory when it is not shared.
///
/// # Errors
/// When the memory is the emulator's alone.
pub(super) fn memory(domain: &Domain, what: &str) -> Result<()> {
    if is_shared(domain) {
        return Ok(());
    }
    Err(unsupported(format!("'{what}' requires shared memory")))
}
