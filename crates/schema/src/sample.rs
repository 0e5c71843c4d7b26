//! Documents made by chance out of the tables: what reads them must print what reads and prints as itself.
//!
//! ```text
//! table ──▶ elements, attributes and values by chance ──▶ rules of the table ──▶ text ──parse──▶ format ──parse──▶ format
//! ```
//!
//! Values are mostly such as the table accepts where they stand; of one that it knows by a pattern only, one of a list of
//! texts that fits. Many documents contradict themselves and are refused by their reader; the others are the interesting ones.

use crate::Kind;
use crate::kind::types;
use crate::table::{Condition, Effect, Part, Row, Table, Value};
use base::Result;
use std::collections::HashMap;
use xml::{Tree, Writer};

/// Chance that repeats: a linear congruential generator (Knuth's MMIX constants).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Chance that begins with a number.
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// A number below a bound, which is at least one.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    fn of<'t>(&mut self, things: &[&'t str]) -> Option<&'t str> {
        let at = self.below(things.len());
        things.get(at).copied()
    }
}

/// Elements are nested so deep at most.
const DEPTH: usize = 6;

/// Texts of all kinds, of which those are taken that are of a type.
const TEXTS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "7",
    "16",
    "64",
    "100",
    "255",
    "256",
    "1024",
    "4096",
    "49152",
    "65535",
    "1048576",
    "-1",
    "yes",
    "no",
    "on",
    "off",
    "a",
    "eth0",
    "vnet1",
    "vda",
    "sda",
    "hdc",
    "virbr0",
    "name",
    "a.b",
    "x-y",
    "a name",
    "org.example.0",
    "guest.example.org",
    "/dev/sdb",
    "/var/lib/x",
    "/a/b.qcow2",
    "/",
    "192.168.7.1",
    "10.0.0.0",
    "255.255.255.0",
    "24",
    "2001:db8::1",
    "fe80::1",
    "ffff::",
    "52:54:00:11:22:33",
    "01:00:5e:00:00:01",
    "00:16:3e:5d:c7:9e",
    "0x1",
    "0x0000",
    "0x00",
    "0x1f",
    "0x8086",
    "0xffff",
    "0x10000",
    "0x0000000000000001",
    "0:0",
    "1-3",
    "0-1,3",
    "^2",
    "0744",
    "0600",
    "0755",
    "1.5",
    "1.234",
    "4d5f3e2a-0c1b-4a69-8877-665544332211",
    "4d5f3e2a0c1b4a698877665544332211",
    "2000000012341234",
    "1000000012341234",
    "iqn.2013-07.com.example:pool",
    "aes",
    "plain64",
    "sha256",
    "qemu64",
    "Intel",
    "KiB",
    "MiB",
    "bytes",
    "$IP",
    "$MAC[1]",
    "ESTABLISHED",
    "ARP",
    "Reply",
    "SYN/ALL",
    "2013-01-01",
    "000:00:00",
    "42:42",
    "1700000000",
    "fd00::/8",
    "0000:00:1f.2",
    "1:2",
    "pci_0000_00_02_0",
    "computer",
    "0x123456",
    "hello & <world>",
];

/// Texts for every type that was asked for.
#[derive(Debug, Default)]
struct Fitting(HashMap<&'static str, Vec<&'static str>>);

impl Fitting {
    fn of(&mut self, kind: &'static str) -> &[&'static str] {
        self.0
            .entry(kind)
            .or_insert_with(|| TEXTS.iter().copied().filter(|text| types().fits(kind, text)).collect())
    }
}

/// Makes documents of a kind.
#[derive(Debug)]
pub struct Sampler {
    kind: Kind,
    chance: Chance,
    fitting: Fitting,
    always: &'static [&'static str],
}

impl Sampler {
    /// Of a kind, with a beginning of chance.
    pub fn new(kind: Kind, seed: u64) -> Sampler {
        Sampler { kind, chance: Chance::new(seed), fitting: Fitting::default(), always: &[] }
    }

