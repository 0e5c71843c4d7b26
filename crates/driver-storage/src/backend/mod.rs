//! What a kind of pool does on the host.
//!
//! * [`folder`]: folders, mounted or not: `dir`, `fs`, `netfs`
//! * [`filesystem`]: mounting and making file systems
//! * [`group`]: volume groups: `logical`
//! * [`disk`]: partitions: `disk`

pub(crate) mod disk;
pub(crate) mod filesystem;
pub(crate) mod folder;
pub(crate) mod group;

use crate::{command, internal};
use base::Result;
use conf_storage::volume::Volume;
use conf_storage::{Kind, Pool};

/// What a look at a pool found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Bytes: all, taken, free.
    pub(crate) room: (u64, u64, u64),
    /// Mode, owner and group of its folder.
    pub(crate) permissions: Option<conf_storage::Permissions>,
    /// Room for partitions, for kinds that have such.
    pub(crate) free: Vec<(u64, u64)>,
    /// Volumes.
    pub(crate) volumes: Vec<Volume>,
}

/// Whether this host can have pools of a kind: what they need is there.
pub(crate) fn supported(kind: Kind) -> bool {
    match kind {
        Kind::Dir | Kind::Fs | Kind::Netfs => true,
        Kind::Logical => command::there("vgchange") && command::there("lvs") && command::there("vgs"),
        Kind::Disk => command::there("parted"),
        _ => false,
    }
}

/// Refuses a kind that this host cannot have.
pub(crate) fn check(kind: Kind) -> Result<()> {
    if supported(kind) {
        return Ok(());
    }
    Err(internal(format!("missing backend for pool type {} ({kind})", kind as usize)))
}

/// Whether a pool is active without anything being done.
pub(crate) fn is_up(pool: &Pool) -> bool {
    match pool.kind {
        Kind::Fs | Kind::Netfs => filesystem::mounted(pool),
        Kind::Logical => group::is_up(pool),
        Kind::Disk => disk::is_up(pool),
        _ => std::path::Path::new(&pool.path).exists(),
    }
}

/// Makes the volumes of a pool appear.
pub(crate) fn start(pool: &mut Pool) -> Result<()> {
    match pool.kind {
        Kind::Fs | Kind::Netfs => filesystem::mount(pool),
        Kind::Logical => group::start(pool),
        Kind::Disk => disk::start(pool),
        _ => Ok(()),
    }
}

/// Makes them disappear.
pub(crate) fn stop(pool: &Pool) -> Result<()> {
    match pool.kind {
        Kind::Fs | Kind::Netfs => filesystem::unmount(pool),
        Kind::Logical => group::stop(pool),
        _ => Ok(()),
    }
}

/// Makes what a pool lies on. `flags` as clients give them.
pub(crate) fn build(pool: &Pool, flags: u32) -> Result<()> {
    match pool.kind {
        Kind::Logical => group::build(pool, flags),
        Kind::Disk => disk::build(pool, flags),
        _ => filesystem::build(pool, flags),
    }
}

/// Removes what a pool lies on.
pub(crate) fn delete(pool: &Pool, flags: u32) -> Result<()> {
    match pool.kind {
        Kind::Logical => group::delete(pool, flags),
        Kind::Disk => {
            let text = format!("pool type '{}' does not support pool deletion", pool.kind);
            Err(crate::error(base::ErrorCode::NO_SUPPORT, text))
        }
        _ => folder::delete(pool, flags),
    }
}

/// Looks what a pool has.
pub(crate) fn look(pool: &Pool) -> Result<Found> {
    match pool.kind {
        Kind::Logical => group::look(pool),
        Kind::Disk => disk::look(pool),
        _ => folder::look(pool),
    }
}
