//! The attributes of an element, in one piece of text.
//!
//! A definition has hundreds of attributes, nearly all of them short, and is held for as long as its guest exists.
//! Names and values therefore stand one after the other in a single text, each pair behind its lengths, which are
//! written as characters so that the whole stays text and a pair can be passed over without looking at it:
//!
//! ```text
//! 4·4·0·type file  6·4·0·device disk      lengths of name and value, the latter in two digits, then both
//! ```
//!
//! Up to fifteen bytes need no memory of their own. Attributes that were read stand in one text for the whole document,
//! of which every element has a part until it is changed; longer texts of others are shared between copies. Beside
//! them stands a bit for each name ([`Key::bit`]): most names that are asked for are not there, which the bits tell
//! without a look at the text.

use crate::bytes::{copy, has_nul, same};
use crate::{Key, Known, Node};
use ecow::EcoString;
use std::sync::Arc;

/// Digits of lengths are to this base, so that each is a character below the surrogates.
const BASE: usize = 0x8000;

/// Names and values of more bytes are cut; no document is so long.
const LONGEST: usize = BASE * BASE - 1;

/// Attributes in order; each name once.
#[derive(Clone)]
pub struct Attrs(Text);

/// Where the pairs stand. The bits of all names, perhaps of some that went, stand beside either kind, so that they take
/// no room of their own.
#[derive(Clone)]
enum Text {
    Own { names: u32, text: EcoString },
    Part { names: u32, from: u32, to: u32, all: Pairs },
}

/// The attributes of all elements of a document, one behind the other.
pub(crate) type Pairs = Arc<Box<str>>;

/// Of a larger text no parts are kept, since each holds all of it: of large documents often only little is wanted.
const SHARED: usize = 16 << 10;

/// More than are held without memory of their own.
const SHORT: usize = EcoString::INLINE_LIMIT;

impl Default for Attrs {
    fn default() -> Attrs {
        Attrs(Text::Own { names: 0, text: EcoString::new() })
    }
}

