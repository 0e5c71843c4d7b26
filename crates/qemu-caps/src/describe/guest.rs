//! An emulator's part of the host's capabilities.

use crate::arch::{Arch, is_x86};
use crate::{Accel, Caps};
use conf_capabilities::host::{Feature, Guest, Machine};

/// Guests of an emulator on a host of architecture `host`. `kvm`: the host has `/dev/kvm`.
pub fn guest(caps: &Caps, host: &str, kvm: bool) -> Guest {
    guest_as(caps, &caps.arch, host, kvm)
}

/// The same for guests of an architecture that the emulator serves as well as its own.
pub fn guest_as(caps: &Caps, arch_name: &str, host: &str, kvm: bool) -> Guest {
    let arch = Arch::of(arch_name);
    let runs = arch.is_some_and(|arch| arch.runs_on(host));
    let mut machines = Vec::new();
    for machine in caps.machines() {
        let mut one = Machine {
            name: machine.name.clone(),
            canonical: None,
            max_cpus: machine.max_cpus,
            deprecated: machine.deprecated,
        };
        machines.push(one.clone());
        if let Some(alias) = &machine.alias {
            one.canonical = Some(std::mem::replace(&mut one.name, alias.clone()));
            machines.push(one);
        }
    }
    let mut kinds = vec![Accel::Tcg.domain_type()];
    if runs && kvm && caps.offers(Accel::Kvm) {
        kinds.push(Accel::Kvm.domain_type());
    }
    if caps.offers(Accel::Hvf) {
        kinds.push(Accel::Hvf.domain_type());
    }
    Guest {
        os_type: "hvm",
        arch: arch_name.to_owned(),
        word_size: arch.map_or(64, |arch| arch.word_size),
        emulator: Some(caps.binary.clone()),
        machines,
        kinds,
        features: features(arch_name),
    }
}

fn features(arch: &str) -> Vec<Feature> {
    let is = |name| Feature { name, toggle: None };
    let mut features = Vec::new();
    if arch == "i686" {
        features.extend([is("pae"), is("nonpae")]);
    }
    if is_x86(arch) || matches!(arch, "aarch64" | "loongarch64") {
        features.push(Feature { name: "acpi", toggle: Some((true, true)) });
    }
    if is_x86(arch) {
        features.push(Feature { name: "apic", toggle: Some((true, false)) });
    }
    features.extend([is("cpuselection"), is("deviceboot")]);
    features.push(Feature { name: "disksnapshot", toggle: Some((true, false)) });
    features.push(is("externalSnapshot"));
    features
}
