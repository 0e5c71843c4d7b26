//! What LXC's driver makes of a definition.
//!
//! A container is a definition whose system is of type `exe`: a program that is started as the first process. It has
//! no firmware, no buses and no addresses, so that completing it means little more than naming the controller program
//! and saying that its consoles are the container's own.
//!
//! *Invariant:* this room is pure.

use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::{Domain, ParseFlags};
use xml::Tree;

/// Where the program lies that holds a container, when a definition does not say.
pub const CONTROLLER: &str = "/usr/lib/libvirt/libvirt_lxc";

fn invalid(text: &str) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::DOMAIN, text)
}

fn unsupported(text: &str) -> Error {
    Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::DOMAIN, text)
}

/// Completes a definition, and checks it unless the flags say that it was accepted before.
///
/// # Errors
/// With the reference's words when there is nothing to start, or users are mapped in part.
pub fn complete(domain: &mut Domain, controller: &str, flags: ParseFlags) -> Result<()> {
    if !flags.skip_validate {
        validate(domain)?;
    }
    if domain.all("emulator").next().is_none() {
        domain.devices_mut().insert(0, Tree::leaf("emulator", controller));
    }
    for console in domain.devices_mut().iter_mut().filter(|device| device.name == "console") {
        console.child_or_new("target").default_to("type", "lxc");
    }
    domain.sort();
    Ok(())
}

fn validate(domain: &Domain) -> Result<()> {
    if domain.tree.at("os/init").is_none_or(|init| init.body().is_empty()) {
        return Err(invalid("init binary must be specified"));
    }
    if let Some(map) = domain.tree.child("idmap")
        && (map.child("uid").is_some() != map.child("gid").is_some())
    {
        return Err(unsupported("uid and gid should be mapped both"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use conf_domain::FormatFlags;

    /// Devices of a container with this inside, or why it is refused.
    fn check(os: &str, inside: &str, devices: &str, expected: &str) {
        let text = format!(
            "<domain type='lxc'><name>c</name><memory>1024</memory><os><type>exe</type>{os}</os>{inside}<devices>{devices}</devices></domain>"
        );
        let flags = ParseFlags { inactive: true, ..ParseFlags::default() };
        let read = Domain::parse(&text, flags, &mut || [0; 16]).and_then(|mut domain| {
            complete(&mut domain, CONTROLLER, flags)?;
            Ok(domain.format(FormatFlags { inactive: true, ..FormatFlags::default() }))
        });
        match read {
            Ok(text) => {
                let lines: Vec<&str> = text.lines().map(str::trim).collect();
                for line in expected.lines().map(str::trim) {
                    assert!(lines.contains(&line), "{line} in\n{text}");
                }
            }
            Err(error) => assert_eq!(error.message(), expected),
        }
    }

    #[test]
    fn containers() {
        let init = "<init>/sbin/init</init>";
        check(init, "", "", "<emulator>/usr/lib/libvirt/libvirt_lxc</emulator>");
        check(
            init,
            "",
            "<console/><console type='pty'/>",
            "<target type='lxc' port='0'/>\n<target type='lxc' port='1'/>",
        );
        check(
            init,
            "",
            "<filesystem type='ram'><source usage='1' units='MiB'/><target dir='/t'/></filesystem>",
            "<filesystem type='ram' accessmode='passthrough'>\n<source usage='1024' units='KiB'/>",
        );
        check("", "", "", "XML error: init binary must be specified");
        check(
            init,
            "<idmap><uid start='0' target='1000' count='10'/></idmap>",
            "",
            "unsupported configuration: uid and gid should be mapped both",
        );
    }
}
