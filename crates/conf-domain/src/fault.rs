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

/// An attribute that must be there.
pub fn missing(element: &str, name: &str) -> Error {
    let text = format!("Missing required attribute '{name}' in element '{element}'");
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text)
}

/// A document that is no XML: the line, the words, the text of the line and a mark under the place.
pub fn malformed(text: &str, error: &XmlError) -> Error {
    let (source, column) = shown(text, error.offset);
    let text = if text.is_empty() {
        format!("at line 1: {}\n(null)\n^", error.message)
    } else {
        let before = source.as_bytes().iter().take(column);
        let dashes: String = before.map(|byte| if *byte == b'\t' { '\t' } else { '-' }).collect();
        format!("at line {}: {}\n{source}\n{dashes}^", error.line, error.message)
    };
    Error::new(ErrorCode::XML_DETAIL, ErrorDomain::DOMAIN, text)
}

/// The line that is shown, and the place in it in bytes. From the end of a line or of the text, ends of lines before
/// the place are passed over.
fn shown(text: &str, offset: usize) -> (&str, usize) {
    let ends = ['\n', '\r'];
    let before = text.get(..offset).unwrap_or(text);
    let behind = text.get(offset..).unwrap_or_default();
    let at = if behind.is_empty() || behind.starts_with(ends) {
        before.trim_end_matches(ends).len()
    } else {
        before.len()
    };
    let start = text.get(..at).and_then(|text| text.rfind(ends)).map_or(0, |at| at + 1);
    let end = text.get(at..).and_then(|rest| rest.find(ends)).map_or(text.len(), |end| at + end);
    (text.get(start..end).unwrap_or_default(), at - start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks() {
        for (text, expected) in [
            ("", "at line 1: Document is empty\n(null)\n^"),
            (
                "<a>\n\t<b ü='é'\tc/>\n</a>",
                "at line 2: Specification mandates value for attribute c\n\t<b ü='é'\tc/>\n\t----------\t-^",
            ),
            ("<a>\n\n", "at line 3: Premature end of data in tag a line 1\n<a>\n---^"),
            ("<a>\n<b>\n</a>\n", "at line 3: Opening and ending tag mismatch: b line 2 and a\n</a>\n----^"),
            ("<a>\n<b c='\n<", "at line 3: Unescaped '<' not allowed in attributes values\n<\n^"),
        ] {
            let error = xml::Document::parse(text).map(|_| ()).unwrap_err();
            assert_eq!(malformed(text, &error).message(), expected);
        }
    }
}
