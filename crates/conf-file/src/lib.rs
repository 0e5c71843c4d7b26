//! libvirt's configuration files: `name = value`, one setting a line, `#` comments.
//!
//! A value is a text in single or double quotes (three double quotes may span lines), a number, or a list of texts in
//! brackets. Errors name the file, the line and the setting. Comments and order survive a round trip.

mod parse;
mod settings;

pub use parse::ParseError;
pub use settings::{SettingError, Settings};

/// A value in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
    /// A list of values.
    List(Vec<Value>),
}

/// One entry: a setting, a comment or both on a line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// Name, absent for lines with only a comment.
    pub name: Option<String>,
    /// Value, present when there is a name.
    pub value: Option<Value>,
    /// Comment without the `#`.
    pub comment: Option<String>,
    /// 1-based line.
    pub line: u32,
}

/// A parsed file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct File {
    /// Entries in the order of the file.
    pub entries: Vec<Entry>,
}

impl File {
    /// The last value of a setting: later lines win.
    pub fn get(&self, name: &str) -> Option<(&Value, u32)> {
        let entry = self.entries.iter().rev().find(|entry| entry.name.as_deref() == Some(name))?;
        Some((entry.value.as_ref()?, entry.line))
    }

    /// The file as text, with the reference's spacing.
    pub fn format(&self) -> String {
        let mut out = String::new();
        for entry in &self.entries {
            if let (Some(name), Some(value)) = (&entry.name, &entry.value) {
                out.push_str(name);
                out.push_str(" = ");
                format_value(value, &mut out);
                if let Some(comment) = &entry.comment {
                    out.push_str(" #");
                    out.push_str(comment);
                }
            } else if let Some(comment) = &entry.comment {
                out.push('#');
                out.push_str(comment);
            }
            out.push('\n');
        }
        out
    }
}

fn format_value(value: &Value, out: &mut String) {
    match value {
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::Text(text) if text.contains('\n') => out.push_str(&format!("\"\"\"{text}\"\"\"")),
        Value::Text(text) if text.contains('"') => out.push_str(&format!("'{text}'")),
        Value::Text(text) => out.push_str(&format!("\"{text}\"")),
        Value::List(list) => {
            out.push_str("[ ");
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                format_value(item, out);
            }
            out.push_str(" ]");
        }
    }
}
