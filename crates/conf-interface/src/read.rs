//! Questions that all parsers of elements ask.

use base::{Error, ErrorDomain, Result, TextEnum};
use conf_domain::fault;
use xml::Node;

/// Something in the document is not understood.
pub(crate) fn invalid(text: impl Into<String>) -> Error {
    Error::xml(ErrorDomain::INTERFACE, text)
}

/// An attribute that is not empty.
pub(crate) fn filled<'d>(node: Node<'d>, name: &str) -> Option<&'d str> {
    node.attr(name).filter(|value| !value.is_empty())
}

/// A member of an enumeration, of an attribute that is not empty; `what` is in the complaint.
pub(crate) fn word<T: TextEnum>(node: Node<'_>, name: &str, what: &str) -> Result<Option<T>> {
    let Some(text) = filled(node, name) else { return Ok(None) };
    T::from_text(text).map(Some).ok_or_else(|| invalid(format!("unknown {what} {text}")))
}

/// A member of an enumeration; the complaint names the attribute.
pub(crate) fn member<T: TextEnum>(node: Node<'_>, name: &str) -> Result<Option<T>> {
    let Some(text) = node.attr(name) else { return Ok(None) };
    T::from_text(text).map(Some).ok_or_else(|| fault::attribute(node.name(), name, text))
}

/// A number without sign; zero when it is not there.
pub(crate) fn unsigned(node: Node<'_>, name: &str) -> Result<u32> {
    let Some(text) = node.attr(name) else { return Ok(0) };
    // A sign would make it another kind of number.
    let number = if text.contains('-') { None } else { decimal(text) };
    number.ok_or_else(|| fault::number(node.name(), name, text, "non-negative integer"))
}

/// A decimal number as C reads it: white space and a plus sign may precede, nothing may follow.
pub(crate) fn decimal<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.trim_ascii_start().parse().ok()
}
