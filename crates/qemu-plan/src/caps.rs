//! What an emulator can do, from its answers to queries over QMP.

use crate::HostCpus;
use serde_json::Value;
use std::collections::BTreeSet;

/// Queries whose answers [`Caps::from_answers`] reads.
pub const QUERIES: &[&str] = &[
    "query-version",
    "query-target",
    "query-kvm",
    "query-machines",
    "query-cpu-definitions",
    "query-gic-capabilities",
    "qom-list-types",
    "query-command-line-options",
];

/// Queries that are asked a second time without acceleration, when the first time was with.
pub const TCG_QUERIES: &[&str] = &["query-machines", "query-cpu-definitions"];

/// A machine type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Full name, e.g. `pc-q35-10.0`.
    pub name: String,
    /// Short name that stands for it in this version, e.g. `q35`.
    pub alias: Option<String>,
    /// Processors at most.
    pub max_cpus: u32,
    /// Taken when a definition names none.
    pub default: bool,
    /// Will be removed.
    pub deprecated: bool,
    /// Type of the processor it has when none is named.
    pub default_cpu: Option<String>,
    /// Has ACPI tables; `None` when the emulator does not tell.
    pub acpi: Option<bool>,
    /// Processors can be plugged in.
    pub hotpluggable_cpus: bool,
    /// Name of the object its main memory can be, when the emulator tells.
    pub default_ram: Option<String>,
    /// Cells can be given the size of their memory instead of an object.
    pub numa_sizes: bool,
}

/// A processor model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuModel {
    /// Name, e.g. `qemu64`.
    pub name: String,
    /// The model it is a name for.
    pub alias_of: Option<String>,
    /// Features the host lacks for it; `None` when the emulator does not tell.
    pub blockers: Option<Vec<String>>,
    /// Will be removed.
    pub deprecated: bool,
    /// Its type's name, e.g. `qemu64-x86_64-cpu`.
    pub kind: String,
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
    /// Hardware acceleration can be used.
    pub kvm: bool,
    /// Machine types in the emulator's order.
    pub machines: Vec<Machine>,
    /// Processor models.
    pub cpus: Vec<CpuModel>,
    /// Processor models without acceleration, where the others are with.
    pub tcg_cpus: Vec<CpuModel>,
    /// Types of the machines' processors without acceleration, by machine.
    pub tcg_default_cpus: Vec<(String, String)>,
    /// Types of devices and objects; empty when the emulator was not asked.
    pub types: BTreeSet<String>,
    /// Versions of ARM's interrupt controller that the host's kernel offers.
    pub gic_kernel: Vec<u64>,
    /// The host's processor as this emulator offers it.
    pub host_cpus: HostCpus,
    /// Types and capabilities that are taken as missing.
    pub withheld: BTreeSet<String>,
    /// Types and capabilities that are taken as present.
    pub granted: BTreeSet<String>,
}

/// Types of devices that completion and planning look for; others are not kept.
const TYPES: &[&str] = &[
    "piix3-usb-uhci",
    "piix4-usb-uhci",
    "pci-ohci",
    "nec-usb-xhci",
    "qemu-xhci",
    "ich9-usb-ehci1",
    "cirrus-vga",
    "VGA",
    "lsi53c895a",
    "virtio-scsi-device",
    "virtio-scsi-pci",
    "virtio-net-device",
    "rtl8139",
    "e1000",
    "pcie-root-port",
    "pcie-pci-bridge",
    "gpex-pcihost",
    "zpci",
    "spapr-pci-host-bridge",
    "virtio-vga-gl",
    "virtio-gpu-gl-pci",
];

impl Caps {
    /// Reads answers; `answer` gives what a query returned, or nothing when it was refused.
    pub fn from_answers(binary: &str, answer: &dyn Fn(&str) -> Option<Value>) -> Caps {
        let version = answer("query-version").unwrap_or_default();
        let part = |name: &str| {
            version.pointer(&format!("/qemu/{name}")).and_then(Value::as_u64).unwrap_or(0) as u32
        };
        let arch = answer("query-target").and_then(|target| text(&target, "arch")).unwrap_or_default();
        let kvm = answer("query-kvm").is_some_and(|kvm| flag(&kvm, "present") && flag(&kvm, "enabled"));
        let list = |query: &str| match answer(query) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        let machines = machines(&list("query-machines"));
        let cpus = cpus(&list("query-cpu-definitions"));
        let types = list("qom-list-types")
            .iter()
            .filter_map(|entry| entry.get("name").and_then(Value::as_str))
            .filter(|name| TYPES.contains(name))
            .map(str::to_owned)
            .collect();
        let gic_kernel = list("query-gic-capabilities")
            .iter()
            .filter(|entry| flag(entry, "kernel"))
            .filter_map(|entry| entry.get("version").and_then(Value::as_u64))
            .collect();
        let arch = match arch.as_str() {
            "i386" => "i686".to_owned(),
            "arm" => "armv7l".to_owned(),
            _ => arch,
        };
        // One that was not asked is taken to have the option.
        let options = list("query-command-line-options");
        let confines = options.iter().any(|option| text(option, "option").as_deref() == Some("sandbox"));
        let mut withheld = BTreeSet::new();
        if !options.is_empty() && !confines {
            withheld.insert("seccomp-sandbox".to_owned());
        }
        Caps {
            withheld,
            binary: binary.to_owned(),
            version: (part("major"), part("minor"), part("micro")),
            package: text(&version, "package").unwrap_or_default(),
            arch,
            kvm,
            machines,
            cpus,
            types,
            gic_kernel,
            ..Caps::default()
        }
    }

