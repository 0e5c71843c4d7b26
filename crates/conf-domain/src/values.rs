//! Values of attributes: what each may hold, when it counts at all, how it is printed, and the refusal of anything else.
//!
//! The source is `data/domain.values`, read together with the table of elements; its head explains the notation. What
//! depends on more than the element and those around it is a rule of the element's own file.

mod kind;

use crate::elements::Place;
use crate::fault::{self, internal, invalid, unsupported};
use base::{Error, Result};
use kind::{Kind, Read};
pub(crate) use kind::{decimal, is_format, number, signed};
use xml::{Key, Known, Tree};

/// Who is asked by a condition: the element itself, the one around it, or one further out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    /// An attribute.
    Attr(Known),
    /// The name of the element.
    Name,
    /// The text of the element.
    Text,
}

/// A part of a condition: somebody has one of these values, or none of them.
#[derive(Debug)]
struct Term {
    /// Levels up from the element.
    up: usize,
    asked: Asked,
    not: bool,
    /// An empty word stands for an attribute that is not there.
    words: Vec<Known>,
}

/// An element around another one, whose children are set aside, and what is around it.
struct Around<'t> {
    element: &'t Tree,
    outer: Option<&'t Around<'t>>,
}

impl Term {
    fn read(text: &'static str) -> Option<Term> {
        let rest = text.trim_start_matches('^');
        let (who, words) = rest.split_once('=')?;
        let (who, not) = who.strip_suffix('!').map_or((who, false), |who| (who, true));
        let asked = match who {
            "@" => Asked::Name,
            "." => Asked::Text,
            name => Asked::Attr(Known::of(name)),
        };
        Some(Term {
            up: text.len() - rest.len(),
            asked,
            not,
            words: words.split(',').map(Known::of).collect(),
        })
    }

    fn holds(&self, element: &Tree, mut around: Option<&Around<'_>>) -> bool {
        let mut element = Some(element);
        for _ in 0..self.up {
            element = around.map(|around| around.element);
            around = around.and_then(|around| around.outer);
        }
        let value = match (element, self.asked) {
            (None, _) => "",
            (Some(element), Asked::Attr(name)) => element.known(name).unwrap_or_default(),
            (Some(element), Asked::Name) => &element.name,
            (Some(element), Asked::Text) => element.body().trim(),
        };
        kind::is_among(&self.words, value) != self.not
    }
}

/// Rules that hold together, under one condition.
#[derive(Debug)]
pub(crate) struct Block {
    terms: Vec<Term>,
    values: Vec<Value>,
    /// Children that count only under this condition.
    children: Vec<Known>,
    /// The element is printed even when there is nothing in it.
    flag: bool,
}

/// What one attribute may hold.
#[derive(Debug)]
struct Value {
    /// Name of the attribute; `None` for the text of the element.
    attr: Option<Known>,
    kind: Kind,
    required: bool,
    /// That it is missing is told in its own words too.
    own_words: bool,
    refusal: Option<(&'static str, &'static str)>,
}

/// Reads the table: names of elements with their rules.
pub(crate) fn table(text: &'static str) -> Vec<(&'static str, Block)> {
    let mut blocks: Vec<(&'static str, Block)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(head) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let (name, condition) = head.split_once('?').unwrap_or((head, ""));
            let terms = condition.split_whitespace().filter_map(Term::read).collect();
            let block = Block { terms, values: Vec::new(), children: Vec::new(), flag: false };
            blocks.push((name.trim(), block));
        } else if let Some((_, block)) = blocks.last_mut() {
            block.add(line);
        }
    }
    blocks
}

impl Block {
    fn add(&mut self, line: &'static str) {
        let (rule, refusal) = match line.split_once(" : ") {
            Some((rule, refusal)) => (rule, refusal.split_once(": ")),
            None => (line, None),
        };
        let mut words = rule.split_whitespace();
        let (Some(attrs), Some(kind)) = (words.next(), words.next()) else { return };
        match kind {
            "flag" => self.flag = true,
            "child" => self.children.extend(attrs.split(',').map(Known::of)),
            _ => {
                let required = kind.ends_with('!');
                let own_words = kind.ends_with("!!");
                let rest: Vec<&'static str> = words.collect();
                for attr in attrs.split(',') {
                    if let Some(kind) = Kind::read(kind.trim_end_matches('!'), &rest) {
                        let attr = Some(attr).filter(|attr| *attr != ".").map(Known::of);
                        self.values.push(Value { attr, kind, required, own_words, refusal });
                    }
                }
            }
        }
    }

