//! The layout of libvirt's documents: two spaces per level, single quotes, one element a line.

use std::fmt::{Display, Write};

/// Text under construction.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
    indent: usize,
}

/// A start tag that is still open for attributes. Must be ended by one of the consuming methods.
#[derive(Debug)]
#[must_use = "the element is not closed before empty(), text() or children() is called"]
pub struct Element<'w, 'n> {
    writer: &'w mut Writer,
    name: &'n str,
    start: usize,
    bare: bool,
}

impl Writer {
    /// An empty writer at the left margin.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// An empty writer at the left margin, for about so many bytes.
    pub fn sized(bytes: usize) -> Writer {
        Writer { text: String::with_capacity(bytes), indent: 0 }
    }

    /// An empty writer that indents its first level by `columns`.
    pub fn indented(columns: usize) -> Writer {
        Writer { text: String::new(), indent: columns }
    }

    /// What was written.
    pub fn finish(self) -> String {
        self.text
    }

    /// What was written so far.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Begins an element on a line of its own.
    pub fn element<'n>(&mut self, name: &'n str) -> Element<'_, 'n> {
        let start = self.text.len();
        self.margin();
        self.text.push('<');
        self.text.push_str(name);
        Element { writer: self, name, start, bare: true }
    }

    /// `<name>text</name>`.
    pub fn leaf(&mut self, name: &str, text: impl Display) {
        self.element(name).text(text);
    }

    /// `<name>text</name>` when there is a text.
    pub fn leaf_opt(&mut self, name: &str, text: Option<impl Display>) {
        if let Some(text) = text {
            self.leaf(name, text);
        }
    }

    /// Copies prepared text, each line moved right to the current level.
    pub fn block(&mut self, text: &str) {
        for line in text.lines() {
            if !line.is_empty() {
                self.margin();
            }
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// Copies prepared text as it is.
    pub fn verbatim(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Runs `body` one level deeper.
    pub fn deeper(&mut self, body: impl FnOnce(&mut Writer)) {
        self.indent += 2;
        body(self);
        self.indent -= 2;
    }

    fn margin(&mut self) {
        const BLANKS: &str = "                                ";
        let mut left = self.indent;
        while left > 0 {
            let step = left.min(BLANKS.len());
            self.text.push_str(BLANKS.get(..step).unwrap_or_default());
            left -= step;
        }
    }

    fn escaped(&mut self, value: impl Display) {
        let mut sink = Escaping { text: &mut self.text };
        // Writing to a String cannot fail.
        let _ = write!(sink, "{value}");
    }
}

impl Element<'_, '_> {
    /// Adds ` name='value'`.
    pub fn attr(mut self, name: &str, value: impl Display) -> Self {
        self.bare = false;
        self.writer.text.push(' ');
        self.writer.text.push_str(name);
        self.writer.text.push_str("='");
        self.writer.escaped(value);
        self.writer.text.push('\'');
        self
    }

    /// The same for a value that is text already.
    pub fn attr_text(mut self, name: &str, value: &str) -> Self {
        self.bare = false;
        self.writer.text.push(' ');
        self.writer.text.push_str(name);
        self.writer.text.push_str("='");
        escape_into(value, &mut self.writer.text);
        self.writer.text.push('\'');
        self
    }

    /// Ends as `<name ...>text</name>` with a text that is text already.
    pub fn plain(self, text: &str) {
        self.writer.text.push('>');
        escape_into(text, &mut self.writer.text);
        self.writer.text.push_str("</");
        self.writer.text.push_str(self.name);
        self.writer.text.push_str(">\n");
    }

    /// Adds the attribute when there is a value.
    pub fn attr_opt(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    /// Adds the attribute when the condition holds.
    pub fn attr_if(self, condition: bool, name: &str, value: impl Display) -> Self {
        if condition { self.attr(name, value) } else { self }
    }

    /// Ends as `<name .../>`.
    pub fn empty(self) {
        self.writer.text.push_str("/>\n");
    }

    /// Ends as `<name ...>text</name>`.
    pub fn text(self, text: impl Display) {
        self.writer.text.push('>');
        self.writer.escaped(text);
        self.writer.text.push_str("</");
        self.writer.text.push_str(self.name);
        self.writer.text.push_str(">\n");
    }

    /// Writes the children; ends as `<name .../>` when there are none.
    pub fn children(self, body: impl FnOnce(&mut Writer)) {
        let open = self.writer.text.len();
        self.writer.text.push_str(">\n");
        let inside = self.writer.text.len();
        self.writer.deeper(body);
        if self.writer.text.len() == inside {
            self.writer.text.truncate(open);
            self.writer.text.push_str("/>\n");
        } else {
            self.writer.margin();
            self.writer.text.push_str("</");
            self.writer.text.push_str(self.name);
            self.writer.text.push_str(">\n");
        }
    }

    /// Like [`Element::children`], but with an end tag of its own line even when there are none.
    pub fn children_always(self, body: impl FnOnce(&mut Writer)) {
        self.writer.text.push_str(">\n");
        self.writer.deeper(body);
        self.writer.margin();
        self.writer.text.push_str("</");
        self.writer.text.push_str(self.name);
        self.writer.text.push_str(">\n");
    }

    /// Like [`Element::children`], but writes nothing at all when there is neither attribute nor child.
    pub fn children_or_nothing(self, body: impl FnOnce(&mut Writer)) {
        let (start, bare, open) = (self.start, self.bare, self.writer.text.len());
        let name = self.name;
        let writer = self.writer;
        writer.text.push_str(">\n");
        let inside = writer.text.len();
        writer.deeper(body);
        if writer.text.len() > inside {
            writer.margin();
            writer.text.push_str("</");
            writer.text.push_str(name);
            writer.text.push_str(">\n");
        } else if bare {
            writer.text.truncate(start);
        } else {
            writer.text.truncate(open);
            writer.text.push_str("/>\n");
        }
    }

    /// Ends as `<name .../>`, or writes nothing at all when there is no attribute.
    pub fn empty_or_nothing(self) {
        if self.bare {
            self.writer.text.truncate(self.start);
        } else {
            self.empty();
        }
    }
}

struct Escaping<'t> {
    text: &'t mut String,
}

impl Write for Escaping<'_> {
    fn write_str(&mut self, value: &str) -> std::fmt::Result {
        escape_into(value, self.text);
        Ok(())
    }
}

/// The five markup characters as entities; control characters other than tab and line ends are dropped, as no XML
/// document can hold them.
pub fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    escape_into(value, &mut text);
    text
}

