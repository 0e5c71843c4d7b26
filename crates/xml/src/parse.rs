//! Reading: one pass over the text, without recursion.
//!
//! ```text
//! prolog ─▶ root ─┬▶ start tag ─▶ content ─▶ end tag ─┐─▶ epilog
//!                 └──────────◀──────────────────────◀─┘
//! ```
//!
//! What is wrong is said in the words of libxml2 and at the place where it would stand, since clients show both.
//! Comments and processing instructions are passed over; no external entity is ever read.

use crate::Key;
use crate::attrs::{self, Pairs};
use crate::document::{AttrData, Document, Kind, Limits, NONE, NodeData, Space, XmlError};
use crate::reference::{Entities, References};
use std::borrow::Cow;

pub(crate) type Outcome<T> = Result<T, XmlError>;

/// Bytes of a name without its prefix.
pub(crate) const NAME: usize = 50_000;

/// Declarations of namespaces, all of which may be looked through for a name.
const SPACES: usize = 1000;

pub(crate) struct Parser<'t> {
    pub(crate) text: &'t str,
    pub(crate) at: usize,
    limits: Limits,
    document: Document<'t>,
    /// Open elements.
    open: Vec<u32>,
    pub(crate) entities: Entities<'t>,
    /// Attributes of all elements so far.
    pairs: String,
}

pub(crate) fn document(text: &str, limits: Limits) -> Outcome<Document<'_>> {
    // A line has some thirty bytes and is an element, a piece of text and two attributes.
    let lines = (text.len() / 32 + 1).min(limits.nodes as usize);
    let document = Document {
        text,
        nodes: Vec::with_capacity(lines * 2),
        attrs: Vec::with_capacity(lines * 2),
        pairs: Pairs::default(),
        spaces: Vec::new(),
    };
    let entities = Entities::new(limits.expansion);
    // Of a line, half is indentation and punctuation.
    let pairs = String::with_capacity(text.len() / 2);
    let mut parser = Parser { text, at: 0, limits, document, open: Vec::new(), entities, pairs };
    parser.prolog()?;
    parser.element()?;
    while !parser.open.is_empty() {
        parser.content()?;
    }
    parser.epilog()?;
    parser.document.pairs = Pairs::new(parser.pairs.into_boxed_str());
    Ok(parser.document)
}

/// A place or a count; texts are shorter than 32 bits can count.
fn short(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(NONE)
}

/// Kinds of bytes that are passed over in one go. What takes a closer look is of none of them.
const BLANK: u8 = 1;
const BEGINS: u8 = 2;
const CONTINUES: u8 = 4;
const IN_SINGLE: u8 = 8;
const IN_DOUBLE: u8 = 16;
const IN_TEXT: u8 = 32;
/// Continues a name and parts no prefix from it.
const PLAIN: u8 = 64;

static KINDS: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let blank = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let begins = byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':');
        let mut kinds = if blank { BLANK } else { 0 };
        if begins {
            kinds |= BEGINS;
        }
        if begins || byte.is_ascii_digit() || matches!(byte, b'-' | b'.') {
            kinds |= if byte == b':' { CONTINUES } else { CONTINUES | PLAIN };
        }
        // 0xEF begins the two characters that XML does not know.
        if byte >= b' ' && !matches!(byte, b'<' | b'&' | 0xef) {
            kinds |= if byte == b'\'' { 0 } else { IN_SINGLE } | if byte == b'"' { 0 } else { IN_DOUBLE };
        }
        if (byte >= b' ' || blank && byte != b'\r') && !matches!(byte, b'<' | b'&' | b']' | 0xef) {
            kinds |= IN_TEXT;
        }
        table[at] = kinds;
        at += 1;
    }
    table
}

pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Characters that XML knows.
pub(crate) fn is_character(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

fn out_of_range(c: char) -> String {
    format!("Char 0x{:X} out of allowed range", c as u32)
}

/// Prefix and local name.
fn split_name(name: &str) -> Option<(&str, &str)> {
    let colon = name.as_bytes().iter().position(|byte| *byte == b':')?;
    Some((name.get(..colon)?, name.get(colon + 1..)?))
}

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(c, '_' | ':' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
            | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}' | '\u{200d}' | '\u{2070}'..='\u{218f}'
            | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}'
            | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

fn continues_name(c: char) -> bool {
    begins_name(c)
        || c.is_ascii_digit()
        || matches!(c, '-' | '.' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

impl<'t> Parser<'t> {
    pub(crate) fn fail<T>(&self, at: usize, message: impl Into<String>) -> Outcome<T> {
        Err(XmlError::at(self.text, at, message))
    }

    pub(crate) fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(crate) fn sees(&self, what: &str) -> bool {
        self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(what.as_bytes()))
    }

    /// Passes over bytes of these kinds.
    #[inline]
    fn run(&mut self, kinds: u8) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| KINDS[usize::from(*byte)] & kinds == 0).unwrap_or(rest.len());
    }

    pub(crate) fn blanks(&mut self) -> bool {
        let start = self.at;
        self.run(BLANK);
        self.at > start
    }

    pub(crate) fn slice(&self, from: usize, to: usize) -> &'t str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// A name of plain letters without a prefix, as nearly all are. Nothing is passed over when it is another.
    #[inline]
    fn plain_name(&mut self) -> Option<&'t str> {
        let start = self.at;
        let first = self.byte()?;
        if KINDS[usize::from(first)] & BEGINS == 0 {
            return None;
        }
        self.run(PLAIN);
        if self.at == start || self.byte().is_none_or(|byte| byte == b':' || byte >= 0x80) {
            self.at = start;
            return None;
        }
        Some(self.slice(start, self.at))
    }

    /// A name, perhaps with a prefix and a colon.
    pub(crate) fn name(&mut self) -> Option<&'t str> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        match bytes.get(self.at) {
            Some(byte) if KINDS[usize::from(*byte)] & BEGINS != 0 || *byte >= 0x80 => {}
            _ => return None,
        }
        loop {
            // Names are nearly always of plain letters.
            self.run(CONTINUES);
            if bytes.get(self.at).is_none_or(|byte| *byte < 0x80) {
                break;
            }
            let c = self.text.get(self.at..).and_then(|rest| rest.chars().next())?;
            let fits = if self.at == start { begins_name(c) } else { continues_name(c) };
            if !fits {
                break;
            }
            self.at += c.len_utf8();
        }
        (self.at > start).then(|| self.slice(start, self.at))
    }

    /// The name that was just read is refused when it is too long.
    #[inline]
    pub(crate) fn bounded(&self, name: &str, kind: &str) -> Outcome<()> {
        if name.len() <= NAME { Ok(()) } else { self.too_long(name, kind) }
    }

    #[cold]
    fn too_long(&self, name: &str, kind: &str) -> Outcome<()> {
        let longest = if kind == "NCName" { name.split(':').map(str::len).max() } else { Some(name.len()) };
        if longest.is_some_and(|length| length > NAME) {
            return self.fail(self.at - name.len(), format!("Name too long: {kind}"));
        }
        Ok(())
    }

    fn room(&self) -> Outcome<()> {
        let used = self.document.nodes.len() + self.document.attrs.len();
        if used >= self.limits.nodes as usize {
            return self.fail(self.at, "document has too many nodes");
        }
        Ok(())
    }

    fn push(&mut self, node: NodeData<'t>) -> Outcome<u32> {
        self.room()?;
        let index = short(self.document.nodes.len());
        let nodes = &mut self.document.nodes;
        if let Some(parent) = self.open.last().and_then(|parent| nodes.get_mut(*parent as usize)) {
            let before = std::mem::replace(&mut parent.last, index);
            if before == NONE {
                parent.first = index;
            } else if let Some(before) = nodes.get_mut(before as usize) {
                before.next = index;
            }
        }
        nodes.push(node);
        Ok(index)
    }

    /// A start tag; the element stays open unless the tag ends it.
    fn element(&mut self) -> Outcome<()> {
        let start = self.at;
        self.at += 1;
        if self.open.len() > self.limits.depth {
            let text =
                format!("Excessive depth in document: {} use XML_PARSE_HUGE option", self.limits.depth);
            return self.fail(start, text);
        }
        let plain = self.plain_name();
        let Some(full) = plain.or_else(|| self.name()) else {
            return self.fail(self.at, "StartTag: invalid element name");
        };
        self.bounded(full, "NCName")?;
        let parent = self.open.last().copied().unwrap_or(NONE);
        let scope = self.document.nodes.get(parent as usize).map_or(NONE, |parent| parent.scope);
        let first = self.document.attrs.len();
        let (scope, prefixed) = self.attributes(full, start, scope)?;
        if self.document.attrs.len() > first {
            self.resolve(first, scope, prefixed)?;
        }
        let (name, namespace) = match plain {
            Some(name) => (name, self.find(scope, None)),
            None => self.qualified(full, scope, true),
        };
        let ends = self.byte() == Some(b'/');
        self.at += if ends { 2 } else { 1 };
        let last = self.document.attrs.len();
        let (pairs, names) = self.pairs(first);
        let node = NodeData {
            kind: Kind::Element(name),
            key: Key::of(name),
            parent,
            first: NONE,
            last: NONE,
            next: NONE,
            namespace,
            scope,
            attrs: (short(first), short(last)),
            pairs,
            names,
            span: (short(start), short(self.at)),
        };
        let index = self.push(node)?;
        if !ends {
            self.open.push(index);
        }
        Ok(())
    }

    /// Puts the attributes in no namespace behind those of the elements before, and tells where and the bits of names.
    fn pairs(&mut self, first: usize) -> ((u32, u32), u32) {
        let (from, mut names) = (self.pairs.len(), 0);
        for attr in self.document.attrs.get(first..).unwrap_or_default() {
            if attr.namespace == NONE {
                names |= attr.key.bit();
                attrs::append(&mut self.pairs, attr.name, &attr.value);
            }
        }
        ((short(from), short(self.pairs.len())), names)
    }

    /// Attributes up to the end of the tag, which is in sight then. Declarations of namespaces go to the scope. Tells
    /// also whether a name may have a prefix.
    fn attributes(&mut self, element: &str, start: usize, outer: u32) -> Outcome<(u32, bool)> {
        let mut scope = outer;
        let mut prefixed = false;
        let own = self.document.spaces.len();
        let unfinished = |parser: &Self| {
            let (line, _) = crate::document::position(parser.text, start);
            parser.fail(parser.at, format!("Couldn't find end of Start Tag {element} line {line}"))
        };
        self.blanks();
        // A blank is missed between attributes only, not behind the name.
        let mut parted = true;
        loop {
            match self.byte() {
                None | Some(0..=8 | 11 | 12 | 14..=31) => return unfinished(self),
                Some(b'>') => return Ok((scope, prefixed)),
                Some(b'/') if self.sees("/>") => return Ok((scope, prefixed)),
                Some(_) if !parted => return self.fail(self.at, "attributes construct error"),
                Some(_) => {}
            }
            self.room()?;
            let plain = self.plain_name();
            let Some(full) = plain.or_else(|| self.name()) else {
                return self.fail(self.at, "error parsing attribute name");
            };
            prefixed |= plain.is_none();
            self.bounded(full, "NCName")?;
            self.blanks();
            if self.byte() != Some(b'=') {
                return self.fail(self.at, format!("Specification mandates value for attribute {full}"));
            }
            self.at += 1;
            self.blanks();
            let value = self.value()?;
            let key = Key::of(full);
            let declared = match plain {
                Some(_) if key == Key::of("xmlns") => Some(None),
                Some(_) => None,
                None => match split_name(full) {
                    None if full == "xmlns" => Some(None),
                    Some(("xmlns", prefix)) => Some(Some(prefix)),
                    _ => None,
                },
            };
            if let Some(prefix) = declared {
                let again = self.document.spaces.get(own..).unwrap_or_default();
                if again.iter().any(|space| space.prefix == prefix) {
                    return self.fail(self.at, format!("Attribute {full} redefined"));
                }
                if self.document.spaces.len() >= SPACES {
                    return self.fail(self.at, "document has too many namespaces");
                }
                self.document.spaces.push(Space { prefix, uri: value, outer: scope });
                scope = short(self.document.spaces.len() - 1);
            } else {
                self.document.attrs.push(AttrData { name: full, key, namespace: NONE, value });
            }
            parted = self.blanks();
            if !parted && !matches!(self.byte(), Some(b'>' | b'/')) {
                return self.fail(self.at, "attributes construct error");
            }
        }
    }

    /// Namespaces of attributes, whose declarations may have come behind them; each attribute stands once.
    fn resolve(&mut self, first: usize, scope: u32, prefixed: bool) -> Outcome<()> {
        let count = self.document.attrs.len();
        if prefixed {
            for index in first..count {
                let Some(full) = self.document.attrs.get(index).map(|attr| attr.name) else { break };
                let (name, namespace) = self.qualified(full, scope, false);
                if let Some(attr) = self.document.attrs.get_mut(index) {
                    (attr.name, attr.namespace) = (name, namespace);
                    attr.key = Key::of(name);
                }
            }
        }
        let own = self.document.attrs.get(first..).unwrap_or_default();
        let again = if own.len() <= 16 {
            (1..own.len()).find(|index| (0..*index).any(|other| self.same(own, other, *index)))
        } else {
            let mut order: Vec<usize> = (0..own.len()).collect();
            order.sort_by_key(|index| own.get(*index).map(|attr| (attr.name, self.uri(attr.namespace))));
            order.windows(2).filter(|pair| self.same(own, pair[0], pair[1])).map(|pair| pair[1]).min()
        };
        if let Some(attr) = again.and_then(|index| own.get(index)) {
            let space = self.document.spaces.get(attr.namespace as usize);
            let name = match space.and_then(|space| space.prefix) {
                Some(prefix) => format!("{prefix}:{}", attr.name),
                None => attr.name.to_owned(),
            };
            return self.fail(self.at, format!("Attribute {name} redefined"));
        }
        Ok(())
    }

    /// Whether two attributes of an element are the same one.
    fn same(&self, own: &[AttrData<'t>], one: usize, other: usize) -> bool {
        match (own.get(one), own.get(other)) {
            (Some(one), Some(other)) => {
                one.key == other.key
                    && one.name == other.name
                    && (one.namespace == other.namespace
                        || self.uri(one.namespace) == self.uri(other.namespace))
            }
            _ => false,
        }
    }

    fn uri(&self, space: u32) -> Option<&str> {
        self.document.spaces.get(space as usize).map(|space| space.uri.as_ref())
    }

    /// Local name and namespace. A prefix that is not declared is part of the name.
    fn qualified(&self, full: &'t str, scope: u32, element: bool) -> (&'t str, u32) {
        let split = split_name(full).filter(|(prefix, name)| !prefix.is_empty() && !name.is_empty());
        match split {
            None if !element => (full, NONE),
            None => (full, self.find(scope, None)),
            Some((prefix, name)) => match self.find(scope, Some(prefix)) {
                NONE => (full, NONE),
                space => (name, space),
            },
        }
    }

    fn find(&self, mut scope: u32, prefix: Option<&str>) -> u32 {
        while let Some(space) = self.document.spaces.get(scope as usize) {
            if space.prefix == prefix {
                // An empty one takes the outer ones out of force.
                return if space.uri.is_empty() { NONE } else { scope };
            }
            scope = space.outer;
        }
        NONE
    }

    /// A value in quotes: references resolved, white space made blanks.
    fn value(&mut self) -> Outcome<Cow<'t, str>> {
        let Some(quote @ (b'"' | b'\'')) = self.byte() else {
            return self.fail(self.at, "AttValue: \" or ' expected");
        };
        self.at += 1;
        let from = self.at;
        self.run(if quote == b'"' { IN_DOUBLE } else { IN_SINGLE });
        if self.byte() == Some(quote) {
            self.at += 1;
            return Ok(Cow::Borrowed(self.slice(from, self.at - 1)));
        }
        let mut value = self.slice(from, self.at).to_owned();
        loop {
            let Some(c) = self.text.get(self.at..).and_then(|rest| rest.chars().next()) else {
                return self.fail(self.at, "AttValue: ' expected");
            };
            match c {
                _ if c as u32 == u32::from(quote) => {
                    self.at += 1;
                    return Ok(Cow::Owned(value));
                }
                '<' => return self.fail(self.at, "Unescaped '<' not allowed in attributes values"),
                '&' => {
                    self.at = References::resolve(self.text, self.at, &mut self.entities, true, &mut value)?;
                }
                '\r' if self.sees("\r\n") => {
                    value.push(' ');
                    self.at += 2;
                }
                '\t' | '\n' | '\r' => {
                    value.push(' ');
                    self.at += 1;
                }
                c if is_character(c) => {
                    value.push(c);
                    self.at += c.len_utf8();
                }
                '\u{fffe}' | '\u{ffff}' => return self.fail(self.at, out_of_range(c)),
                _ => return self.fail(self.at, "invalid character in attribute value"),
            }
        }
    }

    /// What stands next in the innermost open element.
    fn content(&mut self) -> Outcome<()> {
        match self.byte() {
            None => self.premature(),
            Some(b'<') => match self.text.as_bytes().get(self.at + 1) {
                Some(b'/') => self.end_tag(),
                Some(b'!') if self.sees("<![CDATA[") => self.section(),
                Some(b'!' | b'?') => {
                    if self.passed_over()? {
                        return Ok(());
                    }
                    self.element()
                }
                _ => self.element(),
            },
            Some(_) => self.characters(),
        }
    }

    fn premature(&self) -> Outcome<()> {
        let open = self.open.last().and_then(|open| self.document.nodes.get(*open as usize));
        let (name, start) = open.map_or(("", 0), |node| (self.shown(node), node.span.0 as usize));
        let (line, _) = crate::document::position(self.text, start);
        self.fail(self.at, format!("Premature end of data in tag {name} line {line}"))
    }

    /// The name of an element as it stands in the text.
    fn shown(&self, node: &NodeData<'t>) -> &'t str {
        let start = node.span.0 as usize + 1;
        let space = self.document.spaces.get(node.namespace as usize);
        let prefix = space.and_then(|space| space.prefix);
        let length = node.name().len() + prefix.map_or(0, |prefix| prefix.len() + 1);
        self.slice(start, start + length)
    }

    fn end_tag(&mut self) -> Outcome<()> {
        self.at += 2;
        let name = self.plain_name().or_else(|| self.name()).unwrap_or("unparsable");
        self.bounded(name, "Name")?;
        self.blanks();
        if self.byte() != Some(b'>') {
            return self.fail(self.at, "expected '>'");
        }
        self.at += 1;
        let Some(open) = self.open.pop() else { return Ok(()) };
        let end = self.at;
        let Some(node) = self.document.nodes.get_mut(open as usize) else { return Ok(()) };
        node.span.1 = short(end);
        let start = node.span.0 as usize;
        let own = self.document.nodes.get(open as usize).map(|node| self.shown(node)).unwrap_or_default();
        if own != name {
            let (line, _) = crate::document::position(self.text, start);
            let text = format!("Opening and ending tag mismatch: {own} line {line} and {name}");
            return self.fail(self.at, text);
        }
        Ok(())
    }

    fn text(&mut self, text: Cow<'t, str>, span: (usize, usize)) -> Outcome<()> {
        let parent = self.open.last().copied().unwrap_or(NONE);
        let node = NodeData {
            kind: Kind::Text(text),
            key: Key::default(),
            parent,
            first: NONE,
            last: NONE,
            next: NONE,
            namespace: NONE,
            scope: NONE,
            attrs: (0, 0),
            pairs: (0, 0),
            names: 0,
            span: (short(span.0), short(span.1)),
        };
        self.push(node).map(|_| ())
    }

    /// `<![CDATA[ … ]]>`
    fn section(&mut self) -> Outcome<()> {
        let start = self.at;
        let from = start + 9;
        let rest = self.text.get(from..).unwrap_or_default();
        let end = rest.find("]]>").unwrap_or(rest.len());
        let length = rest.get(..end).and_then(|inside| inside.find(|c| !is_character(c))).unwrap_or(end);
        if !rest.get(length..).is_some_and(|rest| rest.starts_with("]]>")) {
            let inside = rest.get(..length).unwrap_or_default();
            // Two characters are read ahead.
            let text = match inside.chars().count() {
                0 | 1 => "Unregistered error message".to_owned(),
                count => {
                    let shown: String = inside.chars().take((count - 2).min(50)).collect();
                    format!("CData section not finished\n{shown}")
                }
            };
            return self.fail(from + length, text);
        }
        let inside = self.slice(from, from + length);
        self.at = from + length + 3;
        let text = if inside.contains('\r') {
            Cow::Owned(inside.replace("\r\n", "\n").replace('\r', "\n"))
        } else {
            Cow::Borrowed(inside)
        };
        self.text(text, (start, self.at))
    }

    /// Text up to the next tag: references resolved, ends of lines made line feeds.
    fn characters(&mut self) -> Outcome<()> {
        let start = self.at;
        self.run(IN_TEXT);
        if matches!(self.byte(), None | Some(b'<')) {
            let text = Cow::Borrowed(self.slice(start, self.at));
            return self.text(text, (start, self.at));
        }
        let mut text = self.slice(start, self.at).to_owned();
        while let Some(c) = self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            match c {
                '<' => break,
                '&' => {
                    self.at = References::resolve(self.text, self.at, &mut self.entities, false, &mut text)?;
                }
                ']' if self.sees("]]>") => {
                    return self.fail(self.at, "Sequence ']]>' not allowed in content");
                }
                '\r' => {
                    text.push('\n');
                    self.at += if self.sees("\r\n") { 2 } else { 1 };
                }
                c if is_character(c) => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
                '\u{fffe}' | '\u{ffff}' => return self.fail(self.at, out_of_range(c)),
                c => return self.fail(self.at, format!("PCDATA invalid Char value {}", c as u32)),
            }
        }
        self.text(Cow::Owned(text), (start, self.at))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Message and place (in bytes before it) of what is wrong.
    pub(crate) fn check(text: &str, message: &str, offset: usize) {
        let error = Document::parse(text).map(|_| ()).unwrap_err();
        assert_eq!((error.message.as_str(), error.offset), (message, offset), "{text}");
    }

    #[test]
    fn words_and_places() {
        check("<", "StartTag: invalid element name", 1);
        check("<a ", "Couldn't find end of Start Tag a line 1", 3);
        check("<a/", "error parsing attribute name", 2);
        check("<a b", "Specification mandates value for attribute b", 4);
        check("<a b=", "AttValue: \" or ' expected", 5);
        check("<a b='c", "AttValue: ' expected", 7);
        check("<a b='c'", "attributes construct error", 8);
        check("<a b='1'c='2'/>", "attributes construct error", 8);
        check("<a b='1' b='2'/>", "Attribute b redefined", 14);
        let many: String = (0..20).map(|number| format!(" b{number}='1'")).collect();
        check(&format!("<a{many} b7='1'/>"), "Attribute b7 redefined", many.len() + 9);
        check("<a xmlns='u' xmlns='v'/>", "Attribute xmlns redefined", 22);
        check("<a b='<'/>", "Unescaped '<' not allowed in attributes values", 6);
        check("<a b='\u{1}'/>", "invalid character in attribute value", 6);
        check("<a>\u{1}</a>", "PCDATA invalid Char value 1", 3);
        check("<a>", "Premature end of data in tag a line 1", 3);
        check("<a></a ", "expected '>'", 7);
        check("<a></>", "Opening and ending tag mismatch: a line 1 and unparsable", 6);
        check("<a\u{1}/>", "Couldn't find end of Start Tag a line 1", 2);
        check("<a>\u{ffff}</a>", "Char 0xFFFF out of allowed range", 3);
        check("<a><![CDATA[", "Unregistered error message", 12);
        check("<a><![CDATA[xyz]]", "CData section not finished\nxyz", 17);
        check(&format!("<a><{}/></a>", "b".repeat(50_001)), "Name too long: NCName", 4);
        check("<a>\n<b>\n</a>", "Opening and ending tag mismatch: b line 2 and a", 12);
        check("<a>]]></a>", "Sequence ']]>' not allowed in content", 3);
        check("<a><!b></a>", "StartTag: invalid element name", 4);
    }

    /// Names, attributes and texts of a document in one line.
    fn shape(text: &str) -> String {
        let document = Document::parse(text).unwrap();
        fn write(node: crate::Node<'_>, out: &mut String) {
            out.push('(');
            if let Some(uri) = node.namespace() {
                out.push_str(&format!("{{{uri}}}"));
            }
            out.push_str(node.name());
            for (uri, name, value) in node.attrs() {
                out.push_str(&format!(
                    " {}{name}={value}",
                    uri.map(|uri| format!("{{{uri}}}")).unwrap_or_default()
                ));
            }
            for part in node.content() {
                match part {
                    crate::Content::Element(node) => write(node, out),
                    crate::Content::Text(text) => out.push_str(&format!("[{text}]")),
                }
            }
            out.push(')');
        }
        let mut out = String::new();
        write(document.root(), &mut out);
        out
    }

    #[test]
    fn what_is_read() {
        let cases = [
            ("<a/>", "(a)"),
            (
                "<?xml version='1.0' encoding='UTF-8'?>\n<!-- c --><a b='1' c=\"2\"/>\n<!-- d -->",
                "(a b=1 c=2)",
            ),
            ("<a>x<b/>y</a>", "(a[x](b)[y])"),
            ("<a>&lt;&#65;&#x42;&amp;</a>", "(a[<AB&])"),
            ("<a b='&quot;&apos; \n\t'/>", "(a b=\"'   )"),
            ("<a>1\r\n2\r3</a>", "(a[1\n2\n3])"),
            ("<a><![CDATA[<b>&amp;]]></a>", "(a[<b>&amp;])"),
            ("<p:a xmlns:p='u'><p:b p:c='1' d='2'/><b/></p:a>", "({u}a({u}b {u}c=1 d=2)(b))"),
            ("<a xmlns='u'><b xmlns=''><c/></b></a>", "({u}a(b(c)))"),
            ("<p:a q:b='1'/>", "(p:a q:b=1)"),
            ("<!DOCTYPE a [<!ENTITY x 'y&amp;'>]><a b='&x;'>&x;</a>", "(a b=y&[y&])"),
            ("<é ü='ö'/>", "(é ü=ö)"),
        ];
        for (text, expected) in cases {
            assert_eq!(shape(text), expected, "{text}");
        }
    }

    #[test]
    fn positions() {
        let text = "<a>\n  <b x='1'/>\n</a>";
        let document = Document::parse(text).unwrap();
        let b = document.root().child("b").unwrap();
        assert_eq!((b.position(), b.source()), ((2, 3), "<b x='1'/>"));
        assert_eq!(document.root().source(), text);
    }
}
