//! Folders of the host that guests mount.

use super::shared;
use crate::complete::setting::Setting;
use crate::complete::unsupported;
use base::Result;
use conf_domain::Domain;
use xml::Tree;

pub(super) fn check(domain: &Domain, filesystem: &Tree, setting: &Setting<'_>) -> Result<()> {
    if !filesystem.is("type", "mount") {
        return Err(unsupported("only supports mount filesystem type"));
    }
    if ["space_hard_limit", "space_soft_limit"].iter().any(|name| filesystem.child(name).is_some()) {
        return Err(unsupported("filesystem usage limits are not supported with QEMU"));
    }
    let mapped = filesystem.is("accessmode", "mapped");
    if !mapped && ["fmode", "dmode"].iter().any(|name| filesystem.attr(name).is_some()) {
        return Err(unsupported("fmode and dmode must be used with accessmode=mapped"));
    }
    let passed = filesystem.attr("accessmode").is_none_or(|mode| mode == "passthrough");
    match filesystem.attr_at("driver", "type") {
        Some("handle") if !filesystem.is("accessmode", "passthrough") => {
            Err(unsupported("only supports passthrough accessmode"))
        }
        Some("mtp") if !passed => Err(unsupported("mtp only supports passthrough accessmode")),
        Some("loop" | "nbd" | "ploop") => Err(unsupported("Filesystem driver type not supported")),
        Some("virtiofs") => served(domain, filesystem, passed, setting),
        _ => Ok(()),
    }
}

fn served(domain: &Domain, filesystem: &Tree, passed: bool, setting: &Setting<'_>) -> Result<()> {
    if !setting.has(qemu_caps::Flag::VhostUserFs) {
        return Err(unsupported("virtiofs is not supported with this QEMU binary"));
    }
    let said = |path: &str, name: &str| match path {
        "" => filesystem.attr(name).is_some(),
        path => filesystem.attr_at(path, name).is_some(),
    };
    for (path, name, what) in [
        ("", "multidevs", "multidevs"),
        ("", "model", "model"),
        ("driver", "format", "format"),
        ("driver", "wrpolicy", "wrpolicy"),
    ] {
        if said(path, name) {
            return Err(unsupported(format!("virtiofs does not support {what}")));
        }
    }
    if !passed {
        return Err(unsupported("virtiofs only supports passthrough accessmode"));
    }
    shared::memory(domain, "virtiofs")?;
    if filesystem.child("boot").is_some()
        && filesystem.attr_at("address", "type").is_some_and(|kind| kind != "pci")
    {
        return Err(unsupported("setting virtiofs boot order is supported only with PCI bus"));
    }
    Ok(())
}
