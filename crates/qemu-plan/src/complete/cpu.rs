//! `<cpu>`: mode, match, check, and the machine's own model for definitions without one.

use super::setting::Setting;
use conf_domain::Domain;
use xml::Tree;

/// What `<cpu>` gets; a definition without one gets the machine's default.
pub(super) fn complete(domain: &mut Domain, setting: &Setting<'_>) {
    let open = domain.tree.child("cpu").is_none_or(|cpu| {
        cpu.child("model").is_none() && cpu.attr("mode").is_none_or(|mode| mode == "custom")
    });
    if open {
        default_model(domain, setting);
        return;
    }
    let Some(cpu) = domain.tree.child_mut("cpu") else { return };
    match cpu.attr("mode").unwrap_or_default() {
        "custom" => {
            let check = check(cpu, setting);
            cpu.default_to("check", check);
        }
        "host-passthrough" => {
            cpu.default_to("check", "none");
            // An emulated processor has nothing that keeps a guest on its host.
            if setting.is_x86() && (cpu.is("mode", "host-passthrough") || setting.kind == "kvm") {
                cpu.default_to("migratable", "on");
            }
        }
        "maximum" => cpu.default_to("check", "none"),
        "host-model" => cpu.default_to("check", "partial"),
        _ => {}
    }
}

/// Whether a named model is compared with the host before a start.
fn check(cpu: &Tree, setting: &Setting<'_>) -> &'static str {
    if setting.kind == "qemu" {
        return "none";
    }
    let name = cpu.text_of("model").unwrap_or_default();
    // What the emulator itself says it can run needs no look at the host.
    let runs = setting.caps.with(setting.accel()).cpus.iter().any(|model| {
        model.name.eq_ignore_ascii_case(name)
            && model.blockers.as_ref().is_some_and(|blockers| blockers.iter().all(|name| name.is_empty()))
    });
    if runs && cpu.child("feature").is_none() && !cpu.is("match", "minimum") { "none" } else { "partial" }
}

fn default_model(domain: &mut Domain, setting: &Setting<'_>) {
    // Elsewhere what the emulator tells holds for emulated processors only.
    let known = matches!(setting.arch.as_str(), "x86_64" | "i686" | "s390x" | "s390" | "ppc64" | "ppc64le");
    let emulated =
        matches!(setting.arch.as_str(), "aarch64" | "armv7l" | "armv6l" | "riscv64" | "loongarch64");
    if !(known || emulated && setting.kind == "qemu") {
        return;
    }
    let Some(model) = setting.caps.default_cpu(&setting.machine, setting.accel()) else { return };
    let cpu = domain.tree.child_or_new("cpu");
    let (mode, check) = match model.as_str() {
        "host" if setting.is_s390() => ("host-model", "partial"),
        "host" => ("host-passthrough", "none"),
        _ => ("custom", "none"),
    };
    cpu.set("mode", mode);
    if mode == "custom" {
        cpu.set("match", "exact");
    }
    cpu.set("check", check);
    if mode == "custom" {
        cpu.children.insert(0, Tree::leaf("model", model).with("fallback", "forbid"));
    }
}
