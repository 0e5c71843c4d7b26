//! What is known about QEMU: capabilities, defaults, addresses, command line. Pure: no I/O, no clock, no random.
//!
//! ```text
//! definition ──complete(caps)──▶ defaults, controllers, addresses ──stored
//!      started: ──alias, settings(Start)──▶ plan(Domain, Caps, Start) ──▶ argv
//! ```
//!
//! * [`caps`]: what an emulator can do, from its answers to queries
//! * [`complete`]: what a definition gets when it is defined
//! * [`alias`]: names of the devices of a running guest
//! * [`argv`]: the command line
//! * [`prepare`]: what a start puts in the place of names of volumes and networks
//! * [`firmware`]: choosing firmware by its descriptors
//! * [`HostCpus`]: the host's processor as an emulator offers it
//! * [`describe`]: host and domain capabilities as documents

pub mod alias;
pub mod argv;
pub mod caps;
pub mod complete;
pub mod describe;
pub mod firmware;
mod host_cpu;
pub mod prepare;
mod validate;

pub use caps::Caps;
pub use firmware::Firmware;
pub use host_cpu::HostCpus;
pub use validate::check_lifecycle;
