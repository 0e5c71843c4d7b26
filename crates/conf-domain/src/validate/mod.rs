//! What no driver accepts in a complete definition: parts that contradict each other.
//!
//! These checks run after a driver has given devices their places, because two devices may only then turn out to sit in one.

mod chardev;
mod controller;
mod disk;
mod interface;
mod memory;
mod numa;
mod others;
mod system;
mod virtio;

pub(crate) use controller::{usb as usb_controllers, usb_masters};

use crate::fault::unsupported;
use crate::{Domain, device, section};
use base::Result;
use xml::Tree;

/// The rules of a driver. It is asked about the whole definition first, then about each device
/// after the rules that hold for every driver.
pub trait Rules {
    /// Checks what concerns the whole definition.
    ///
    /// # Errors
    /// With the first refusal.
    fn domain(&self, domain: &Domain) -> Result<()>;

    /// Checks one device.
    ///
    /// # Errors
    /// With the first refusal.
    fn device(&self, domain: &Domain, device: &Tree) -> Result<()>;
}

/// A driver that accepts everything.
#[derive(Debug, Clone, Copy)]
pub struct Lenient;

impl Rules for Lenient {
    fn domain(&self, _: &Domain) -> Result<()> {
        Ok(())
    }

    fn device(&self, _: &Domain, _: &Tree) -> Result<()> {
        Ok(())
    }
}

/// Checks a complete definition.
///
/// # Errors
/// With the first contradiction, in the reference's words.
pub fn complete(domain: &Domain, driver: &dyn Rules) -> Result<()> {
    driver.domain(domain)?;
    for device in device::walk(domain) {
        device_alone(domain, device)?;
        driver.device(domain, device)?;
    }
    system::boot(domain)?;
    device::check_together(domain.devices())?;
    numa::check(domain)?;
    section::check_tuning(domain)?;
    section::check_threads(domain)?;
    section::check_throttling(domain)?;
    disk::throttled(domain)?;
    section::check_rest(domain)?;
    others::together(domain)?;
    section::lifecycle::check(domain)
}

/// Checks the devices of a definition that has all of them, before they get their places.
///
/// # Errors
/// With the first contradiction.
pub fn assembled(domain: &Domain) -> Result<()> {
    device::assembled(domain.devices(), false)
}

/// Checks one device that comes to a definition, which does not have it yet.
///
/// # Errors
/// With the first refusal, in the reference's words.
pub fn device(domain: &Domain, device: &Tree, driver: &dyn Rules) -> Result<()> {
    device_alone(domain, device)?;
    driver.device(domain, device)
}

fn device_alone(domain: &Domain, device: &Tree) -> Result<()> {
    if device.name != "hostdev" && device.attr_at("address", "type") == Some("unassigned") {
        return Err(unsupported("address of type 'unassigned' is supported only for hostdevs"));
    }
    match &*device.name {
        "disk" => disk::check(device),
        "interface" => interface::check(device),
        "serial" | "parallel" | "console" | "channel" | "redirdev" | "smartcard" => {
            chardev::check(domain, device)?;
            others::check(domain, device)
        }
        "rng" => device.child("backend").map_or(Ok(()), |backend| chardev::check(domain, backend)),
        "controller" => controller::check(device),
        "memory" => memory::check(domain, device),
        _ => others::check(domain, device),
    }
}

/// Whether an attribute says `yes` or `on`.
pub(crate) fn truth(element: &Tree, name: &str) -> bool {
    matches!(element.attr(name), Some("yes" | "on"))
}
