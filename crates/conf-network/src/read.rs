//! Questions that all parsers of elements ask.

use base::{Result, TextEnum};
use conf_domain::fault;
use xml::Node;

/// An attribute that is not empty.
pub(crate) fn filled<'d>(node: Node<'d>, name: &str) -> Option<&'d str> {
    node.attr(name).filter(|value| !value.is_empty())
}

/// A member of an enumeration.
pub(crate) fn member<T: TextEnum>(node: Node<'_>, name: &str) -> Result<Option<T>> {
    let Some(text) = node.attr(name) else { return Ok(None) };
    T::from_text(text).map(Some).ok_or_else(|| fault::attribute(node.name(), name, text))
}

base::text_enum! {
    /// A switch.
    enum YesNo {
        Yes = "yes",
        No = "no",
    }
}

/// `yes` or `no`.
pub(crate) fn yes_no(node: Node<'_>, name: &str) -> Result<Option<bool>> {
    Ok(member::<YesNo>(node, name)?.map(|value| value == YesNo::Yes))
}

/// `yes` or `no`, as it is printed.
pub(crate) fn yes_no_text(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// A number without sign, decimal unless `0x` is in front of it and `hex` allows that.
pub(crate) fn unsigned(node: Node<'_>, name: &str, hex: bool) -> Result<Option<u64>> {
    let Some(text) = node.attr(name) else { return Ok(None) };
    let value = if hex { any_base(text) } else { decimal(text) };
    value.map(Some).ok_or_else(|| fault::number(node.name(), name, text, "non-negative integer"))
}

/// The same, for numbers that have 32 bits.
pub(crate) fn unsigned32(node: Node<'_>, name: &str, hex: bool) -> Result<Option<u32>> {
    let value = unsigned(node, name, hex)?;
    let narrow = value.map(|value| {
        u32::try_from(value).map_err(|_| {
            fault::number(node.name(), name, node.attr(name).unwrap_or_default(), "non-negative integer")
        })
    });
    narrow.transpose()
}

/// A decimal number as C reads it: white space and a plus sign may precede, nothing may follow.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = text.trim_ascii_start();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    if digits.starts_with('+') { None } else { digits.parse().ok() }
}

/// A number as C reads it with the base told by its prefix.
pub(crate) fn any_base(text: &str) -> Option<u64> {
    let digits = text.trim_ascii_start();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let plain = |digits: &str, radix| {
        digits
            .bytes()
            .all(|c| c.is_ascii_alphanumeric())
            .then(|| u64::from_str_radix(digits, radix).ok())
            .flatten()
    };
    match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => plain(&digits[2..], 16),
        [b'0', _, ..] => plain(&digits[1..], 8),
        _ => plain(digits, 10),
    }
}
