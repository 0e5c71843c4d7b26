//! Refusals, by kind.

use base::{Error, ErrorCode, ErrorDomain};

/// Something in the document is not understood.
pub(crate) fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::NETWORK, text)
}

/// The same, where the reference gives no introduction.
pub(crate) fn detail(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XML_DETAIL, ErrorDomain::NETWORK, text)
}

/// Something is understood, but not supported or contradictory.
pub(crate) fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::NETWORK, text)
}

/// A document that is no XML.
pub(crate) fn malformed(text: &str, error: &xml::XmlError) -> Error {
    conf_domain::fault::malformed(text, error).in_domain(ErrorDomain::NETWORK)
}

/// An address that is none, where the reference shows the resolver's words.
pub(crate) fn address(text: &str) -> Error {
    let text = format!("Cannot parse socket address '{text}': Name or service not known");
    Error::new(ErrorCode::SYSTEM_ERROR, ErrorDomain::NONE, text)
}
