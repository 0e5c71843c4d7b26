//! Processor models, and the host's processor as the emulator sees it.

use serde_json::Value;

/// A processor model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuModel {
    /// Name, e.g. `qemu64`.
    pub name: String,
    /// Features the host lacks for it; `None` when the emulator does not tell.
    pub blockers: Option<Vec<String>>,
    /// Will be removed.
    pub deprecated: bool,
    /// Its type's name, e.g. `qemu64-x86_64-cpu`; empty when the emulator does not tell.
    pub kind: String,
}

impl CpuModel {
    /// Models that `query-cpu-definitions` returned.
    pub(crate) fn read(reply: &Value, arch: &str) -> Vec<CpuModel> {
        let entries = reply.as_array().map_or(&[][..], Vec::as_slice);
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let one = |cpu: &Value| {
            let blockers = cpu
                .get("unavailable-features")
                .and_then(Value::as_array)
                .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect());
            Some(CpuModel {
                name: text(cpu, "name").map(|name| renamed(name, arch))?,
                blockers,
                deprecated: cpu.get("deprecated").and_then(Value::as_bool).unwrap_or(false),
                kind: text(cpu, "typename").unwrap_or_default(),
            })
        };
        entries.iter().filter_map(one).collect()
    }
}

/// Names of models as definitions have them: those of POWER in capitals.
fn renamed(name: String, arch: &str) -> String {
    const POWER: [&str; 5] = ["power6", "power7", "power8", "power9", "power10"];
    if arch.starts_with("ppc64") && POWER.contains(&name.as_str()) { name.to_ascii_uppercase() } else { name }
}

/// Value of a property of a processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// On or off.
    Boolean(bool),
    /// Text.
    Text(String),
    /// A number.
    Number(i64),
}

/// A property of the host's processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Its name, e.g. `avx2`.
    pub name: String,
    /// Its value.
    pub value: Setting,
    /// It does not keep a guest from being migrated; `None` when that is not known.
    pub migratable: Option<bool>,
}

/// The host's processor as the emulator would give it to a guest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostModel {
    /// The model it is based on.
    pub name: String,
    /// Its properties.
    pub properties: Vec<Property>,
    /// It is known which properties keep a guest from being migrated.
    pub migratability: bool,
    /// Features that will be removed.
    pub deprecated: Vec<String>,
}

impl HostModel {
    /// What `query-cpu-model-expansion` returned.
    pub(crate) fn read(reply: &Value) -> Option<HostModel> {
        let model = reply.get("model")?;
        let name = model.get("name")?.as_str()?.to_owned();
        let properties = model.get("props").and_then(Value::as_object);
        let properties = properties
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| {
                let value = match value {
                    Value::Bool(value) => Setting::Boolean(*value),
                    Value::String(value) => Setting::Text(value.clone()),
                    Value::Number(value) => Setting::Number(value.as_i64()?),
                    _ => return None,
                };
                Some(Property { name: name.clone(), value, migratable: None })
            })
            .collect();
        Some(HostModel { name, properties, migratability: false, deprecated: deprecated(reply) })
    }

    /// The property of a name.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    /// Learns from the expansion with everything, also what keeps a guest from being migrated.
    ///
    /// What is on in both can be migrated; what is on only in the fuller one cannot.
    pub(crate) fn widen(&mut self, full: HostModel) {
        let narrow = std::mem::replace(self, full);
        self.migratability = true;
        for property in &mut self.properties {
            if property.value == Setting::Boolean(true) {
                let kept = narrow.property(&property.name).map(|narrow| &narrow.value);
                property.migratable = Some(kept == Some(&Setting::Boolean(true)));
            }
        }
        if self.deprecated.is_empty() {
            self.deprecated = narrow.deprecated;
        }
    }
}

/// Features that a reply says will be removed.
pub(crate) fn deprecated(reply: &Value) -> Vec<String> {
    let list = reply.get("deprecated-props").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
