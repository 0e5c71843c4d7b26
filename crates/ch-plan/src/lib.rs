//! What Cloud Hypervisor's driver makes of a definition.
//!
//! Its guests have virtio devices only, whose places the hypervisor chooses, so that a definition is complete as it is
//! read; what is left is to refuse what the hypervisor does not have.
//!
//! *Invariant:* this room is pure.

use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::{Domain, ParseFlags};
use xml::Tree;

/// Devices the hypervisor has.
const KNOWN: &[&str] = &["emulator", "disk", "interface", "serial", "console", "hostdev", "controller"];

/// How this driver's documents are read: serial ports and consoles are two things.
pub const FLAGS: ParseFlags = ParseFlags { no_stub_console: true, ..ParseFlags::NONE };

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::DOMAIN, text)
}

/// Completes a definition, and checks it unless the flags say that it was accepted before.
///
/// # Errors
/// When the hypervisor cannot have a device.
pub fn complete(domain: &mut Domain, flags: ParseFlags) -> Result<()> {
    for console in domain.devices_mut().iter_mut().filter(|device| device.name == "console") {
        console.child_or_new("target").default_to("type", "serial");
    }
    domain.sort();
    if flags.skip_validate {
        return Ok(());
    }
    domain.devices().iter().try_for_each(device)?;
    for kind in ["serial", "console"] {
        if domain.all(kind).count() > 1 {
            return Err(unsupported(format!("Only a single {kind} can be configured for this domain")));
        }
    }
    let wired = |device: &Tree| matches!(device.attr("type"), Some("pty" | "unix"));
    for kind in ["serial", "console"] {
        if domain.all(kind).any(|device| !wired(device)) {
            let what = if kind == "serial" { "Serial" } else { "Console" };
            return Err(unsupported(format!("{what} can only be enabled for a PTY")));
        }
    }
    Ok(())
}

fn device(device: &Tree) -> Result<()> {
    if KNOWN.contains(&device.name.as_str()) || device.name == "memballoon" && device.is("model", "none") {
        return Ok(());
    }
    Err(unsupported(format!("Cloud-Hypervisor doesn't support '{}' device", device.name)))
}
