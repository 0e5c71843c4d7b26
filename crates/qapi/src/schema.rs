//! Entries of a schema.

use serde_json::Value;
use std::collections::HashMap;

/// Words attached to a part of the schema, e.g. `deprecated`.
pub type Features = Vec<String>;

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Name of its type.
    pub kind: String,
    /// It may be left out.
    pub optional: bool,
    /// Words attached to it.
    pub features: Features,
}

/// What a name of the schema stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A command: types of its arguments and of what it returns.
    Command {
        /// Type of the arguments.
        args: String,
        /// Type of what is returned.
        returns: String,
        /// Words attached to it.
        features: Features,
    },
    /// An event: type of its data.
    Event {
        /// Type of the data.
        data: String,
        /// Words attached to it.
        features: Features,
    },
    /// An object.
    Object {
        /// Members that every value may have.
        members: Vec<Member>,
        /// The member that tells which variant a value is.
        tag: Option<String>,
        /// Value of that member, and the type with the further members.
        variants: Vec<(String, String)>,
        /// Words attached to it.
        features: Features,
    },
    /// One of several types.
    Alternate(Vec<String>),
    /// One of several words.
    Enum(Vec<(String, Features)>),
    /// A list of values of a type.
    Array(String),
    /// A type of JSON: `string`, `int`, `number`, `boolean`, `null`, `value` (any).
    Builtin(String),
}

/// A schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    entries: HashMap<String, Entry>,
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn features(value: &Value) -> Features {
    list(value, "features").iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn member(value: &Value) -> Option<Member> {
    Some(Member {
        name: text(value, "name")?,
        kind: text(value, "type")?,
        optional: value.get("default").is_some(),
        features: features(value),
    })
}

/// Words of an enumeration: with features as newer emulators tell them, or plain.
fn words(value: &Value) -> Vec<(String, Features)> {
    let members = list(value, "members");
    if members.is_empty() {
        let plain = list(value, "values").iter().filter_map(Value::as_str);
        return plain.map(|word| (word.to_owned(), Features::new())).collect();
    }
    members.iter().filter_map(|member| Some((text(member, "name")?, features(member)))).collect()
}

fn entry(value: &Value) -> Option<Entry> {
    Some(match value.get("meta-type")?.as_str()? {
        "command" => Entry::Command {
            args: text(value, "arg-type")?,
            returns: text(value, "ret-type")?,
            features: features(value),
        },
        "event" => Entry::Event { data: text(value, "arg-type")?, features: features(value) },
        "object" => Entry::Object {
            members: list(value, "members").iter().filter_map(member).collect(),
            tag: text(value, "tag"),
            variants: list(value, "variants")
                .iter()
                .filter_map(|variant| Some((text(variant, "case")?, text(variant, "type")?)))
                .collect(),
            features: features(value),
        },
        "alternate" => Entry::Alternate(
            list(value, "members").iter().filter_map(|member| text(member, "type")).collect(),
        ),
        "enum" => Entry::Enum(words(value)),
        "array" => Entry::Array(text(value, "element-type")?),
        "builtin" => Entry::Builtin(text(value, "json-type")?),
        _ => return None,
    })
}

impl Schema {
    /// Reads what `query-qmp-schema` returned; entries of unknown form are left out.
    pub fn read(reply: &Value) -> Schema {
        let entries = reply.as_array().map_or(&[][..], Vec::as_slice);
        Schema { entries: entries.iter().filter_map(|e| Some((text(e, "name")?, entry(e)?))).collect() }
    }

    /// The entry of a name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// There is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
