//! The document of host devices: `<device>`, and what the keeper of mediated devices is told and tells of them.
//!
//! ```text
//! text ──xml──▶ Node ──parse──▶ Device ──format──▶ text
//!                                 │  ▲
//!          mdevctl: command, JSON ◀┘  └── listing of defined devices
//! ```
//!
//! * [`device`]: the document
//! * [`capability`]: what a device is, a file per family
//! * [`mdevctl`]: mediated devices, as the program of that name keeps them
//!
//! *Invariant:* this room is pure; who fills a [`Device`] from the kernel's tree is not its business.

pub mod capability;
pub mod device;
pub mod mdevctl;
mod read;

pub use capability::{Capability, Kind};
pub use device::{Device, Origin};
pub use read::Identifier;