    /// With children of the outermost element that no document is without.
    #[must_use]
    pub fn with(self, always: &'static [&'static str]) -> Sampler {
        Sampler { always, ..self }
    }

    /// The next document.
    pub fn document(&mut self) -> String {
        let table = self.kind.table();
        let root = self.kind.root();
        let mut w = Writer::new();
        if let Some(row) = table.index.get(root).and_then(|at| table.rows.get(*at)) {
            let mut tree = self.element(table, row, root, DEPTH);
            for name in self.always.iter().filter(|name| tree.child(name).is_none()).collect::<Vec<_>>() {
                let child = row.children.iter().find(|child| child.name == *name);
                if let Some(below) = child.and_then(|child| table.rows.get(*child.rows.first()?)) {
                    let child = self.element(table, below, name, DEPTH - 1);
                    tree.children.push(child);
                }
            }
            write(&tree, &mut w);
        }
        w.finish()
    }

    fn value(&mut self, value: &Value) -> String {
        let chosen = match value {
            _ if self.chance.below(24) == 0 => self.chance.of(TEXTS),
            Value::Any => self.chance.of(TEXTS),
            Value::Some { words, types } => {
                let one = self.chance.below(words.len() + types.len());
                match types.get(one.wrapping_sub(words.len())) {
                    Some(kind) => self.chance.of(self.fitting.of(kind)).or_else(|| self.chance.of(TEXTS)),
                    None => words.get(one).copied(),
                }
            }
        };
        chosen.unwrap_or_default().to_owned()
    }

    fn element(&mut self, table: &'static Table, row: &'static Row, name: &str, depth: usize) -> Tree {
        let mut tree = Tree::new(name);
        let rich = self.chance.below(3) == 0;
        for attr in &row.attrs {
            let left_out = attr.optional && !rich && self.chance.below(2) == 0;
            if attr.name.contains([':', '*']) || left_out {
                continue;
            }
            let value = self.value(&attr.value);
            tree.set(attr.name, value);
        }
        for child in row.children.iter().filter(|child| !child.name.contains([':', '*'])) {
            let few = 1 + row.children.len() / 6;
            let more = u32::from(depth > 0 && self.chance.below(1 + few) == 0);
            let twice = u32::from(child.occurs.most > 1 && more > 0 && self.chance.below(3) == 0);
            for _ in 0..(child.occurs.least.max(more) + twice).min(child.occurs.most) {
                let one = self.chance.below(child.rows.len());
                let below = child.rows.get(one).and_then(|at| table.rows.get(*at));
                if let Some(below) = below.filter(|_| depth > 0) {
                    tree.children.push(self.element(table, below, child.name, depth - 1));
                }
            }
        }
        for rule in &row.rules {
            if rule.conditions.iter().all(|condition| holds(condition, &tree)) && self.chance.below(16) > 0 {
                self.reach(table, row, &rule.on, &rule.effects, &mut tree, depth);
            }
        }
        if let Some(text) = &row.text
            && tree.children.is_empty()
            && !(row.empty && self.chance.below(2) == 0)
        {
            tree.text = Some(self.value(text));
        }
        tree
    }

    /// Brings the elements that a path leads to to what a rule says of them.
    fn reach(
        &mut self,
        table: &'static Table,
        row: &'static Row,
        path: &[&str],
        effects: &[Effect],
        tree: &mut Tree,
        depth: usize,
    ) {
        let Some((name, rest)) = path.split_first() else {
            self.obey(table, row, effects, tree, depth);
            return;
        };
        let below = row.children.iter().find(|child| child.name == *name);
        let Some(below) = below.and_then(|child| table.rows.get(*child.rows.first()?)) else { return };
        for child in tree.children.iter_mut().filter(|child| child.name == *name) {
            self.reach(table, below, rest, effects, child, depth.saturating_sub(1));
        }
    }

    /// Brings an element to what a rule says of it.
    fn obey(
        &mut self,
        table: &'static Table,
        row: &'static Row,
        effects: &[Effect],
        tree: &mut Tree,
        depth: usize,
    ) {
        for effect in effects {
            match effect {
                Effect::Only(attrs, children) => {
                    tree.attrs.retain(|name, _| attrs.contains(&name));
                    tree.children.retain(|child| children.contains(&child.name.as_str()));
                }
                Effect::Forbids(Part { path, attr }) => match (path.as_slice(), attr) {
                    ([], Some(attr)) => tree.unset(attr),
                    ([child], None) => {
                        tree.remove(child);
                    }
                    _ => {}
                },
                Effect::Limits(Part { path, attr: Some(attr) }, value) if path.is_empty() => {
                    if tree.attr(attr).is_some() {
                        let value = self.value(value);
                        tree.set(attr, value);
                    }
                }
                Effect::Needs(Part { path, attr: Some(attr) }) if path.is_empty() => {
                    let known = row.attrs.iter().find(|known| known.name == *attr);
                    if let Some(known) = known.filter(|_| tree.attr(attr).is_none()) {
                        let value = self.value(&known.value);
                        tree.set(attr, value);
                    }
                }
                Effect::Needs(Part { path, attr: None }) => {
                    let [name] = path.as_slice() else { continue };
                    let known = row.children.iter().find(|known| known.name == *name);
                    let below = known.and_then(|known| table.rows.get(*known.rows.first()?));
                    if let Some(below) = below.filter(|_| depth > 0 && tree.child(name).is_none()) {
                        tree.children.push(self.element(table, below, name, depth - 1));
                    }
                }
                Effect::Order(children) => {
                    let place = |child: &Tree| children.iter().position(|name| *name == child.name);
                    tree.children.sort_by_key(place);
                }
                Effect::Alike => {
                    let first = tree.children.first().map(|child| child.name.clone());
                    tree.children.retain(|child| Some(&child.name) == first.as_ref());
                }
                Effect::Once(name) => {
                    let mut seen = false;
                    tree.children.retain(|child| child.name != *name || !std::mem::replace(&mut seen, true));
                }
                Effect::Limits(..) | Effect::Needs(..) => {}
            }
        }
    }
}

