//! What guests can have: the `<domainCapabilities>` document.
//!
//! A part of the document is there or not, is supported or not, and offers choices. What nobody has found out is not
//! in the document at all; what is known to be missing is, with `supported='no'`.

use cpu::CpuDef;
use xml::Writer;

/// A name and the words that can be chosen for it.
pub type Choice = (&'static str, Vec<String>);

/// A part of the document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// Name of its element.
    pub name: &'static str,
    /// Guests can have it.
    pub supported: bool,
    /// What can be chosen.
    pub choices: Vec<Choice>,
}

impl Part {
    /// A part without choices.
    pub fn plain(name: &'static str, supported: bool) -> Part {
        Part { name, supported, choices: Vec::new() }
    }

    /// A part that guests can have.
    pub fn offering(name: &'static str, choices: Vec<Choice>) -> Part {
        Part { name, supported: true, choices }
    }
}

/// Words that can be chosen, as they are collected.
#[derive(Debug, Default)]
pub struct Words(Vec<String>);

impl Words {
    /// No words yet.
    pub fn new() -> Words {
        Words::default()
    }

    /// With a word.
    #[must_use]
    pub fn with(mut self, word: &str) -> Words {
        self.0.push(word.to_owned());
        self
    }

    /// With a word when a condition holds.
    #[must_use]
    pub fn when(self, condition: bool, word: &str) -> Words {
        if condition { self.with(word) } else { self }
    }

    /// The words under a name.
    pub fn named(self, name: &'static str) -> Choice {
        (name, self.0)
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Words that can be chosen, all of them.
pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// How guests start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Os {
    /// Guests can have firmware.
    pub supported: bool,
    /// Kinds of firmware that are chosen by themselves; `None` when nobody knows.
    pub firmware: Option<Vec<String>>,
    /// Images that are installed, and what a loader can be; `None` when there can be none.
    pub loader: Option<(Vec<String>, Vec<Choice>)>,
}

/// A processor model guests can have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// It runs on this host; `None` when nobody knows.
    pub usable: Option<bool>,
    /// Will be removed.
    pub deprecated: bool,
    /// Who makes such processors, `unknown` when it is nobody in particular.
    pub vendor: String,
    /// The model that this name stands for.
    pub canonical: Option<String>,
    /// Features that keep it from being usable.
    pub blockers: Vec<String>,
}

/// Processors guests can have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Processors {
    /// The host's own, and whether it may be migratable.
    pub passthrough: Option<Vec<String>>,
    /// All the hypervisor has, and whether it may be migratable.
    pub maximum: Option<Vec<String>>,
    /// The one most like the host's.
    pub host_model: Option<CpuDef>,
    /// Models by their names.
    pub custom: Option<Vec<Model>>,
}

/// AMD's encrypted guests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sev {
    /// Place of the bit that marks a page as encrypted.
    pub cbitpos: u32,
    /// Bits of a physical address that are lost.
    pub reduced_phys_bits: u32,
    /// Guests at most.
    pub max_guests: u32,
    /// Guests with encrypted state at most.
    pub max_es_guests: u32,
    /// Identity of the first processor.
    pub cpu0_id: Option<String>,
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
    /// Sections: NUMA node and size in KiB.
    pub sections: Vec<(u32, u64)>,
}

/// What guests can have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DomainCapabilities {
    /// The emulator.
    pub path: String,
    /// Type of the domain, e.g. `kvm`.
    pub kind: String,
    /// Type of the machine.
    pub machine: Option<String>,
    /// Architecture.
    pub arch: String,
    /// Processors at most; 0 when nobody knows.
    pub max_vcpus: u32,
    /// Threads for disks; `None` when nobody knows.
    pub iothreads: Option<bool>,
    /// How guests start; `None` when nobody knows.
    pub os: Option<Os>,
    /// Processors.
    pub cpu: Processors,
    /// Where memory may come from; `None` when nobody knows.
    pub memory: Option<Part>,
    /// Devices in their order.
    pub devices: Vec<Part>,
    /// Features up to the encrypted guests, in their order.
    pub features: Vec<Part>,
    /// AMD's encrypted guests.
    pub sev: Option<Sev>,
    /// Intel's enclaves.
    pub sgx: Option<Sgx>,
    /// Features after these, in their order.
    pub more_features: Vec<Part>,
}

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn choices(w: &mut Writer, choices: &[Choice]) {
    for (name, words) in choices {
        let element = w.element("enum").attr("name", name);
        if words.is_empty() {
            element.empty();
            continue;
        }
        element.children(|w| {
            for word in words {
                w.leaf("value", word);
            }
        });
    }
}

fn part(w: &mut Writer, part: &Part) {
    let element = w.element(part.name).attr("supported", yes(part.supported));
    if part.supported && !part.choices.is_empty() {
        element.children(|w| choices(w, &part.choices));
    } else {
        element.empty();
    }
}

