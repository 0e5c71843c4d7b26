//! Controllers, and the drives on them.

use super::iothread;
use crate::complete::setting::{Board, Setting};
use crate::complete::unsupported;
use base::{Error, ErrorDomain, Result};
use conf_domain::Domain;
use qemu_caps::Flag;
use xml::Tree;

fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::QEMU, text)
}

fn number(text: Option<&str>) -> u32 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

pub(super) fn check(domain: &Domain, controller: &Tree, setting: &Setting<'_>) -> Result<()> {
    let model = controller.attr("model").unwrap_or_default();
    let kind = controller.attr("type").unwrap_or_default();
    let index = number(controller.attr("index"));
    match kind {
        "usb" => {
            let ports = controller.attr("ports").and_then(|ports| ports.parse::<u32>().ok());
            if matches!(model, "nec-xhci" | "qemu-xhci") && ports.is_some_and(|ports| ports > 15) {
                return Err(unsupported(format!("'{model}' controller only supports up to '15' ports")));
            }
        }
        "ide" => ide(index, setting)?,
        "sata" if !setting.has(Flag::Ich9Ahci) => {
            return Err(unsupported("SATA is not supported with this QEMU binary"));
        }
        "scsi" => scsi(domain, controller, model, setting)?,
        "pci" => pci(controller, model, setting)?,
        _ => {}
    }
    if kind != "scsi" {
        virtio_scsi_only(controller)?;
    }
    Ok(())
}

fn ide(index: u32, setting: &Setting<'_>) -> Result<()> {
    let builtin =
        setting.board == Board::Pc || matches!(setting.machine.as_str(), "malta" | "sun4u" | "g3beige");
    if !builtin {
        return Err(unsupported("IDE controllers are unsupported for this QEMU binary or machine type"));
    }
    if index > 0 {
        return Err(unsupported("Only a single IDE controller is supported for this machine type"));
    }
    Ok(())
}

/// Options that only virtio's SCSI controller knows.
fn virtio_scsi_only(controller: &Tree) -> Result<()> {
    let Some(driver) = controller.child("driver") else { return Ok(()) };
    for name in ["queues", "cmd_per_lun", "max_sectors", "ioeventfd", "iothread"] {
        if driver.attr(name).is_some() {
            return Err(unsupported(if name == "iothread" {
                "'iothread' is only supported for virtio-scsi controller".to_owned()
            } else {
                format!("'{name}' is only supported by virtio-scsi controller")
            }));
        }
    }
    Ok(())
}

fn scsi(domain: &Domain, controller: &Tree, model: &str, setting: &Setting<'_>) -> Result<()> {
    if !model.starts_with("virtio") {
        virtio_scsi_only(controller)?;
    }
    let missing = match model {
        "lsilogic" if !setting.has(Flag::Lsi) => "the LSI 53C895A SCSI controller",
        "virtio-scsi" | "virtio-transitional" | "virtio-non-transitional"
            if !setting.has(Flag::VirtioScsiPci) && !setting.has(Flag::VirtioCcw) =>
        {
            "virtio scsi controller"
        }
        "lsisas1068" if !setting.has(Flag::Mptsas1068) => "the LSI SAS1068 (MPT Fusion) controller",
        "lsisas1078" if !setting.has(Flag::Megasas) => "the LSI SAS1078 (MegaRAID) controller",
        "vmpvscsi" if !setting.has(Flag::Pvscsi) => "the pvscsi (VMware paravirtual SCSI) controller",
        _ => "",
    };
    if !missing.is_empty() {
        return Err(unsupported(format!("This QEMU doesn't support {missing}")));
    }
    if model == "buslogic" {
        return Err(unsupported(format!("Unsupported controller model: {model}")));
    }
    if model == "ncr53c90" {
        if !setting.has(Flag::Ncr53c90) {
            return Err(unsupported("ncr53c90 SCSI controller is not a built-in for this machine"));
        }
        if !controller.is("index", "0") {
            return Err(unsupported("ncr53c90 can only be used as first SCSI controller"));
        }
    }
    let Some(driver) = controller.child("driver") else { return Ok(()) };
    if let Some(id) = driver.attr("iothread") {
        if controller.attr_at("address", "type").is_some_and(|kind| !matches!(kind, "pci" | "ccw")) {
            return Err(unsupported(
                "'iothread' is only supported for virtio-scsi controller using pci or ccw",
            ));
        }
        if id.parse().ok().is_none_or(|id| !iothread::known(domain).contains(&id)) {
            return Err(unsupported(format!("controller iothread '{id}' not defined in iothreadid")));
        }
    }
    if let Some(threads) = driver.child("iothreads") {
        let queues = driver.attr("queues").and_then(|text| text.parse().ok());
        iothread::mapping(domain, threads, queues)?;
    }
    Ok(())
}

