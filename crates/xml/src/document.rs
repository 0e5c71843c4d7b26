//! A parsed document and the bounds it was parsed under.

use crate::Node;

/// Bounds on what is accepted. The defaults are far above any real document.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of text.
    pub bytes: usize,
    /// Nesting of elements.
    pub depth: usize,
    /// Nodes of any kind (elements, texts, attributes' owners).
    pub nodes: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        // The wire carries at most 4 MiB in a string; libxml2 refuses more than 256 levels.
        Limits { bytes: 16 << 20, depth: 256, nodes: 1_000_000 }
    }
}

/// The text is not well-formed XML, or is beyond the limits.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct XmlError {
    /// 1-based line.
    pub line: u32,
    /// 1-based column in characters.
    pub column: u32,
    /// What is wrong.
    pub message: String,
}

/// A parsed document. Borrows the text.
#[derive(Debug)]
pub struct Document<'t> {
    tree: roxmltree::Document<'t>,
}

impl<'t> Document<'t> {
    /// Parses within the default limits.
    pub fn parse(text: &'t str) -> Result<Document<'t>, XmlError> {
        Document::parse_within(text, Limits::default())
    }

    /// Parses within given limits.
    pub fn parse_within(text: &'t str, limits: Limits) -> Result<Document<'t>, XmlError> {
        if text.len() > limits.bytes {
            return Err(XmlError { line: 1, column: 1, message: "document is too large".to_owned() });
        }
        if let Some(offset) = beyond_depth(text, limits.depth) {
            let (line, column) = position(text, offset);
            return Err(XmlError { line, column, message: "elements are nested too deeply".to_owned() });
        }
        let options = roxmltree::ParsingOptions {
            allow_dtd: true,
            nodes_limit: limits.nodes,
            ..roxmltree::ParsingOptions::default()
        };
        match roxmltree::Document::parse_with_options(text, options) {
            Ok(tree) => Ok(Document { tree }),
            Err(error) => {
                let at = error.pos();
                Err(XmlError { line: at.row, column: at.col, message: error.to_string() })
            }
        }
    }

    /// The outermost element.
    pub fn root(&self) -> Node<'_> {
        Node::new(self.tree.root_element())
    }
}

/// Byte offset of the first start tag nested deeper than `depth`. A cheap scan that runs before the parser, whose
/// recursion it bounds; it may be fooled by `<` in comments and sections, so it skips those.
fn beyond_depth(text: &str, depth: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut level = 0usize;
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'<') {
        let start = at + found;
        let rest = &bytes[start..];
        let skip_to =
            |end: &str| text[start..].find(end).map_or(bytes.len(), |found| start + found + end.len());
        if rest.starts_with(b"<!--") {
            at = skip_to("-->");
        } else if rest.starts_with(b"<![CDATA[") {
            at = skip_to("]]>");
        } else if rest.starts_with(b"<?") {
            at = skip_to("?>");
        } else if rest.starts_with(b"</") {
            level = level.saturating_sub(1);
            at = start + 2;
        } else if rest.starts_with(b"<!") {
            at = start + 2;
        } else {
            let mut quote = None;
            let mut end = start + 1;
            while end < bytes.len() {
                match (quote, bytes[end]) {
                    (None, b'>') => break,
                    (None, c @ (b'\'' | b'"')) => quote = Some(c),
                    (Some(open), c) if open == c => quote = None,
                    _ => {}
                }
                end += 1;
            }
            if end == 0 || bytes.get(end - 1) != Some(&b'/') {
                level += 1;
                if level > depth {
                    return Some(start);
                }
            }
            at = end.min(bytes.len());
        }
    }
    None
}

fn position(text: &str, offset: usize) -> (u32, u32) {
    let before = &text[..offset];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() as u32 + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        check(&("<a>".repeat(257) + &"</a>".repeat(257)), 1);
        check(&("<a>".repeat(256) + &"</a>".repeat(256)), 0);
        check(&format!("<a>{}</a>", "<b x='/>'/>".repeat(1000)), 0);
    }
}
