//! The document of the host's network interfaces: `<interface>`.
//!
//! ```text
//! text ──xml──▶ Node ──parse──▶ Interface ──format──▶ text
//!                                │  │
//!                      start, mtu┘  └ kind: ethernet, bridge, bond, vlan
//!                      protocols        │
//!                                       └ interfaces within: those of a bridge and of a bond
//! ```
//!
//! * [`Interface`]: the document
//! * [`protocol`]: how an interface gets addresses
//! * [`kind`]: what an interface is
//!
//! An interface within another has neither start, MTU nor protocols: they are those of the outer one.
//!
//! *Invariant:* this room is pure; who fills an [`Interface`] from the kernel's tree is not its business.

mod interface;
pub mod kind;
pub mod protocol;
mod read;
#[cfg(test)]
mod tests;

pub use interface::{Interface, Link, LinkState, Start};
pub use kind::{Bond, Bridge, Kind, Vlan};
pub use protocol::{Family, Protocol};
