//! What is known about an emulator. Pure: no I/O, no clock, no random.
//!
//! ```text
//!   Probe ──next command──▶ (a live emulator, or a recorded dialogue)
//!     ▲                        │
//!     └─────────reply──────────┘        … Probe::finish ──▶ Caps ──▶ has(Flag), machines, processor models
//! ```
//!
//! * [`flag`]: the capability flags, and where each is seen
//! * [`probe`]: the dialogue that finds everything out
//! * [`caps`]: what was found
//! * [`machine`], [`cpu_model`]: machine types and processor models
//! * [`document`]: the cache document
//! * [`describe`]: what clients are told
//! * [`descriptor`]: what is installed for emulators: firmware, programs that play devices
//! * [`arch`]: architectures and their names

pub mod arch;
pub mod caps;
pub mod cpu_model;
pub mod describe;
pub mod descriptor;
pub mod document;
pub mod flag;
pub mod machine;
pub mod probe;

pub use caps::Caps;
pub use flag::{Flag, Flags};
pub use machine::Accel;
pub use probe::Probe;

#[cfg(test)]
mod tests;
