//! The documents of storage: `<pool>` and `<volume>`, what hosts offer for them, and the commands that make them real.
//!
//! ```text
//! text ──xml──▶ Node ──parse──▶ Pool ──────────▶ mount, vgchange
//!                                │ ▲
//!                                │ └─ format ──▶ text
//!                                ▼
//!               Volume ── in the context of its pool ──▶ qemu-img
//! ```
//!
//! * [`kind`]: the kinds of pools and what each knows: parts of its source, formats, defaults
//! * [`pool`], [`source`], [`adapter`], [`auth`], [`permissions`]: the document of a pool, a file per element
//! * [`volume`], [`encryption`]: the document of a volume
//! * [`capabilities`]: the kinds a host supports
//! * [`conflict`]: pools that would share a source
//! * [`status`]: what is kept about a running pool
//! * [`mount`], [`create`]: command lines
//! * [`gluster`]: sources found on a host
//!
//! *Invariant:* this room is pure.

pub mod adapter;
pub mod auth;
pub mod capabilities;
pub mod conflict;
pub mod create;
pub mod encryption;
mod fault;
pub mod format;
pub mod gluster;
pub mod kind;
pub mod mount;
pub mod permissions;
pub mod pool;
mod read;
pub mod source;
pub mod status;
pub mod volume;

pub use format::{FileFormat, probe_label};
pub use kind::Kind;
pub use permissions::Permissions;
pub use pool::Pool;
pub use read::{SecretKey, clean as clean_path};
pub use source::Source;
pub use volume::{Volume, VolumeType};
