//! QEMU's monitor protocol: one JSON document a line, commands with ids, replies, events.
//!
//! * [`message`]: lines to messages, bounded; nothing unknown is an error
//! * [`hub`]: one thread that reads all monitors
//! * [`monitor`]: one emulator's monitor: commands with deadlines
//!
//! *Invariant:* an emulator that does not answer costs a caller its deadline and nothing else.

pub mod hub;
pub mod message;
pub mod monitor;

pub use hub::Hub;
pub use message::{Event, Message};
pub use monitor::{Begun, CommandError, Monitor, Notice};
