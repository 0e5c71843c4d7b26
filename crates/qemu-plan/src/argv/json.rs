//! JSON documents whose members stand in the order in which they are put, and the older notation of the same.

use super::comma;
use serde_json::{Map, Value};

/// A document under construction: arguments of a monitor command and of the option of the same purpose.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Json(Map<String, Value>);

impl Json {
    /// An empty document.
    pub(crate) fn new() -> Json {
        Json::default()
    }

    /// A document of a driver.
    pub(crate) fn driver(name: impl Into<String>) -> Json {
        Json::new().put("driver", name.into())
    }

    /// An object of a type under a name.
    pub(crate) fn object(kind: &str, id: impl Into<String>) -> Json {
        Json::new().put("qom-type", kind).put("id", id.into())
    }

    /// Adds a member.
    #[must_use]
    pub(crate) fn put(mut self, name: &str, value: impl Into<Value>) -> Json {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a member that has a value.
    #[must_use]
    pub(crate) fn put_opt(self, name: &str, value: Option<impl Into<Value>>) -> Json {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    /// Adds a member that is true, or nothing.
    #[must_use]
    pub(crate) fn put_true(self, name: &str, set: bool) -> Json {
        if set { self.put(name, true) } else { self }
    }

    /// The document without a member.
    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Json {
        self.0.shift_remove(name);
        self
    }

    /// A member.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The document as a value.
    pub fn value(self) -> Value {
        Value::Object(self.0)
    }

    /// The document as text without spaces.
    pub fn text(self) -> String {
        Value::Object(self.0).to_string()
    }

    /// The document in QEMU's own notation, the value of the member `first` in front: `virtio-net-pci,id=net0`.
    pub fn plain(self, first: &str) -> String {
        let mut words = Vec::new();
        if let Some(Value::String(name)) = self.0.get(first) {
            words.push(comma(name));
        }
        for (name, value) in &self.0 {
            if name != first {
                flatten(&mut words, name, value);
            }
        }
        words.join(",")
    }

    /// The document in QEMU's own notation with all names written out, each below `prefix`.
    pub(crate) fn flat(self, prefix: &str) -> String {
        let mut words = Vec::new();
        flatten(&mut words, prefix, &Value::Object(self.0));
        words.join(",")
    }
}

fn flatten(words: &mut Vec<String>, path: &str, value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                flatten(words, &format!("{path}.{name}"), value);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                // A list of strings is written as members that repeat.
                match value.get("str") {
                    Some(text) if value.as_object().is_some_and(|object| object.len() == 1) => {
                        flatten(words, path, text);
                    }
                    _ => flatten(words, &format!("{path}.{index}"), value),
                }
            }
        }
        Value::Bool(set) => words.push(format!("{path}={}", if *set { "on" } else { "off" })),
        Value::String(text) => words.push(format!("{path}={}", comma(text))),
        Value::Null => {}
        Value::Number(number) => words.push(format!("{path}={number}")),
    }
}
