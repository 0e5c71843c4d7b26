//! What is known about QEMU: capabilities, defaults, addresses, command line. Pure: no I/O, no clock, no random.
//!
//! ```text
//! definition ──complete(caps)──▶ defaults, controllers, addresses ──stored
//!      started: ──alias, settings(Start)──▶ plan(Domain, Caps, Start) ──▶ argv
//! ```
//!
//! * [`caps`]: what an emulator can do: a room of its own
//! * [`complete`]: what a definition gets when it is defined
//! * [`alias`]: names of the devices of a running guest
//! * [`argv`]: the command line
//! * [`block`]: images outside a command line: nodes for jobs, new images, names inside other images
//! * [`prepare`]: what a start puts in the place of names of volumes and networks
//! * [`firmware`]: choosing firmware by its descriptors
//! * [`memlock`]: how much memory must be locked

pub mod alias;
pub mod argv;
pub mod block;
pub mod complete;
pub mod firmware;
mod host_cpu;
pub mod memlock;
pub mod prepare;
mod validate;

pub use firmware::Firmware;
pub use qemu_caps::{self as caps, Caps};
pub use validate::check_lifecycle;
