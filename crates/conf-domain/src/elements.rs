//! The table of elements: what belongs to the document and in which order it is printed.
//!
//! The source is `data/domain.elements`, read once. Parsing keeps what the table knows and ignores the rest, as
//! the reference does; formatting sorts by it.

use crate::values::{self, Block};
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;
use xml::{Key, Known, Node, Tree, Trees, Writer};

/// An element of the table.
#[derive(Debug, Default)]
struct Row {
    attrs: Vec<Known>,
    /// Attributes that only the driver's own documents hold.
    private: Vec<Known>,
    /// Something of the driver's own stands here or below.
    holds_private: bool,
    /// It holds text.
    text: bool,
    /// Children stay in the order they come in.
    unordered: bool,
    children: Vec<Child>,
    /// The child that stands for all that are not named.
    others: Option<usize>,
    /// What attributes may hold.
    blocks: Vec<Block>,
    /// It may get an address later.
    grows: bool,
}

/// A child of an element of the table.
#[derive(Debug)]
struct Child {
    name: Known,
    row: usize,
    /// Only the driver's own documents hold it.
    private: bool,
    several: Several,
}

/// What several children of a name are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Several {
    /// The first counts.
    First,
    /// Each counts.
    All,
    /// They count as one: what each holds is held by the first.
    Joined,
}

impl Row {
    /// The child of a name, else the one that stands for all that are not named. The search begins at the one that was found before, since children mostly come in order.
    fn find(&self, from: usize, key: Key, name: &str) -> Option<usize> {
        let (before, behind) = self.children.split_at_checked(from)?;
        let is = |child: &Child| child.name.is(key, name);
        let named = behind.iter().position(is).map(|at| from + at).or_else(|| before.iter().position(is));
        named.or(self.others)
    }
}

/// The table.
#[derive(Debug)]
pub struct Elements {
    rows: Vec<Row>,
    /// Rows of the whole document and of its devices.
    roots: [usize; 2],
    index: HashMap<&'static str, usize, BuildHasherDefault<Names>>,
}

/// Names of the table are hashed the short way (as FNV-1a does, but eight bytes at a time): they are our own.
#[derive(Debug)]
struct Names(u64);

impl Default for Names {
    fn default() -> Names {
        Names(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Names {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0 ^ u64::from_le_bytes(word)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }

    fn finish(&self) -> u64 {
        // Multiplying spreads upwards only.
        self.0 ^ self.0 >> 32
    }
}

/// A place in the table.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    table: &'static Elements,
    row: usize,
}

static TABLE: OnceLock<Elements> = OnceLock::new();

impl Elements {
    /// The table of the domain document. It is constant: built on first use from text that is part of the program.
    pub fn domain() -> &'static Elements {
        TABLE.get_or_init(|| {
            Elements::read(include_str!("../data/domain.elements"), include_str!("../data/domain.values"))
        })
    }

    fn read(text: &'static str, values: &'static str) -> Elements {
        let lines: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        let index: HashMap<&str, usize, BuildHasherDefault<Names>> =
            lines.iter().enumerate().map(|(at, parts)| (parts[0], at)).collect();
        let mut rows: Vec<Row> = lines
            .iter()
            .map(|parts| {
                let words = |at: usize| parts.get(at).map_or("", |part| part).split_whitespace();
                let children = words(2).filter_map(|word| {
                    let (word, private) = word.strip_prefix('~').map_or((word, false), |word| (word, true));
                    let (name, target) = word.split_once('=').unwrap_or((word, ""));
                    let marked = |mark: char, several| Some((name.strip_suffix(mark)?, several));
                    let (name, several) = marked('+', Several::All)
                        .or_else(|| marked('&', Several::Joined))
                        .unwrap_or((name, Several::First));
                    let row = match target {
                        "" => *index.get(format!("{}/{name}", parts[0]).as_str())?,
                        target => *index.get(target)?,
                    };
                    Some(Child { name: Known::of(name), row, private, several })
                });
                let children: Vec<Child> = children.collect();
                Row {
                    others: children.iter().position(|child| child.name.as_str() == "*"),
                    attrs: words(1)
                        .map(|word| word.trim_start_matches('~'))
                        .filter(|word| *word != ".")
                        .map(Known::of)
                        .collect(),
                    text: words(1).any(|word| word == "."),
                    private: words(1).filter_map(|word| word.strip_prefix('~')).map(Known::of).collect(),
                    holds_private: words(1).chain(words(2)).any(|word| word.starts_with('~')),
                    unordered: words(2).next() == Some("^"),
                    grows: children.iter().any(|child| child.name.as_str() == "address"),
                    children,
                    blocks: Vec::new(),
                }
            })
            .collect();
        // Private parts show through to all that is above them; elements may hold themselves.
        loop {
            let holds = |row: &Row| {
                row.children.iter().any(|child| rows.get(child.row).is_some_and(|row| row.holds_private))
            };
            let more: Vec<usize> =
                (0..rows.len()).filter(|at| !rows[*at].holds_private && holds(&rows[*at])).collect();
            if more.is_empty() {
                break;
            }
            for at in more {
                rows[at].holds_private = true;
            }
        }
        for (element, block) in values::table(values) {
            if let Some(row) = index.get(element).and_then(|at| rows.get_mut(*at)) {
                row.blocks.push(block);
            }
        }
        let roots = ["domain", "domain/devices"].map(|name| index.get(name).copied().unwrap_or_default());
        Elements { rows, roots, index }
    }

