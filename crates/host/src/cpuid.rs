//! What the processor says of itself.

use std::sync::OnceLock;

/// The four registers of one leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leaf {
    /// EAX
    pub eax: u32,
    /// EBX
    pub ebx: u32,
    /// ECX
    pub ecx: u32,
    /// EDX
    pub edx: u32,
}

/// One leaf of the processor this runs on; `None` on machines without the instruction.
#[cfg(target_arch = "x86_64")]
pub fn leaf(number: u32, sub: u32) -> Option<Leaf> {
    // The instruction is part of the architecture's base line, so the intrinsic is safe to call.
    let registers = std::arch::x86_64::__cpuid_count(number, sub);
    Some(Leaf { eax: registers.eax, ebx: registers.ebx, ecx: registers.ecx, edx: registers.edx })
}

/// One leaf of the processor this runs on; `None` on machines without the instruction.
#[cfg(not(target_arch = "x86_64"))]
pub fn leaf(_number: u32, _sub: u32) -> Option<Leaf> {
    None
}

/// Bits of a physical address; `None` where the processor does not tell.
pub fn physical_address_bits() -> Option<u32> {
    let highest = leaf(0x8000_0000, 0)?.eax;
    (highest >= 0x8000_0008).then(|| leaf(0x8000_0008, 0)).flatten().map(|leaf| leaf.eax & 0xff)
}

/// Leaves with features, each with the highest sub-leaf that is read.
const FEATURES: [(u32, u32); 13] = [
    (0, 0),
    (1, 0),
    (6, 0),
    (7, 2),
    (0xd, 1),
    (0x14, 0),
    (0x24, 0),
    (0x8000_0000, 0),
    (0x8000_0001, 0),
    (0x8000_0007, 0),
    (0x8000_0008, 0),
    (0x8000_000a, 0),
    (0x8000_0021, 0),
];

/// All leaves that tell features of the processor this runs on: number, sub-leaf, registers. Looked at once: where the
/// processor is a virtual one, each takes its time.
pub fn features() -> &'static [(u32, u32, Leaf)] {
    static FOUND: OnceLock<Vec<(u32, u32, Leaf)>> = OnceLock::new();
    FOUND.get_or_init(look)
}

fn look() -> Vec<(u32, u32, Leaf)> {
    let highest = |base: u32| leaf(base, 0).map_or(0, |leaf| leaf.eax);
    let (basic, extended) = (highest(0), highest(0x8000_0000));
    let mut found = Vec::new();
    for (number, last) in FEATURES {
        let limit = if number < 0x8000_0000 { basic } else { extended };
        if number > limit {
            continue;
        }
        for sub in 0..=last {
            found.extend(leaf(number, sub).map(|leaf| (number, sub, leaf)));
        }
    }
    found
}

/// A model specific register, where the kernel lets it be read; both halves.
pub fn register(index: u32) -> Option<(u32, u32)> {
    use std::os::unix::fs::FileExt;
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/cpu/0/msr").ok()?.read_exact_at(&mut bytes, index.into()).ok()?;
    let value = u64::from_le_bytes(bytes);
    Some((value as u32, (value >> 32) as u32))
}
