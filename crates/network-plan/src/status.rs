//! The document of a running network: `<networkstatus>`.
//!
//! It holds what a daemon that comes back, this or the reference, needs to go on: the definition as it runs, the classes
//! of guaranteed traffic, and the commands that take the rules away.

use base::Result;
use conf_network::{FormatFlags, Network};
use firewall::removal::Removal;
use std::collections::BTreeSet;
use xml::{Document, Node, Writer};

/// Classes up to here have a fixed use.
const FIXED_CLASSES: u32 = 3;
/// Most classes that are read from a document.
const CLASSES_MAX: u32 = 65536;

/// What is known of a running network.
#[derive(Clone, Debug)]
pub struct Status {
    /// The definition as it runs.
    pub network: Network,
    /// Classes of guests with a guaranteed rate.
    pub classes: BTreeSet<u32>,
    /// Sum of the guaranteed rates, in KiB per second.
    pub floors: u64,
    /// What removes its rules.
    pub removal: Option<Removal>,
}

impl Status {
    /// The status of a network that has just started.
    pub fn new(network: Network) -> Status {
        Status { network, classes: BTreeSet::new(), floors: 0, removal: None }
    }

    /// Takes the lowest class that is free.
    pub fn take_class(&mut self) -> Option<u32> {
        let free = (FIXED_CLASSES..CLASSES_MAX).find(|class| !self.classes.contains(class))?;
        self.classes.insert(free);
        Some(free)
    }

    /// Reads a document.
    ///
    /// # Errors
    /// When it is none, or its network is not understood.
    pub fn parse(text: &str) -> Result<Status> {
        let wrong = |text: &str| conf_network::validate::internal(text);
        let document = Document::parse(text).map_err(|error| wrong(&error.to_string()))?;
        let root = document.root();
        // Very old documents are the network alone.
        let node = match root.name() {
            "networkstatus" => {
                root.child("network").ok_or_else(|| wrong("status document without a network"))?
            }
            _ => root,
        };
        let network = Network::parse_node(node, &mut || [0; 16])?;
        let mut status = Status::new(network);
        status.read_counts(node);
        if let Some(classes) = root.child("class_id").and_then(|node| node.attr("bitmap")) {
            status.classes = numbers(classes).into_iter().filter(|class| *class >= FIXED_CLASSES).collect();
        }
        let sum = root.child("floor").and_then(|node| node.attr("sum"));
        status.floors = sum.and_then(|sum| sum.parse().ok()).unwrap_or(0);
        status.removal = root.child("firewall").and_then(Removal::parse);
        Ok(status)
    }

    /// Counts of connections are no part of a definition.
    fn read_counts(&mut self, node: Node<'_>) {
        let count = |node: Node<'_>| node.attr("connections").and_then(|text| text.parse().ok()).unwrap_or(0);
        self.network.connections = count(node);
        let nodes = node.child("forward").into_iter().flat_map(Node::elements);
        let nodes = nodes.filter(|node| matches!(node.name(), "interface" | "address"));
        for (member, node) in self.network.forward.members.iter_mut().zip(nodes) {
            member.connections = count(node);
        }
    }

    /// The document.
    pub fn format(&self) -> String {
        let mut w = Writer::new();
        w.element("networkstatus").children(|w| {
            let classes = (0..FIXED_CLASSES).chain(self.classes.iter().copied());
            w.element("class_id").attr("bitmap", ranges(classes)).empty();
            w.element("floor").attr("sum", self.floors).empty();
            self.network.write(FormatFlags::default(), w);
            if let Some(removal) = &self.removal {
                removal.write(w);
            }
        });
        w.finish()
    }
}

/// Numbers as `0-2,5`.
fn ranges(numbers: impl Iterator<Item = u32>) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => parts.push((number, number)),
        }
    }
    let text = |(first, last): &(u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    parts.iter().map(text).collect::<Vec<_>>().join(",")
}

fn numbers(text: &str) -> Vec<u32> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.trim().parse::<u32>(), last.trim().parse::<u32>()) else {
            continue;
        };
        if last < CLASSES_MAX {
            all.extend(first..=last);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_as_it_was_read() {
        let text = "<networkstatus>\n  <class_id bitmap='0-3,5'/>\n  <floor sum='70'/>\n  \
                    <network connections='2'>\n    <name>n</name>\n    \
                    <uuid>8d4cf7f2-1a43-4b05-9a3b-5d9a4f0e2c11</uuid>\n    <forward dev='e' mode='vepa'>\n      \
                    <interface dev='e' connections='2'/>\n    </forward>\n  </network>\n</networkstatus>\n";
        let mut status = Status::parse(text).unwrap();
        assert_eq!(status.format(), text);
        assert_eq!(status.take_class(), Some(4));
    }
}
