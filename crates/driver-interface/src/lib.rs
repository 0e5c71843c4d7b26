//! Network interfaces of the host, as the kernel shows them.
//!
//! ```text
//! /sys/class/net ──▶ device ──▶ describe ──▶ document
//!       │               └ name, MAC address, up or not
//!       └ ports of bridges and devices of guests are in no list, but are found by name
//! ```
//!
//! * [`Driver`]: where the tree lies
//! * [`device`]: one interface's folder, and which there are
//! * [`describe`]: the document of an interface, with what is within it
//! * [`serve`]: the procedures
//!
//! The driver reads at each call and keeps nothing. How interfaces are configured is the host's business, so that what
//! would change them is not supported, and what has changed is never announced.

mod describe;
mod device;
mod serve;

use base::{Error, ErrorDomain, Result};
use std::path::{Path, PathBuf};

/// Errors of this driver.
pub(crate) const FROM: ErrorDomain = ErrorDomain::INTERFACE;

/// The driver.
#[derive(Debug)]
pub struct Driver {
    root: PathBuf,
}

impl Driver {
    /// A driver for the host whose files lie below a folder.
    pub fn new(root: &Path) -> Driver {
        Driver { root: root.to_owned() }
    }
}

/// A broken expectation of this driver.
pub(crate) fn internal(text: impl Into<String>) -> Error {
    Error::internal(FROM, text)
}

/// Refuses flags that a function does not know.
pub(crate) fn check_flags(flags: u32, known: u32, function: &str) -> Result<()> {
    if flags & !known == 0 { Ok(()) } else { Err(Error::unsupported_flags(FROM, function, flags & !known)) }
}
