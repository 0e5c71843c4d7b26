//! The `<cpu>` element of host capabilities, from raw facts.

use crate::compare::ModelFault;
use crate::database::Database;
use crate::decode::{Choice, Facts, decode};
use crate::definition::{CpuDef, Kind, PhysAddr, Topology, Tsc};
use crate::raw::{RawCpu, Source};

/// What else is known about the host.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Architecture.
    pub arch: String,
    /// Threads, cores, sockets.
    pub topology: Option<Topology>,
    /// Version of the microcode, when known.
    pub microcode: Option<u32>,
    /// Time stamp counter, when known.
    pub tsc: Option<Tsc>,
    /// Page sizes in KiB.
    pub pages_kib: Vec<u64>,
}

/// The processor of an x86 host.
///
/// # Errors
/// No model of the table fits.
pub fn host_cpu(database: &Database, raw: &RawCpu, around: &Surroundings) -> Result<CpuDef, ModelFault> {
    let facts = Facts::of_raw(database, raw);
    let mut cpu = CpuDef {
        kind: Kind::Host,
        arch: Some(around.arch.clone()),
        signature: Some(facts.signature),
        topology: around.topology,
        microcode: around.microcode,
        tsc: around.tsc,
        pages_kib: around.pages_kib.clone(),
        ..CpuDef::default()
    };
    decode(database, &mut cpu, &facts, Choice::default())?;
    let bits = raw.get(Source::Leaf { number: 0x8000_0008, sub: 0 }).map(|leaf| leaf.eax & 0xff);
    cpu.phys_addr = bits.filter(|bits| *bits > 0).map(|bits| PhysAddr {
        mode: "emulate".into(),
        bits: Some(bits),
        limit: None,
    });
    Ok(cpu)
}

/// Version of the microcode in the text of `/proc/cpuinfo`.
pub fn microcode_of(cpuinfo: &str) -> Option<u32> {
    let line = cpuinfo.lines().find(|line| line.starts_with("microcode"))?;
    let value = line.split_once(':')?.1.trim();
    u32::from_str_radix(value.strip_prefix("0x")?, 16).ok()
}
