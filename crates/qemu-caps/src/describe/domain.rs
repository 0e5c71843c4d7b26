//! What guests of an emulator can have.

use super::{devices, processors};
use crate::arch::{Arch, is_arm, is_x86};
use crate::descriptor::firmware::Supported;
use crate::{Accel, Caps, Flag};
use conf_capabilities::DomainCapabilities;
use conf_capabilities::domain::{Os, Part, Sev, Sgx, Words, words};
use cpu::{CpuDef, Database};

/// Facts of the host that the emulator does not tell.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Architecture.
    pub arch: String,
    /// Its processor, for emulators that do not tell what they would make of it.
    pub cpu: Option<CpuDef>,
    /// Bits of a physical address; 0 when nobody knows.
    pub physical_bits: u32,
    /// Processors of an accelerated guest at most; `None` when nobody knows.
    pub kvm_max_vcpus: Option<u32>,
    /// Guests with encrypted memory at most, and those with encrypted state.
    pub sev_guests: (u32, u32),
    /// Versions of TPM that can be set up; `None` when the program for it is not installed.
    pub tpm_versions: Option<Vec<String>>,
    /// The program that serves screens over RDP is installed.
    pub rdp: bool,
    /// Ways to hand PCI devices to guests.
    pub pci_backends: Vec<String>,
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request<'r> {
    /// Machine type, in full.
    pub machine: &'r str,
    /// Firmware for this machine, with those images only that are there.
    pub firmware: Supported,
    /// Features of the host's processor that will be removed are to be switched off.
    pub without_deprecated: bool,
}

/// What guests with a kind of acceleration can have. `kind` is the type of the domain.
pub fn domain(
    caps: &Caps,
    accel: Accel,
    request: &Request<'_>,
    host: &Host,
    database: &Database,
) -> DomainCapabilities {
    let machine = caps.machine_with(accel, request.machine);
    let mut max_vcpus = machine.map_or(0, |machine| machine.max_cpus);
    if let (Accel::Kvm, Some(limit)) = (accel, host.kvm_max_vcpus) {
        max_vcpus = max_vcpus.min(limit);
    }
    let native = Arch::of(&caps.arch).is_some_and(|arch| arch.runs_on(&host.arch));
    let mut firmware = request.firmware.images.iter().map(|(image, _)| image.clone()).collect::<Vec<_>>();
    let mut known = std::collections::HashSet::new();
    firmware.retain(|image| known.insert(image.clone()));
    let loader = vec![
        ("type", words(&["rom", "pflash"])),
        ("readonly", words(&["yes", "no"])),
        Words::new().when(request.firmware.secure, "yes").with("no").named("secure"),
    ];
    DomainCapabilities {
        path: caps.binary.clone(),
        kind: accel.domain_type().to_owned(),
        machine: Some(request.machine.to_owned()),
        arch: caps.arch.clone(),
        max_vcpus,
        iothreads: Some(true),
        os: Some(Os {
            supported: true,
            firmware: Some(request.firmware.kinds.clone()),
            loader: Some((firmware, loader)),
        }),
        cpu: processors::processors(caps, accel, native, host, request.without_deprecated, database),
        memory: Some(Part::offering(
            "memoryBacking",
            vec![
                Words::new()
                    .with("file")
                    .with("anonymous")
                    .when(caps.has(Flag::MemoryBackendMemfd), "memfd")
                    .named("sourceType"),
            ],
        )),
        devices: devices::devices(caps, request.machine, host),
        features: features(caps, accel, request.machine),
        sev: caps.sev.as_ref().filter(|_| caps.has(Flag::SevGuest)).map(|sev| Sev {
            cbitpos: sev.cbitpos,
            reduced_phys_bits: sev.reduced_phys_bits,
            max_guests: host.sev_guests.0,
            max_es_guests: host.sev_guests.1,
            cpu0_id: sev.cpu0_id.clone(),
        }),
        sgx: caps.sgx.as_ref().filter(|_| caps.has(Flag::SgxEpc)).map(|sgx| Sgx {
            flc: sgx.flc,
            sgx1: sgx.sgx1,
            sgx2: sgx.sgx2,
            section_size: sgx.section_size,
            sections: sgx.sections.iter().map(|section| (section.node, section.size)).collect(),
        }),
        more_features: more_features(caps),
    }
}

fn features(caps: &Caps, accel: Accel, machine: &str) -> Vec<Part> {
    let mut features = vec![gic(caps, accel)];
    for (name, supported) in [
        ("vmcoreinfo", caps.has(Flag::Vmcoreinfo)),
        ("genid", caps.has(Flag::Vmgenid)),
        ("backingStoreInput", true),
        ("backup", true),
        ("async-teardown", caps.has(Flag::RunWithAsyncTeardown)),
    ] {
        features.push(Part::plain(name, supported));
    }
    if caps.arch.starts_with("s390") {
        features.push(Part::plain("s390-pv", caps.has(Flag::S390PvGuest)));
    }
    features.push(Part::plain(
        "ps2",
        is_x86(&caps.arch) && machine != "microvm" && caps.has(Flag::MachineI8042Opt),
    ));
    features
}

/// Versions of ARM's interrupt controller: the kernel's with its acceleration, else the emulated ones.
fn gic(caps: &Caps, accel: Accel) -> Part {
    if !is_arm(&caps.arch) {
        return Part::plain("gic", false);
    }
    let mut versions: Vec<u32> = caps
        .gic
        .iter()
        .filter(|gic| match accel {
            Accel::Kvm => gic.kernel,
            Accel::Hvf => false,
            Accel::Tcg => gic.emulated,
        })
        .map(|gic| gic.version)
        .collect();
    versions.sort_unstable();
    if versions.is_empty() {
        return Part::plain("gic", false);
    }
    let versions = versions.iter().map(u32::to_string).collect();
    Part::offering("gic", vec![("version", versions)])
}

fn more_features(caps: &Caps) -> Vec<Part> {
    let mut features = Vec::new();
    if let Some(names) = &caps.hyperv {
        features.push(Part {
            name: "hyperv",
            supported: !names.is_empty(),
            choices: vec![("features", names.clone())],
        });
    }
    let kinds = Words::new()
        .when(caps.has(Flag::SevGuest), "sev")
        .when(caps.has(Flag::SevSnpGuest), "sev-snp")
        .when(caps.has(Flag::S390PvGuest), "s390-pv");
    features.push(Part {
        name: "launchSecurity",
        supported: !kinds.is_empty(),
        choices: vec![kinds.named("sectype")],
    });
    features
}