/// Whether a byte is printed as it is.
const fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'<' | b'>' | b'&' | b'\'' | b'"' | 0..0x20)
}

/// 1 for each byte that is not printed as it is.
static SPECIAL: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = !is_plain(at as u8) as u8;
        at += 1;
    }
    table
};

#[inline]
fn escape_into(value: &str, text: &mut String) {
    // All are looked at, since nearly never one is found.
    if value.bytes().fold(0, |found, byte| found | SPECIAL[usize::from(byte)]) == 0 {
        text.push_str(value);
    } else {
        escape_special(value, text);
    }
}

#[cold]
fn escape_special(value: &str, text: &mut String) {
    for c in value.chars() {
        match c {
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '&' => text.push_str("&amp;"),
            '\'' => text.push_str("&apos;"),
            '"' => text.push_str("&quot;"),
            '\t' | '\n' | '\r' => text.push(c),
            c if c < ' ' => {}
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        let mut w = Writer::new();
        w.element("disk").attr("type", "file").attr_opt("x", None::<&str>).children(|w| {
            w.leaf("name", "a<b>'\"&\u{1}");
            w.element("empty").children(|_| {});
            w.element("gone").children_or_nothing(|_| {});
            w.element("gone").empty_or_nothing();
            w.element("kept").attr("y", 1).children_or_nothing(|_| {});
            w.element("open").children_always(|_| {});
        });
        assert_eq!(
            w.finish(),
            "<disk type='file'>\n  <name>a&lt;b&gt;&apos;&quot;&amp;</name>\n  <empty/>\n  <kept y='1'/>\n  <open>\n  </open>\n</disk>\n"
        );
    }
}
