//! What was found out about an emulator.

use crate::cpu_model::{CpuModel, HostModel};
use crate::flag::{Flag, Flags};
use crate::machine::{Accel, Machine};

/// What an emulator can do with one kind of acceleration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accelerated {
    /// The host's processor.
    pub host: Option<HostModel>,
    /// Processor models in the emulator's order.
    pub cpus: Vec<CpuModel>,
    /// Machine types, the default one first, then in the emulator's order.
    pub machines: Vec<Machine>,
}

/// A version of ARM's interrupt controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gic {
    /// 2 or 3.
    pub version: u32,
    /// The kernel offers it.
    pub kernel: bool,
    /// The emulator emulates it.
    pub emulated: bool,
}

/// AMD's encrypted guests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sev {
    /// Place of the bit that marks a page as encrypted.
    pub cbitpos: u32,
    /// Bits of a physical address that are lost.
    pub reduced_phys_bits: u32,
    /// The platform's Diffie-Hellman key, base64.
    pub pdh: String,
    /// Its certificates, base64.
    pub cert_chain: String,
    /// Identity of the first processor, base64.
    pub cpu0_id: Option<String>,
}

/// A part of the memory of Intel's enclaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SgxSection {
    /// NUMA node.
    pub node: u32,
    /// Size in KiB.
    pub size: u64,
}

/// Intel's enclaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sgx {
    /// Launch control can be changed.
    pub flc: bool,
    /// First version of the instructions.
    pub sgx1: bool,
    /// Second version of the instructions.
    pub sgx2: bool,
    /// Size of all sections in KiB.
    pub section_size: u64,
    /// The sections.
    pub sections: Vec<SgxSection>,
}

/// What an emulator can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caps {
    /// Path of the program.
    pub binary: String,
    /// Major, minor, micro.
    pub version: (u32, u32, u32),
    /// The packager's words.
    pub package: String,
    /// Architecture of its guests, e.g. `x86_64`.
    pub arch: String,
    /// The capability flags.
    pub flags: Flags,
    /// With the kernel's acceleration.
    pub kvm: Accelerated,
    /// With the acceleration of macOS.
    pub hvf: Accelerated,
    /// Without acceleration.
    pub tcg: Accelerated,
    /// Versions of ARM's interrupt controller.
    pub gic: Vec<Gic>,
    /// AMD's encrypted guests.
    pub sev: Option<Sev>,
    /// Intel's enclaves.
    pub sgx: Option<Sgx>,
    /// Enlightenments for Windows guests that the host offers, by the names of domain documents.
    pub hyperv: Option<Vec<String>>,
}

impl Caps {
    /// Whether a flag is set.
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.has(flag)
    }

    /// What it can do with a kind of acceleration.
    pub fn with(&self, accel: Accel) -> &Accelerated {
        match accel {
            Accel::Kvm => &self.kvm,
            Accel::Hvf => &self.hvf,
            Accel::Tcg => &self.tcg,
        }
    }

    /// The same, to be changed.
    pub fn with_mut(&mut self, accel: Accel) -> &mut Accelerated {
        match accel {
            Accel::Kvm => &mut self.kvm,
            Accel::Hvf => &mut self.hvf,
            Accel::Tcg => &mut self.tcg,
        }
    }

    /// Whether a kind of acceleration can be used.
    pub fn offers(&self, accel: Accel) -> bool {
        self.has(match accel {
            Accel::Kvm => Flag::Kvm,
            Accel::Hvf => Flag::Hvf,
            Accel::Tcg => Flag::Tcg,
        })
    }

    /// The kind of acceleration it would use when it could choose.
    pub fn best(&self) -> Accel {
        Accel::ALL.into_iter().find(|accel| self.offers(*accel)).unwrap_or(Accel::Tcg)
    }

    /// Machine types as the preferred kind of acceleration has them.
    pub fn machines(&self) -> &[Machine] {
        let best = &self.with(self.best()).machines;
        if best.is_empty() {
            return Accel::ALL
                .into_iter()
                .map(|accel| self.with(accel).machines.as_slice())
                .find(|machines| !machines.is_empty())
                .unwrap_or(&[]);
        }
        best
    }

    /// The version as one number: major * 1,000,000 + minor * 1,000 + micro.
    pub fn version_number(&self) -> u64 {
        u64::from(self.version.0) * 1_000_000 + u64::from(self.version.1) * 1_000 + u64::from(self.version.2)
    }

    /// A machine type by its name or short name.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        find(self.machines(), name)
    }

    /// A machine type by its name or short name, with a kind of acceleration.
    pub fn machine_with(&self, accel: Accel, name: &str) -> Option<&Machine> {
        find(&self.with(accel).machines, name)
    }

    /// The machine type of definitions that name none.
    pub fn default_machine(&self) -> Option<&Machine> {
        self.machines().first()
    }

    /// Short names become the names themselves, as if versions did not exist.
    #[must_use]
    pub fn without_aliases(mut self) -> Caps {
        for accel in Accel::ALL {
            let machines = &mut self.with_mut(accel).machines;
            let mut versioned = Vec::new();
            for machine in machines.iter_mut() {
                if let Some(alias) = machine.alias.take() {
                    let name = std::mem::replace(&mut machine.name, alias);
                    versioned.push(Machine { name, default: false, ..machine.clone() });
                }
            }
            machines.extend(versioned);
        }
        self
    }

    /// Name of the processor model a machine has when a definition names none, with a kind of acceleration.
    ///
    /// Machines tell a type; the name is that of the first model of this type.
    pub fn default_cpu(&self, machine: &str, accel: Accel) -> Option<String> {
        let kind = self.machine_with(accel, machine)?.default_cpu.clone()?;
        let models = &self.with(accel).cpus;
        let typed = models.iter().any(|model| !model.kind.is_empty());
        if !typed {
            // Older emulators do not tell the types of models.
            let suffix = format!("-{}-cpu", self.arch);
            return Some(
                kind.strip_suffix(&suffix).or_else(|| kind.strip_suffix("-cpu")).unwrap_or(&kind).to_owned(),
            );
        }
        models.iter().find(|model| model.kind == kind).map(|model| model.name.clone())
    }
}

fn find<'a>(machines: &'a [Machine], name: &str) -> Option<&'a Machine> {
    let full = machines.iter().find(|machine| machine.name == name);
    full.or_else(|| machines.iter().find(|machine| machine.alias.as_deref() == Some(name)))
}
