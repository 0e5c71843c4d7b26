//! PCI controllers against the machine, and identifiers of s390.

use super::invalid;
use crate::complete::builtin;
use crate::complete::setting::{Board, Setting};
use crate::complete::unsupported;
use base::{Error, ErrorDomain, Result};
use conf_domain::Domain;
use qemu_caps::Flag;
use std::collections::BTreeSet;
use xml::Tree;

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

pub(super) fn given(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    let is_first = |controller: &&Tree| controller.is("type", "pci") && controller.is("index", "0");
    let first = domain.all("controller").find(is_first);
    if let Some((first, wanted)) = first.zip(builtin::root(setting))
        && !first.is("model", wanted)
    {
        let found = first.attr("model").unwrap_or("(null)");
        return Err(invalid(format!(
            "The PCI controller with index='0' must be model='{wanted}' for this machine type, but model='{found}' was found instead"
        )));
    }
    for controller in domain.all("controller").filter(|controller| controller.is("type", "pci")) {
        let model = controller.attr("model").unwrap_or_default();
        if model == "pcie-root" && setting.board == Board::Pseries && !controller.is("index", "0") {
            return Err(unsupported("Index for 'pcie-root' controllers must be 0"));
        }
        let root = model == "pcie-root" || model == "pci-root" && setting.board != Board::Pseries;
        if root && !controller.is("index", "0") {
            return Err(invalid("pci-root and pcie-root controllers should have index 0"));
        }
        if let Some(node) = controller.at("target/node").and_then(|node| node.body().parse::<usize>().ok()) {
            let cells = domain.tree.at("cpu/numa").map_or(0, |numa| numa.all("cell").count());
            // The first is refused in other words.
            if node >= cells && !controller.is("index", "0") {
                let index = controller.attr("index").unwrap_or_default();
                return Err(invalid(format!(
                    "{model} with index {index} is configured for a NUMA node ({node}) not present in the domain's <cpu><numa> array ({cells})"
                )));
            }
        }
        if model == "pci-expander-bus" && setting.board != Board::Pc {
            return Err(unsupported(
                "pci-expander-bus controllers are only supported on 440fx-based machinetypes",
            ));
        }
        if model == "pcie-expander-bus" && !(setting.board == Board::Q35 || setting.is_arm_virt()) {
            return Err(unsupported(
                "pcie-expander-bus controllers are not supported with this machine type",
            ));
        }
    }
    for controller in domain.all("controller").filter(|controller| controller.is("type", "usb")) {
        if matches!(controller.attr("model"), Some("qusb1" | "qusb2")) {
            return Err(unsupported("USB controller model type 'qusb1' or 'qusb2' is not supported in qemu"));
        }
    }
    zpci(domain, setting)
}

/// Identifiers of s390 stand only where there are some.
pub(super) fn identified(device: &Tree, setting: &Setting<'_>) -> Result<()> {
    if device.at("address/zpci").is_some() && !has_identifiers(setting) {
        return Err(unsupported("This QEMU binary doesn't support zPCI"));
    }
    match device.attr_at("address/zpci", "uid").and_then(number) {
        Some(uid) if uid == 0 || uid > 0xffff => {
            Err(invalid(format!("Invalid PCI address uid='0x{uid:04x}', must be > 0x0000 and <= 0xffff")))
        }
        _ => Ok(()),
    }
}

fn has_identifiers(setting: &Setting<'_>) -> bool {
    setting.is_s390() && setting.has(Flag::Zpci)
}

fn zpci(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    if !has_identifiers(setting) {
        return Ok(());
    }
    let (mut uids, mut fids) = (BTreeSet::new(), BTreeSet::new());
    for device in domain.devices() {
        let Some(zpci) = device.at("address/zpci") else { continue };
        if let Some(uid) = zpci.attr("uid").and_then(number) {
            // In octal, as the reference says it.
            if !uids.insert(uid) {
                return Err(Error::internal(
                    ErrorDomain::DOMAIN,
                    format!("zPCI uid {uid:o} is already reserved"),
                ));
            }
        }
        if let Some(fid) = zpci.attr("fid").and_then(number)
            && !fids.insert(fid)
        {
            return Err(Error::internal(
                ErrorDomain::DOMAIN,
                format!("zPCI fid {fid:o} is already reserved"),
            ));
        }
    }
    Ok(())
}
