//! Attributes as typed values, refused with the words clients know.
//!
//! Every function reads one attribute of one element: `Ok(None)` when it is absent, an error that names the
//! attribute, the element and the value when it cannot be understood.

use base::{Error, ErrorCode, ErrorDomain, Result, TextEnum};
use xml::Node;

/// Errors of this room come from the XML layer of the reference.
const FROM: ErrorDomain = ErrorDomain::XML;

fn refuse(text: String) -> Error {
    Error::new(ErrorCode::XML_ERROR, FROM, text)
}

/// The error for an absent attribute.
pub fn missing(node: Node<'_>, name: &str) -> Error {
    refuse(format!("Missing required attribute '{name}' in element '{}'", node.name()))
}

/// The error for a value that is none of the spellings.
pub fn invalid(node: Node<'_>, name: &str, value: &str) -> Error {
    refuse(format!("Invalid value for attribute '{name}' in element '{}': '{value}'.", node.name()))
}

/// One of the spellings of an enumeration.
pub fn choice<T: TextEnum>(node: Node<'_>, name: &str) -> Result<Option<T>> {
    match node.attr(name) {
        None => Ok(None),
        Some(value) => T::from_text(value).map(Some).ok_or_else(|| invalid(node, name, value)),
    }
}

/// Like [`choice`], and the attribute must be there.
pub fn choice_required<T: TextEnum>(node: Node<'_>, name: &str) -> Result<T> {
    choice(node, name)?.ok_or_else(|| missing(node, name))
}

/// `yes` or `no`.
pub fn yes_no(node: Node<'_>, name: &str) -> Result<Option<bool>> {
    word_pair(node, name, "yes", "no")
}

/// `on` or `off`.
pub fn on_off(node: Node<'_>, name: &str) -> Result<Option<bool>> {
    word_pair(node, name, "on", "off")
}

fn word_pair(node: Node<'_>, name: &str, yes: &str, no: &str) -> Result<Option<bool>> {
    match node.attr(name) {
        None => Ok(None),
        Some(value) if value == yes => Ok(Some(true)),
        Some(value) if value == no => Ok(Some(false)),
        Some(value) => Err(invalid(node, name, value)),
    }
}

/// A signed number in decimal.
pub fn int(node: Node<'_>, name: &str) -> Result<Option<i32>> {
    number(node, name, "integer")
}

/// A number that is not negative, in decimal.
pub fn uint(node: Node<'_>, name: &str) -> Result<Option<u32>> {
    number(node, name, "non-negative integer")
}

/// A large number that is not negative, in decimal.
pub fn ulong(node: Node<'_>, name: &str) -> Result<Option<u64>> {
    number(node, name, "non-negative integer")
}

/// A number that is not negative, in decimal or, behind `0x`, hexadecimal.
pub fn uint_any_base(node: Node<'_>, name: &str) -> Result<Option<u32>> {
    match node.attr(name) {
        None => Ok(None),
        Some(value) => {
            let digits = value.trim_start();
            let parsed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            parsed.map(Some).map_err(|_| expected(node, name, value, "non-negative integer"))
        }
    }
}

fn number<T: std::str::FromStr>(node: Node<'_>, name: &str, kind: &str) -> Result<Option<T>> {
    match node.attr(name) {
        None => Ok(None),
        Some(value) => value.trim_start().parse().map(Some).map_err(|_| expected(node, name, value, kind)),
    }
}

fn expected(node: Node<'_>, name: &str, value: &str, kind: &str) -> Error {
    refuse(format!(
        "Invalid value for attribute '{name}' in element '{}': '{value}'. Expected {kind} value",
        node.name()
    ))
}
