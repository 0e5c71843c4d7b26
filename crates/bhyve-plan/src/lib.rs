//! What bhyve's driver makes of a definition.
//!
//! ```text
//! disks on their buses ─▶ controllers: PCI root, LPC bridge, SATA ─▶ screen ─▶ a PCI slot for each device
//! ```
//!
//! A guest has one PCI bus. Slot 0 is the host bridge's, slot 1 is kept for the LPC bridge, on which serial ports and
//! firmware sit; everything else takes the next free slot in a fixed order of kinds.
//!
//! *Invariant:* this room is pure.

mod complete;
mod slots;

pub use complete::{Caps, complete};