impl DomainCapabilities {
    /// The document.
    pub fn format(&self) -> String {
        let mut w = Writer::new();
        w.element("domainCapabilities").children(|w| {
            w.leaf("path", &self.path);
            w.leaf("domain", &self.kind);
            w.leaf_opt("machine", self.machine.as_ref());
            w.leaf("arch", &self.arch);
            if self.max_vcpus > 0 {
                w.element("vcpu").attr("max", self.max_vcpus).empty();
            }
            if let Some(supported) = self.iothreads {
                w.element("iothreads").attr("supported", yes(supported)).empty();
            }
            if let Some(found) = &self.os {
                os(w, found);
            }
            w.element("cpu").children(|w| self.cpu.format(w));
            if let Some(memory) = &self.memory {
                part(w, memory);
            }
            if self.devices.is_empty() {
                w.block("<devices>\n</devices>");
            }
            w.element("devices")
                .children_or_nothing(|w| self.devices.iter().for_each(|device| part(w, device)));
            w.element("features").children(|w| {
                self.features.iter().for_each(|feature| part(w, feature));
                sev(w, self.sev.as_ref());
                sgx(w, self.sgx.as_ref());
                self.more_features.iter().for_each(|feature| part(w, feature));
            });
        });
        w.finish()
    }
}

fn os(w: &mut Writer, os: &Os) {
    if !os.supported {
        return w.element("os").attr("supported", "no").empty();
    }
    w.element("os").attr("supported", "yes").children(|w| {
        if let Some(kinds) = &os.firmware {
            choices(w, &[("firmware", kinds.clone())]);
        }
        let loader = w.element("loader").attr("supported", yes(os.loader.is_some()));
        match &os.loader {
            None => loader.empty(),
            Some((images, can_be)) => loader.children(|w| {
                for image in images {
                    w.leaf("value", image);
                }
                choices(w, can_be);
            }),
        }
    });
}

impl Processors {
    fn format(&self, w: &mut Writer) {
        let host = [
            ("host-passthrough", "hostPassthroughMigratable", &self.passthrough),
            ("maximum", "maximumMigratable", &self.maximum),
        ];
        for (name, choice, migratable) in host {
            let element = w.element("mode").attr("name", name).attr("supported", yes(migratable.is_some()));
            match migratable {
                None => element.empty(),
                Some(words) => element.children(|w| choices(w, &[(choice, words.clone())])),
            }
        }
        let element =
            w.element("mode").attr("name", "host-model").attr("supported", yes(self.host_model.is_some()));
        match &self.host_model {
            None => element.empty(),
            Some(model) => element.children(|w| host_model(w, model)),
        }
        let element = w.element("mode").attr("name", "custom").attr("supported", yes(self.custom.is_some()));
        match &self.custom {
            None => element.empty(),
            Some(models) => element.children(|w| models.iter().for_each(|model| custom(w, model))),
        }
    }
}

fn host_model(w: &mut Writer, cpu: &CpuDef) {
    if let Some(model) = &cpu.model {
        w.element("model").attr_opt("fallback", cpu.fallback).text(model);
    }
    w.leaf_opt("vendor", cpu.vendor.as_ref());
    if let Some(phys) = &cpu.phys_addr {
        let element = w.element("maxphysaddr").attr("mode", &phys.mode);
        element.attr_opt("bits", phys.bits).attr_opt("limit", phys.limit).empty();
    }
    for feature in &cpu.features {
        w.element("feature").attr_opt("policy", feature.policy).attr("name", &feature.name).empty();
    }
}

fn custom(w: &mut Writer, model: &Model) {
    w.element("model")
        .attr("usable", model.usable.map_or("unknown", yes))
        .attr_if(model.deprecated, "deprecated", "yes")
        .attr("vendor", &model.vendor)
        .attr_opt("canonical", model.canonical.as_ref())
        .text(&model.name);
    if !model.blockers.is_empty() {
        w.element("blockers").attr("model", &model.name).children(|w| {
            for name in &model.blockers {
                w.element("feature").attr("name", name).empty();
            }
        });
    }
}

fn sev(w: &mut Writer, sev: Option<&Sev>) {
    let element = w.element("sev").attr("supported", yes(sev.is_some()));
    match sev {
        None => element.empty(),
        Some(sev) => element.children(|w| {
            w.leaf("cbitpos", sev.cbitpos);
            w.leaf("reducedPhysBits", sev.reduced_phys_bits);
            w.leaf("maxGuests", sev.max_guests);
            w.leaf("maxESGuests", sev.max_es_guests);
            w.leaf_opt("cpu0Id", sev.cpu0_id.as_ref());
        }),
    }
}

fn sgx(w: &mut Writer, sgx: Option<&Sgx>) {
    let element = w.element("sgx").attr("supported", yes(sgx.is_some()));
    match sgx {
        None => element.empty(),
        Some(sgx) => element.children(|w| {
            w.leaf("flc", yes(sgx.flc));
            w.leaf("sgx1", yes(sgx.sgx1));
            w.leaf("sgx2", yes(sgx.sgx2));
            w.element("section_size").attr("unit", "KiB").text(sgx.section_size);
            if !sgx.sections.is_empty() {
                w.element("sections").children(|w| {
                    for (node, size) in &sgx.sections {
                        w.element("section")
                            .attr("node", node)
                            .attr("size", size)
                            .attr("unit", "KiB")
                            .empty();
                    }
                });
            }
        }),
    }
}
