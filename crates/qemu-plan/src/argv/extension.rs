//! The `qemu:` namespace of a definition: arguments and variables that are passed through, capabilities that are taken as
//! present or missing, properties of devices that are put over those of the plan, and what becomes of deprecated parts.

use super::surroundings::Deprecation;
use super::{Builder, Json};
use crate::Caps;
use crate::complete::unsupported;
use base::Result;
use conf_domain::Domain;
use qemu_caps::Flag;
use serde_json::Value;
use xml::Tree;

fn elements<'d>(domain: &'d Domain, name: &'static str) -> impl Iterator<Item = &'d Tree> {
    domain.extensions.iter().filter(move |e| e.prefix == "qemu" && e.tree.name == name).map(|e| &e.tree)
}

/// The capabilities as the definition changes them; `None` when it changes none.
pub(super) fn capabilities(domain: &Domain, caps: &Caps) -> Option<Caps> {
    let changes: Vec<&Tree> =
        elements(domain, "capabilities").flat_map(|element| element.children.iter()).collect();
    if changes.is_empty() {
        return None;
    }
    let mut caps = caps.clone();
    for change in changes {
        // Those that every emulator has by now change nothing.
        if let Some(flag) = change.attr("capability").and_then(Flag::from_name) {
            caps.flags.set(flag, change.name == "add");
        }
    }
    Some(caps)
}

/// What the emulator does about deprecated parts.
pub(super) fn deprecation(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    let own = match elements(domain, "deprecation").find_map(|element| element.attr("behavior")) {
        Some(word) => Some(
            Deprecation::named(word)
                .ok_or_else(|| unsupported(format!("unsupported deprecation behavior '{word}'")))?,
        ),
        None => None,
    };
    let input = match own.unwrap_or(b.start.host.deprecation) {
        Deprecation::None => return Ok(()),
        Deprecation::Omit => None,
        Deprecation::Reject => Some("reject"),
        Deprecation::Crash => Some("crash"),
    };
    let json = Json::new().put("deprecated-output", "hide").put_opt("deprecated-input", input);
    b.option("-compat", json.text());
    Ok(())
}

/// Puts the definition's properties over those of a device.
pub(super) fn overridden(domain: &Domain, json: Json) -> Json {
    let Some(id) = json.get("id").and_then(Value::as_str).map(str::to_owned) else { return json };
    let devices = elements(domain, "override").flat_map(|element| element.all("device"));
    let own = devices.filter(|device| device.is("alias", &id));
    let properties = own.flat_map(|device| device.all("frontend")).flat_map(|front| front.all("property"));
    properties.fold(json, |json, property| {
        let Some(name) = property.attr("name") else { return json };
        let text = property.attr("value").unwrap_or_default();
        match property.attr("type") {
            Some("remove") => json.without(name),
            Some("signed") => json.put_opt(name, text.parse::<i64>().ok()),
            Some("unsigned") => json.put_opt(name, text.parse::<u64>().ok()),
            Some("bool") => json.put(name, text == "true"),
            _ => json.put(name, text),
        }
    })
}

/// Arguments and variables that the definition passes through.
pub(super) fn pass_through(b: &mut Builder<'_>) {
    let domain = b.domain;
    for child in elements(domain, "commandline").flat_map(|element| element.children.iter()) {
        match child.name.as_str() {
            "arg" => {
                if let Some(value) = child.attr("value") {
                    b.flag(value);
                }
            }
            "env" => {
                let value = child.attr("value").unwrap_or_default();
                b.set_env(child.attr("name").unwrap_or_default(), value);
            }
            _ => {}
        }
    }
}