fn said<'t>(part: &Part, tree: &'t Tree) -> Option<&'t str> {
    let mut at = tree;
    for name in &part.path {
        at = at.child(name)?;
    }
    match part.attr {
        Some(attr) => at.attr(attr),
        None => Some(""),
    }
}

fn holds(condition: &Condition, tree: &Tree) -> bool {
    match condition {
        Condition::Has(part) => said(part, tree).is_some(),
        Condition::HasNot(part) => said(part, tree).is_none(),
        Condition::Is(part, words) => words.contains(&said(part, tree).unwrap_or("-")),
        Condition::IsNot(part, words) => !words.contains(&said(part, tree).unwrap_or("-")),
    }
}

fn write(tree: &Tree, w: &mut Writer) {
    let mut element = w.element(&tree.name);
    for (name, value) in tree.attrs.iter() {
        element = element.attr_text(name, value);
    }
    match &tree.text {
        Some(text) if tree.children.is_empty() => element.plain(text),
        _ => element.children(|w| tree.children.iter().for_each(|child| write(child, w))),
    }
}

/// What became of many documents.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Passes {
    /// So many were accepted.
    pub accepted: usize,
    /// Those whose print did not read, or did not print as itself, with what became of them.
    pub moved: Vec<String>,
}

/// Reads and prints each of many documents, and what was printed again: the prints must be the same.
pub fn fixed_points(
    mut sampler: Sampler,
    rounds: usize,
    pass: &mut dyn FnMut(&str) -> Result<String>,
) -> Passes {
    let mut passes = Passes::default();
    for _ in 0..rounds {
        let text = sampler.document();
        let Ok(first) = pass(&text) else { continue };
        passes.accepted += 1;
        let second = match pass(&first) {
            Ok(second) if second == first => continue,
            Ok(second) => second,
            Err(error) => format!("refused: {error}"),
        };
        let differing = first.lines().zip(second.lines()).find(|(one, other)| one != other);
        passes.moved.push(format!("{differing:?}\n{text}{first}{second}"));
    }
    passes
}

#[cfg(test)]
mod tests {
    use super::*;
    use xml::Document;

    #[test]
    fn many_documents_fit_their_tables() {
        for kind in Kind::ALL {
            let mut sampler = Sampler::new(*kind, 1);
            let fits = |text: &str| {
                let document = Document::parse(text).unwrap();
                crate::check(*kind, document.root()).is_ok()
            };
            let good = (0..200).filter(|_| fits(&sampler.document())).count();
            assert!(good >= 15, "{kind:?} {good}");
        }
    }

    #[test]
    fn chance_repeats() {
        let text = |seed| Sampler::new(Kind::Secret, seed).document();
        assert_eq!(text(3), text(3));
    }
}
