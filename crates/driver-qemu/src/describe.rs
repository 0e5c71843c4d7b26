//! What clients are told about this host and the guests it can have.

use crate::emulators::Emulators;
use crate::{Driver, error};
use base::{ErrorCode, Result};
use conf_capabilities::host;
use cpu::Database;
use host::Host as HostFacts;
use qemu_caps::arch::Arch;
use qemu_caps::describe::{self, Host, Request};
use qemu_caps::descriptor::firmware;
use qemu_caps::{Accel, Caps};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Types of domains that some hypervisor has.
const KINDS: &[&str] = &[
    "qemu",
    "kvm",
    "xen",
    "lxc",
    "openvz",
    "test",
    "vmware",
    "hyperv",
    "vbox",
    "phyp",
    "parallels",
    "bhyve",
    "vz",
    "hvf",
];

/// How long the program that sets up TPMs may take to answer.
const SWTPM_LIMIT: Duration = Duration::from_secs(10);

fn invalid(text: String) -> base::Error {
    error(ErrorCode::INVALID_ARG, text)
}

/// What a client asks for; what it leaves open is chosen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) emulator: Option<&'a str>,
    pub(crate) arch: Option<&'a str>,
    pub(crate) machine: Option<&'a str>,
    pub(crate) kind: Option<&'a str>,
    pub(crate) without_deprecated: bool,
}

impl Driver {
    /// Capabilities of the host, with the guests of all emulators.
    pub(crate) fn describe_host(&self, facts: &HostFacts) -> String {
        let kvm = ::host::kvm::usable();
        let mut guests = Vec::new();
        for (arch, path) in Emulators::installed() {
            match self.emulators.get(&path) {
                Ok(caps) => guests.push(describe::guest_as(&caps, arch.name, &facts.arch, kvm)),
                Err(cause) => log::error!("{}: {cause}", path.display()),
            }
        }
        host::format(facts, &guests)
    }

    /// The emulator, kind of acceleration and machine that a client asks for.
    pub(crate) fn choose(&self, asked: Asked<'_>) -> Result<(Arc<Caps>, Accel, String)> {
        if let Some(kind) = asked.kind.filter(|kind| !KINDS.contains(kind)) {
            return Err(invalid(format!("unknown virttype: {kind}")));
        }
        if let Some(arch) = asked.arch.filter(|arch| Arch::of(arch).is_none()) {
            return Err(invalid(format!("unknown architecture: {arch}")));
        }
        let caps = self.asked_emulator(asked)?;
        let accel = match asked.kind {
            None => caps.best(),
            Some(kind) => {
                Accel::from_domain_type(kind).filter(|accel| caps.offers(*accel)).ok_or_else(|| {
                    invalid(format!("Emulator '{}' does not support virt type '{kind}'", caps.binary))
                })?
            }
        };
        let machine = match asked.machine {
            None => caps.with(accel).machines.first(),
            Some(name) => caps.machine_with(accel, name),
        };
        let machine = machine.ok_or_else(|| {
            let name = asked.machine.unwrap_or_default();
            invalid(format!("the machine '{name}' is not supported by emulator '{}'", caps.binary))
        })?;
        let machine = machine.name.clone();
        Ok((caps, accel, machine))
    }

    /// Capabilities of the guests that a client asks for.
    pub(crate) fn describe_domain(&self, asked: Asked<'_>) -> Result<String> {
        let (caps, accel, machine) = self.choose(asked)?;
        let installed = self.firmware();
        let mut firmware = firmware::supported(&installed.descriptors, &caps.arch, &machine);
        if firmware.images.is_empty() {
            firmware.images =
                installed.pairs.iter().map(|(image, store)| (image.clone(), Some(store.clone()))).collect();
        }
        firmware.images.retain(|(image, _)| Path::new(image).exists());
        let request = Request { machine: &machine, firmware, without_deprecated: asked.without_deprecated };
        Ok(describe::domain(&caps, accel, &request, &surroundings(), Database::builtin()).format())
    }

    fn asked_emulator(&self, asked: Asked<'_>) -> Result<Arc<Caps>> {
        let Some(path) = asked.emulator else {
            return self.emulators.of_arch(asked.arch.unwrap_or(std::env::consts::ARCH));
        };
        let caps = self.emulators.get(Path::new(path))?;
        match asked.arch {
            Some(arch) if arch != caps.arch => Err(invalid(format!(
                "architecture from emulator '{}' doesn't match given architecture '{arch}'",
                caps.arch
            ))),
            _ => Ok(caps),
        }
    }
}

/// Facts of this host that emulators do not tell.
pub(crate) fn surroundings() -> Host {
    // Guests with encrypted memory are numbered up to ECX, those below EDX have encrypted state as well.
    let sev = ::host::cpuid::leaf(0x8000_0000, 0).filter(|leaf| leaf.eax >= 0x8000_001f);
    let sev = sev.and_then(|_| ::host::cpuid::leaf(0x8000_001f, 0)).unwrap_or_default();
    Host {
        arch: std::env::consts::ARCH.to_owned(),
        cpu: crate::comparison::own_processor(),
        physical_bits: ::host::cpuid::physical_address_bits().unwrap_or(0),
        kvm_max_vcpus: ::host::kvm::max_vcpus(),
        sev_guests: (sev.ecx.saturating_add(1).saturating_sub(sev.edx), sev.edx.saturating_sub(1)),
        tpm_versions: tpm_versions(),
        rdp: ::host::program::find("qemu-rdp").is_some(),
        pci_backends: if vfio() { vec!["default".to_owned(), "vfio".to_owned()] } else { Vec::new() },
    }
}

/// Whether PCI devices can be handed to guests.
fn vfio() -> bool {
    let groups =
        std::fs::read_dir("/sys/kernel/iommu_groups").is_ok_and(|mut groups| groups.next().is_some());
    groups && Path::new("/dev/vfio/vfio").exists()
}

/// Versions of TPM that the installed program can set up; asked once.
pub(crate) fn tpm_versions() -> Option<Vec<String>> {
    static KNOWN: OnceLock<Option<Vec<String>>> = OnceLock::new();
    let ask = || {
        let program = ::host::program::find("swtpm_setup")?;
        let command = ::host::process::Command::new(program, &["--print-capabilities"]);
        let finished = command.run(SWTPM_LIMIT).ok()?;
        let said: serde_json::Value = serde_json::from_slice(&finished.out).ok()?;
        let features = said.get("features")?.as_array()?.clone();
        let versions = features.iter().filter_map(|word| word.as_str()?.strip_prefix("tpm-"));
        let mut versions: Vec<String> =
            versions.filter(|version| ["1.2", "2.0"].contains(version)).map(str::to_owned).collect();
        versions.sort();
        Some(versions)
    };
    KNOWN.get_or_init(ask).clone()
}
