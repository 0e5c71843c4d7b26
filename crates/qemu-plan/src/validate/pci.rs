//! PCI controllers against the machine, and identifiers of s390.

use super::invalid;
use crate::complete::setting::{Board, Setting};
use crate::complete::unsupported;
use base::{Error, ErrorDomain, Result};
use conf_domain::Domain;
use qemu_caps::Flag;
use std::collections::BTreeSet;

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

pub(super) fn given(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    for controller in domain.all("controller").filter(|controller| controller.is("type", "pci")) {
        let model = controller.attr("model").unwrap_or_default();
        let wanted = if setting.board.is_pcie() { "pcie-root" } else { "pci-root" };
        let known = matches!(setting.board, Board::Pc | Board::Q35 | Board::Virt);
        if controller.is("index", "0") && known && !model.is_empty() && model != wanted {
            return Err(invalid(format!(
                "The PCI controller with index='0' must be model='{wanted}' for this machine type, but model='{model}' was found instead"
            )));
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
    zpci(domain, setting)
}

fn zpci(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    let (mut uids, mut fids) = (BTreeSet::new(), BTreeSet::new());
    for device in domain.devices() {
        let Some(zpci) = device.at("address/zpci") else { continue };
        if !setting.is_s390() || !setting.has(Flag::Zpci) {
            return Err(unsupported("This QEMU binary doesn't support zPCI"));
        }
        if let Some(uid) = zpci.attr("uid").and_then(number) {
            if uid == 0 || uid > 0xffff {
                return Err(invalid(format!(
                    "Invalid PCI address uid='0x{uid:04x}', must be > 0x0000 and <= 0xffff"
                )));
            }
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
