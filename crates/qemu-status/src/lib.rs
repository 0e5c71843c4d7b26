//! What QEMU's driver keeps about a running guest, and what two drivers tell each other when a guest moves.
//!
//! ```text
//! /run/libvirt/qemu/NAME.xml ──Status::parse──▶ Status ──format──▶ the same
//! migration cookie ──Cookie::parse──▶ Cookie ──format──▶ the answer
//! ```
//!
//! Documents of older drivers are read, too: what they leave out is made up as the driver would have made it up then.
//!
//! *Invariant:* this room is pure; folders and names of hosts are given to it.

pub mod bitmaps;
pub mod cookie;
pub mod status;
mod upgrade;

pub use cookie::Cookie;
pub use status::Status;