impl PartialEq for Attrs {
    fn eq(&self, other: &Attrs) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Attrs {}

/// A pair in the text: where it begins, where its name and its value begin, and where it ends.
#[derive(Clone, Copy)]
struct Pair {
    start: usize,
    name: usize,
    value: usize,
    end: usize,
}

/// A digit and the place behind it.
fn digit(text: &str, at: usize) -> Option<(usize, usize)> {
    let c = text.get(at..)?.chars().next()?;
    Some((c as usize, at + c.len_utf8()))
}

#[inline]
fn pair(text: &str, start: usize) -> Option<Pair> {
    let [name_length, low, high, ..] = text.as_bytes().get(start..)? else { return None };
    if (name_length | low | high) & 0x80 != 0 {
        return long_pair(text, start);
    }
    let name = start + 3;
    let value = name + usize::from(*name_length);
    Some(Pair { start, name, value, end: value + usize::from(*high) * BASE + usize::from(*low) })
}

#[cold]
fn long_pair(text: &str, start: usize) -> Option<Pair> {
    let (name_length, at) = digit(text, start)?;
    let (low, at) = digit(text, at)?;
    let (high, name) = digit(text, at)?;
    let value = name + name_length;
    Some(Pair { start, name, value, end: value + high * BASE + low })
}

#[inline]
fn cut(text: &str, longest: usize) -> &str {
    // As in C, a text ends at its first NUL.
    let text = if has_nul(text.as_bytes()) { text.split('\0').next().unwrap_or_default() } else { text };
    cut_length(text, longest)
}

#[inline]
fn cut_length(text: &str, longest: usize) -> &str {
    if text.len() <= longest {
        return text;
    }
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Lengths as characters; every digit is below the surrogates.
fn head(name: &str, value: &str) -> [char; 3] {
    [name.len(), value.len() % BASE, value.len() / BASE]
        .map(|digit| char::from_u32(digit as u32).unwrap_or_default())
}

/// Whether a name stands at a place of a text.
#[inline(always)]
fn is_at(text: &[u8], at: usize, key: Key, name: &str) -> bool {
    let Some(rest) = text.get(at..) else { return false };
    match rest.first_chunk::<8>() {
        Some(chunk) if name.len() <= 8 => key.begins(*chunk, name.len()),
        _ => rest.get(..name.len()).is_some_and(|own| same(own, name.as_bytes())),
    }
}

/// Text under construction: short ones need no memory of their own until they are complete.
struct Draft {
    short: [u8; 192],
    used: usize,
    long: Vec<u8>,
    names: u32,
}

impl Draft {
    fn new() -> Draft {
        Draft { short: [0; 192], used: 0, long: Vec::new(), names: 0 }
    }

    #[inline]
    fn add(&mut self, bytes: &[u8]) {
        let end = self.used + bytes.len();
        if self.long.is_empty()
            && let Some(room) = self.short.get_mut(self.used..).filter(|room| room.len() >= bytes.len())
        {
            copy(bytes, room);
            self.used = end;
        } else {
            self.spill(bytes);
        }
    }

    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        if self.long.is_empty() {
            self.long.reserve(2 * self.short.len() + bytes.len());
            self.long.extend_from_slice(self.short.get(..self.used).unwrap_or_default());
        }
        self.long.extend_from_slice(bytes);
    }

    /// Pairs that stood in others.
    fn pairs_of(&mut self, text: &[u8], names: u32) {
        self.add(text);
        self.names |= names;
    }

    /// A pair whose texts are not too long and have no NUL.
    #[inline]
    fn pair(&mut self, key: Key, name: &str, value: &str) {
        self.names |= key.bit();
        // What is short is copied eight bytes at a time, so there must be more room than it takes.
        let length = 3 + name.len() + value.len();
        if name.len() < 0x80
            && value.len() < 0x80
            && self.long.is_empty()
            && let Some(room) = self.short.get_mut(self.used..).filter(|room| room.len() >= length + 8)
            && let Some((head, room)) = room.split_first_chunk_mut::<3>()
        {
            *head = [name.len() as u8, value.len() as u8, 0];
            copy(name.as_bytes(), room);
            if let Some(room) = room.get_mut(name.len()..) {
                copy(value.as_bytes(), room);
            }
            self.used += length;
            return;
        }
        self.long_pair(name, value);
    }

    #[cold]
    fn long_pair(&mut self, name: &str, value: &str) {
        for digit in head(name, value) {
            self.add(digit.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.add(name.as_bytes());
        self.add(value.as_bytes());
    }

    #[inline]
    fn any_pair(&mut self, key: Key, name: &str, value: &str) {
        if name.len() < BASE {
            self.pair(key, name, cut(value, LONGEST));
        }
    }

    /// All is text, since it was put together from whole pieces of text.
    fn finish(&self) -> Attrs {
        let text =
            if self.long.is_empty() { self.short.get(..self.used) } else { Some(self.long.as_slice()) };
        match text.and_then(|text| std::str::from_utf8(text).ok()) {
            Some(text) => Attrs(Text::Own { names: self.names, text: text.into() }),
            None => Attrs::default(),
        }
    }
}

impl Attrs {
    #[inline]
    fn text(&self) -> &str {
        match &self.0 {
            Text::Own { text, .. } => text.as_str(),
            // Parts are of the text that they were made from.
            Text::Part { from, to, all, .. } => all.get(*from as usize..*to as usize).unwrap_or_default(),
        }
    }

    #[inline]
    fn names(&self) -> u32 {
        match &self.0 {
            Text::Own { names, .. } | Text::Part { names, .. } => *names,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pairs().count()
    }

    /// Removes all.
    pub fn clear(&mut self) {
        *self = Attrs::default();
    }

    fn pairs(&self) -> impl Iterator<Item = Pair> {
        let text = self.text();
        let mut at = 0;
        std::iter::from_fn(move || {
            let pair = pair(text, at)?;
            at = pair.end;
            Some(pair)
        })
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = self.text();
        self.pairs()
            .filter_map(|pair| Some((text.get(pair.name..pair.value)?, text.get(pair.value..pair.end)?)))
    }

    #[inline]
    fn find(&self, key: Key, name: &str) -> Option<Pair> {
        let text = self.text().as_bytes();
        let mut at = 0;
        // Attributes are looked for all the time; nearly all lengths are plain bytes.
        while let Some([length, low, high]) = text.get(at..).and_then(|rest| rest.first_chunk::<3>()) {
            if (length | low | high) & 0x80 != 0 {
                return self.find_slowly(name, at);
            }
            let length = usize::from(*length);
            let start = at + 3;
            let value = start + length;
            let end = value + usize::from(*low) + usize::from(*high) * BASE;
            if length == name.len() && is_at(text, start, key, name) {
                return Some(Pair { start: at, name: start, value, end });
            }
            at = end;
        }
        None
    }

    #[cold]
    fn find_slowly(&self, name: &str, mut at: usize) -> Option<Pair> {
        let text = self.text();
        while at < text.len() {
            let pair = pair(text, at)?;
            if text.get(pair.name..pair.value) == Some(name) {
                return Some(pair);
            }
            at = pair.end;
        }
        None
    }

    /// A value.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&str> {
        let key = Key::of(name);
        if self.names() & key.bit() == 0 { None } else { self.value(key, name) }
    }

    /// The value of a name of a table.
    #[inline]
    pub fn known(&self, name: Known) -> Option<&str> {
        if self.names() & name.key().bit() == 0 { None } else { self.value(name.key(), name.as_str()) }
    }

    fn value(&self, key: Key, name: &str) -> Option<&str> {
        let pair = self.find(key, name)?;
        self.text().get(pair.value..pair.end)
    }

    /// Sets a value, at the end when there was none. As in C, a text ends at its first NUL.
    pub fn set(&mut self, name: &str, value: &str) {
        let key = Key::of(name);
        let found = if self.names() & key.bit() == 0 { None } else { self.find(key, name) };
        match found {
            None => {
                let mut draft = Draft::new();
                draft.pairs_of(self.text().as_bytes(), self.names());
                draft.any_pair(key, name, value);
                *self = draft.finish();
            }
            Some(pair) if self.text().get(pair.value..pair.end) == Some(value) => {}
            Some(old) => self.replace(old, Some((name, value))),
        }
    }

    /// Sets several values, each name once.
    pub fn set_all(&mut self, pairs: &[(&str, &str)]) {
        if pairs.iter().all(|(name, _)| self.names() & Key::of(name).bit() == 0) {
            // None is there yet.
            let mut draft = Draft::new();
            draft.pairs_of(self.text().as_bytes(), self.names());
            for (name, value) in pairs {
                draft.any_pair(Key::of(name), name, value);
            }
            *self = draft.finish();
        } else {
            pairs.iter().for_each(|(name, value)| self.set(name, value));
        }
    }

    fn replace(&mut self, old: Pair, new: Option<(&str, &str)>) {
        let mut draft = Draft::new();
        let own = self.text().as_bytes();
        draft.pairs_of(own.get(..old.start).unwrap_or_default(), self.names());
        if let Some((name, value)) = new {
            draft.any_pair(Key::of(name), name, value);
        }
        draft.add(own.get(old.end..).unwrap_or_default());
        *self = draft.finish();
    }

    /// Removes one.
    #[inline]
    pub fn unset(&mut self, name: &str) {
        let key = Key::of(name);
        if self.names() & key.bit() != 0
            && let Some(pair) = self.find(key, name)
        {
            self.replace(pair, None);
        }
    }

    /// Keeps those for which the condition holds.
    pub fn retain(&mut self, keep: impl Fn(&str, &str) -> bool) {
        if !self.iter().all(|(name, value)| keep(name, value)) {
            let kept = self.iter().filter(|(name, value)| keep(name, value)).collect();
            *self = kept;
        }
    }

    /// Gives a new value to those for which there is one.
    pub fn respell(&mut self, spell: impl Fn(&str, &str) -> Option<String>) {
        let changed = |(name, value)| {
            let new = spell(name, value)?;
            (new != value).then(|| (name.to_owned(), new))
        };
        let pairs: Vec<(String, String)> = self.iter().filter_map(changed).collect();
        for (name, value) in pairs {
            self.set(&name, &value);
        }
    }

    /// Brings them into the order of a list of names; what is not in it comes last, as it stands.
    pub fn sort_by_names(&mut self, names: &[Known]) {
        if self.is_empty() {
            return;
        }
        let rank = |name: &[u8]| {
            let key = Key::of_bytes(name);
            names.iter().position(|known| known.is_bytes(key, name)).unwrap_or(usize::MAX)
        };
        // Nearly always they are in order, which one walk through both lists tells.
        let (mut last, mut unknown) = (0, false);
        let text = self.text().as_bytes();
        let in_order = self.pairs().filter_map(|pair| text.get(pair.name..pair.value)).all(|name| {
            let key = Key::of_bytes(name);
            let (before, behind) = names.split_at_checked(last).unwrap_or_default();
            let is = |known: &Known| known.is_bytes(key, name);
            match behind.iter().position(is) {
                Some(at) => {
                    last += at;
                    !unknown
                }
                None => {
                    unknown = true;
                    !before.iter().any(is)
                }
            }
        });
        if in_order {
            return;
        }
        let mut pairs: Vec<(usize, (&str, &str))> =
            self.iter().map(|pair| (rank(pair.0.as_bytes()), pair)).collect();
        pairs.sort_by_key(|(rank, _)| *rank);
        let sorted = pairs.into_iter().map(|(_, pair)| pair).collect();
        *self = sorted;
    }
}

impl Attrs {
    /// Attributes of a parsed element, of which some are kept.
    pub(crate) fn of(node: Node<'_>, keep: impl Fn(Key, &str) -> bool) -> Attrs {
        if !node.has_attrs() {
            return Attrs::default();
        }
        if node.own_pairs().all(|(key, name, _)| keep(key, name))
            && let Some((names, (from, to), all)) = node.pairs()
            && let Some(text) = all.get(from as usize..to as usize)
        {
            return Attrs(if text.len() <= SHORT || all.len() > SHARED {
                Text::Own { names, text: text.into() }
            } else {
                Text::Part { names, from, to, all: all.clone() }
            });
        }
        let mut draft = Draft::new();
        for (key, name, value) in node.own_pairs().filter(|(key, name, _)| keep(*key, name)) {
            if name.len() < BASE {
                draft.pair(key, name, cut_length(value, LONGEST));
            }
        }
        draft.finish()
    }
}

/// Puts a pair behind others. Texts of documents have no NUL.
pub(crate) fn append(pairs: &mut String, name: &str, value: &str) {
    if name.len() >= BASE {
        return;
    }
    let value = cut_length(value, LONGEST);
    pairs.reserve(3 + name.len() + value.len());
    pairs.extend(head(name, value));
    pairs.push_str(name);
    pairs.push_str(value);
}

impl<'t> FromIterator<(&'t str, &'t str)> for Attrs {
    fn from_iter<I: IntoIterator<Item = (&'t str, &'t str)>>(pairs: I) -> Attrs {
        let mut pairs = pairs.into_iter().peekable();
        if pairs.peek().is_none() {
            return Attrs::default();
        }
        let mut draft = Draft::new();
        for (name, value) in pairs {
            draft.any_pair(Key::of(name), name, value);
        }
        draft.finish()
    }
}

impl std::fmt::Debug for Attrs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attrs: &Attrs, expected: &str) {
        let text: Vec<String> = attrs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(text.join(" "), expected);
    }

