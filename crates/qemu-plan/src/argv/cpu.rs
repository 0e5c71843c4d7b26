//! `-cpu`: the model, its features, and what a hypervisor adds to a processor.

use super::clock::counter_rate;
use super::machine::{state, timer};
use super::{Builder, comma, on_off};
use crate::complete::{Board, arch, unsupported};
use base::Result;
use std::fmt::Write;
use xml::Tree;

/// Appends `,name=value`.
fn put(text: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = write!(text, ",{name}={value}");
}

/// Appends `,name=on` or `,name=off`.
fn put_state(text: &mut String, name: &str, state: Option<bool>) {
    if let Some(on) = state {
        put(text, name, if on { "on" } else { "off" });
    }
}

/// The emulator's name for a feature.
fn feature_name(arch: &str, name: &str) -> String {
    match (arch, name) {
        ("x86_64" | "i686", "pclmuldq") => "pclmulqdq".to_owned(),
        ("x86_64" | "i686", "sse4_1") => "sse4.1".to_owned(),
        ("x86_64" | "i686", "sse4_2") => "sse4.2".to_owned(),
        ("x86_64" | "i686", name) => name.replace('_', "-"),
        _ => name.to_owned(),
    }
}

/// Model and features.
fn model(b: &Builder<'_>, cpu: &Tree) -> Result<Option<String>> {
    let arch = arch(b.domain);
    let mut text = match cpu.attr("mode").unwrap_or("custom") {
        "host-passthrough" => "host".to_owned(),
        "maximum" => "max".to_owned(),
        // What is left of this mode is the host's own processor, of POWER with a mode of compatibility.
        "host-model" => "host".to_owned(),
        _ => match cpu.text_of("model") {
            Some(model) => comma(model),
            None => return Ok(None),
        },
    };
    if let Some(state) = cpu.attr("migratable") {
        put(&mut text, "migratable", state);
    }
    // A guest of 32 bits on the host's own processor of 64.
    if arch == "armv7l" && b.caps.arch == "aarch64" && b.domain.kind() == "kvm" {
        text.push_str(",aarch64=off");
    }
    if let Some(vendor) = cpu.child("model").and_then(|model| model.attr("vendor_id")) {
        put(&mut text, "vendor", comma(vendor));
    }
    for feature in cpu.all("feature") {
        let name = feature_name(arch, feature.attr("name").unwrap_or_default());
        match feature.attr("policy").unwrap_or("require") {
            "force" | "require" => put(&mut text, &name, "on"),
            "disable" | "forbid" => put(&mut text, &name, "off"),
            _ => {}
        }
    }
    Ok(Some(text))
}

fn timers(tree: &Tree, text: &mut String) {
    let present = |name: &str| timer(tree, name).and_then(|timer| on_off(timer.attr("present")));
    for timer in tree.child("clock").into_iter().flat_map(|clock| clock.all("timer")) {
        match timer.attr("name").unwrap_or_default() {
            "kvmclock" => put_state(text, "kvmclock", present("kvmclock")),
            "hypervclock" if present("hypervclock") == Some(true) => put(text, "hv-time", "on"),
            "tsc" => counter_rate(tree, text),
            "armvtimer" => match timer.attr("tickpolicy") {
                Some("delay") => put(text, "kvm-no-adjvtime", "off"),
                Some("discard") => put(text, "kvm-no-adjvtime", "on"),
                _ => {}
            },
            _ => {}
        }
    }
}

/// Enlightenments that are only on or off, in order, with their names in a definition.
const ENLIGHTENMENTS: &[&str] = &[
    "relaxed",
    "vapic",
    "spinlocks",
    "vpindex",
    "runtime",
    "synic",
    "stimer",
    "reset",
    "vendor_id",
    "frequencies",
    "reenlightenment",
    "tlbflush",
    "ipi",
    "evmcs",
    "avic",
    "emsr_bitmap",
    "xmm_input",
];

