//! Limits of disks: `<iotune>` of a disk and groups of limits.

use crate::fault::invalid;
use base::Result;
use xml::Tree;

/// A limit is set in total or for reading and writing, not both.
///
/// # Errors
/// With the first that is set twice.
pub(crate) fn check(limits: &Tree) -> Result<()> {
    for what in ["bytes_sec", "iops_sec", "bytes_sec_max", "iops_sec_max"] {
        let set =
            |who: &str| limits.child(&format!("{who}_{what}")).is_some_and(|limit| !limit.body().is_empty());
        if set("total") && (set("read") || set("write")) {
            return Err(invalid(format!("total and read/write {what} cannot be set at the same time")));
        }
    }
    Ok(())
}
