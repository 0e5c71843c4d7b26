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

/// A document that is no XML: the position, the words, the line and a mark under the place.
pub fn malformed(text: &str, error: &XmlError) -> Error {
    let detail = |text: String| Error::new(ErrorCode::XML_DETAIL, ErrorDomain::DOMAIN, text);
    if text.is_empty() {
        return detail("at line 1: Document is empty\n(null)\n^".to_owned());
    }
    let (words, offset) = match xml::first_fault(text) {
        Some(fault) => (fault.words, fault.offset),
        None => (error.message.split(" at ").next().unwrap_or_default().to_owned(), offset(text, error)),
    };
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    // What is noticed at the end is shown in the last line with content.
    let before = before.trim_end_matches('\n');
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let source = text.get(start..).and_then(|rest| rest.split('\n').next()).unwrap_or_default();
    let mark: String = std::iter::repeat_n('-', before.len() - start).chain(['^']).collect();
    detail(format!("at line {line}: {words}\n{source}\n{mark}"))
}

/// Where the reader stood.
fn offset(text: &str, error: &XmlError) -> usize {
    let line = (error.line as usize).saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let column = (error.column as usize).saturating_sub(1);
    let own = text.get(before..).and_then(|rest| rest.split('\n').next()).unwrap_or_default();
    before + own.char_indices().nth(column).map_or(own.len(), |(at, _)| at)
}
