//! Character devices.

use crate::Domain;
use crate::fault::{internal, invalid, unsupported};
use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::Tree;

/// Checks a device, which is or has a character device.
pub(super) fn check(domain: &Domain, device: &Tree) -> Result<()> {
    ends(device)?;
    for source in device.all("source") {
        let connects = source.attr("mode").is_none_or(|mode| mode == "connect");
        if source.child("reconnect").is_some_and(|reconnect| reconnect.is("enabled", "yes")) && !connects {
            return Err(Error::internal(
                ErrorDomain::DOMAIN,
                "chardev reconnect is possible only for connect mode",
            ));
        }
    }
    let place = device.attr_at("address", "type");
    let arch = domain.tree.attr_at("os/type", "arch").unwrap_or_default();
    match device.name.as_str() {
        "serial" => match device.attr_at("target", "type") {
            Some("isa-debug") if !matches!(arch, "x86_64" | "i686") => {
                Err(unsupported("isa-debug serial type only valid on x86 architecture"))
            }
            _ => Ok(()),
        },
        "smartcard" => {
            if device.is("mode", "host-certificates") && device.all("certificate").count() != 3 {
                return Err(invalid("host-certificates mode needs exactly three certificates"));
            }
            match place {
                None | Some("ccid") => Ok(()),
                Some(_) => Err(unsupported("Controllers must use the 'ccid' address type")),
            }
        }
        _ => Ok(()),
    }
}

/// What the other end of a device is must be said.
fn ends(device: &Tree) -> Result<()> {
    let lacks = |source: Option<&Tree>, name: &str| source.and_then(|source| source.attr(name)).is_none();
    let missing = |name: &str| Err(internal(format!("Missing source {name} attribute for char device")));
    let source = device.child("source");
    match device.attr("type").unwrap_or_default() {
        "dev" | "file" | "pipe" if lacks(source, "path") => missing("path"),
        "unix" if lacks(source, "path") => {
            // The driver finds places for channels by itself.
            if device.name == "channel" { Ok(()) } else { missing("path") }
        }
        "tcp" if lacks(source, "host") => missing("host"),
        "tcp" if lacks(source, "service") => missing("service"),
        "udp" => {
            let connect = device.all("source").find(|source| !source.is("mode", "bind"));
            if lacks(connect, "service") { missing("service") } else { Ok(()) }
        }
        "spiceport" | "dbus" => {
            let Some(channel) = source.and_then(|source| source.attr("channel")) else {
                return Err(unsupported("Missing source channel attribute for char device"));
            };
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
            if channel.chars().all(fits) {
                return Ok(());
            }
            let text = "Invalid character in source channel for char device";
            Err(Error::new(ErrorCode::INVALID_ARG, ErrorDomain::DOMAIN, text))
        }
        "spicevmc" if matches!(device.name.as_str(), "serial" | "parallel" | "console") => {
            Err(unsupported("spicevmc device type only supports virtio"))
        }
        _ => Ok(()),
    }
}
