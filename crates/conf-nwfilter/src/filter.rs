//! `<filter>`: rules and references to other filters, in a chain.

use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use conf_domain::fault::{self, malformed};
use xml::{Document, Node, Writer};

use crate::rule::PRIORITIES;
use crate::{Parameters, Rule, internal};

/// The chain that all packets go through.
pub const ROOT: &str = "root";
/// Kinds of chains below the root: prefix of their names, and their place unless the document states one.
pub const CHAINS: &[(&str, i32)] = &[
    ("mac", -800),
    ("vlan", -750),
    ("stp", 0),
    ("arp", -500),
    ("rarp", -400),
    ("ipv4", -700),
    ("ipv6", -600),
];
/// The longest name of a chain.
const CHAIN_MAX: usize = 12;

/// A reference to another filter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Include {
    /// Its name.
    pub filter: String,
    /// Values of its variables.
    pub parameters: Parameters,
}

/// A part of a filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// A rule.
    Rule(Rule),
    /// All rules of another filter.
    Include(Include),
}

/// A filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter {
    /// Name, unique on the host.
    pub name: String,
    /// Identity.
    pub uuid: Uuid,
    /// The chain its rules are in.
    pub chain: String,
    /// Place of the chain among others and the rules of the root.
    pub priority: i32,
    /// Parts in order.
    pub entries: Vec<Entry>,
}

fn argument(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::INVALID_ARG, ErrorDomain::NWFILTER, text)
}

/// The name of a chain and its usual place.
fn chain(name: &str) -> Result<i32> {
    if name == ROOT {
        return Ok(0);
    }
    if name.len() > CHAIN_MAX {
        return Err(argument(format!("Name of chain is longer than {CHAIN_MAX} characters")));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    if !name.chars().all(plain) {
        return Err(argument("Chain name contains invalid characters"));
    }
    if let Some((_, priority)) = CHAINS.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return Ok(*priority);
    }
    let prefixes: Vec<&str> = CHAINS.iter().map(|(prefix, _)| *prefix).collect();
    Err(argument(format!(
        "Invalid chain name '{name}'. Please use a chain name called 'root' or any of the following prefixes: {}",
        prefixes.join(", ")
    )))
}

impl Include {
    fn parse(node: Node<'_>) -> Result<Include> {
        let filter = node.attr("filter").ok_or_else(|| fault::missing("filterref", "filter"))?;
        Ok(Include { filter: filter.to_owned(), parameters: Parameters::parse(node) })
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.element("filterref").attr("filter", &self.filter).children(|w| self.parameters.format(w));
    }
}

impl Filter {
    /// Reads a document. `random` gives an identity to one that has none; `validate` holds it against the schema first.
    ///
    /// # Errors
    /// In the reference's words.
    pub fn parse(text: &str, validate: bool, random: &mut dyn FnMut() -> [u8; 16]) -> Result<Filter> {
        let document = Document::parse(text)
            .map_err(|error| malformed(text, &error).in_domain(ErrorDomain::NWFILTER))?;
        let root = document.root();
        if root.name() != "filter" {
            let text = format!("expecting root element of 'filter', not '{}'", root.name());
            return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text));
        }
        if validate {
            schema::validate(schema::Kind::NwFilter, root)?;
        }
        let filled = |name: &str| root.attr(name).filter(|text| !text.is_empty());
        let name = filled("name").ok_or_else(|| internal("filter has no name"))?.to_owned();
        let stated = match filled("priority") {
            Some(text) => {
                let number: i32 = text
                    .trim_start()
                    .parse()
                    .map_err(|_| argument(format!("Could not parse chain priority '{text}'")))?;
                if !PRIORITIES.contains(&number) {
                    return Err(argument(format!(
                        "Priority '{number}' is outside valid range of [{},{}]",
                        PRIORITIES.start(),
                        PRIORITIES.end()
                    )));
                }
                Some(number)
            }
            None => None,
        };
        let chain_name = filled("chain").unwrap_or(ROOT);
        let usual = chain(chain_name)?;
        let uuid = match root.child_text("uuid").filter(|text| !text.is_empty()) {
            Some(text) => {
                text.parse().map_err(|_| Error::xml(ErrorDomain::NWFILTER, "malformed uuid element"))?
            }
            None => Uuid::from_random(random()),
        };
        let mut entries = Vec::new();
        for node in root.elements() {
            match node.name() {
                "rule" => entries.push(Entry::Rule(Rule::parse(node)?)),
                "filterref" => entries.push(Entry::Include(Include::parse(node)?)),
                _ => {}
            }
        }
        let priority = stated.unwrap_or(usual);
        Ok(Filter { name, uuid, chain: chain_name.to_owned(), priority, entries })
    }

    /// The document as text, ending in a newline.
    pub fn format(&self) -> String {
        self.print(self.priority != 0)
    }

    /// The document as it is kept: with a priority of 0 where another one is usual, which clients do not get to see.
    pub fn format_stored(&self) -> String {
        self.print(self.priority != 0 || chain(&self.chain).is_ok_and(|usual| usual != 0))
    }

    fn print(&self, with_priority: bool) -> String {
        let mut w = Writer::new();
        w.element("filter")
            .attr("name", &self.name)
            .attr("chain", &self.chain)
            .attr_if(with_priority, "priority", self.priority)
            .children(|w| {
                w.leaf("uuid", self.uuid);
                for entry in &self.entries {
                    match entry {
                        Entry::Rule(rule) => rule.format(w),
                        Entry::Include(include) => include.format(w),
                    }
                }
            });
        w.finish()
    }

    /// Names of the filters that it refers to.
    pub fn includes(&self) -> impl Iterator<Item = &Include> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Include(include) => Some(include),
            Entry::Rule(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_that_is_not_shown_is_kept() {
        let read = |text: &str| Filter::parse(text, false, &mut || [7; 16]).unwrap();
        let filter = read("<filter name='f' chain='vlan-x' priority='0'/>");
        assert!(!filter.format().contains("priority"));
        assert_eq!(read(&filter.format_stored()), filter);
        let root = read("<filter name='f'/>");
        assert_eq!(root.format_stored(), root.format());
    }
}