    #[test]
    fn changes() {
        let mut attrs = Attrs::default();
        check(&attrs, "");
        attrs.set("type", "file");
        attrs.set("device", "a longer value than fits in place");
        check(&attrs, "type=file device=a longer value than fits in place");
        attrs.set("type", "");
        check(&attrs, "type= device=a longer value than fits in place");
        assert_eq!(attrs.get("type"), Some(""));
        assert_eq!(attrs.get("typ"), None);
        // A value is never taken for a name.
        attrs.set("model", "type");
        attrs.unset("type");
        check(&attrs, "device=a longer value than fits in place model=type");
        attrs.sort_by_names(&[Known::of("model")]);
        check(&attrs, "model=type device=a longer value than fits in place");
        attrs.set("model", "cut\0evil\0value");
        attrs.unset("device");
        check(&attrs, "model=cut");
        assert_eq!(attrs.len(), 1);
        attrs.clear();
        assert!(attrs.is_empty());
    }

    #[test]
    fn room() {
        // There are hundreds of them in a definition.
        assert!(size_of::<Attrs>() <= 24);
    }

    #[test]
    fn parts_of_a_document() {
        let long = "a longer value than fits in place";
        let text = format!("<a type='file' xmlns:n='u' n:x='1' name='{long}'><b c='é&amp;' d='{long}'/></a>");
        let document = crate::Document::parse(&text).unwrap();
        let mut attrs = Attrs::of(document.root(), |_, _| true);
        let inner = Attrs::of(document.root().child("b").unwrap(), |_, _| true);
        drop(document);
        check(&attrs, &format!("type=file name={long}"));
        check(&inner, &format!("c=é& d={long}"));
        assert_eq!((attrs.get("type"), attrs.get("x"), inner.get("c")), (Some("file"), None, Some("é&")));
        let before = attrs.clone();
        attrs.set("type", "block");
        check(&attrs, &format!("type=block name={long}"));
        assert!(attrs != before);
        attrs.set("type", "file");
        assert!(attrs == before);
    }

