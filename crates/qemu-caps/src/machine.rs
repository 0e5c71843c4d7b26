//! Machine types and kinds of acceleration.

use serde_json::Value;

/// Who runs the guest's processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Accel {
    /// The kernel.
    Kvm,
    /// macOS's hypervisor.
    Hvf,
    /// The emulator itself.
    Tcg,
}

impl Accel {
    /// All kinds, the preferred ones first.
    pub const ALL: [Accel; 3] = [Accel::Kvm, Accel::Hvf, Accel::Tcg];

    /// Its name in the cache document.
    pub const fn name(self) -> &'static str {
        match self {
            Accel::Kvm => "kvm",
            Accel::Hvf => "hvf",
            Accel::Tcg => "tcg",
        }
    }

    /// The type of a domain that uses it.
    pub const fn domain_type(self) -> &'static str {
        match self {
            Accel::Kvm => "kvm",
            Accel::Hvf => "hvf",
            Accel::Tcg => "qemu",
        }
    }

    /// Whether the processors of guests are the host's.
    pub const fn is_hardware(self) -> bool {
        matches!(self, Accel::Kvm | Accel::Hvf)
    }

    /// The kind of a name in the cache document.
    pub fn from_name(name: &str) -> Option<Accel> {
        Accel::ALL.into_iter().find(|accel| accel.name() == name)
    }

    /// The kind that a type of domain uses.
    pub fn from_domain_type(kind: &str) -> Option<Accel> {
        Accel::ALL.into_iter().find(|accel| accel.domain_type() == kind)
    }
}

/// A machine type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
    /// The memory of NUMA nodes can be given as a size alone.
    pub numa_mem: bool,
    /// Name of the memory backend it makes when none is given.
    pub default_ram: Option<String>,
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

impl Machine {
    /// Machines that `query-machines` returned, all but `none`.
    ///
    /// The one that is taken when a definition names none comes first: that of the short name `preferred`, or else
    /// the emulator's default.
    pub(crate) fn read(reply: &Value, preferred: Option<&str>) -> Vec<Machine> {
        let entries = reply.as_array().map_or(&[][..], Vec::as_slice);
        let one = |machine: &Value| {
            Some(Machine {
                name: text(machine, "name").filter(|name| name != "none")?,
                alias: text(machine, "alias"),
                max_cpus: machine.get("cpu-max").and_then(Value::as_u64).unwrap_or(0) as u32,
                default: flag(machine, "is-default"),
                deprecated: flag(machine, "deprecated"),
                default_cpu: text(machine, "default-cpu-type"),
                acpi: machine.get("acpi").and_then(Value::as_bool),
                hotpluggable_cpus: flag(machine, "hotpluggable-cpus"),
                numa_mem: flag(machine, "numa-mem-supported"),
                default_ram: text(machine, "default-ram-id"),
            })
        };
        let mut machines: Vec<Machine> = entries.iter().filter_map(one).collect();
        let is_preferred = |machine: &Machine| match preferred {
            Some(name) => machine.name == name || machine.alias.as_deref() == Some(name),
            None => false,
        };
        let first = machines.iter().position(is_preferred);
        if let Some(first) = first.or_else(|| machines.iter().position(|machine| machine.default)) {
            let machine = machines.remove(first);
            machines.insert(0, machine);
        }
        machines
    }
}

/// Short name of the machine of definitions that name none.
pub(crate) fn preferred(arch: &str) -> Option<&'static str> {
    Some(match arch {
        "x86_64" | "i686" => "pc",
        "aarch64" | "armv7l" | "armv6l" | "armv7b" | "loongarch64" | "riscv32" | "riscv64" => "virt",
        "ppc64" | "ppc64le" => "pseries",
        "ppc" => "g3beige",
        "s390x" | "s390" => "s390-ccw-virtio",
        "alpha" => "clipper",
        "cris" => "axis-dev88",
        "lm32" => "lm32-evr",
        "m68k" => "mcf5208evb",
        "microblaze" | "microblazeel" => "petalogix-s3adsp1800",
        "mips" | "mipsel" | "mips64" | "mips64el" => "malta",
        "or32" => "or1k-sim",
        "parisc" | "parisc64" => "hppa",
        "ppcemb" => "bamboo",
        "sh4" | "sh4eb" => "shix",
        "sparc" => "SS-5",
        "sparc64" => "sun4u",
        "unicore32" => "puv3",
        "xtensa" | "xtensaeb" => "sim",
        _ => return None,
    })
}
