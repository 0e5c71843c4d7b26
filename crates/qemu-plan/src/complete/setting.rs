//! What completion goes by: the machine, its family, the emulator, and when it happens.

use crate::Caps;
use conf_domain::Domain;
use qemu_caps::{Accel, Flag};
use std::collections::HashMap;

/// Families of machines that behave alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Board {
    /// i440FX: one PCI bus.
    Pc,
    /// Q35: PCI Express.
    Q35,
    /// x86 without PCI, made for short lives.
    Microvm,
    /// x86 with an ISA bus only.
    Isapc,
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
        let named = |name: &str| {
            machine.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        match arch {
            "x86_64" | "i686" if named("q35") || machine.starts_with("pc-q35") => Board::Q35,
            "x86_64" | "i686" if named("microvm") => Board::Microvm,
            "x86_64" | "i686" if named("isapc") => Board::Isapc,
            "x86_64" | "i686" if named("pc") || named("rhel") => Board::Pc,
            "aarch64" | "armv7l" | "armv6l" | "riscv64" | "riscv32" | "loongarch64" if named("virt") => {
                Board::Virt
            }
            "s390x" | "s390" if machine.starts_with("s390-ccw") => Board::Ccw,
            "ppc64" | "ppc64le" if named("pseries") => Board::Pseries,
            _ => Board::Other,
        }
    }

    /// The family of a definition.
    pub fn of_domain(domain: &Domain) -> Board {
        Board::of(super::arch(domain), super::machine(domain))
    }

    /// An x86 machine with the usual devices of a PC.
    pub fn is_x86(self) -> bool {
        matches!(self, Board::Pc | Board::Q35)
    }

    /// PCI Express from the root on.
    pub fn is_pcie(self) -> bool {
        matches!(self, Board::Q35 | Board::Virt)
    }
}

/// Everything a step of completion looks at besides the definition itself.
#[derive(Debug)]
pub(crate) struct Setting<'c> {
    pub(crate) caps: &'c Caps,
    pub(crate) board: Board,
    pub(crate) arch: String,
    pub(crate) machine: String,
    /// Kind of acceleration: `kvm`, `qemu`, `hvf` …
    pub(crate) kind: String,
    /// The definition is new: choices may differ from those old definitions rely on.
    pub(crate) abi_update: bool,
    /// IOMMU groups of the host's PCI devices.
    pub(crate) groups: &'c HashMap<String, u32>,
}

impl Setting<'_> {
    pub(crate) fn is_x86(&self) -> bool {
        matches!(self.arch.as_str(), "x86_64" | "i686")
    }

    pub(crate) fn is_arm(&self) -> bool {
        matches!(self.arch.as_str(), "aarch64" | "armv7l" | "armv6l")
    }

    pub(crate) fn is_ppc64(&self) -> bool {
        matches!(self.arch.as_str(), "ppc64" | "ppc64le")
    }

    pub(crate) fn is_s390(&self) -> bool {
        self.arch.starts_with("s390")
    }

    pub(crate) fn is_riscv(&self) -> bool {
        self.arch.starts_with("riscv")
    }

    pub(crate) fn is_arm_virt(&self) -> bool {
        self.is_arm() && self.board == Board::Virt
    }

    /// The emulator can do this.
    pub(crate) fn has(&self, flag: Flag) -> bool {
        self.caps.has(flag)
    }

    /// Who runs the guest's processors.
    pub(crate) fn accel(&self) -> Accel {
        Accel::from_domain_type(&self.kind).unwrap_or(Accel::Tcg)
    }
}

impl<'c> Setting<'c> {
    pub(crate) fn of(
        domain: &Domain,
        caps: &'c Caps,
        groups: &'c HashMap<String, u32>,
        abi_update: bool,
    ) -> Setting<'c> {
        Setting {
            caps,
            board: Board::of_domain(domain),
            arch: super::arch(domain).to_owned(),
            machine: super::machine(domain).to_owned(),
            kind: domain.kind().to_owned(),
            abi_update,
            groups,
        }
    }
}
