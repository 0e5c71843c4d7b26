//! `<cpu>`: mode, match, check, and the machine's own model for definitions without one.

use super::setting::Setting;
use conf_domain::Domain;
use xml::Tree;

/// What `<cpu>` gets; a definition without one gets the machine's default.
pub(super) fn complete(domain: &mut Domain, setting: &Setting<'_>) {
    topology(domain);
    let open = domain
        .tree
        .child("cpu")
        .is_none_or(|cpu| matches!(cpu.attr("mode"), None | Some("custom")) && cpu.child("model").is_none());
    if open {
        default_model(domain, setting);
        return;
    }
    let Some(cpu) = domain.tree.child_mut("cpu") else { return };
    if cpu.child("model").is_some() {
        cpu.default_to("mode", "custom");
    }
    match cpu.attr("mode").unwrap_or_default() {
        "custom" => {
            cpu.default_to("match", "exact");
            if let Some(model) = cpu.child_mut("model") {
                model.default_to("fallback", "allow");
            }
            for feature in cpu.all_mut("feature") {
                feature.default_to("policy", "require");
            }
            let check = check(cpu, setting);
            if cpu.child("model").is_some() {
                cpu.default_to("check", check);
            }
        }
        "host-passthrough" | "maximum" => {
            cpu.default_to("check", "none");
            // An emulated processor has nothing that keeps a guest on its host.
            if setting.is_x86() && (cpu.is("mode", "host-passthrough") || setting.kind == "kvm") {
                cpu.default_to("migratable", "on");
            }
            cpu.unset("match");
            cpu.remove("model");
        }
        "host-model" => {
            cpu.default_to("check", "partial");
            cpu.unset("match");
            let compatible = setting.is_ppc64();
            if let Some(model) = cpu.child_mut("model") {
                if compatible && !model.body().is_empty() {
                    // The model is a mode of compatibility here.
                    model.default_to("fallback", "allow");
                } else {
                    model.text = None;
                    model.unset("fallback");
                }
                if model.attrs.is_empty() {
                    cpu.remove("model");
                }
            }
        }
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
    let emulated = matches!(
        setting.arch.as_str(),
        "aarch64" | "armv7l" | "armv6l" | "riscv64" | "riscv32" | "loongarch64"
    );
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

fn topology(domain: &mut Domain) {
    let Some(topology) = domain.tree.child_mut("cpu").and_then(|cpu| cpu.child_mut("topology")) else {
        return;
    };
    for name in ["dies", "clusters"] {
        topology.default_to(name, "1");
    }
}
