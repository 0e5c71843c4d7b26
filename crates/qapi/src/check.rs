//! Whether a value fits a type of a schema.

use crate::path::Found;
use crate::schema::{Entry, Features, Member, Schema};
use serde_json::{Map, Value};

/// What a check lets pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leniency {
    /// Members that the outermost object does not describe, as in `device_add`.
    pub undescribed: bool,
    /// Members, words and commands that are deprecated.
    pub deprecated: bool,
}

/// Why a value does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The schema has no such type.
    #[error("the schema has no '{0}'")]
    Unknown(String),
    /// A value of another type was expected.
    #[error("'{member}' must be {expected}")]
    Type {
        /// Path to the value.
        member: String,
        /// What it must be.
        expected: String,
    },
    /// A word that the enumeration does not have.
    #[error("'{member}' cannot be '{word}'")]
    Word {
        /// Path to the value.
        member: String,
        /// The word.
        word: String,
    },
    /// A member that must be there is not.
    #[error("'{0}' is missing")]
    Missing(String),
    /// A member that the type does not have.
    #[error("'{0}' is not described")]
    Undescribed(String),
    /// A deprecated member or word.
    #[error("'{0}' is deprecated")]
    Deprecated(String),
}

/// Deeper values are refused; the schema is circular in places.
const DEPTH: usize = 64;

impl Schema {
    /// Whether `value` fits the type that the path `root` leads to.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self, root: &str, value: &Value, leniency: Leniency) -> Result<(), Mismatch> {
        let Some(Found::Entry(entry)) = self.find(root) else {
            return Err(Mismatch::Unknown(root.to_owned()));
        };
        Check { schema: self, deprecated: leniency.deprecated }.value(
            entry,
            value,
            "",
            leniency.undescribed,
            DEPTH,
        )
    }
}

struct Check<'a> {
    schema: &'a Schema,
    deprecated: bool,
}

impl Check<'_> {
    fn entry(&self, name: &str) -> Result<&Entry, Mismatch> {
        self.schema.entry(name).ok_or_else(|| Mismatch::Unknown(name.to_owned()))
    }

    fn obsolete(&self, features: &Features, at: &str) -> Result<(), Mismatch> {
        if !self.deprecated && features.iter().any(|feature| feature == "deprecated") {
            return Err(Mismatch::Deprecated(at.to_owned()));
        }
        Ok(())
    }

    fn value(
        &self,
        entry: &Entry,
        value: &Value,
        at: &str,
        loose: bool,
        depth: usize,
    ) -> Result<(), Mismatch> {
        let wrong = |expected: &str| Mismatch::Type { member: at.to_owned(), expected: expected.to_owned() };
        let depth = depth.checked_sub(1).ok_or_else(|| wrong("less deep"))?;
        match entry {
            Entry::Command { .. } | Entry::Event { .. } => Err(wrong("of a type")),
            Entry::Builtin(kind) => {
                let fits = match kind.as_str() {
                    "string" => value.is_string(),
                    "int" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    _ => true,
                };
                if fits { Ok(()) } else { Err(wrong(kind)) }
            }
            Entry::Enum(words) => {
                let word = value.as_str().ok_or_else(|| wrong("a word"))?;
                let known = words.iter().find(|(known, _)| known == word);
                let (_, features) =
                    known.ok_or_else(|| Mismatch::Word { member: at.to_owned(), word: word.to_owned() })?;
                self.obsolete(features, at)
            }
            Entry::Array(kind) => {
                let kind = self.entry(kind)?;
                let list = value.as_array().ok_or_else(|| wrong("an array"))?;
                list.iter().try_for_each(|element| self.value(kind, element, at, false, depth))
            }
            Entry::Alternate(kinds) => {
                let mut last = wrong("one of the alternatives");
                for kind in kinds {
                    match self.value(self.entry(kind)?, value, at, false, depth) {
                        Ok(()) => return Ok(()),
                        // The reason of an object says more than that a string is something else.
                        Err(reason) if value.is_object() && !matches!(reason, Mismatch::Type { .. }) => {
                            last = reason;
                        }
                        Err(_) => {}
                    }
                }
                Err(last)
            }
            Entry::Object { .. } => {
                let object = value.as_object().ok_or_else(|| wrong("an object"))?;
                let members = self.members(entry, object, at, depth)?;
                for (name, value) in object {
                    let path = join(at, name);
                    match members.iter().find(|member| member.name == *name) {
                        Some(member) => {
                            self.obsolete(&member.features, &path)?;
                            self.value(self.entry(&member.kind)?, value, &path, false, depth)?;
                        }
                        None if loose => {}
                        None => return Err(Mismatch::Undescribed(path)),
                    }
                }
                let absent =
                    members.iter().find(|member| !member.optional && !object.contains_key(&member.name));
                absent.map_or(Ok(()), |member| Err(Mismatch::Missing(join(at, &member.name))))
            }
        }
    }

    /// Members of an object, with those of the variant that a value is.
    fn members<'a>(
        &'a self,
        entry: &'a Entry,
        object: &Map<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<Vec<&'a Member>, Mismatch> {
        let Entry::Object { members, tag, variants, features } = entry else { return Ok(Vec::new()) };
        self.obsolete(features, at)?;
        let mut all: Vec<&Member> = members.iter().collect();
        let Some(tag) = tag else { return Ok(all) };
        let depth = depth.checked_sub(1).ok_or_else(|| Mismatch::Unknown(tag.clone()))?;
        let Some(case) = object.get(tag).and_then(Value::as_str) else {
            let optional = members.iter().any(|member| member.name == *tag && member.optional);
            return if optional { Ok(all) } else { Err(Mismatch::Missing(join(at, tag))) };
        };
        if let Some((_, kind)) = variants.iter().find(|(name, _)| name == case) {
            all.extend(self.members(self.entry(kind)?, object, at, depth)?);
        }
        Ok(all)
    }
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") }
}
