//! The layout of libvirt's documents: two spaces per level, single quotes, one element a line.

use crate::bytes::copy;
use std::fmt::{Display, Write};

/// Text under construction. It stands in bytes with zeros behind it, so that short pieces can be copied eight bytes at a
/// time; it is put together from whole pieces of text.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    used: usize,
    indent: usize,
}

/// More room than anything short takes.
const SPARE: usize = 16;

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
        Writer { bytes: vec![0; bytes], ..Writer::default() }
    }

    /// An empty writer that indents its first level by `columns`.
    pub fn indented(columns: usize) -> Writer {
        Writer { indent: columns, ..Writer::default() }
    }

    /// What was written.
    pub fn finish(mut self) -> String {
        self.bytes.truncate(self.used);
        String::from_utf8(self.bytes).unwrap_or_default()
    }

    #[inline]
    fn put(&mut self, text: &str) {
        let length = text.len();
        if self.bytes.len() < self.used + length + SPARE {
            self.grow(length);
        }
        if let Some(room) = self.bytes.get_mut(self.used..) {
            copy(text.as_bytes(), room);
            self.used += length;
        }
    }

    /// A text that is mostly known while the program is made.
    #[inline(always)]
    fn put_short<const N: usize>(&mut self, text: &[u8; N]) {
        if self.bytes.len() < self.used + N + SPARE {
            self.grow(N);
        }
        if let Some(room) = self.bytes.get_mut(self.used..).and_then(|room| room.first_chunk_mut::<N>()) {
            *room = *text;
            self.used += N;
        }
    }

    #[cold]
    fn grow(&mut self, length: usize) {
        let wanted = (2 * self.bytes.len()).max(256).max(self.used + length + SPARE);
        self.bytes.resize(wanted, 0);
    }

    /// Takes back what was written from a place on.
    fn back_to(&mut self, place: usize) {
        self.used = place;
    }

    /// Begins an element on a line of its own.
    pub fn element<'n>(&mut self, name: &'n str) -> Element<'_, 'n> {
        let start = self.used;
        self.margin();
        self.put_short(b"<");
        self.put(name);
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
            self.put(line);
            self.put_short(b"\n");
        }
    }

    /// Copies prepared text as it is.
    pub fn verbatim(&mut self, text: &str) {
        self.put(text);
    }

    /// Runs `body` one level deeper.
    pub fn deeper(&mut self, body: impl FnOnce(&mut Writer)) {
        self.indent += 2;
        body(self);
        self.indent -= 2;
    }

    fn margin(&mut self) {
        const BLANKS: &[u8; 8] = b"        ";
        let mut left = self.indent;
        while left > 0 {
            let step = left.min(BLANKS.len());
            self.put_short(BLANKS);
            self.used -= BLANKS.len() - step;
            left -= step;
        }
    }

    fn end_tag(&mut self, name: &str) {
        self.put_short(b"</");
        self.put(name);
        self.put_short(b">\n");
    }

    fn escaped(&mut self, value: impl Display) {
        // Writing to a text cannot fail.
        let _ = write!(Escaping { writer: self }, "{value}");
    }

    #[inline]
    fn escape(&mut self, value: &str) {
        if is_plain_text(value) {
            self.put(value);
        } else {
            self.put(&escape(value));
        }
    }
}

impl Element<'_, '_> {
    /// Adds ` name='value'`.
    pub fn attr(mut self, name: &str, value: impl Display) -> Self {
        self.bare = false;
        self.writer.put_short(b" ");
        self.writer.put(name);
        self.writer.put_short(b"='");
        self.writer.escaped(value);
        self.writer.put_short(b"'");
        self
    }

    /// The same for a value that is text already.
    pub fn attr_text(mut self, name: &str, value: &str) -> Self {
        self.bare = false;
        self.writer.put_short(b" ");
        self.writer.put(name);
        self.writer.put_short(b"='");
        self.writer.escape(value);
        self.writer.put_short(b"'");
        self
    }

    /// Ends as `<name ...>text</name>` with a text that is text already.
    pub fn plain(self, text: &str) {
        self.writer.put_short(b">");
        self.writer.escape(text);
        self.writer.end_tag(self.name);
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
        self.writer.put_short(b"/>\n");
    }

    /// Ends as `<name ...>text</name>`.
    pub fn text(self, text: impl Display) {
        self.writer.put_short(b">");
        self.writer.escaped(text);
        self.writer.end_tag(self.name);
    }

    /// Writes the children; ends as `<name .../>` when there are none.
    pub fn children(self, body: impl FnOnce(&mut Writer)) {
        let open = self.writer.used;
        self.writer.put_short(b">\n");
        let inside = self.writer.used;
        self.writer.deeper(body);
        if self.writer.used == inside {
            self.writer.back_to(open);
            self.writer.put_short(b"/>\n");
        } else {
            self.writer.margin();
            self.writer.end_tag(self.name);
        }
    }

    /// Like [`Element::children`], but with an end tag of its own line even when there are none.
    pub fn children_always(self, body: impl FnOnce(&mut Writer)) {
        self.writer.put_short(b">\n");
        self.writer.deeper(body);
        self.writer.margin();
        self.writer.end_tag(self.name);
    }

    /// Like [`Element::children`], but writes nothing at all when there is neither attribute nor child.
    pub fn children_or_nothing(self, body: impl FnOnce(&mut Writer)) {
        let (start, bare, open) = (self.start, self.bare, self.writer.used);
        let name = self.name;
        let writer = self.writer;
        writer.put_short(b">\n");
        let inside = writer.used;
        writer.deeper(body);
        if writer.used > inside {
            writer.margin();
            writer.end_tag(name);
        } else if bare {
            writer.back_to(start);
        } else {
            writer.back_to(open);
            writer.put_short(b"/>\n");
        }
    }

    /// Ends as `<name .../>`, or writes nothing at all when there is no attribute.
    pub fn empty_or_nothing(self) {
        if self.bare {
            self.writer.back_to(self.start);
        } else {
            self.empty();
        }
    }
}

struct Escaping<'w> {
    writer: &'w mut Writer,
}

impl Write for Escaping<'_> {
    fn write_str(&mut self, value: &str) -> std::fmt::Result {
        self.writer.escape(value);
        Ok(())
    }
}

/// The five markup characters as entities; control characters other than tab and line ends are dropped, as no XML
/// document can hold them.
pub fn escape(value: &str) -> String {
    if is_plain_text(value) { value.to_owned() } else { escape_special(value) }
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

/// All are looked at, since nearly never one is found that is not.
#[inline]
fn is_plain_text(value: &str) -> bool {
    value.bytes().fold(0, |found, byte| found | SPECIAL[usize::from(byte)]) == 0
}

#[cold]
fn escape_special(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 16);
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
    text
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
