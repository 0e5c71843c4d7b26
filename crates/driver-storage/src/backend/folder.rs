//! Folders whose files are volumes.

use super::Found;
use crate::{check_flags, probe, system};
use base::{Error, ErrorDomain, Result};
use conf_storage::Pool;
use std::path::Path;

/// Looks what is in the folder.
pub(crate) fn look(pool: &Pool) -> Result<Found> {
    let folder = Path::new(&pool.path);
    let names = host::volume::names(folder).map_err(|cause| {
        Error::system(ErrorDomain::NONE, &cause, format!("cannot open directory '{}'", pool.path))
    })?;
    let volumes = names.iter().filter_map(|name| probe::whole(&folder.join(name), name)).collect();
    let cannot = |cause: std::io::Error| system(&cause, format!("cannot statvfs path '{}'", pool.path));
    let (all, free) = host::volume::room(folder).map_err(cannot)?;
    let facts = host::volume::facts(folder)
        .map_err(|cause| system(&cause, format!("cannot stat path '{}'", pool.path)))?;
    Ok(Found {
        room: (all, all.saturating_sub(free), free),
        permissions: Some(probe::permissions(&facts)),
        free: Vec::new(),
        volumes,
    })
}

/// Removes the folder, which must be empty.
pub(crate) fn delete(pool: &Pool, flags: u32) -> Result<()> {
    check_flags(flags, 0, "virStorageBackendDeleteLocal")?;
    std::fs::remove_dir(&pool.path)
        .map_err(|cause| system(&cause, format!("failed to remove pool '{}'", pool.path)))
}
