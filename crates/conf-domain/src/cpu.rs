//! `<cpu>`: what every driver's definitions get.

use xml::Tree;

pub(crate) fn complete(tree: &mut Tree) {
    let Some(cpu) = tree.child_mut("cpu") else { return };
    if let Some(topology) = cpu.child_mut("topology") {
        for name in ["dies", "clusters"] {
            topology.default_to(name, "1");
        }
    }
    if cpu.child("model").is_some() {
        cpu.default_to("mode", "custom");
    }
    match cpu.attr("mode").unwrap_or_default() {
        "custom" if cpu.child("model").is_some() => {
            cpu.default_to("match", "exact");
            if let Some(model) = cpu.child_mut("model") {
                model.default_to("fallback", "allow");
            }
        }
        "host-model" => {
            cpu.unset("match");
            // The model of the host is not named, except where it is a mode of compatibility.
            let mut named = true;
            if let Some(model) = cpu.child_mut("model") {
                if model.body().trim().is_empty() {
                    model.unset("fallback");
                    named = !model.attrs.is_empty();
                } else {
                    model.default_to("fallback", "allow");
                }
            }
            if !named {
                cpu.remove("model");
            }
        }
        "host-passthrough" | "maximum" => {
            cpu.unset("match");
            cpu.remove("model");
        }
        _ => {}
    }
    for feature in cpu.all_mut("feature") {
        feature.default_to("policy", "require");
    }
    if cpu.attrs.is_empty() && cpu.children.is_empty() {
        tree.remove("cpu");
    }
}