fn hyperv(hyperv: &Tree, text: &mut String) {
    if hyperv.is("mode", "passthrough") {
        put(text, "hv-passthrough", "on");
    }
    for name in ENLIGHTENMENTS {
        let Some(element) = hyperv.child(name) else { continue };
        let on = element.is("state", "on");
        let option = format!("hv-{}", name.replace('_', "-"));
        match *name {
            "spinlocks" if on => {
                if let Some(retries) = element.attr("retries").and_then(super::address::number) {
                    put(text, &option, format_args!("0x{retries:x}"));
                }
            }
            "vendor_id" if on => put(text, &option, comma(element.attr("value").unwrap_or_default())),
            _ if on => put(text, &option, "on"),
            _ => {}
        }
        let part = |name: &str| on && element.child(name).is_some_and(|part| part.is("state", "on"));
        if part("direct") {
            put(text, &format!("{option}-direct"), "on");
        }
        if part("extended") {
            put(text, &format!("{option}-ext"), "on");
        }
    }
}

fn kvm(kvm: &Tree, text: &mut String) {
    let on = |name: &str| kvm.child(name).is_some_and(|feature| feature.is("state", "on"));
    if on("hidden") {
        text.push_str(",kvm=off");
    }
    for (name, option) in [("hint-dedicated", "kvm-hint-dedicated"), ("poll-control", "kvm-poll-control")] {
        if on(name) {
            put(text, option, "on");
        }
    }
    if kvm.child("pv-ipi").is_some_and(|feature| feature.is("state", "off")) {
        put(text, "kvm-pv-ipi", "off");
    }
}

/// Caches as the guest sees them.
fn cache(cpu: &Tree, text: &mut String) {
    let Some(cache) = cpu.child("cache") else { return };
    let host = matches!(cpu.attr("mode"), Some("host-passthrough" | "maximum"));
    let (of_host, level3) = match cache.attr("mode") {
        Some("disable") => (false, false),
        Some("passthrough") => (true, false),
        Some("emulate") => (false, true),
        _ => return,
    };
    let level3_text = |text: &mut String| put_state(text, "l3-cache", Some(level3));
    if level3 {
        level3_text(text);
    }
    if host || of_host {
        put_state(text, "host-cache-info", Some(of_host));
    }
    if !level3 {
        level3_text(text);
    }
}

/// Width of physical addresses.
fn width(cpu: &Tree, text: &mut String) {
    let Some(width) = cpu.child("maxphysaddr") else { return };
    match width.attr("mode") {
        Some("passthrough") => {
            put(text, "host-phys-bits", "on");
            if let Some(limit) = width.attr("limit") {
                put(text, "host-phys-bits-limit", limit);
            }
        }
        Some("emulate") => match width.attr("bits") {
            Some(bits) => put(text, "phys-bits", bits),
            None => put(text, "host-phys-bits", "off"),
        },
        _ => {}
    }
}

/// The whole option; `None` when nothing is said about the processor.
fn text(b: &Builder<'_>) -> Result<Option<String>> {
    let tree = &b.domain.tree;
    let cpu = tree.child("cpu");
    let own = match cpu {
        Some(cpu) => model(b, cpu)?,
        None => None,
    };
    let mut text = String::new();
    timers(tree, &mut text);
    let features = |name: &str| tree.child("features").and_then(|features| features.child(name));
    if let Some(eoi) = features("apic").and_then(|apic| apic.attr("eoi")) {
        put(&mut text, "kvm-pv-eoi", eoi);
    }
    if let Some(state) = features("pvspinlock").and(state(tree, "pvspinlock")) {
        put(&mut text, "kvm-pv-unhalt", state);
    }
    if let Some(element) = features("hyperv") {
        hyperv(element, &mut text);
    }
    if b.domain.all("panic").any(|panic| panic.is("model", "hyperv")) {
        text.push_str(",hv-crash");
    }
    if let Some(element) = features("kvm") {
        kvm(element, &mut text);
    }
    if let Some(state) = features("pmu").and(state(tree, "pmu")) {
        put(&mut text, "pmu", state);
    }
    if let Some(cpu) = cpu {
        cache(cpu, &mut text);
        width(cpu, &mut text);
    }
    Ok(match (own, text.is_empty()) {
        (Some(own), _) => Some(own + &text),
        (None, true) => None,
        // Something has to carry what is said.
        (None, false) => match arch(b.domain) {
            "i686" => Some(format!("qemu32{text}")),
            "x86_64" => Some(format!("qemu64{text}")),
            _ if b.board == Board::Virt && b.domain.kind() == "kvm" => Some(format!("host{text}")),
            _ => return Err(unsupported("a processor's features need a model")),
        },
    })
}

pub(super) fn cpu(b: &mut Builder<'_>) -> Result<()> {
    if let Some(text) = text(b)? {
        b.option("-cpu", text);
    }
    Ok(())
}
