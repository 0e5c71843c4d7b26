//! What a definition gets when it is defined: machine, emulator, controllers, models, addresses.
//!
//! The order matters: machine before models, devices before controllers, controllers before addresses.

mod controllers;
mod devices;
mod pci;

use crate::{Caps, Firmware};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use xml::Tree;

pub use pci::Topology;

/// Families of machines that behave alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Board {
    /// i440FX: one PCI bus.
    Pc,
    /// Q35: PCI Express.
    Q35,
    /// The virtual machine of ARM, RISC-V and LoongArch: PCI Express.
    Virt,
    /// s390 with CCW.
    Ccw,
    /// POWER servers.
    Pseries,
    /// Anything else.
    Other,
}

impl Board {
    /// The family of a machine type.
    pub fn of(arch: &str, machine: &str) -> Board {
        let named = |name: &str| machine == name || machine.starts_with(&format!("{name}-"));
        match arch {
            "x86_64" | "i686" if named("q35") || machine.starts_with("pc-q35") => Board::Q35,
            "x86_64" | "i686" if named("pc") => Board::Pc,
            "aarch64" | "armv7l" | "riscv64" | "riscv32" | "loongarch64" if named("virt") => Board::Virt,
            "s390x" if machine.starts_with("s390-ccw") => Board::Ccw,
            "ppc64" | "ppc64le" if named("pseries") => Board::Pseries,
            _ => Board::Other,
        }
    }

    /// The family of a definition.
    pub fn of_domain(domain: &Domain) -> Board {
        Board::of(arch(domain), machine(domain))
    }

    /// An x86 machine with the usual devices of a PC.
    pub fn is_x86(self) -> bool {
        matches!(self, Board::Pc | Board::Q35)
    }

    /// PCI Express from the root on.
    pub fn is_pcie(self) -> bool {
        matches!(self, Board::Q35 | Board::Virt)
    }

    /// Has a PCI bus.
    pub fn has_pci(self) -> bool {
        matches!(self, Board::Pc | Board::Q35 | Board::Virt | Board::Pseries)
    }
}

/// Architecture of a definition.
pub fn arch(domain: &Domain) -> &str {
    domain.tree.attr_at("os/type", "arch").unwrap_or("x86_64")
}

/// Machine type of a definition.
pub fn machine(domain: &Domain) -> &str {
    domain.tree.attr_at("os/type", "machine").unwrap_or_default()
}

/// The emulator's path for an architecture, when a definition names none.
pub fn default_emulator(arch: &str) -> String {
    let name = match arch {
        "i686" => "i386",
        "armv7l" | "armv6l" => "arm",
        "ppc64le" => "ppc64",
        other => other,
    };
    format!("/usr/bin/qemu-system-{name}")
}

pub(crate) fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::QEMU, text)
}

/// Completes a definition for an emulator.
///
/// # Errors
/// With the reference's words when the emulator cannot do what is asked.
pub fn complete(domain: &mut Domain, caps: &Caps, firmware: &Firmware) -> Result<()> {
    let named = machine(domain).to_owned();
    let chosen = if named.is_empty() { caps.default_machine() } else { caps.machine(&named) };
    if let Some(chosen) = chosen {
        let name = chosen.name.clone();
        if let Some(kind) = domain.tree.child_mut("os").and_then(|os| os.child_mut("type")) {
            kind.set("machine", name);
        }
    }
    if !domain.devices().iter().any(|device| device.name == "emulator") {
        let path = if caps.binary.is_empty() { default_emulator(&caps.arch) } else { caps.binary.clone() };
        domain.devices_mut().insert(0, Tree::leaf("emulator", path));
    }
    let board = Board::of_domain(domain);
    crate::firmware::choose(domain, firmware)?;
    cpu(domain, caps, board)?;
    devices::defaults(domain, board)?;
    controllers::defaults(domain, board);
    controllers::for_devices(domain, board)?;
    if board.has_pci() {
        pci::assign(domain, board)?;
    } else if board == Board::Other && matches!(caps.arch.as_str(), "x86_64" | "i686") && pci::needed(domain)
    {
        return Err(pci::no_bus());
    }
    if domain.vcpus_max() == 0 {
        return Err(Error::internal(ErrorDomain::DOMAIN, "CPU IDs in <numa> exceed the <vcpu> count"));
    }
    domain.sort();
    if chosen.is_none() {
        return Err(unsupported(format!(
            "Emulator '{}' does not support machine type '{named}'",
            domain.all("emulator").next().map_or("", |emulator| emulator.body())
        )));
    }
    Ok(())
}

/// What `<cpu>` gets; a definition without one gets the machine's default.
fn cpu(domain: &mut Domain, caps: &Caps, board: Board) -> Result<()> {
    let machine = machine(domain).to_owned();
    if domain.tree.child("cpu").is_none_or(|cpu| cpu.attr("mode").is_none() && cpu.child("model").is_none()) {
        let Some(model) = caps.default_cpu(&machine) else { return Ok(()) };
        if board == Board::Other {
            return Ok(());
        }
        let cpu = domain.tree.child_or_new("cpu");
        if board.is_x86() {
            cpu.set("mode", "custom");
            cpu.set("match", "exact");
            cpu.set("check", "none");
            cpu.children.push(Tree::leaf("model", model).with("fallback", "forbid"));
            return Ok(());
        }
        if matches!(board, Board::Virt | Board::Pseries | Board::Ccw) {
            cpu.set("mode", "custom");
            cpu.set("match", "exact");
            cpu.set("check", "none");
            cpu.children.push(Tree::leaf("model", model).with("fallback", "forbid"));
        }
        return Ok(());
    }
    let Some(cpu) = domain.tree.child_mut("cpu") else { return Ok(()) };
    let has_model = cpu.child("model").is_some();
    if has_model && cpu.attr("mode").is_none() {
        cpu.set("mode", "custom");
    }
    match cpu.attr("mode").unwrap_or_default() {
        "custom" => {
            cpu.default_to("match", "exact");
            let check = if board.is_x86() { "partial" } else { "none" };
            if !cpu.is("match", "minimum") || board.is_x86() {
                cpu.default_to("check", check);
            }
            if let Some(model) = cpu.child_mut("model") {
                model.default_to("fallback", "allow");
            }
            for feature in cpu.all_mut("feature") {
                feature.default_to("policy", "require");
            }
        }
        "host-passthrough" | "maximum" => {
            cpu.default_to("check", "none");
            if board.is_x86() {
                cpu.default_to("migratable", "on");
            }
            cpu.unset("match");
            cpu.remove("model");
        }
        "host-model" => {
            cpu.default_to("check", "partial");
            cpu.unset("match");
            cpu.remove("model");
        }
        _ => {}
    }
    if let Some(topology) = cpu.child_mut("topology") {
        for name in ["dies", "clusters"] {
            topology.default_to(name, "1");
        }
    }
    Ok(())
}
