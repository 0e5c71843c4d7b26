//! `qemucapabilities`: a recorded dialogue with an emulator to the cache document, and that document read and written.

use super::Verdict;
use crate::manifest::Case;
use crate::{compare, emulator};
use qemu_caps::Flag;
use qemu_caps::document::{self, Stamp};

/// Runs one case: parts `probe` and `copy`.
pub(crate) fn capabilities(case: &Case) -> Verdict {
    let expected = match case.read("expected") {
        Ok(expected) => expected,
        Err(text) => return vec![("probe", Err(text))],
    };
    let probed = case.read("input").and_then(|text| {
        let binary = case.text("binary").unwrap_or_default();
        let caps = emulator::play(&text, binary, case.is("hvf_present"))?;
        let twice = (caps.has(Flag::Kvm) || caps.has(Flag::Hvf)) && caps.has(Flag::Tcg);
        let fake = case.value("fake_microcode_version_if_accel_and_tcg").and_then(|value| value.as_u64());
        let microcode = if twice { fake.unwrap_or(0) as u32 } else { 0 };
        let printed = document::write(&caps, &Stamp { microcode, ..Stamp::default() });
        compare::unwrapped(&expected, &printed)
    });
    let copied = document::read(&expected)
        .map_err(|error| error.to_string())
        .and_then(|(caps, stamp)| compare::unwrapped(&expected, &document::write(&caps, &stamp)));
    vec![("probe", probed), ("copy", copied)]
}
