//! `<cpu>`: what every driver's definitions get.

use base::{Error, ErrorCode, ErrorDomain, Result};
use std::collections::BTreeSet;
use xml::Tree;

const MODES: &[&str] = &["custom", "host-model", "host-passthrough", "maximum"];

const POLICIES: &[&str] = &["force", "require", "optional", "disable", "forbid"];

/// A refusal of the reference's reader of processors.
fn refused(code: ErrorCode, text: impl Into<String>) -> Error {
    Error::new(code, ErrorDomain::CPU, text)
}

/// Words that are not known, and what contradicts itself.
fn check(cpu: &Tree) -> Result<()> {
    if let Some(mode) = cpu.attr("mode").filter(|mode| !MODES.contains(mode)) {
        return Err(refused(ErrorCode::CONFIG_UNSUPPORTED, format!("Invalid mode attribute '{mode}'")));
    }
    let model = cpu.child("model");
    if let Some(model) = model {
        if model.attr("fallback").is_some_and(|fallback| !matches!(fallback, "allow" | "forbid")) {
            return Err(refused(ErrorCode::CONFIG_UNSUPPORTED, "Invalid fallback attribute"));
        }
        if model.attr("vendor_id").is_some_and(|vendor| vendor.len() != 12) {
            return Err(refused(ErrorCode::XML_ERROR, "vendor_id must be exactly 12 characters long"));
        }
    }
    let named = cpu.text_of("model").is_some();
    if !named && cpu.is("mode", "custom") | cpu.attr("mode").is_none() && cpu.child("feature").is_some() {
        return Err(refused(ErrorCode::XML_ERROR, "Non-empty feature list specified without CPU model"));
    }
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for feature in cpu.all("feature") {
        if feature.attr("policy").is_some_and(|policy| !POLICIES.contains(&policy)) {
            return Err(refused(ErrorCode::CONFIG_UNSUPPORTED, "Invalid CPU feature policy"));
        }
        let name = feature.attr("name").unwrap_or_default();
        if name.is_empty() {
            return Err(refused(ErrorCode::XML_ERROR, "Invalid CPU feature name"));
        }
        if !names.insert(name) {
            return Err(refused(
                ErrorCode::XML_ERROR,
                format!("CPU feature '{name}' specified more than once"),
            ));
        }
    }
    Ok(())
}

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let Some(cpu) = tree.child_mut("cpu") else { return Ok(()) };
    check(cpu)?;
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
    Ok(())
}
