//! `<features>`: switches that are on when they are only named.

use crate::fault::invalid;
use base::Result;
use xml::Tree;

/// Features whose element alone means `state='on'`.
const ON: &[&str] = &["vmcoreinfo", "hap", "pvspinlock", "pmu", "vmport", "smm"];

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let Some(features) = tree.child_mut("features") else { return Ok(()) };
    if let Some(locks) = features.at("hyperv/spinlocks").filter(|locks| locks.is("state", "on"))
        && locks.attr("retries").and_then(|text| text.parse::<u32>().ok()).is_some_and(|count| count < 4095)
    {
        return Err(invalid("HyperV spinlock retry count must be at least 4095"));
    }
    for feature in &mut features.children {
        match feature.name.as_str() {
            "hyperv" => feature.default_to("mode", "custom"),
            "capabilities" => feature.default_to("policy", "default"),
            name if ON.contains(&name) => feature.default_to("state", "on"),
            _ => {}
        }
    }
    Ok(())
}