    /// The place of the whole document.
    pub(crate) fn root(&'static self) -> Place {
        Place { table: self, row: self.roots[0] }
    }

    /// The place of the devices.
    pub(crate) fn devices(&'static self) -> Place {
        Place { table: self, row: self.roots[1] }
    }

    /// A place by its name in the table, e.g. `domain/devices/disk`.
    pub fn place(&'static self, name: &str) -> Option<Place> {
        self.index.get(name).map(|row| Place { table: self, row: *row })
    }
}

impl Place {
    fn row(self) -> &'static Row {
        &self.table.rows[self.row]
    }

    /// Whether an attribute belongs here.
    pub fn knows(self, attr: &str) -> bool {
        self.row().attrs.iter().any(|known| known.as_str() == attr)
    }

    /// What attributes may hold here.
    pub(crate) fn blocks(self) -> &'static [Block] {
        &self.row().blocks
    }

    /// Whether a child is known by its name.
    pub(crate) fn is_named(self, child: &str) -> bool {
        self.row().children.iter().any(|known| known.name.as_str() == child)
    }

    /// The place of a child; `*` stands for all that are not named.
    pub fn child(self, name: &str) -> Option<Place> {
        self.keyed_child(Key::of(name), name)
    }

    fn keyed_child(self, key: Key, name: &str) -> Option<Place> {
        let row = self.row();
        let child = row.children.get(row.find(0, key, name)?)?;
        Some(Place { row: child.row, ..self })
    }

    /// The place of a child that stands in a tree.
    pub fn of(self, child: &Tree) -> Option<Place> {
        self.keyed_child(child.name.key(), &child.name)
    }

    /// Names of its attributes.
    #[cfg(test)]
    pub(crate) fn attrs(self) -> impl Iterator<Item = &'static str> {
        self.row().attrs.iter().map(|known| known.as_str())
    }

    /// Names of its children.
    #[cfg(test)]
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        self.row().children.iter().map(|child| child.name.as_str())
    }

    /// Children with their places in the table, in the order in which they stand.
    pub(crate) fn each<'t>(
        self,
        children: impl Iterator<Item = &'t mut Tree>,
    ) -> impl Iterator<Item = (&'t mut Tree, Option<Place>)> {
        let row = self.row();
        let mut last = 0;
        children.map(move |child| {
            let found = row.find(last, child.name.key(), &child.name);
            last = found.unwrap_or(last);
            let place = found.and_then(|at| row.children.get(at));
            (child, place.map(|child| Place { row: child.row, ..self }))
        })
    }

    /// Copies a parsed element as far as the table knows it, without what is the driver's own.
    pub fn read(self, node: Node<'_>) -> Tree {
        self.copy(node, false)
    }

    /// Copies a parsed element as far as the table knows it.
    pub fn read_all(self, node: Node<'_>) -> Tree {
        self.copy(node, true)
    }

    fn copy(self, node: Node<'_>, private: bool) -> Tree {
        let row = self.row();
        let known = |key: Key, name: &str| {
            row.attrs.iter().any(|known| known.is(key, name))
                && (private || row.private.is_empty() || !row.private.iter().any(|known| known.is(key, name)))
        };
        let attrs = node.own_attrs(known);
        let room = if row.children.is_empty() { 0 } else { node.own_elements().count() };
        let mut children = Trees::with_capacity(room + usize::from(row.grows));
        let (mut seen, mut last) = (0u128, 0);
        for child in node.own_elements() {
            let Some(at) = row.find(last, child.key(), child.name()) else { continue };
            last = at;
            let Some(known) = row.children.get(at) else { continue };
            let again = seen >> at & 1 == 1 && known.several != Several::All;
            if again && known.several == Several::First || known.private && !private {
                continue;
            }
            seen |= 1 << at;
            let place = Place { row: known.row, ..self };
            let read = place.copy(child, private);
            let held = if again { children.iter_mut().find(|held| held.name == read.name) } else { None };
            match held {
                Some(held) => place.join(held, read),
                None => children.push(read),
            }
        }
        let text = if row.text && children.is_empty() { node.leaf_text() } else { None };
        Tree { name: node.to_name(), attrs, children, text }
    }

    /// Adds to an element what another of its name holds.
    fn join(self, first: &mut Tree, other: Tree) {
        for (name, value) in other.attrs.iter() {
            first.default_to(name, value);
        }
        for child in other.children {
            let known = self.row().find(0, child.name.key(), &child.name);
            let Some(known) = known.and_then(|at| self.row().children.get(at)) else { continue };
            let held = match known.several {
                Several::All => None,
                _ => first.children.iter_mut().find(|held| held.name == child.name),
            };
            match held {
                None => first.children.push(child),
                Some(held) if known.several == Several::Joined => {
                    Place { row: known.row, ..self }.join(held, child);
                }
                Some(_) => {}
            }
        }
    }

    /// Whether something here or below is the driver's own.
    pub(crate) fn holds_private(self) -> bool {
        self.row().holds_private
    }

    /// Whether something that is the driver's own stands in an element or below.
    pub(crate) fn shows_private(self, tree: &Tree) -> bool {
        let row = self.row();
        if !row.holds_private {
            return false;
        }
        if row.private.iter().any(|name| tree.known(*name).is_some()) {
            return true;
        }
        let mut last = 0;
        tree.children.iter().any(|child| {
            let at = row.find(last, child.name.key(), &child.name);
            last = at.unwrap_or(last);
            let Some(known) = at.and_then(|at| row.children.get(at)) else { return false };
            known.private || Place { row: known.row, ..self }.shows_private(child)
        })
    }

    /// A child without what is the driver's own.
    pub(crate) fn open(self, child: &Tree) -> Cow<'_, Tree> {
        match self.of(child) {
            Some(place) if place.shows_private(child) => {
                let mut child = child.clone();
                place.strip(&mut child);
                Cow::Owned(child)
            }
            _ => Cow::Borrowed(child),
        }
    }

    /// Takes out what is the driver's own.
    pub fn strip(self, tree: &mut Tree) {
        let row = self.row();
        if !self.holds_private() {
            return;
        }
        if !row.private.is_empty() {
            tree.attrs.retain(|name, _| !row.private.iter().any(|known| known.as_str() == name));
        }
        if row.children.iter().any(|child| child.private) {
            let private =
                |name: &str| row.children.iter().any(|child| child.private && child.name.as_str() == name);
            tree.children.retain(|child| !private(&child.name));
        }
        for (child, place) in self.each(tree.children.iter_mut()) {
            if let Some(place) = place {
                place.strip(child);
            }
        }
    }

    /// Puts attributes and children into the order in which they are printed.
    pub fn sort(self, tree: &mut Tree) {
        let row = self.row();
        tree.attrs.sort_by_names(&row.attrs);
        if tree.children.is_empty() {
            return;
        }
        // Places in the table, of as many children as nearly all elements have at most.
        let mut ranks = [u16::MAX; 64];
        let (mut last, mut in_order) = (0, true);
        for (child, at_child) in tree.children.iter_mut().zip(0..) {
            let Some(at) = row.find(last, child.name.key(), &child.name) else {
                in_order = false;
                continue;
            };
            in_order &= at >= last;
            last = at;
            if let (Some(rank), Ok(at)) = (ranks.get_mut::<usize>(at_child), u16::try_from(at)) {
                *rank = at;
            }
            if let Some(known) = row.children.get(at) {
                Place { row: known.row, ..self }.sort(child);
            }
        }
        if in_order || row.unordered {
            return;
        }
        match ranks.get_mut(..tree.children.len()) {
            Some(ranks) => insert_by(ranks, &mut tree.children),
            None => tree
                .children
                .sort_by_cached_key(|child| row.find(0, child.name.key(), &child.name).unwrap_or(usize::MAX)),
        }
    }
}

