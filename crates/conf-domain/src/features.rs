//! `<features>`: switches that are on when they are only named.

use xml::Tree;

/// Features whose element alone means `state='on'`.
const ON: &[&str] = &["vmcoreinfo", "hap", "pvspinlock", "pmu", "vmport", "smm"];

pub(crate) fn complete(tree: &mut Tree) {
    let Some(features) = tree.child_mut("features") else { return };
    for feature in &mut features.children {
        match feature.name.as_str() {
            "hyperv" => feature.default_to("mode", "custom"),
            "capabilities" => feature.default_to("policy", "default"),
            name if ON.contains(&name) => feature.default_to("state", "on"),
            _ => {}
        }
    }
}
