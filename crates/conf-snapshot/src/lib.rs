//! Moments in the life of a guest: snapshots, checkpoints, backups, and the cookie of a saved one.
//!
//! ```text
//! text ──parse(flags)──▶ Snapshot ──align(definition)──▶ Snapshot ──format(flags)──▶ text
//!                        Checkpoint                      every disk named, with its mode and files
//!                        Backup
//! ```
//!
//! A client says what it wants of some disks; *aligning* with the guest's definition says it of all of them, so that
//! nothing is decided while the work is done. Documents that come back from the store are read with `redefine` or
//! `internal`, which show what only the driver writes.
//!
//! *Invariant:* this room is pure; time and files are given to it.

pub mod align;
pub mod backup;
pub mod checkpoint;
pub mod cookie;
mod disk;
mod fault;
pub mod moment;
pub mod snapshot;
pub mod tree;

pub use backup::Backup;
pub use checkpoint::Checkpoint;
pub use cookie::SaveCookie;
pub use disk::SnapshotDisk;
pub use moment::{Guest, Moment};
pub use snapshot::{Location, Snapshot, State};
pub use tree::Moments;