    /// Values that an attribute may have.
    #[cfg(test)]
    pub(crate) fn examples(&self, attr: &str) -> Vec<String> {
        let mut found: Vec<String> = self
            .values
            .iter()
            .filter(|value| value.name() == attr)
            .flat_map(|value| value.kind.examples())
            .collect();
        // What conditions ask for is accepted too.
        let asks = |term: &&Term| {
            term.up == 0 && !term.not && matches!(term.asked, Asked::Attr(name) if name.as_str() == attr)
        };
        let words = self.terms.iter().filter(asks).flat_map(|term| &term.words);
        found.extend(words.map(|word| word.as_str().to_owned()).filter(|word| !word.is_empty()));
        found
    }

    fn holds(&self, element: &Tree, around: Option<&Around<'_>>) -> bool {
        self.terms.iter().all(|term| term.holds(element, around))
    }
}

impl Value {
    fn refused(&self, value: &str) -> Option<Error> {
        let (kind, text) = self.refusal?;
        let text = text.replace("{}", value);
        Some(match kind {
            "unsupported" => unsupported(text),
            // The reference reads some parts in a room that belongs to no driver.
            "internal" => internal(text),
            _ => invalid(text),
        })
    }

    /// The name as refusals say it.
    fn name(&self) -> &'static str {
        self.attr.map_or(".", Known::as_str)
    }

    #[inline]
    fn check(&self, element: &mut Tree) -> Result<()> {
        let own = match self.attr {
            None => element.text.as_deref().filter(|text| !text.is_empty()),
            Some(name) => element.known(name),
        };
        match own {
            // Of what an element may say it says little.
            None if !self.required => Ok(()),
            None => self.absent(element),
            Some(value) => match self.kind.take(value) {
                Read::Kept => Ok(()),
                other => self.changed(other, element),
            },
        }
    }

    #[cold]
    fn absent(&self, element: &Tree) -> Result<()> {
        let own = self.own_words.then(|| self.refused("")).flatten();
        Err(own.unwrap_or_else(|| fault::missing(&element.name, self.name())))
    }

    fn changed(&self, read: Read, element: &mut Tree) -> Result<()> {
        match (read, self.attr) {
            (Read::Kept, _) => {}
            (Read::Spelled(text), None) => element.text = Some(text),
            (Read::Spelled(text), Some(name)) => element.set(name.as_str(), text),
            (Read::Dropped, None) => element.text = None,
            (Read::Dropped, Some(name)) => element.unset(name.as_str()),
            (Read::Refused(expected), name) => {
                let value = match name {
                    None => element.body(),
                    Some(name) => element.known(name).unwrap_or_default(),
                };
                return Err(self
                    .refused(value)
                    .unwrap_or_else(|| fault::value(&element.name, self.name(), value, expected)));
            }
        }
        Ok(())
    }
}

/// Checks an element and all below it, spells its values as they are printed, and takes out what does not count.
///
/// # Errors
/// With the first attribute that is missing or has a value that is not accepted, in document order.
pub(crate) fn apply(place: Place, element: &mut Tree) -> Result<()> {
    within(place, element, None)
}

/// Checks the children of one name, as [`apply`] does.
///
/// # Errors
/// As [`apply`].
pub(crate) fn read(place: Place, parent: &mut Tree, name: &str) -> Result<()> {
    if parent.child(name).is_none() {
        return Ok(());
    }
    let Some(place) = place.child(name) else { return Ok(()) };
    let around = Tree { name: parent.name.clone(), attrs: parent.attrs.clone(), ..Tree::default() };
    let around = Around { element: &around, outer: None };
    parent.all_mut(name).try_for_each(|child| within(place, child, Some(&around)))
}

