//! A parsed document and the bounds it was parsed under.

use crate::attrs::Pairs;
use crate::{Key, Node, parse};
use std::borrow::Cow;

/// Bounds on what is accepted. The defaults are far above any real document.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of text.
    pub bytes: usize,
    /// Nesting of elements in the outermost one.
    pub depth: usize,
    /// Elements, texts and attributes.
    pub nodes: u32,
    /// Bytes that entities of the document's own may expand to in all.
    pub expansion: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        // The wire carries at most 4 MiB in a string; libxml2 refuses more than 256 levels.
        Limits { bytes: 16 << 20, depth: 256, nodes: 1_000_000, expansion: 64 << 10 }
    }
}

/// The text is not well-formed XML, or is beyond the limits. The words are those of libxml2.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct XmlError {
    /// 1-based line.
    pub line: u32,
    /// 1-based column in bytes.
    pub column: u32,
    /// Bytes before the place.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
}

impl XmlError {
    pub(crate) fn at(text: &str, offset: usize, message: impl Into<String>) -> XmlError {
        let (line, column) = position(text, offset);
        XmlError { line, column, offset, message: message.into() }
    }

    /// As clients show it: the line, the words, the text of the line and a mark under the place.
    pub fn shown(&self, text: &str) -> String {
        if text.is_empty() {
            return format!("at line 1: {}\n(null)\n^", self.message);
        }
        let (source, column) = shown(text, self.offset);
        let before = source.as_bytes().iter().take(column);
        let dashes: String = before.map(|byte| if *byte == b'\t' { '\t' } else { '-' }).collect();
        format!("at line {}: {}\n{source}\n{dashes}^", self.line, self.message)
    }
}

/// What stands in an element.
#[derive(Debug)]
pub(crate) enum Kind<'t> {
    /// An element, by its local name.
    Element(&'t str),
    Text(Cow<'t, str>),
}

/// No node: the root's parent, the last sibling's next.
pub(crate) const NONE: u32 = u32::MAX;

impl<'t> NodeData<'t> {
    /// Its local name.
    pub(crate) fn name(&self) -> &'t str {
        match self.kind {
            Kind::Element(name) => name,
            Kind::Text(_) => "",
        }
    }
}

/// An element or a piece of text. Nodes stand in the order of the document.
#[derive(Debug)]
pub(crate) struct NodeData<'t> {
    pub(crate) kind: Kind<'t>,
    /// The number of its local name.
    pub(crate) key: Key,
    pub(crate) parent: u32,
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) next: u32,
    /// Its namespace, which also tells its prefix, and the innermost declaration in force.
    pub(crate) namespace: u32,
    pub(crate) scope: u32,
    /// Its attributes.
    pub(crate) attrs: (u32, u32),
    /// Those in no namespace, as pairs one behind the other, and the bits of their names.
    pub(crate) pairs: (u32, u32),
    pub(crate) names: u32,
    /// Its place in the text.
    pub(crate) span: (u32, u32),
}

#[derive(Debug)]
pub(crate) struct AttrData<'t> {
    pub(crate) name: &'t str,
    pub(crate) key: Key,
    pub(crate) namespace: u32,
    pub(crate) value: Cow<'t, str>,
}

/// A declaration of a namespace, and the one around it.
#[derive(Debug)]
pub(crate) struct Space<'t> {
    pub(crate) prefix: Option<&'t str>,
    pub(crate) uri: Cow<'t, str>,
    pub(crate) outer: u32,
}

/// A parsed document. Borrows the text.
#[derive(Debug)]
pub struct Document<'t> {
    pub(crate) text: &'t str,
    pub(crate) nodes: Vec<NodeData<'t>>,
    pub(crate) attrs: Vec<AttrData<'t>>,
    pub(crate) pairs: Pairs,
    pub(crate) spaces: Vec<Space<'t>>,
}

impl<'t> Document<'t> {
    /// Parses within the default limits.
    ///
    /// # Errors
    /// When the text is not well-formed or beyond the limits.
    pub fn parse(text: &'t str) -> Result<Document<'t>, XmlError> {
        Document::parse_within(text, Limits::default())
    }

    /// Parses within given limits.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_within(text: &'t str, limits: Limits) -> Result<Document<'t>, XmlError> {
        // Places are counted in 32 bits.
        if text.len() > limits.bytes.min(NONE as usize - 1) {
            return Err(XmlError::at(text, 0, "document is too large"));
        }
        parse::document(text, limits)
    }

    /// The outermost element.
    pub fn root(&self) -> Node<'_> {
        // A document without an outermost element is refused.
        Node::new(self, 0)
    }
}

/// 1-based line and column, in bytes, of a place in a text.
pub(crate) fn position(text: &str, offset: usize) -> (u32, u32) {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    let line = before.iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() as u32 + 1;
    (line, column)
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
            assert_eq!(Document::parse(text).map(|_| ()).unwrap_err().shown(text), expected);
        }
    }

    fn check(text: &str, line: u32) {
        let error = Document::parse(text).err();
        assert_eq!(
            error.as_ref().map(|error| error.line),
            (line > 0).then_some(line),
            "{text:.40} {error:?}"
        );
    }

    #[test]
    fn bounds_and_positions() {
        check("<a><b/></a>", 0);
        check("<a>\n<b></a>", 2);
        check("", 1);
        check(&("<a>".repeat(258) + &"</a>".repeat(258)), 1);
        check(&("<a>".repeat(257) + &"</a>".repeat(257)), 0);
        check(&format!("<a>{}</a>", "<b x='/>'/>".repeat(1000)), 0);
        let few = Limits { nodes: 10, ..Limits::default() };
        assert!(Document::parse_within(&format!("<a>{}</a>", "<b/>".repeat(20)), few).is_err());
        assert!(Document::parse_within(&format!("<a>{}</a>", "<b/>".repeat(8)), few).is_ok());
    }
}
