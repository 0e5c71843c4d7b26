//! The documents of virtual networks: `<network>` and `<networkport>`.
//!
//! ```text
//! text ──xml──▶ Node ──parse──▶ Network ──update(section)──▶ Network
//!                                 │  ▲
//!                      validate ──┘  └── format ──▶ text
//! ```
//!
//! * [`network`]: the document, one typed value per element; a file per element below it
//! * [`update`]: sections that change one by one
//! * [`validate`]: which elements contradict the kind of network
//! * [`port`]: a guest's connection to a network
//! * [`bandwidth`], [`vlan`], [`virtual_port`]: elements that interfaces of guests have as well
//!
//! *Invariant:* this room is pure; formatting decides nothing but what [`FormatFlags`] hide.

pub mod bandwidth;
pub mod bridge;
pub mod dhcp;
pub mod dns;
mod fault;
pub mod forward;
pub mod ip;
pub mod metadata;
pub mod network;
pub mod pci;
pub mod port;
pub mod portgroup;
mod read;
pub mod route;
pub mod update;
pub mod validate;
pub mod virtual_port;
pub mod vlan;

pub use bandwidth::{Bandwidth, Rate};
pub use network::{FormatFlags, Network};
pub use port::NetworkPort;
pub use virtual_port::VirtualPort;
pub use vlan::Vlan;