    /// Adds the answers to [`TCG_QUERIES`] of an emulator that runs without acceleration.
    pub fn add_tcg(&mut self, answer: &dyn Fn(&str) -> Option<Value>) {
        let list = |query: &str| match answer(query) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        self.tcg_cpus = cpus(&list("query-cpu-definitions"));
        self.tcg_default_cpus = machines(&list("query-machines"))
            .into_iter()
            .flat_map(|machine| {
                let kind = machine.default_cpu?;
                Some((machine.name, kind, machine.alias))
            })
            .flat_map(|(name, kind, alias)| {
                std::iter::once((name, kind.clone())).chain(alias.map(|alias| (alias, kind)))
            })
            .collect();
    }

    /// Whether the emulator has a type of device or object. One that was not asked is taken to have them all.
    pub fn knows(&self, kind: &str) -> bool {
        !self.withheld.contains(kind)
            && (self.granted.contains(kind) || self.types.is_empty() || self.types.contains(kind))
    }

    /// Processor models with a kind of acceleration.
    pub fn models(&self, kind: &str) -> &[CpuModel] {
        if kind != "kvm" && !self.tcg_cpus.is_empty() { &self.tcg_cpus } else { &self.cpus }
    }

    /// The version as one number: major * 1,000,000 + minor * 1,000 + micro.
    pub fn version_number(&self) -> u64 {
        u64::from(self.version.0) * 1_000_000 + u64::from(self.version.1) * 1_000 + u64::from(self.version.2)
    }

    /// A machine type by its name or short name.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        let full = self.machines.iter().find(|machine| machine.name == name);
        full.or_else(|| self.machines.iter().find(|machine| machine.alias.as_deref() == Some(name)))
    }

    /// The machine type of definitions that name none.
    pub fn default_machine(&self) -> Option<&Machine> {
        self.machines.iter().find(|machine| machine.default).or_else(|| match self.arch.as_str() {
            "x86_64" | "i686" => self.machine("pc"),
            _ => self.machine("virt").or_else(|| self.machines.first()),
        })
    }

    /// Short names become the names themselves, as if versions did not exist.
    #[must_use]
    pub fn without_aliases(mut self) -> Caps {
        let mut versioned = Vec::new();
        for machine in &mut self.machines {
            if let Some(alias) = machine.alias.take() {
                let name = std::mem::replace(&mut machine.name, alias);
                versioned.push(Machine { name, default: false, ..machine.clone() });
            }
        }
        self.machines.extend(versioned);
        self
    }

    /// Name of the processor model a machine has when a definition names none, for a kind of acceleration.
    ///
    /// Machines tell a type; the name is that of the first model of this type.
    pub fn default_cpu(&self, machine: &str, accel: &str) -> Option<String> {
        let plain = accel != "kvm" && !self.tcg_cpus.is_empty();
        let kind = if plain {
            self.tcg_default_cpus.iter().find(|(name, _)| name == machine).map(|(_, kind)| kind.clone())
        } else {
            self.machine(machine)?.default_cpu.clone()
        }?;
        let models = if plain { &self.tcg_cpus } else { &self.cpus };
        let typed = models.iter().any(|model| !model.kind.is_empty());
        if !typed {
            // Older emulators do not tell the types of models.
            let suffix = format!("-{}-cpu", self.arch);
            return Some(
                kind.strip_suffix(&suffix).or_else(|| kind.strip_suffix("-cpu")).unwrap_or(&kind).to_owned(),
            );
        }
        let name = &models.iter().find(|model| model.kind == kind)?.name;
        // POWER models are written in capitals in definitions.
        if self.arch.starts_with("ppc") && name.starts_with("power") {
            return Some(name.to_ascii_uppercase());
        }
        Some(name.clone())
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn machines(list: &[Value]) -> Vec<Machine> {
    list.iter()
        .filter_map(|machine| {
            Some(Machine {
                name: text(machine, "name")?,
                alias: text(machine, "alias"),
                max_cpus: machine.get("cpu-max").and_then(Value::as_u64).unwrap_or(1) as u32,
                default: flag(machine, "is-default"),
                deprecated: flag(machine, "deprecated"),
                default_cpu: text(machine, "default-cpu-type"),
                acpi: machine.get("acpi").and_then(Value::as_bool),
                hotpluggable_cpus: flag(machine, "hotpluggable-cpus"),
                default_ram: text(machine, "default-ram-id"),
                numa_sizes: flag(machine, "numa-mem-supported"),
            })
        })
        .filter(|machine| machine.name != "none")
        .collect()
}

fn cpus(list: &[Value]) -> Vec<CpuModel> {
    list.iter()
        .filter_map(|cpu| {
            let blockers = cpu
                .get("unavailable-features")
                .and_then(Value::as_array)
                .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect());
            Some(CpuModel {
                name: text(cpu, "name")?,
                alias_of: text(cpu, "alias-of"),
                blockers,
                deprecated: flag(cpu, "deprecated"),
                kind: text(cpu, "typename").unwrap_or_default(),
            })
        })
        .collect()
}
