//! Documents that are refused, and the words of the refusal; documents that are accepted, and what becomes of them.
//!
//! Cases stand in `tests/refusals/*.cases`, as they were observed of the reference:
//!
//! ```text
//! # a comment
//! @ ARCH MACHINE                    the guest of the following cases, `pc` of x86_64 before the first
//! <fragment/>                       what the document holds besides; devices stand in <devices>
//!   CODE DOMAIN MESSAGE             the refusal: numbers of error and domain, and the text
//!   ok                              or that it is accepted
//!   + LINE                          a line that the accepted definition has
//!   - LINE                          a line that it has not
//! ```

use base::Result;
use conf_domain::{Domain, FormatFlags, ParseFlags};
use qemu_plan::Caps;
use qemu_plan::caps::Flag;
use qemu_plan::caps::caps::Accelerated;
use qemu_plan::caps::machine::Machine;
use qemu_plan::complete::{self, Site};
use std::path::Path;

pub(super) fn caps(arch: &str) -> Caps {
    let machine = |name: &str, alias: &str| Machine {
        name: name.to_owned(),
        alias: Some(alias.to_owned()).filter(|alias| !alias.is_empty()),
        max_cpus: 255,
        hotpluggable_cpus: true,
        ..Machine::default()
    };
    let machines = match arch {
        "x86_64" | "i686" => vec![
            machine("pc-i440fx-10.0", "pc"),
            machine("pc-q35-10.0", "q35"),
            machine("microvm", ""),
            machine("isapc", ""),
        ],
        "s390x" => vec![machine("s390-ccw-virtio-10.0", "s390-ccw-virtio")],
        "ppc64" => vec![machine("pseries-10.0", "pseries"), machine("powernv10", "powernv")],
        "riscv64" => vec![machine("virt", "")],
        _ => vec![machine("virt-10.0", "virt"), machine("versatilepb", "")],
    };
    Caps {
        binary: complete::default_emulator(arch),
        version: (10, 0, 2),
        arch: arch.to_owned(),
        flags: Flag::ALL.iter().copied().collect(),
        kvm: Accelerated { machines: machines.clone(), ..Accelerated::default() },
        tcg: Accelerated { machines, ..Accelerated::default() },
        ..Caps::default()
    }
}

/// Reads and completes a document around a fragment.
fn define(arch: &str, machine: &str, fragment: &str) -> Result<String> {
    let text = format!(
        "<domain type='qemu'><name>t</name><uuid>11111111-2222-3333-4444-555555555555</uuid>\
         <memory>131072</memory><os><type arch='{arch}' machine='{machine}'>hvm</type></os>{fragment}</domain>"
    );
    let flags = ParseFlags { inactive: true, abi_update: true, ..ParseFlags::default() };
    let mut domain = Domain::parse(&text, flags, &mut || [7; 16])?;
    complete::complete(&mut domain, &caps(arch), &Site::default(), flags)?;
    Ok(domain.format(FormatFlags { inactive: true, secure: true, ..FormatFlags::default() }))
}

/// Checks one expectation; the complaint when it is not met.
fn check(outcome: &Result<String>, expected: &str) -> Option<String> {
    let met = match (outcome, expected.split_once(' ')) {
        (Ok(_), None) => expected == "ok",
        (Ok(text), Some(("+", line))) => text.lines().any(|own| own.trim() == line),
        (Ok(text), Some(("-", line))) => !text.lines().any(|own| own.trim() == line),
        (Err(error), _) => expected == format!("{} {} {}", error.code().0, error.domain().0, error.message()),
        _ => false,
    };
    let said = || match outcome {
        Ok(text) => text.clone(),
        Err(error) => format!("{} {} {}", error.code().0, error.domain().0, error.message()),
    };
    (!met).then(said)
}

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refusals");
    let mut wrong = Vec::new();
    let mut total = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let (mut arch, mut machine) = ("x86_64".to_owned(), "pc".to_owned());
        let (mut fragment, mut outcome) = (String::new(), None);
        for line in std::fs::read_to_string(&path).unwrap().lines().filter(|line| !line.starts_with('#')) {
            if let Some(guest) = line.strip_prefix("@ ") {
                let (left, right) = guest.split_once(' ').unwrap();
                (arch, machine) = (left.to_owned(), right.to_owned());
            } else if let Some(expected) = line.strip_prefix("  ") {
                total += 1;
                let outcome = outcome.get_or_insert_with(|| define(&arch, &machine, &fragment));
                if let Some(said) = check(outcome, expected) {
                    wrong.push(format!("{fragment}\n  {expected}\nbut\n  {said}"));
                }
            } else if !line.is_empty() {
                fragment = line.to_owned();
                outcome = None;
            }
        }
    }
    assert!(total > 50, "no cases");
    assert!(wrong.is_empty(), "{} of {total}:\n{}", wrong.len(), wrong.join("\n\n"));
}
