//! Typed access: a setting of the wrong type or out of range is an error that says where.

use crate::{File, ParseError, Value};

/// A setting that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingError {
    /// The file cannot be read as such.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The value has another type.
    #[error("{file}:{line}: expected {expected} for '{name}' parameter")]
    Type {
        /// File.
        file: String,
        /// Line.
        line: u32,
        /// Setting.
        name: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The value is of the right type but not allowed.
    #[error("{file}:{line}: value for '{name}' parameter must be {allowed}")]
    Range {
        /// File.
        file: String,
        /// Line.
        line: u32,
        /// Setting.
        name: String,
        /// What it may be.
        allowed: String,
    },
}

/// A file's settings, asked for by name.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    file: String,
    values: File,
}

impl Settings {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`SettingError::Parse`].
    pub fn parse(file: &str, text: &str) -> Result<Settings, SettingError> {
        Ok(Settings { file: file.to_owned(), values: File::parse(file, text)? })
    }

    fn typed<T>(
        &self,
        name: &str,
        expected: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, SettingError> {
        let Some((value, line)) = self.values.get(name) else { return Ok(None) };
        let wrong = || SettingError::Type { file: self.file.clone(), line, name: name.to_owned(), expected };
        read(value).map(Some).ok_or_else(wrong)
    }

    /// A text.
    ///
    /// # Errors
    /// When the value is none.
    pub fn text(&self, name: &str) -> Result<Option<String>, SettingError> {
        self.typed(name, "a string", |value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// A list of texts; a single text is a list of one.
    ///
    /// # Errors
    /// When the value is none.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, SettingError> {
        self.typed(name, "a string list", |value| match value {
            Value::Text(text) => Some(vec![text.clone()]),
            Value::List(list) => {
                let text =
                    |value: &Value| if let Value::Text(text) = value { Some(text.clone()) } else { None };
                list.iter().map(text).collect()
            }
            Value::Number(_) => None,
        })
    }

    /// 0 or 1.
    ///
    /// # Errors
    /// When the value is neither.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, SettingError> {
        self.typed(name, "a boolean (0 or 1)", |value| match value {
            Value::Number(0) => Some(false),
            Value::Number(1) => Some(true),
            _ => None,
        })
    }

    /// A number that is not negative.
    ///
    /// # Errors
    /// When the value is none, or below `least`.
    pub fn uint(&self, name: &str, least: u32) -> Result<Option<u32>, SettingError> {
        let number = self.typed(name, "an unsigned integer", |value| match value {
            Value::Number(number) => u32::try_from(*number).ok(),
            _ => None,
        })?;
        match number {
            Some(number) if number < least => {
                let line = self.values.get(name).map_or(0, |(_, line)| line);
                let allowed = format!("at least {least}");
                Err(SettingError::Range { file: self.file.clone(), line, name: name.to_owned(), allowed })
            }
            number => Ok(number),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// When the value is none.
    pub fn int(&self, name: &str) -> Result<Option<i32>, SettingError> {
        self.typed(name, "an integer", |value| match value {
            Value::Number(number) => i32::try_from(*number).ok(),
            _ => None,
        })
    }
}