/// Emulator's devices for each model, with the options that a model has.
const PCI: &[(&str, &[&str], &[&str])] = &[
    ("pci-root", &["spapr-pci-host-bridge"], &[]),
    ("pcie-root", &[], &[]),
    ("pci-bridge", &["pci-bridge"], &["chassisNr", "memReserve"]),
    ("dmi-to-pci-bridge", &["i82801b11-bridge"], &[]),
    ("pcie-to-pci-bridge", &["pcie-pci-bridge"], &[]),
    ("pcie-root-port", &["pcie-root-port", "ioh3420"], &["chassis", "port", "hotplug", "memReserve"]),
    ("pcie-switch-upstream-port", &["x3130-upstream"], &[]),
    ("pcie-switch-downstream-port", &["xio3130-downstream"], &["chassis", "port", "hotplug"]),
    ("pci-expander-bus", &["pxb"], &["busNr", "numaNode"]),
    ("pcie-expander-bus", &["pxb-pcie"], &["busNr", "numaNode"]),
];

fn pci(controller: &Tree, model: &str, setting: &Setting<'_>) -> Result<()> {
    let index = controller.attr("index").unwrap_or_default();
    let name = controller.attr_at("model", "name").unwrap_or("none");
    let pseries = setting.board == Board::Pseries;
    let refused = |option: &str, how: &str| {
        Err(unsupported(format!(
            "Option '{option}' {how} for PCI controller with index '{index}', model '{model}' and modelName '{name}'"
        )))
    };
    let Some((_, names, options)) = PCI.iter().find(|(known, ..)| *known == model) else { return Ok(()) };
    let named = !names.is_empty() && (model != "pci-root" || pseries);
    if name != "none" && !named {
        return refused("modelName", "is not valid");
    }
    if name == "none" && named {
        return Err(internal(format!(
            "Required option 'modelName' is not set for PCI controller with index '{index}', model '{model}' and modelName '{name}'"
        )));
    }
    if named && !names.contains(&name) {
        return refused("modelName", "has invalid value");
    }
    let target = controller.child("target");
    let has = |name: &str| match name {
        "targetIndex" => target.is_some_and(|target| target.attr("index").is_some()),
        "numaNode" => target.is_some_and(|target| target.child("node").is_some()),
        name => target.is_some_and(|target| target.attr(name).is_some()),
    };
    // Nearly always there is nothing but what the model has.
    let plain = target.is_none_or(|target| {
        target.children.is_empty() && target.attrs.iter().all(|(name, _)| options.contains(&name))
    });
    let asked: &[&str] = if plain {
        &[]
    } else {
        &["targetIndex", "busNr", "numaNode", "chassisNr", "chassis", "port", "hotplug", "memReserve"]
    };
    for option in asked {
        let known = options.contains(option)
            || model == "pci-root"
                && match *option {
                    "targetIndex" | "numaNode" => pseries,
                    "hotplug" => setting.board == Board::Pc,
                    _ => false,
                };
        if !known && has(option) {
            return refused(option, "is not valid");
        }
    }
    if controller.child("pcihole64").is_some() && !matches!(setting.board, Board::Pc | Board::Q35) {
        return Err(unsupported(format!(
            "Setting the 64-bit PCI hole size is not supported for machine '{}'",
            setting.machine
        )));
    }
    Ok(())
}

/// Checks the place of a disk or of a SCSI device of the host on its controller.
pub(super) fn drive(domain: &Domain, device: &Tree, bus: &str) -> Result<()> {
    let Some(address) = device.child("address").filter(|address| address.is("type", "drive")) else {
        return Ok(());
    };
    let part = |name: &str| number(address.attr(name));
    match bus {
        "scsi" => {
            if part("bus") != 0 {
                return Err(internal("SCSI controller only supports 1 bus"));
            }
            let model = domain
                .all("controller")
                .find(|controller| {
                    controller.is("type", "scsi") && controller.attr("index") == address.attr("controller")
                })
                .and_then(|controller| controller.attr("model"))
                .unwrap_or_default();
            if model == "lsilogic" && part("target") != 0 {
                return Err(unsupported(format!("target must be 0 for controller model '{model}'")));
            }
        }
        "fdc" => {
            if part("controller") != 0 {
                return Err(internal("Only 1 fdc controller is supported"));
            }
            if part("bus") != 0 {
                return Err(internal("Only 1 fdc bus is supported"));
            }
            if part("target") != 0 {
                return Err(unsupported("target must be 0 for controller fdc"));
            }
        }
        "ide" => {
            if part("controller") != 0 {
                return Err(internal("Only 1 IDE controller is supported"));
            }
            if part("target") != 0 {
                return Err(unsupported("target must be 0 for ide controller"));
            }
        }
        "sata" => {
            if part("bus") != 0 {
                return Err(unsupported("bus must be 0 for sata controller"));
            }
            if part("target") != 0 {
                return Err(unsupported("target must be 0 for sata controller"));
            }
        }
        _ => {}
    }
    Ok(())
}