/// As [`apply`], for an element that stands in others.
fn within(place: Place, element: &mut Tree, around: Option<&Around<'_>>) -> Result<()> {
    let blocks = place.blocks();
    // A bit for each block that counts; the table has fewer for an element.
    let mut counting = 0u64;
    for (at, _) in blocks.iter().enumerate().filter(|(_, block)| block.holds(element, around)) {
        counting |= 1 << at;
    }
    let now = || blocks.iter().enumerate().filter(|(at, _)| counting >> at & 1 == 1).map(|(_, block)| block);
    if counting.count_ones() as usize != blocks.len() {
        ignore(element, now, || {
            blocks.iter().enumerate().filter(|(at, _)| counting >> at & 1 == 0).map(|(_, block)| block)
        });
    }
    for value in now().flat_map(|block| &block.values) {
        value.check(element)?;
    }
    if element.children.is_empty() {
        return Ok(());
    }
    let mut children = std::mem::take(&mut element.children);
    let here = Around { element, outer: around };
    // A mirror is only read back from the form that is written for a running guest.
    for (child, place) in place.each(children.iter_mut().filter(|child| child.name != "mirror")) {
        if let Some(place) = place {
            within(place, child, Some(&here))?;
        }
    }
    element.children = children;
    Ok(())
}

/// Takes out what stands only in blocks that do not count.
fn ignore<'b, I: Iterator<Item = &'b Block>, J: Iterator<Item = &'b Block>>(
    element: &mut Tree,
    now: impl Fn() -> I,
    later: impl Fn() -> J,
) {
    let is = |known: Known, name: Option<(Key, &str)>| name.is_some_and(|(key, name)| known.is(key, name));
    let has = |block: &Block, name: Option<(Key, &str)>| {
        block.values.iter().any(|value| value.attr.map_or(name.is_none(), |known| is(known, name)))
    };
    let ignored = |name: Option<(Key, &str)>| {
        later().any(|block| has(block, name)) && !now().any(|block| has(block, name))
    };
    element.attrs.retain(|name, _| !ignored(Some((Key::of(name), name))));
    if element.text.is_some() && ignored(None) {
        element.text = None;
    }
    if later().all(|block| block.children.is_empty()) {
        return;
    }
    element.children.retain(|child| {
        let has = |block: &Block| block.children.iter().any(|known| known.is(child.name.key(), &child.name));
        !later().any(has) || now().any(has)
    });
}

/// Takes out elements that say nothing.
pub(crate) fn prune(place: Place, element: &mut Tree) {
    let devices = element.name == "devices";
    element.children.retain_mut(|child| {
        let Some(place) = place.of(child) else { return true };
        prune(place, child);
        // A device is one even when nothing is said of it, with few exceptions.
        if devices && !matches!(child.name.as_str(), "emulator" | "redirfilter") {
            return true;
        }
        let empty = child.attrs.is_empty() && child.children.is_empty() && child.body().is_empty();
        !empty || place.blocks().iter().any(|block| block.flag)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elements::Elements;

    #[test]
    fn refusals() {
        let cases = [
            ("<controller type='usb' index='0'/>", ""),
            (
                "<controller type='ubs'/>",
                "Invalid value for attribute 'type' in element 'controller': 'ubs'.",
            ),
            (
                "<controller type='usb' index='-1'/>",
                "Invalid value for attribute 'index' in element 'controller': '-1'. Expected non-negative value",
            ),
            ("<panic model='kernel'/>", "unknown panic model 'kernel'"),
            (
                "<video><model type='vga' heads='x'/></video>",
                "Invalid value for attribute 'heads' in element 'model': 'x'. Expected non-negative integer value",
            ),
            ("<disk><boot/></disk>", "Missing required attribute 'order' in element 'boot'"),
        ];
        for (text, refusal) in cases {
            let document = xml::Document::parse(text).unwrap();
            let place = Elements::domain().place("domain/devices").unwrap();
            let place = place.child(document.root().name()).unwrap();
            let outcome = apply(place, &mut place.read(document.root()));
            let message = outcome.err().map(|error| error.message().to_owned()).unwrap_or_default();
            assert!(
                message.ends_with(refusal) && message.is_empty() == refusal.is_empty(),
                "{text}: {message}"
            );
        }
    }

    #[test]
    fn every_value_has_its_place() {
        let known = Elements::domain();
        let mut counts = std::collections::BTreeMap::new();
        for (name, _) in table(include_str!("../data/domain.values")) {
            *counts.entry(name).or_insert(0) += 1;
        }
        assert!(counts.values().all(|count| *count <= 64));
        for (name, block) in table(include_str!("../data/domain.values")) {
            let place = known.place(name).expect(name);
            for value in block.values {
                let attr = value.name();
                assert!(attr == "." || place.knows(attr), "{name} {attr}");
            }
            for child in block.children {
                assert!(place.child(child.as_str()).is_some(), "{name} {child:?}");
            }
        }
    }
}
