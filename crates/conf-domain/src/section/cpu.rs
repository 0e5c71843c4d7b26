//! `<cpu>`: mode, model, features; what every driver's definitions get.

use crate::{domain, values};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::collections::BTreeSet;
use xml::Tree;

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::CPU, text)
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::CPU, text)
}

/// Policies of features.
const POLICIES: &[&str] = &["force", "require", "optional", "disable", "forbid"];

/// Letters of the name that a processor says it is made by.
const VENDOR_ID: usize = 12;

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    if let Some(mode) = tree.attr_at("cpu", "mode")
        && !matches!(mode, "custom" | "host-model" | "host-passthrough" | "maximum")
    {
        return Err(unsupported(format!("Invalid mode attribute '{mode}'")));
    }
    values::read(domain::place("domain"), tree, "cpu")?;
    let Some(cpu) = tree.child_mut("cpu") else { return Ok(()) };
    if cpu.attr("migratable").is_some() && !matches!(cpu.attr("mode"), Some("host-passthrough" | "maximum")) {
        return Err(unsupported(
            "Attribute migratable is only allowed for 'host-passthrough' / 'maximum' CPU mode",
        ));
    }
    model(cpu)?;
    let named = cpu.child("model").is_some_and(|model| !model.body().is_empty());
    if cpu.text_of("vendor").is_some_and(|vendor| !vendor.is_empty()) && !named {
        return Err(invalid("CPU vendor specified without CPU model"));
    }
    if let Some(topology) = cpu.child_mut("topology") {
        for name in ["dies", "clusters"] {
            topology.default_to(name, "1");
        }
    }
    let relative = matches!(cpu.attr("mode"), Some("host-model" | "host-passthrough" | "maximum"));
    if cpu.child("feature").is_some() && !named && !relative {
        return Err(invalid("Non-empty feature list specified without CPU model"));
    }
    features(cpu)?;
    caches(cpu)?;
    if let Some(bits) = cpu.child("maxphysaddr")
        && bits.attr("limit").is_some()
        && !bits.is("mode", "passthrough")
    {
        return Err(unsupported("attribute 'limit' is only supported for maxphysaddr mode 'passthrough'"));
    }
    modes(cpu, named);
    if cpu.attrs.is_empty() && cpu.children.is_empty() {
        tree.remove("cpu");
    }
    Ok(())
}

fn model(cpu: &mut Tree) -> Result<()> {
    let Some(model) = cpu.child_mut("model") else { return Ok(()) };
    match model.attr("fallback") {
        None | Some("allow" | "forbid") => {}
        Some("") => model.unset("fallback"),
        Some(_) => return Err(unsupported("Invalid fallback attribute")),
    }
    match model.attr("vendor_id") {
        None => {}
        Some("") => model.unset("vendor_id"),
        Some(id) if id.len() != VENDOR_ID => {
            return Err(invalid(format!("vendor_id must be exactly {VENDOR_ID} characters long")));
        }
        Some(id) if id.contains(',') => return Err(invalid("vendor id is invalid")),
        Some(_) => {}
    }
    Ok(())
}

fn features(cpu: &mut Tree) -> Result<()> {
    let mut seen = BTreeSet::new();
    for feature in cpu.all_mut("feature") {
        feature.default_to("policy", "require");
        if !feature.attr("policy").is_some_and(|policy| POLICIES.contains(&policy)) {
            return Err(unsupported("Invalid CPU feature policy"));
        }
        let name = feature.attr("name").unwrap_or_default();
        if name.is_empty() {
            return Err(invalid("Invalid CPU feature name"));
        }
        if !seen.insert(name.to_owned()) {
            return Err(invalid(format!("CPU feature '{name}' specified more than once")));
        }
    }
    Ok(())
}

fn caches(cpu: &Tree) -> Result<()> {
    if cpu.all("cache").count() > 1 {
        return Err(invalid("at most one CPU cache element may be specified"));
    }
    match cpu.attr_at("cache", "level") {
        None | Some("1" | "2" | "3") => Ok(()),
        Some(_) => Err(invalid("invalid CPU cache level, must be in range [1,3]")),
    }
}

/// What follows from the mode. Of a model without a name nothing is left, unless the host's is meant.
fn modes(cpu: &mut Tree, named: bool) {
    if named {
        cpu.default_to("mode", "custom");
    }
    match cpu.attr("mode").unwrap_or_default() {
        "host-model" => {
            cpu.unset("match");
            if let Some(model) = cpu.child_mut("model") {
                if named {
                    model.default_to("fallback", "allow");
                } else {
                    model.unset("fallback");
                    if model.attrs.is_empty() {
                        cpu.remove("model");
                    }
                }
            }
        }
        "host-passthrough" | "maximum" => {
            cpu.unset("match");
            cpu.remove("model");
            cpu.remove("vendor");
        }
        _ if named => {
            cpu.default_to("match", "exact");
            if let Some(model) = cpu.child_mut("model") {
                model.default_to("fallback", "allow");
            }
        }
        _ => cpu.remove("model"),
    }
}
