//! Refusals: malformed XML in the words of the reference's parser, and the kinds of refusal of documents.

use base::{Error, ErrorCode, ErrorDomain};
use xml::XmlError;

/// Something in the document is not understood.
pub fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::DOMAIN, text)
}

/// Something in the document is understood, but not supported or contradictory.
pub fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::DOMAIN, text)
}

/// A broken invariant of the document.
pub fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::DOMAIN, text)
}

/// An attribute whose value is none of its spellings.
pub fn attribute(element: &str, name: &str, value: &str) -> Error {
    let text = format!("Invalid value for attribute '{name}' in element '{element}': '{value}'.");
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text)
}

/// An attribute whose value is not accepted: none of its words when nothing is `expected`, `nonzero`, or a kind of number.
pub fn value(element: &str, name: &str, value: &str, expected: &str) -> Error {
    match expected {
        "" => attribute(element, name, value),
        "nonzero" => {
            let text =
                format!("Invalid value for attribute '{name}' in element '{element}': Zero is not permitted");
            Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text)
        }
        "UUID" => {
            let text = format!(
                "Invalid value for attribute '{name}' in element '{element}': '{value}'. Expected UUID"
            );
            Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text)
        }
        kind => number(element, name, value, kind),
    }
}

/// An attribute whose value is no number of its kind (`integer`, `non-negative integer`).
pub fn number(element: &str, name: &str, value: &str, kind: &str) -> Error {
    let text = format!(
        "Invalid value for attribute '{name}' in element '{element}': '{value}'. Expected {kind} value"
    );
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text)
}

/// The text of an element, which the reference calls by its path, is no number.
pub fn element(path: &str, value: &str) -> Error {
    let text = format!("Invalid value '{value}' for element or attribute '{path}'");
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text)
}

/// An attribute that must be there.
pub fn missing(element: &str, name: &str) -> Error {
    let text = format!("Missing required attribute '{name}' in element '{element}'");
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text)
}

/// A document that is no XML: the line, the words, the text of the line and a mark under the place.
pub fn malformed(text: &str, error: &XmlError) -> Error {
    Error::new(ErrorCode::XML_DETAIL, ErrorDomain::DOMAIN, error.shown(text))
}