    #[test]
    fn long_texts() {
        for length in [0, 1, 127, 128, 0x7FFF, 0x8000, 0x8001, 100_000] {
            let value = "ä".repeat(length / 2) + &"x".repeat(length % 2);
            let mut attrs = Attrs::default();
            attrs.set("a", "1");
            attrs.set("long", &value);
            attrs.set("b", "2");
            assert_eq!(attrs.get("long"), Some(value.as_str()), "{length}");
            assert_eq!((attrs.get("a"), attrs.get("b"), attrs.len()), (Some("1"), Some("2"), 3));
        }
    }

    #[test]
    fn orders() {
        let check = |from: &str, names: &[&'static str], expected: &str| {
            let mut attrs: Attrs = from.split(' ').map(|name| (name, "v")).collect();
            let names: Vec<Known> = names.iter().copied().map(Known::of).collect();
            attrs.sort_by_names(&names);
            let got: Vec<&str> = attrs.iter().map(|(name, _)| name).collect();
            assert_eq!(got.join(" "), expected);
        };
        check("a b c", &["a", "b", "c"], "a b c");
        check("a c", &["a", "b", "c"], "a c");
        check("c a", &["a", "b", "c"], "a c");
        check("x a", &["a"], "a x");
        check("a x y", &["a", "b"], "a x y");
        check("a x b", &["a", "b"], "a b x");
    }
}
