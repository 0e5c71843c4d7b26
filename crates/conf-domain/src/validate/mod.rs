//! What no driver accepts in a complete definition: parts that contradict each other.
//!
//! These checks run after a driver has given devices their places, because two devices may only then turn out to sit in one.

mod chardev;
mod disk;
mod interface;
mod memory;
mod numa;
mod others;
mod system;

use crate::{Domain, device};
use base::Result;
use xml::Tree;

/// Checks a complete definition.
///
/// # Errors
/// With the first contradiction, in the reference's words.
pub fn complete(domain: &Domain) -> Result<()> {
    system::firmware(domain)?;
    system::boot(domain)?;
    domain.devices().iter().try_for_each(|device| device_alone(domain, device))?;
    device::check_together(domain.devices())?;
    numa::check(domain)?;
    system::tuning(domain)?;
    memory::together(domain)?;
    others::together(domain)?;
    crate::lifecycle::check(domain)
}

fn device_alone(domain: &Domain, device: &Tree) -> Result<()> {
    match device.name.as_str() {
        "disk" => disk::check(device),
        "interface" => interface::check(device),
        "serial" | "parallel" | "console" | "channel" | "redirdev" | "smartcard" => chardev::check(device),
        "rng" => device.child("backend").map_or(Ok(()), chardev::check),
        "memory" => memory::check(domain, device),
        _ => others::check(domain, device),
    }
}

/// Whether an attribute says `yes` or `on`.
pub(crate) fn truth(element: &Tree, name: &str) -> bool {
    matches!(element.attr(name), Some("yes" | "on"))
}
