//! What the emulator says about models over its monitor.

use crate::database::Database;
use crate::decode::Facts;
use crate::raw::Signature;
use serde_json::Value;

/// A model the emulator offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HypervisorModel {
    /// Its name.
    pub name: String,
    /// Features that keep it from running here, by the emulator's names; empty when it is usable.
    pub blockers: Vec<String>,
}

impl HypervisorModel {
    /// A model nothing is known about but its name.
    pub fn named(name: &str) -> HypervisorModel {
        HypervisorModel { name: name.to_owned(), blockers: Vec::new() }
    }
}

/// Facts of the `return` member of a `query-cpu-model-expansion` reply; `None` when it is not one.
pub fn expansion<'d>(database: &'d Database, reply: &Value) -> Option<Facts<'d>> {
    let properties = reply.get("model")?.get("props")?.as_object()?;
    let mut facts = Facts::default();
    let mut signature = Signature::default();
    for (name, value) in properties {
        match value {
            Value::Bool(true) => {
                if let Some(feature) = database.feature_or_alias(name) {
                    facts.features.insert(feature);
                }
            }
            Value::Number(number) => {
                let number = number.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
                match name.as_str() {
                    "family" => signature.family = number,
                    "model" => signature.model = number,
                    "stepping" => signature.stepping = number,
                    _ => {}
                }
            }
            Value::String(text) if name == "vendor" => facts.vendor = database.vendor_of_string(text),
            _ => {}
        }
    }
    facts.signature = signature;
    Some(facts.without_broken_tsx(database))
}

/// Models of the `return` member of a `query-cpu-definitions` reply, in its order.
pub fn definitions(reply: &Value) -> Vec<HypervisorModel> {
    let words = |value: &Value| -> Vec<String> {
        let list = value.get("unavailable-features").and_then(Value::as_array);
        list.map(|l| l.iter().filter_map(Value::as_str).map(str::to_owned).collect()).unwrap_or_default()
    };
    let list = reply.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .filter_map(|item| {
            let name = item.get("name")?.as_str()?.to_owned();
            Some(HypervisorModel { name, blockers: words(item) })
        })
        .collect()
}