/// Brings elements into the order of their ranks; nearly all stand right already.
fn insert_by(ranks: &mut [u16], trees: &mut [Tree]) {
    for at in 1..ranks.len().min(trees.len()) {
        let sorted = ranks.get(..at).unwrap_or_default();
        let Some(rank) = ranks.get(at) else { return };
        let to = sorted.iter().rposition(|before| before <= rank).map_or(0, |before| before + 1);
        if let (Some(ranks), Some(trees)) = (ranks.get_mut(to..=at), trees.get_mut(to..=at)) {
            ranks.rotate_right(1);
            trees.rotate_right(1);
        }
    }
}

/// Whether an element is opened and closed even when it is empty.
fn is_opened(tree: &Tree) -> bool {
    match tree.name.as_str() {
        "devices" => true,
        "hyperv" => tree.attr("mode").is_some(),
        "kvm" | "xen" | "bandwidth" | "nvram" => tree.attrs.is_empty(),
        "encryption" => tree.attr("format").is_some(),
        _ => false,
    }
}

fn write_all(trees: &[Tree], w: &mut Writer) {
    trees.iter().for_each(|tree| write(tree, w));
}

/// Prints an element that is in order.
pub fn write(tree: &Tree, w: &mut Writer) {
    let mut element = w.element(&tree.name);
    for (name, value) in tree.attrs.iter() {
        element = element.attr_text(name, value);
    }
    match &tree.text {
        Some(text) if tree.children.is_empty() => element.plain(text),
        // A table of firmware is a path even when there is none.
        _ if tree.name == "table" => element.text(""),
        _ if tree.children.is_empty() && is_opened(tree) => element.children_always(|_| {}),
        // One of which nothing is said is not printed.
        _ if tree.name == "panic" => element.children_or_nothing(|w| write_all(&tree.children, w)),
        _ => element.children(|w| write_all(&tree.children, w)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_child_has_a_row() {
        let text = include_str!("../data/domain.elements");
        let table = Elements::domain();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let parts: Vec<&str> = line.split('|').map(str::trim).collect();
            let place = table.place(parts[0]).unwrap();
            assert!(place.row().children.len() <= 128, "{}", parts[0]);
            for word in parts.get(2).unwrap_or(&"").split_whitespace().filter(|word| *word != "^") {
                let name =
                    word.trim_start_matches('~').split('=').next().unwrap().trim_end_matches(['+', '&']);
                assert!(place.child(name).is_some(), "{}: {word}", parts[0]);
            }
        }
    }

    #[test]
    fn the_order_of_equals_stays() {
        let names = ["c0", "a1", "b2", "a3", "c4", "x5", "a6", "b7"];
        let mut trees: Vec<Tree> = names.iter().map(|name| Tree::new(name)).collect();
        let mut ranks: Vec<u16> = names.iter().map(|name| u16::from(name.as_bytes()[0])).collect();
        insert_by(&mut ranks, &mut trees);
        let sorted: Vec<&str> = trees.iter().map(|tree| tree.name.as_str()).collect();
        assert_eq!(sorted.join(" "), "a1 a3 a6 b2 b7 c0 c4 x5");
    }

    #[test]
    fn order_and_ignorance() {
        let text = "<disk bogus='1' device='disk' type='file'><target bus='ide' dev='hda'/><x/><driver type='raw' name='q'/></disk>";
        let document = xml::Document::parse(text).unwrap();
        let place = Elements::domain().place("domain/devices/disk").unwrap();
        let mut tree = place.read(document.root());
        place.sort(&mut tree);
        let mut w = Writer::new();
        write(&tree, &mut w);
        let expected = "<disk type='file' device='disk'>\n  <driver name='q' type='raw'/>\n  <target dev='hda' bus='ide'/>\n</disk>\n";
        assert_eq!(w.finish(), expected);
    }
}
