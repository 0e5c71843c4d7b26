//! One binary for all targets: the variable `FUZZ_TARGET` names the one to run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

fn chosen() -> &'static fuzz::Target {
    static CHOSEN: OnceLock<&'static fuzz::Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let known = || fuzz::TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(" ");
        let found = fuzz::TARGETS.iter().find(|target| target.name == name);
        found.unwrap_or_else(|| panic!("FUZZ_TARGET is none of: {}", known()))
    })
}

fuzz_target!(|bytes: &[u8]| {
    (chosen().run)(bytes);
});
