//! Domain documents out of the tables that say what belongs to them and which values are known.

use crate::dice::Dice;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::OnceLock;

const ELEMENTS: &str = include_str!("../../conf-domain/data/domain.elements");
const VALUES: &str = include_str!("../../conf-domain/data/domain.values");

/// An element: its attributes, its children and where they are described.
#[derive(Debug, Default)]
struct Element {
    attributes: Vec<&'static str>,
    children: Vec<(&'static str, String)>,
}

/// What documents are made of.
#[derive(Debug, Default)]
pub struct Grammar {
    elements: BTreeMap<String, Element>,
    /// Known values by element and attribute (`.` for the text).
    values: BTreeMap<(String, String), Vec<&'static str>>,
}

/// Values where a table says only what kind they are of.
const STRINGS: &[&str] =
    &["a", "eth0", "/tmp/x", "0x1f", "vda", "org.example.0", "127.0.0.1", "::1", "host name"];
const NUMBERS: &[&str] = &["0", "1", "2", "3", "16", "1024", "65535", "4294967295", "-1"];

impl Grammar {
    /// The grammar of domain documents.
    pub fn domain() -> &'static Grammar {
        static GRAMMAR: OnceLock<Grammar> = OnceLock::new();
        GRAMMAR.get_or_init(|| Grammar { elements: read_elements(), values: read_values() })
    }

    /// Every name and value it knows.
    pub fn words(&self) -> Vec<String> {
        let names = self.elements.values().flat_map(|element| {
            let children = element.children.iter().map(|(name, _)| *name);
            element.attributes.iter().copied().chain(children)
        });
        let mut words: Vec<String> =
            names.chain(self.values.values().flatten().copied()).map(str::to_owned).collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    /// A document: what none can be without, and a few things more.
    pub fn document(&self, dice: &mut Dice) -> Vec<u8> {
        let kind = if dice.once_in(2) { "qemu" } else { "kvm" };
        let machine = dice
            .pick(&["q35", "pc", "virt", "pseries", "s390-ccw-virtio", "none"])
            .copied()
            .unwrap_or_default();
        let mut text = format!(
            "<domain type='{kind}'><name>f</name><memory>65536</memory><vcpu>2</vcpu><os><type machine='{machine}'>hvm</type></os>"
        );
        let no_children = Vec::new();
        let children = |path: &str| self.elements.get(path).map_or(&no_children, |element| &element.children);
        for _ in 0..dice.below(3) {
            if let Some((name, path)) = dice.pick(children("domain")) {
                self.write(name, path, 4, dice, &mut text);
            }
        }
        text.push_str("<devices>");
        for _ in 0..dice.below(4) {
            if let Some((name, path)) = dice.pick(children("domain/devices")) {
                self.write(name, path, 5, dice, &mut text);
            }
        }
        text.push_str("</devices></domain>");
        text.into_bytes()
    }

    /// A device alone.
    pub fn device(&self, dice: &mut Dice) -> Vec<u8> {
        let mut text = String::new();
        if let Some((name, path)) =
            self.elements.get("domain/devices").and_then(|all| dice.pick(&all.children))
        {
            self.write(name, path, 5, dice, &mut text);
        }
        text.into_bytes()
    }

    fn write(&self, name: &str, path: &str, depth: usize, dice: &mut Dice, text: &mut String) {
        let Some(element) = self.elements.get(path) else { return };
        let _ = write!(text, "<{name}");
        for attribute in &element.attributes {
            if dice.below(5) < 3 {
                let _ = write!(text, " {attribute}='{}'", self.value(path, attribute, dice));
            }
        }
        text.push('>');
        let mut leaf = true;
        for (child, below) in &element.children {
            if depth > 0 && dice.below(3 + element.children.len() / 4) < 2 {
                self.write(child, below, depth - 1, dice, text);
                leaf = false;
            }
        }
        if leaf && dice.once_in(2) {
            text.push_str(&self.value(path, ".", dice));
        }
        let _ = write!(text, "</{name}>");
    }

    fn value(&self, path: &str, attribute: &str, dice: &mut Dice) -> String {
        let known = self.values.get(&(path.to_owned(), attribute.to_owned()));
        let known = known.filter(|_| !dice.once_in(16));
        let list: &[&str] = match known {
            Some(known) => known,
            None if dice.once_in(2) => STRINGS,
            None => NUMBERS,
        };
        dice.pick(list).copied().unwrap_or_default().to_owned()
    }
}

fn read_elements() -> BTreeMap<String, Element> {
    let mut elements = BTreeMap::new();
    for line in ELEMENTS.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.split('|').map(str::trim);
        let Some(path) = parts.next().filter(|path| !path.is_empty()) else { continue };
        let attributes = parts.next().unwrap_or_default().split_whitespace();
        let attributes = attributes.map(|name| name.trim_start_matches('~')).collect();
        let children = parts.next().unwrap_or_default().split_whitespace().filter(|word| *word != "^");
        let children = children.map(|word| {
            let (name, place) = word.split_once('=').unwrap_or((word, ""));
            let name = name.trim_start_matches('~').trim_end_matches(['+', '&']);
            let place = if place.is_empty() { format!("{path}/{name}") } else { place.to_owned() };
            (name, place)
        });
        elements.insert(path.to_owned(), Element { attributes, children: children.collect() });
    }
    elements
}

fn read_values() -> BTreeMap<(String, String), Vec<&'static str>> {
    let mut values: BTreeMap<(String, String), Vec<&'static str>> = BTreeMap::new();
    let mut path = "";
    for line in VALUES.lines().filter(|line| !line.starts_with('#')) {
        if let Some(head) = line.strip_prefix('[') {
            path = head.split([' ', ']']).next().unwrap_or_default();
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(names), Some(kind)) = (words.next(), words.next()) else { continue };
        let known: Vec<&'static str> = match kind.trim_end_matches('!') {
            "word" => words
                .take_while(|word| !word.ends_with(':'))
                .map(|word| word.trim_start_matches('~'))
                .collect(),
            "bool" => vec!["yes", "no"],
            "switch" => vec!["on", "off"],
            "uint" | "ulong" | "int" | "long" | "count" => NUMBERS.to_vec(),
            "text" | "string" => STRINGS.to_vec(),
            _ => continue,
        };
        for name in names.split(',') {
            values.entry((path.to_owned(), name.to_owned())).or_default().extend(&known);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use conf_domain::{Domain, ParseFlags};

    #[test]
    fn many_documents_are_good_ones() {
        let mut dice = Dice::new(5);
        let good = (0..500).filter(|_| {
            let text = String::from_utf8(Grammar::domain().document(&mut dice)).unwrap();
            Domain::parse(&text, ParseFlags::default(), &mut || [7; 16]).is_ok()
        });
        let good = good.count();
        assert!(good > 50, "{good} of 500");
    }
}
