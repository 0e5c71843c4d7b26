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

/// A document that is no XML: the position, the words, the line and a mark under the place.
pub fn malformed(text: &str, error: &XmlError) -> Error {
    if text.is_empty() {
        let text = "at line 1: Document is empty\n(null)\n^";
        return Error::new(ErrorCode::XML_DETAIL, ErrorDomain::DOMAIN, text);
    }
    let words = words(text, error);
    let (line, source, column) = place(text, error);
    let mark: String = std::iter::repeat_n('-', column).chain(['^']).collect();
    Error::new(
        ErrorCode::XML_DETAIL,
        ErrorDomain::DOMAIN,
        format!("at line {line}: {words}\n{source}\n{mark}"),
    )
}

/// Where the reference's parser would stand: an early end is noticed at the end of the last line with content.
fn place<'t>(text: &'t str, error: &XmlError) -> (u32, &'t str, usize) {
    let lines: Vec<&str> = text.split('\n').collect();
    let at = (error.line as usize).saturating_sub(1);
    if words(text, error).starts_with("Premature end") {
        let last = text.trim_end_matches('\n').split('\n').count();
        let source = lines.get(last.saturating_sub(1)).copied().unwrap_or_default();
        return (text.matches('\n').count() as u32 + 1, source, source.len());
    }
    let source = lines.get(at).copied().unwrap_or_default();
    (error.line, source, (error.column as usize).saturating_sub(1).min(source.len()))
}

/// The words for what is wrong.
fn words(text: &str, error: &XmlError) -> String {
    let detail = error.message.split(" at ").next().unwrap_or_default();
    if !text.trim_start().starts_with('<') {
        return "Start tag expected, '<' not found".to_owned();
    }
    if detail.contains("unexpected end of stream") || detail.contains("root node was opened but never closed")
    {
        if let Some((name, line)) = unclosed(text) {
            return format!("Premature end of data in tag {name} line {line}");
        }
        return "Document is empty".to_owned();
    }
    let before = text.split('\n').nth((error.line as usize).saturating_sub(1));
    let before = before.and_then(|line| line.as_bytes().get((error.column as usize).checked_sub(2)?));
    if detail == "invalid name token" && before == Some(&b'<') {
        return "StartTag: invalid element name".to_owned();
    }
    if let Some(rest) = detail.strip_prefix("expected '") {
        let mut names = rest.split('\'');
        let open = names.next().unwrap_or_default();
        let close = names.nth(1).unwrap_or_default();
        let line = unclosed(text).map_or(error.line, |(_, line)| line);
        return format!("Opening and ending tag mismatch: {open} line {line} and {close}");
    }
    detail.to_owned()
}

/// The innermost element that is open at the end: name and line.
fn unclosed(text: &str) -> Option<(String, u32)> {
    let mut open: Vec<(String, u32)> = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(at) = rest.find('<') {
        line += rest[..at].matches('\n').count() as u32;
        rest = &rest[at + 1..];
        let end = rest.find('>').unwrap_or(rest.len());
        let tag = &rest[..end];
        let name: String =
            tag.trim_start_matches('/').chars().take_while(|c| !c.is_whitespace() && *c != '/').collect();
        if tag.starts_with('/') {
            if open.last().is_some_and(|(last, _)| *last == name) {
                open.pop();
            } else {
                break;
            }
        } else if !tag.starts_with(['!', '?']) && !tag.ends_with('/') && end < rest.len() {
            open.push((name, line));
        }
    }
    open.pop()
}
