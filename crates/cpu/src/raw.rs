//! Raw facts of an x86 processor: CPUID leaves, MSRs.

use crate::database::Database;
use crate::feature_set::FeatureSet;
use xml::{Node, Writer};

/// A register of a leaf, or half of an MSR (low in EAX, high in EDX).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    /// EAX
    Eax,
    /// EBX
    Ebx,
    /// ECX
    Ecx,
    /// EDX
    Edx,
}

/// Where a value was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A CPUID leaf.
    Leaf {
        /// EAX on input.
        number: u32,
        /// ECX on input.
        sub: u32,
    },
    /// A model specific register.
    Msr {
        /// Its number.
        index: u32,
    },
}

/// The four registers of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Registers {
    /// EAX
    pub eax: u32,
    /// EBX
    pub ebx: u32,
    /// ECX
    pub ecx: u32,
    /// EDX
    pub edx: u32,
}

impl Registers {
    /// One of the four.
    pub fn get(&self, register: Register) -> u32 {
        match register {
            Register::Eax => self.eax,
            Register::Ebx => self.ebx,
            Register::Ecx => self.ecx,
            Register::Edx => self.edx,
        }
    }
}

/// Family, model, stepping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signature {
    /// Family with the extended family added in.
    pub family: u32,
    /// Model with the extended model in its upper half.
    pub model: u32,
    /// Stepping.
    pub stepping: u32,
}

impl Signature {
    /// From EAX of leaf 1.
    pub fn from_eax(eax: u32) -> Signature {
        let (family, extended) = (eax >> 8 & 0xf, eax >> 20 & 0xff);
        Signature {
            family: if family == 0xf { family + extended } else { family },
            model: (eax >> 4 & 0xf) | (eax >> 12 & 0xf0),
            stepping: eax & 0xf,
        }
    }

    /// EAX of leaf 1 that says this.
    pub fn to_eax(self) -> u32 {
        let (family, extended) = if self.family < 0xf { (self.family, 0) } else { (0xf, self.family - 0xf) };
        (extended & 0xff) << 20
            | (self.model >> 4 & 0xf) << 16
            | family << 8
            | (self.model & 0xf) << 4
            | self.stepping & 0xf
    }
}

/// Raw facts of a processor. The reading of the instruction itself is in the `host` room; this holds its answers.
#[derive(Debug, Clone, Default)]
pub struct RawCpu {
    items: Vec<(Source, Registers)>,
}

/// Items one document may have; real ones have about a hundred.
const MOST_ITEMS: usize = 4096;

impl RawCpu {
    /// Adds what was read; a second value for one source replaces the first.
    pub fn set(&mut self, source: Source, registers: Registers) {
        match self.items.iter_mut().find(|(own, _)| *own == source) {
            Some((_, own)) => *own = registers,
            None => self.items.push((source, registers)),
        }
    }

    /// What was read, if it was.
    pub fn get(&self, source: Source) -> Option<Registers> {
        self.items.iter().find(|(own, _)| *own == source).map(|(_, registers)| *registers)
    }

    /// A `<cpudata>` element; numbers that cannot be read count as 0. At most 4096 items are taken.
    pub fn from_xml(node: Node<'_>) -> RawCpu {
        let mut raw = RawCpu::default();
        let number = |item: Node<'_>, name: &str| {
            let text = item.attr(name).unwrap_or_default();
            match text.strip_prefix("0x") {
                Some(hex) => u32::from_str_radix(hex, 16).unwrap_or_default(),
                None => text.parse().unwrap_or_default(),
            }
        };
        for item in node.elements().take(MOST_ITEMS) {
            let source = match item.name() {
                "cpuid" => Source::Leaf { number: number(item, "eax_in"), sub: number(item, "ecx_in") },
                "msr" => Source::Msr { index: number(item, "index") },
                _ => continue,
            };
            let registers = Registers {
                eax: number(item, "eax"),
                ebx: number(item, "ebx"),
                ecx: number(item, "ecx"),
                edx: number(item, "edx"),
            };
            raw.set(source, registers);
        }
        raw
    }

    /// Writes the `<cpudata>` element, items in the order of their numbers.
    pub fn write(&self, writer: &mut Writer) {
        let mut items: Vec<&(Source, Registers)> = self.items.iter().collect();
        items.sort_by_key(|(source, _)| match source {
            Source::Leaf { number, sub } => (0, *number, *sub),
            Source::Msr { index } => (1, *index, 0),
        });
        let hex = |value: u32| format!("{value:#010x}");
        writer.element("cpudata").attr("arch", "x86").children(|w| {
            for (source, found) in items {
                match source {
                    Source::Leaf { number, sub } => w
                        .element("cpuid")
                        .attr("eax_in", hex(*number))
                        .attr("ecx_in", hex(*sub))
                        .attr("eax", hex(found.eax))
                        .attr("ebx", hex(found.ebx))
                        .attr("ecx", hex(found.ecx))
                        .attr("edx", hex(found.edx))
                        .empty(),
                    Source::Msr { index } => w
                        .element("msr")
                        .attr("index", format!("{index:#x}"))
                        .attr("edx", hex(found.edx))
                        .attr("eax", hex(found.eax))
                        .empty(),
                }
            }
        });
    }

    /// The vendor's string of leaf 0, when it is text.
    pub fn vendor_string(&self) -> Option<String> {
        let leaf = self.get(Source::Leaf { number: 0, sub: 0 })?;
        let bytes = [leaf.ebx, leaf.edx, leaf.ecx].iter().flat_map(|r| r.to_le_bytes()).collect();
        String::from_utf8(bytes).ok()
    }

    /// Family, model and stepping of leaf 1; all 0 when there is none.
    pub fn signature(&self) -> Signature {
        let leaf = self.get(Source::Leaf { number: 1, sub: 0 }).unwrap_or_default();
        Signature::from_eax(leaf.eax)
    }

    /// Features the table knows that are set here.
    pub fn features(&self, database: &Database) -> FeatureSet {
        let mut set = FeatureSet::default();
        for (index, feature) in database.features().iter().enumerate() {
            let registers = self.get(feature.source).unwrap_or_default();
            if registers.get(feature.register) >> feature.bit & 1 == 1 {
                set.insert(index);
            }
        }
        set
    }
}
