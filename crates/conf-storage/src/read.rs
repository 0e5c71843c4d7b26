//! Questions that all parsers of elements ask.

use crate::fault;
use base::{ErrorCode, ErrorDomain, Result, TextEnum, Uuid};
use xml::{Document, Node};

/// Parses a document whose root must have this name.
pub(crate) fn with_root<R>(text: &str, name: &str, read: impl FnOnce(Node<'_>) -> Result<R>) -> Result<R> {
    let document = Document::parse(text).map_err(|error| fault::malformed(text, &error))?;
    let root = document.root();
    if root.name() == name { read(root) } else { Err(fault::root(name, root.name())) }
}

/// The text of an element below; an empty one counts as absent.
pub(crate) fn text(node: Node<'_>, path: &str) -> Option<String> {
    node.descend(path).map(Node::text).filter(|text| !text.is_empty())
}

/// An attribute of an element below; an empty one counts as absent.
pub(crate) fn below(node: Node<'_>, path: &str, name: &str) -> Option<String> {
    node.descend_attr(path, name).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// A member of an enumeration.
pub(crate) fn member<T: TextEnum>(node: Node<'_>, name: &str) -> Result<Option<T>> {
    let Some(text) = node.attr(name) else { return Ok(None) };
    T::from_text(text).map(Some).ok_or_else(|| fault::attribute(node.name(), name, text))
}

base::text_enum! {
    /// A switch.
    pub(crate) enum YesNo {
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

/// A decimal number as C reads it: white space and a plus sign may precede, nothing may follow.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = text.trim_ascii_start();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    if digits.starts_with('+') { None } else { digits.parse().ok() }
}

/// A number without sign that may be hexadecimal, or octal with a zero in front.
pub(crate) fn any_base(text: &str) -> Option<u64> {
    let digits = text.trim_ascii_start();
    let plain = |digits: &str, radix| {
        let plain = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_alphanumeric());
        plain.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
    };
    match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => plain(&digits[2..], 16),
        [b'0', _, ..] => plain(&digits[1..], 8),
        _ => plain(digits, 10),
    }
}

/// Bytes of a size with its unit; `None` when the number is none.
///
/// # Errors
/// When the unit is unknown or the product too large.
pub(crate) fn scaled(number: u64, unit: Option<&str>) -> Result<u64> {
    let unit = unit.unwrap_or_default();
    let Some(factor) = base::size::unit_factor(unit, 1) else {
        let text = format!("unknown suffix '{unit}'");
        return Err(fault::detail(ErrorCode::INVALID_ARG, ErrorDomain::NONE, text));
    };
    number.checked_mul(factor).filter(|bytes| *bytes <= i64::MAX as u64).ok_or_else(|| {
        let text = format!("value too large: {number}{unit}");
        fault::detail(ErrorCode::OVERFLOW, ErrorDomain::NONE, text)
    })
}

/// A size that must be there when the element is.
pub(crate) fn size(node: Node<'_>, name: &str) -> Result<Option<u64>> {
    let Some(element) = node.child(name) else { return Ok(None) };
    let text = element.text();
    if text.is_empty() {
        return Ok(None);
    }
    let number = decimal(&text).ok_or_else(|| fault::invalid("malformed capacity element"))?;
    scaled(number, below(node, name, "unit").as_deref()).map(Some)
}

/// Which secret is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecretKey {
    /// By its identity.
    Uuid(Uuid),
    /// By what it is for.
    Usage(String),
}

/// The secret that an element refers to.
pub(crate) fn secret(node: Node<'_>) -> Result<SecretKey> {
    let wrong = |text: String| Err(fault::detail(ErrorCode::XML_ERROR, ErrorDomain::NONE, text));
    match (node.attr("uuid"), node.attr("usage")) {
        (None, None) => wrong("missing secret uuid or usage attribute".to_owned()),
        (Some(_), Some(_)) => wrong("either secret uuid or usage expected".to_owned()),
        (Some(text), None) => match text.parse() {
            Ok(uuid) => Ok(SecretKey::Uuid(uuid)),
            Err(_) => wrong(format!("invalid secret uuid '{text}'")),
        },
        (None, Some(usage)) => Ok(SecretKey::Usage(usage.to_owned())),
    }
}

/// A path without doubled or trailing slashes; two in front are kept, they may mean something of their own.
pub fn clean(path: &str) -> String {
    let front = path.bytes().take_while(|byte| *byte == b'/').count();
    let root = match front {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    root.to_owned() + &parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (given, cleaned) in [
            ("///var/////lib/libvirt/images//", "/var/lib/libvirt/images"),
            ("/", "/"),
            ("//", "//"),
            ("//host/share/", "//host/share"),
            ("rel/", "rel"),
            ("", ""),
        ] {
            assert_eq!(clean(given), cleaned, "{given}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(scaled(1, Some("KiB")).unwrap(), 1024);
        assert_eq!(
            scaled(8, Some("EiB")).unwrap_err().message(),
            "numerical overflow: value too large: 8EiB"
        );
        assert_eq!(scaled(1, Some("zz")).unwrap_err().message(), "invalid argument: unknown suffix 'zz'");
    }
}
