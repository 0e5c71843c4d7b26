//! Elements of the document besides its devices: how each is read, and what it says when it says nothing.
//!
//! What a single attribute may hold stands in the table of values; here is what several of them say together. The order is
//! the one in which the reference reads, because the first refusal is the one that is told.

mod backing;
mod blkio;
mod clock;
mod cpu;
mod features;
mod firmware;
mod group;
mod iothread;
pub mod lifecycle;
pub mod memory;
mod numa;
mod numatune;
mod os;
mod rest;
mod seclabel;
mod security;
mod sysinfo;
mod throttle;
mod tuning;
mod vcpu;

pub(crate) use clock::check as check_clock;
pub(crate) use firmware::check as check_firmware;
pub(crate) use iothread::check as check_threads;
pub(crate) use os::kind;
pub(crate) use rest::check as check_rest;
pub(crate) use sysinfo::check as check_sysinfo;
pub(crate) use throttle::{check as check_throttling, check_limits};
pub(crate) use tuning::check as check_tuning;

use crate::{ParseFlags, domain, values};
use base::Result;
use xml::Tree;

/// Reads what stands before the devices.
///
/// # Errors
/// With the first refusal, in the reference's words.
pub(crate) fn before_devices(tree: &mut Tree, flags: ParseFlags) -> Result<()> {
    seclabel::complete(tree, flags)?;
    memory::complete(tree)?;
    backing::complete(tree)?;
    blkio::complete(tree)?;
    memory::limits(tree)?;
    vcpu::complete(tree)?;
    iothread::complete(tree)?;
    tuning::complete(tree)?;
    cpu::complete(tree)?;
    numa::complete(tree)?;
    numatune::complete(tree)?;
    features::complete(tree)?;
    lifecycle::complete(tree)?;
    for name in ["pm", "perf"] {
        values::read(domain::place("domain"), tree, name)?;
    }
    rest::events(tree)?;
    clock::complete(tree)?;
    os::complete(tree)?;
    throttle::complete(tree)
}

/// Reads what stands after the devices.
///
/// # Errors
/// With the first refusal, in the reference's words.
pub(crate) fn after_devices(tree: &mut Tree) -> Result<()> {
    security::complete(tree)?;
    values::read(domain::place("domain"), tree, "idmap")?;
    sysinfo::complete(tree)?;
    os::smbios(tree)?;
    rest::ciphers(tree)
}
