//! The table of elements: what belongs to the document and in which order it is printed.
//!
//! The source is `data/domain.elements`, read once. Parsing keeps what the table knows and ignores the rest, as
//! the reference does; formatting sorts by it.

use crate::values::{self, Block};
use std::collections::HashMap;
use std::sync::OnceLock;
use xml::{Node, Tree, Trees, Writer};

/// An element of the table.
#[derive(Debug, Default)]
struct Row {
    attrs: Vec<&'static str>,
    /// Attributes and children that only the driver's own documents hold.
    private: Vec<&'static str>,
    /// Children stay in the order they come in.
    unordered: bool,
    /// Name of the child and index of its row.
    children: Vec<(&'static str, usize)>,
    /// What attributes may hold.
    blocks: Vec<Block>,
    /// Children of which there may be several; of others the first counts.
    many: Vec<&'static str>,
}

/// The table.
#[derive(Debug)]
pub struct Elements {
    rows: Vec<Row>,
    index: HashMap<&'static str, usize>,
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
        let index: HashMap<&str, usize> =
            lines.iter().enumerate().map(|(at, parts)| (parts[0], at)).collect();
        let mut rows: Vec<Row> = lines
            .iter()
            .map(|parts| {
                let words = |at: usize| parts.get(at).map_or("", |part| part).split_whitespace();
                let plain = |word: &'static str| word.trim_start_matches('~');
                let mut many = Vec::new();
                let children = words(2).map(plain).filter_map(|word| {
                    let (name, target) = word.split_once('=').unwrap_or((word, ""));
                    let name = name.strip_suffix('+').inspect(|name| many.push(*name)).unwrap_or(name);
                    match target {
                        "" => Some((name, *index.get(format!("{}/{name}", parts[0]).as_str())?)),
                        target => Some((name, *index.get(target)?)),
                    }
                });
                let children = children.collect();
                let private = words(1).chain(words(2)).filter_map(|word| word.strip_prefix('~'));
                let name = |word: &'static str| word.split(['=', '+']).next().unwrap_or(word);
                Row {
                    attrs: words(1).map(plain).collect(),
                    private: private.map(name).collect(),
                    unordered: words(2).next() == Some("^"),
                    children,
                    blocks: Vec::new(),
                    many,
                }
            })
            .collect();
        for (element, block) in values::table(values) {
            if let Some(row) = index.get(element).and_then(|at| rows.get_mut(*at)) {
                row.blocks.push(block);
            }
        }
        Elements { rows, index }
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
        self.row().attrs.contains(&attr)
    }

    /// What attributes may hold here.
    pub(crate) fn blocks(self) -> &'static [Block] {
        &self.row().blocks
    }

    /// Whether a child is known by its name.
    pub(crate) fn names(self, child: &str) -> bool {
        self.row().children.iter().any(|(name, _)| *name == child)
    }

    /// The place of a child; `*` stands for all that are not named.
    pub fn child(self, name: &str) -> Option<Place> {
        let children = &self.row().children;
        let named = children.iter().find(|(child, _)| *child == name);
        let (_, row) = named.or_else(|| children.iter().find(|(child, _)| *child == "*"))?;
        Some(Place { table: self.table, row: *row })
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
        let open = |name: &str| private || !row.private.contains(&name);
        let known = |name: &str| row.attrs.contains(&name) && open(name);
        let attrs = node
            .attrs()
            .filter(|(namespace, name, _)| namespace.is_none() && known(name))
            .map(|(_, name, value)| (name, value))
            .collect();
        let mut children = Trees::default();
        let own = node.elements().filter(|child| child.namespace().is_none());
        for child in own.filter(|child| open(child.name())) {
            let name = child.name();
            let again = !self.row().many.contains(&name) && children.iter().any(|known| known.name == name);
            if let Some(place) = self.child(name).filter(|_| !again) {
                children.push(place.copy(child, private));
            }
        }
        let text =
            if children.is_empty() { Some(node.text()).filter(|text| !text.trim().is_empty()) } else { None };
        Tree { name: node.name().into(), attrs, children, text }
    }

    /// Takes out what is the driver's own.
    pub fn strip(self, tree: &mut Tree) {
        let row = self.row();
        if !row.private.is_empty() {
            tree.attrs.retain(|name, _| !row.private.contains(&name));
            tree.children.retain(|child| !row.private.contains(&child.name.as_str()));
        }
        for child in &mut tree.children {
            if let Some(place) = self.child(&child.name) {
                place.strip(child);
            }
        }
    }

    /// Puts attributes and children into the order in which they are printed.
    pub fn sort(self, tree: &mut Tree) {
        let row = self.row();
        tree.attrs
            .sort_by_key(|name| row.attrs.iter().position(|known| *known == name).unwrap_or(usize::MAX));
        if !row.unordered {
            tree.children.sort_by_key(|child| {
                row.children.iter().position(|(known, _)| *known == child.name).unwrap_or(usize::MAX)
            });
        }
        for child in &mut tree.children {
            if let Some(place) = self.child(&child.name) {
                place.sort(child);
            }
        }
    }
}

/// Whether an element is opened and closed even when it is empty.
fn is_opened(tree: &Tree) -> bool {
    match tree.name.as_str() {
        "devices" => true,
        "hyperv" => tree.attr("mode").is_some(),
        "kvm" | "xen" | "bandwidth" => tree.attrs.is_empty(),
        "encryption" => tree.attr("format").is_some(),
        _ => false,
    }
}

/// Prints an element that is in order.
pub fn write(tree: &Tree, w: &mut Writer) {
    let mut element = w.element(&tree.name);
    for (name, value) in tree.attrs.iter() {
        element = element.attr(name, value);
    }
    match &tree.text {
        Some(text) if tree.children.is_empty() => element.text(text),
        // A table of firmware is a path even when there is none.
        _ if tree.name == "table" => element.text(""),
        _ if tree.children.is_empty() && is_opened(tree) => element.children_always(|_| {}),
        _ => element.children(|w| {
            for child in &tree.children {
                write(child, w);
            }
        }),
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
            for word in parts.get(2).unwrap_or(&"").split_whitespace().filter(|word| *word != "^") {
                let name = word.trim_start_matches('~').split('=').next().unwrap().trim_end_matches('+');
                assert!(place.child(name).is_some(), "{}: {word}", parts[0]);
            }
        }
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
