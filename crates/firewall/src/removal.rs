//! What removes a network's rules, as its status document keeps it.
//!
//! The commands stand in the document, not the rules, so that another version, or the reference, can take a network away
//! that it did not start.

use crate::Backend;
use crate::transaction::{Action, Layer};
use xml::{Node, Writer};

/// Most commands that are read from a document.
const COMMANDS_MAX: usize = 4096;

/// Groups of commands, in the order in which they are to be run.
#[derive(Debug)]
pub struct Removal {
    /// Who keeps the rules.
    pub backend: Backend,
    /// Groups.
    pub groups: Vec<Vec<Action>>,
}

impl Removal {
    /// Reads a `<firewall>` element; `None` when it is not understood.
    pub fn parse(node: Node<'_>) -> Option<Removal> {
        let backend = Backend::parse(node.attr("backend")?)?;
        let mut left = COMMANDS_MAX;
        let mut groups = Vec::new();
        for group in node.children("group") {
            let mut actions = Vec::new();
            for action in group.children("action") {
                left = left.checked_sub(1)?;
                let layer = Layer::parse(action.attr("layer")?)?;
                let args = action.child("args")?.children("item").map(Node::text);
                actions.push(Action { ignore_errors: true, ..Action::new(layer, args) });
            }
            groups.push(actions);
        }
        Some(Removal { backend, groups })
    }

    /// Prints the element; nothing when there is nothing to remove.
    pub fn write(&self, w: &mut Writer) {
        if self.groups.iter().all(Vec::is_empty) {
            return;
        }
        w.element("firewall").attr("name", "fwRemoval").attr("backend", self.backend).children(|w| {
            for group in self.groups.iter().filter(|group| !group.is_empty()) {
                w.element("group").attr("ignoreErrors", "yes").children(|w| {
                    for action in group {
                        let layer = action.layer.unwrap_or(Layer::Ipv4).as_str();
                        w.element("action").attr("layer", layer).children(|w| {
                            w.element("args").children(|w| {
                                for arg in &action.args {
                                    w.leaf("item", arg);
                                }
                            });
                        });
                    }
                });
            }
        });
    }

    /// All commands in order.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.groups.iter().flatten()
    }
}

impl Clone for Removal {
    fn clone(&self) -> Removal {
        let groups = self.groups.iter().map(|group| group.iter().map(Action::plain).collect());
        Removal { backend: self.backend, groups: groups.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_as_it_was_read() {
        let text = "<firewall name='fwRemoval' backend='nftables'>\n  <group ignoreErrors='yes'>\n    \
                    <action layer='tc'>\n      <args>\n        <item>filter</item>\n        <item>a b</item>\n      \
                    </args>\n    </action>\n  </group>\n</firewall>\n";
        let document = xml::Document::parse(text).unwrap();
        let removal = Removal::parse(document.root()).unwrap();
        let mut w = Writer::new();
        removal.write(&mut w);
        assert_eq!(w.finish(), text);
    }
}
