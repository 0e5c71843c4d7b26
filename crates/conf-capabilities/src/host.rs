//! The host and its guests: the `<capabilities>` document.

use base::Uuid;
use cpu::CpuDef;
use xml::Writer;

/// Facts of the host. What is not known is left out of the document.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Identity.
    pub uuid: Option<Uuid>,
    /// Architecture.
    pub arch: String,
    /// The processor, where a model describes it; what stands below about it is for processors without one.
    pub cpu: Option<CpuDef>,
    /// Vendor of the processor.
    pub vendor: Option<String>,
    /// Version of the microcode.
    pub microcode: Option<u32>,
    /// Register A of the processor's leaf 1: family, model, stepping.
    pub signature: Option<u32>,
    /// Bits of a physical address.
    pub physical_bits: Option<u32>,
    /// Sockets, cores, threads.
    pub topology: Option<(u32, u32, u32)>,
    /// Memory in KiB and processors online, as one NUMA cell.
    pub cell: Option<(u64, Vec<u32>)>,
    /// Models of access control and their domains of interpretation.
    pub security: Vec<(String, String)>,
}

/// A machine type of guests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// The name this one stands for.
    pub canonical: Option<String>,
    /// Processors at most; 0 when nobody knows.
    pub max_cpus: u32,
    /// Will be removed.
    pub deprecated: bool,
}

/// A feature of guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Name of its element.
    pub name: &'static str,
    /// Whether it is on when nothing is said, and whether that can be changed.
    pub toggle: Option<(bool, bool)>,
}

/// Guests of one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guest {
    /// How they are virtualized, e.g. `hvm`.
    pub os_type: &'static str,
    /// Architecture.
    pub arch: String,
    /// Bits of a word.
    pub word_size: u32,
    /// The emulator.
    pub emulator: Option<String>,
    /// Machine types.
    pub machines: Vec<Machine>,
    /// Types of domains, e.g. `qemu`, `kvm`.
    pub kinds: Vec<&'static str>,
    /// Features.
    pub features: Vec<Feature>,
}

/// The document.
pub fn format(host: &Host, guests: &[Guest]) -> String {
    let mut w = Writer::new();
    w.element("capabilities").children(|w| {
        w.verbatim("\n");
        w.element("host").children(|w| host.format(w));
        w.verbatim("\n");
        for guest in guests {
            guest.format(w);
            w.verbatim("\n");
        }
    });
    w.finish()
}

impl Host {
    fn format(&self, w: &mut Writer) {
        w.leaf_opt("uuid", self.uuid);
        match &self.cpu {
            Some(cpu) => cpu.write(w),
            None => w.element("cpu").children(|w| self.cpu(w)),
        }
        w.element("power_management").empty();
        w.element("iommu").attr("support", "no").empty();
        if let Some((memory_kib, cpus)) = &self.cell {
            w.element("topology").children(|w| {
                w.element("cells").attr("num", 1).children(|w| {
                    w.element("cell").attr("id", 0).children(|w| {
                        w.element("memory").attr("unit", "KiB").text(memory_kib);
                        w.element("cpus").attr("num", cpus.len()).children(|w| {
                            for cpu in cpus {
                                w.element("cpu").attr("id", cpu).empty();
                            }
                        });
                    });
                });
            });
        }
        for (model, doi) in &self.security {
            w.element("secmodel").children(|w| {
                w.leaf("model", model);
                w.leaf("doi", doi);
            });
        }
    }

    fn cpu(&self, w: &mut Writer) {
        w.leaf("arch", &self.arch);
        w.leaf_opt("vendor", self.vendor.as_ref());
        if let Some(version) = self.microcode {
            w.element("microcode").attr("version", version).empty();
        }
        if let Some(eax) = self.signature {
            let (family, model) = ((eax >> 8) & 0xf, (eax >> 4) & 0xf);
            let family_full = if family == 0xf { family + ((eax >> 20) & 0xff) } else { family };
            let extended = matches!(family, 6 | 0xf);
            let model = if extended { model | ((eax >> 12) & 0xf0) } else { model };
            w.element("signature")
                .attr("family", family_full)
                .attr("model", model)
                .attr("stepping", eax & 0xf)
                .empty();
        }
        let Some((sockets, cores, threads)) = self.topology else { return };
        w.element("topology")
            .attr("sockets", sockets)
            .attr("dies", 1)
            .attr("clusters", 1)
            .attr("cores", cores)
            .attr("threads", threads)
            .empty();
        if let Some(bits) = self.physical_bits {
            w.element("maxphysaddr").attr("mode", "emulate").attr("bits", bits).empty();
        }
        w.element("pages").attr("unit", "KiB").attr("size", 4).empty();
    }
}

impl Guest {
    fn format(&self, w: &mut Writer) {
        w.element("guest").children(|w| {
            w.leaf("os_type", self.os_type);
            w.element("arch").attr("name", &self.arch).children(|w| {
                w.leaf("wordsize", self.word_size);
                w.leaf_opt("emulator", self.emulator.as_ref());
                for machine in &self.machines {
                    w.element("machine")
                        .attr_opt("canonical", machine.canonical.as_ref())
                        .attr_if(machine.max_cpus > 0, "maxCpus", machine.max_cpus)
                        .attr_if(machine.deprecated, "deprecated", "yes")
                        .text(&machine.name);
                }
                for kind in &self.kinds {
                    w.element("domain").attr("type", kind).empty();
                }
            });
            w.element("features").children(|w| {
                let word =
                    |value: bool, pair: (&'static str, &'static str)| if value { pair.0 } else { pair.1 };
                for feature in &self.features {
                    let element = w.element(feature.name);
                    match feature.toggle {
                        None => element.empty(),
                        Some((on, can_change)) => element
                            .attr("default", word(on, ("on", "off")))
                            .attr("toggle", word(can_change, ("yes", "no")))
                            .empty(),
                    }
                }
            });
        });
    }
}
