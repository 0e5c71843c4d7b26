//! What an emulator can do, from its answers to queries over QMP.

use serde_json::Value;

/// Queries whose answers [`Caps::from_answers`] reads.
pub const QUERIES: &[&str] =
    &["query-version", "query-target", "query-kvm", "query-machines", "query-cpu-definitions"];

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
    /// Processor model it has when none is named.
    pub default_cpu: Option<String>,
    /// Processors can be plugged in.
    pub hotpluggable_cpus: bool,
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
}

impl Caps {
    /// Reads answers; `answer` gives what a query returned, or nothing when it was refused.
    pub fn from_answers(binary: &str, answer: &dyn Fn(&str) -> Option<Value>) -> Caps {
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let flag = |value: &Value, name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
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
        let machines = list("query-machines")
            .iter()
            .filter_map(|machine| {
                Some(Machine {
                    name: text(machine, "name")?,
                    alias: text(machine, "alias"),
                    max_cpus: machine.get("cpu-max").and_then(Value::as_u64).unwrap_or(1) as u32,
                    default: flag(machine, "is-default"),
                    deprecated: flag(machine, "deprecated"),
                    default_cpu: text(machine, "default-cpu-type"),
                    hotpluggable_cpus: flag(machine, "hotpluggable-cpus"),
                })
            })
            .filter(|machine| machine.name != "none")
            .collect();
        let cpus = list("query-cpu-definitions")
            .iter()
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
                })
            })
            .collect();
        let arch = match arch.as_str() {
            "i386" => "i686".to_owned(),
            "arm" => "armv7l".to_owned(),
            _ => arch,
        };
        Caps {
            binary: binary.to_owned(),
            version: (part("major"), part("minor"), part("micro")),
            package: text(&version, "package").unwrap_or_default(),
            arch,
            kvm,
            machines,
            cpus,
        }
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

    /// The processor model's name behind the type name of a machine's default.
    pub fn default_cpu(&self, machine: &str) -> Option<String> {
        let kind = self.machine(machine)?.default_cpu.clone()?;
        let suffix = format!("-{}-cpu", self.arch);
        Some(kind.strip_suffix(&suffix).or_else(|| kind.strip_suffix("-cpu")).unwrap_or(&kind).to_owned())
    }
}
