//! Capabilities of an emulator as values of the documents for clients.
//!
//! * [`guest()`]: its part of the host's capabilities
//! * [`domain()`]: what guests of it can have
//! * [`processors`]: processor models, and the one most like the host's

mod devices;
mod domain;
mod guest;
pub mod processors;

pub use domain::{Host, Request, domain};
pub use guest::{guest, guest_as};
