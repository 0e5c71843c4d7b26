//! File systems: making them, mounting them.

use crate::{check_flags, command, error, refused, system};
use api::consts::storage_pool_build as flag;
use base::{Error, ErrorCode, Result};
use conf_storage::{Kind, Pool, mount as plan};
use host::volume::Owner;
use std::path::Path;

/// Mode of the folder of a pool that says none.
const MODE: u32 = 0o755;

/// Whether the source of a pool is mounted at its target.
pub(crate) fn mounted(pool: &Pool) -> bool {
    let Some(source) = plan::mount_source(pool) else { return false };
    let real = |path: &str| std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let (device, target) = (real(&source), real(&pool.path));
    host::volume::mounts()
        .iter()
        .any(|(from, to, _)| (*from == source || real(from) == device) && Path::new(to) == target)
}

/// Mounts it.
pub(crate) fn mount(pool: &Pool) -> Result<()> {
    if mounted(pool) {
        return Ok(());
    }
    match plan::mount(pool) {
        Some(words) => command::run(&words).map(drop),
        None => Ok(()),
    }
}

/// Unmounts it.
pub(crate) fn unmount(pool: &Pool) -> Result<()> {
    if !mounted(pool) {
        return Ok(());
    }
    command::run_words(&["umount", &pool.path]).map(drop)
}

/// The kind of file system, table or group that a device holds already.
pub(crate) fn contents(device: &str, what: &str) -> Option<String> {
    let said = command::run_words(&["blkid", "-p", "-o", "value", "-s", what, device]).ok()?;
    Some(said.trim().to_owned()).filter(|kind| !kind.is_empty())
}

/// Makes the folder, and a file system on the device when that is asked for.
pub(crate) fn build(pool: &Pool, flags: u32) -> Result<()> {
    check_flags(flags, flag::OVERWRITE | flag::NO_OVERWRITE, "virStorageBackendFileSystemBuild")?;
    if flags & (flag::OVERWRITE | flag::NO_OVERWRITE) == (flag::OVERWRITE | flag::NO_OVERWRITE) {
        return Err(exclusive());
    }
    let owner = Owner {
        mode: pool.permissions.mode.unwrap_or(MODE),
        owner: pool.permissions.owner,
        group: pool.permissions.group,
    };
    host::volume::make_folder(Path::new(&pool.path), owner)
        .map_err(|cause| system(&cause, format!("cannot create path '{}'", pool.path)))?;
    if flags == 0 {
        return Ok(());
    }
    let Some(device) = pool.source.devices.first().filter(|_| pool.kind == Kind::Fs) else {
        return Err(refused(format!("No source device specified when formatting pool '{}'", pool.name)));
    };
    format(pool, &device.path, flags & flag::OVERWRITE != 0)
}

/// The refusal of two flags that contradict each other.
pub(crate) fn exclusive() -> Error {
    let text = "Flags 'VIR_STORAGE_POOL_BUILD_OVERWRITE' and 'VIR_STORAGE_POOL_BUILD_NO_OVERWRITE' are mutually exclusive";
    error(ErrorCode::INVALID_ARG, text)
}

fn format(pool: &Pool, device: &str, overwrite: bool) -> Result<()> {
    if !Path::new(device).exists() {
        let text = format!("Source device does not exist when formatting pool '{}'", pool.name);
        return Err(refused(text));
    }
    let kind = pool.source.format.unwrap_or("auto");
    if !overwrite && let Some(found) = contents(device, "TYPE") {
        let text = if found == kind {
            format!("Device '{device}' already formatted using '{found}'")
        } else {
            format!("Format of device '{device}' does not match the expected format '{kind}'")
        };
        return Err(error(ErrorCode::STORAGE_POOL_BUILT, text));
    }
    let mut words = vec!["mkfs", "-t", kind];
    // These ask before they write over something.
    match kind {
        "ext2" | "ext3" | "ext4" => words.push("-F"),
        "xfs" => words.push("-f"),
        _ => {}
    }
    words.push(device);
    command::run_words(&words).map(drop).map_err(|cause| {
        log::error!("{cause}");
        error(
            ErrorCode::OPERATION_FAILED,
            format!("Failed to make filesystem of type '{kind}' on device '{device}'"),
        )
    })
}
