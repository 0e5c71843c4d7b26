//! Refusals, by kind.

use base::{Error, ErrorCode, ErrorDomain};

/// Something in the document is not understood.
pub(crate) fn invalid(text: impl Into<String>) -> Error {
    Error::xml(ErrorDomain::STORAGE, text)
}

/// Something is understood, but not supported.
pub(crate) fn unsupported(text: impl Into<String>) -> Error {
    Error::unsupported(ErrorDomain::STORAGE, text)
}

/// What the reference's readers of attributes say.
pub(crate) fn reader(text: impl Into<String>) -> Error {
    Error::xml(ErrorDomain::XML, text)
}

/// An attribute whose value is not among those there are.
pub(crate) fn attribute(element: &str, name: &str, value: &str) -> Error {
    reader(format!("Invalid value for attribute '{name}' in element '{element}': '{value}'."))
}

/// A value no number of this kind is.
pub(crate) fn number(element: &str, name: &str, value: &str, kind: &str) -> Error {
    let text = format!(
        "Invalid value for attribute '{name}' in element '{element}': '{value}'. Expected {kind} value"
    );
    reader(text)
}

/// An attribute that must be there.
pub(crate) fn missing(element: &str, name: &str) -> Error {
    reader(format!("Missing required attribute '{name}' in element '{element}'"))
}

/// A document that is no XML.
pub(crate) fn malformed(text: &str, error: &xml::XmlError) -> Error {
    conf_domain::fault::malformed(text, error).in_domain(ErrorDomain::STORAGE)
}

/// A document with another root element.
pub(crate) fn root(expected: &str, found: &str) -> Error {
    reader(format!("expecting root element of '{expected}', not '{found}'"))
}

/// An error with a code of its own.
pub(crate) fn detail(code: ErrorCode, domain: ErrorDomain, text: impl Into<String>) -> Error {
    Error::new(code, domain, text)
}
