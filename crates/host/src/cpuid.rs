//! What the processor says of itself.

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
