//! CPUID words of a guest's processor.

use crate::{Malformed, list, number, text};
use cpu::raw::{RawCpu, Register, Source};
use serde_json::Value;

/// What the property `feature-words` or `filtered-features` of a processor says.
///
/// # Errors
/// When a word has no place.
pub fn feature_words(reply: &Value) -> Result<RawCpu, Malformed> {
    let mut raw = RawCpu::default();
    for word in list(reply, "CPU feature words are not an array")? {
        let leaf = number(word, "cpuid-input-eax").ok_or(Malformed("missing cpuid-input-eax in CPU data"))?;
        let source = Source::Leaf { number: leaf, sub: number(word, "cpuid-input-ecx").unwrap_or(0) };
        let register = text(word, "cpuid-register").ok_or(Malformed("missing cpuid-register in CPU data"))?;
        let bits = number(word, "features").ok_or(Malformed("missing features in CPU data"))?;
        let mut registers = raw.get(source).unwrap_or_default();
        match register.as_str() {
            "EAX" => registers.eax |= bits,
            "EBX" => registers.ebx |= bits,
            "ECX" => registers.ecx |= bits,
            "EDX" => registers.edx |= bits,
            _ => return Err(Malformed("unknown CPU register")),
        }
        // Leaves without a feature tell nothing.
        if [Register::Eax, Register::Ebx, Register::Ecx, Register::Edx]
            .iter()
            .any(|register| registers.get(*register) != 0)
        {
            raw.set(source, registers);
        }
    }
    Ok(raw)
}
