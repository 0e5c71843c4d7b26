//! What a violation is called, in the words of libxml2, which clients of the reference get to read.
//!
//! ```text
//! Invalid attribute mac for element host          what is wrong, unless an element above keeps it for itself
//! Extra element host in interleave                 from the inside outwards: how each element above fails
//! Element dhcp failed to validate content          for that
//! …
//! ```
//!
//! libxml2 forgets what was wrong within an element that might as well be missing, and tells it otherwise; which it does
//! depends on how the schema is written, not on what documents may contain. The table holds what was observed.

use std::collections::HashMap;
use std::sync::OnceLock;

/// What does not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The element does not belong into the one around it at all.
    UnknownElement,
    /// The element stands once too often.
    Repeated,
    /// An element is missing within.
    MissingElement(String),
    /// There is text where none may be.
    Stray,
    /// The text is none that may be.
    BadText,
    /// An attribute has a value that it may not have.
    BadAttribute(String),
    /// An attribute is missing.
    MissingAttribute(String),
    /// An attribute is not known.
    UnknownAttribute(String),
}

/// How an element that fails makes the one above it fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Quiet,
    Loud,
    Sequence,
    QuietSequence,
    Within,
    Extra,
    ExtraLoud,
}

/// How an attribute makes its element fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Value,
    Attributes,
    Content,
    Sequence,
}

#[derive(Debug, Default)]
struct Table {
    ways: HashMap<&'static str, Way>,
    attributes: HashMap<(&'static str, &'static str), By>,
    blamed: HashMap<&'static str, Vec<&'static str>>,
}

/// The table. It is constant: built on first use from text that is part of the program.
fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Table::default();
        for line in include_str!("../data/words.table").lines() {
            let words: Vec<&'static str> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                [path, "blames", children @ ..] => {
                    table.blamed.insert(path, children.to_vec());
                }
                [path, way] if !path.starts_with('#') => {
                    table.ways.insert(path, Way::read(way));
                }
                [path, fault, by] if !path.starts_with('#') => {
                    table.attributes.insert((path, fault), By::read(by));
                }
                _ => {}
            }
        }
        table
    })
}

/// Children of an outermost element that are told of instead of what is wrong, and whether always.
pub(crate) fn blamed(root: &str) -> impl Iterator<Item = (&'static str, bool)> {
    let children = table().blamed.get(root).into_iter().flatten();
    children.map(|name| (name.trim_end_matches('!'), name.ends_with('!')))
}

impl Way {
    fn read(word: &str) -> Way {
        match word {
            "loud" => Way::Loud,
            "sequence" => Way::Sequence,
            "quiet-sequence" => Way::QuietSequence,
            "within" => Way::Within,
            "extra" => Way::Extra,
            "extra-loud" => Way::ExtraLoud,
            _ => Way::Quiet,
        }
    }
}

impl By {
    fn read(word: &str) -> By {
        match word {
            "attributes" => By::Attributes,
            "content" => By::Content,
            "sequence" => By::Sequence,
            _ => By::Value,
        }
    }
}

fn failed(element: &str) -> String {
    format!("Element {element} failed to validate content")
}

const SEQUENCE: &str = "Invalid sequence in interleave";

/// What is wrong with an attribute of the element at a path.
fn attribute(path: &str, element: &str, name: &str, fault: &'static str, usual: By) -> Vec<String> {
    let place = format!("{path}@{name}");
    match table().attributes.get(&(place.as_str(), fault)).copied().unwrap_or(usual) {
        By::Value => vec![format!("Invalid attribute {name} for element {element}")],
        By::Attributes => vec![format!("Element {element} failed to validate attributes")],
        By::Content => vec![failed(element)],
        By::Sequence => vec![SEQUENCE.to_owned(), failed(element)],
    }
}

/// Lines about something wrong at a path, whose names are separated by `/`; each ends in a new line.
pub(crate) fn lines(path: &str, fault: &Fault) -> String {
    let names: Vec<&str> = path.split('/').collect();
    let element = names.last().copied().unwrap_or_default();
    let above = names.len().checked_sub(2).and_then(|at| names.get(at)).copied().unwrap_or(element);
    let (mut told, depth) = match fault {
        Fault::UnknownElement => {
            (vec![format!("Element {above} has extra content: {element}")], names.len() - 1)
        }
        Fault::Repeated => (Vec::new(), names.len()),
        Fault::MissingElement(name) => {
            let name = name.rsplit('/').next().unwrap_or_default();
            let expected = format!("Expecting an element {name}, got nothing");
            (vec![expected, SEQUENCE.to_owned(), failed(element)], names.len())
        }
        Fault::Stray => (vec![format!("Element {element} has extra content: text")], names.len()),
        Fault::BadText => (vec!["Error validating datatype string".to_owned(), failed(element)], names.len()),
        Fault::BadAttribute(name) => (attribute(path, element, name, "bad", By::Value), names.len()),
        Fault::UnknownAttribute(name) => (attribute(path, element, name, "unknown", By::Value), names.len()),
        Fault::MissingAttribute(name) => {
            (attribute(path, element, name, "missing", By::Attributes), names.len())
        }
    };
    for at in (1..depth).rev() {
        let (Some(inner), Some(outer), Some(until)) = (names.get(at), names.get(at - 1), names.get(..=at))
        else {
            continue;
        };
        let mut way = table().ways.get(until.join("/").as_str()).copied().unwrap_or(Way::Quiet);
        if *fault == Fault::Repeated && at + 1 == depth {
            let sequence = matches!(way, Way::Sequence | Way::QuietSequence);
            way = if sequence { Way::QuietSequence } else { Way::Quiet };
        }
        if matches!(way, Way::Quiet | Way::QuietSequence | Way::Extra) {
            told.clear();
        }
        match way {
            Way::Within => continue,
            Way::Extra | Way::ExtraLoud => {
                told.push(format!("Element {outer} has extra content: {inner}"));
                continue;
            }
            Way::Quiet | Way::Loud => told.push(format!("Extra element {inner} in interleave")),
            Way::QuietSequence => {
                told.push(format!("Extra element {inner} in interleave"));
                told.push(SEQUENCE.to_owned());
            }
            Way::Sequence => told.push(SEQUENCE.to_owned()),
        }
        told.push(failed(outer));
    }
    told.iter().fold(String::new(), |text, line| text + line + "\n")
}
