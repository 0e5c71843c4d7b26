//! `<rule>`: what is done with packets that match.

use base::{Error, Result};
use conf_domain::fault;
use xml::{Node, Writer};

use crate::internal;
use crate::protocol::{Attribute, Protocol};
use crate::value::Value;

base::text_enum! {
    /// What is done.
    pub enum Action {
        Drop = "drop",
        Accept = "accept",
        Reject = "reject",
        Return = "return",
        Continue = "continue",
    }
}

base::text_enum! {
    /// Which packets a rule looks at, as the guest sees them.
    pub enum Direction {
        In = "in",
        Out = "out",
        InOut = "inout",
    }
}

/// Rules with the smallest number come first.
pub const PRIORITY_DEFAULT: i32 = 500;
/// The numbers that priorities may have.
pub const PRIORITIES: std::ops::RangeInclusive<i32> = -1000..=1000;

/// Something that a rule looks at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Attribute.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
    /// Packets without it match.
    pub negated: bool,
}

/// A rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// What is done.
    pub action: Action,
    /// Which way packets go.
    pub direction: Direction,
    /// Place among all rules of a chain.
    pub priority: i32,
    /// Packets of connections in the other direction are looked at as well.
    pub state_match: bool,
    /// Protocol; none looks at everything.
    pub protocol: Option<Protocol>,
    /// What it looks at, in the order of documents.
    pub items: Vec<Item>,
}

/// Protocols above IP that have ports.
const WITH_PORTS: [u32; 4] = [6, 17, 33, 132];

impl Rule {
    pub(crate) fn parse(node: Node<'_>) -> Result<Rule> {
        let needed = |name: &str| node.attr(name).ok_or_else(|| fault::missing("rule", name));
        let action = needed("action")?;
        let action = Action::parse(action).ok_or_else(|| fault::attribute("rule", "action", action))?;
        let direction = needed("direction")?;
        let direction =
            Direction::parse(direction).ok_or_else(|| fault::attribute("rule", "direction", direction))?;
        let priority = match node.attr("priority") {
            Some(text) => {
                let number = text.trim_start().parse::<i32>();
                let number = number.map_err(|_| fault::number("rule", "priority", text, "integer"))?;
                if PRIORITIES.contains(&number) { number } else { PRIORITY_DEFAULT }
            }
            None => PRIORITY_DEFAULT,
        };
        let state_match =
            !node.attr("statematch").is_some_and(|text| text == "0" || text.eq_ignore_ascii_case("false"));
        let mut rule = Rule { action, direction, priority, state_match, protocol: None, items: Vec::new() };
        for element in node.elements() {
            let Some(protocol) = Protocol::parse(element.name()) else { continue };
            // The first element says what the rule is about; others of its kind add to it.
            if *rule.protocol.get_or_insert(protocol) == protocol {
                rule.read(protocol, element)?;
            }
        }
        rule.settle()?;
        Ok(rule)
    }

    fn read(&mut self, protocol: Protocol, node: Node<'_>) -> Result<()> {
        let negated = node.attr("match").is_some_and(|text| text.eq_ignore_ascii_case("no"));
        // The last attribute is read first, and told first when several are wrong.
        for attribute in protocol.attributes().into_iter().rev() {
            let Some(text) = node.attr(attribute.name) else { continue };
            let illegal = || internal(format!("{} has illegal value {text}", attribute.name));
            let value = Value::parse(attribute.kind, text).ok_or_else(illegal)?;
            self.items.retain(|item| item.name != attribute.name);
            self.items.push(Item { name: attribute.name, value, negated });
        }
        Ok(())
    }

    /// Puts items in order, drops those without meaning, and has some follow others.
    fn settle(&mut self) -> Result<()> {
        let Some(protocol) = self.protocol else { return Ok(()) };
        let attributes = protocol.attributes();
        let place = |name: &str| attributes.iter().position(|attribute| attribute.name == name);
        let ignored =
            |name: &str| place(name).is_some_and(|at| attributes.get(at).is_some_and(|a| a.ignored));
        self.items.retain(|item| !ignored(item.name));
        self.items.sort_by_key(|item| place(item.name));
        let leaders: Vec<(&str, bool)> = self.items.iter().map(|item| (item.name, item.negated)).collect();
        for item in &mut self.items {
            let attribute: Option<&&Attribute> = place(item.name).and_then(|at| attributes.get(at));
            if let Some(leader) = attribute.and_then(|attribute| attribute.follows) {
                item.negated = leaders.iter().any(|(name, negated)| *name == leader && *negated);
            }
        }
        self.check_ports(protocol)
    }

    fn check_ports(&self, protocol: Protocol) -> Result<()> {
        let name = match protocol {
            Protocol::Ip => "IP",
            Protocol::Ipv6 => "IPv6",
            _ => return Ok(()),
        };
        if !self.items.iter().any(|item| item.name.contains("port")) {
            return Ok(());
        }
        let good = self
            .get("protocol")
            .is_some_and(|item| item.value.number().is_none_or(|number| WITH_PORTS.contains(&number)));
        if good { Ok(()) } else { Err(portless(name)) }
    }

    /// What the rule looks at under a name.
    pub fn get(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.name == name)
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.element("rule")
            .attr("action", self.action)
            .attr("direction", self.direction)
            .attr("priority", self.priority)
            .attr_if(!self.state_match, "statematch", "false")
            .children(|w| {
                let Some(protocol) = self.protocol else { return };
                let any = |negated: bool| self.items.iter().any(|item| item.negated == negated);
                for negated in [false, true] {
                    if any(negated) || !negated && !any(true) {
                        let mut element = w.element(protocol.as_str()).attr_if(negated, "match", "no");
                        for item in self.items.iter().filter(|item| item.negated == negated) {
                            element = element.attr(item.name, item.value.text());
                        }
                        element.empty();
                    }
                }
            });
    }
}

fn portless(name: &str) -> Error {
    internal(format!(
        "{name} rule with port specification requires protocol specification with protocol to be either one of tcp(6), \
         udp(17), dccp(33), or sctp(132)"
    ))
}
