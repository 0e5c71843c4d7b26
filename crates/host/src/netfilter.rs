//! The packet filter's rules, as the kernel knows them: by table, chain and handle.
//!
//! Programs know how to write rules; here they are only heard of, listed and taken away. Taking away by handle is one
//! message to the kernel for all tables and families, where a program asks for every rule and waits between tables.

use crate::netlink::{self, Heard, Message, Socket};
use std::io;
use std::time::Duration;

/// The group that hears of rules, chains and tables.
const RULES_GROUP: u32 = 7;
const SUBSYSTEM: u16 = 10;
const NEW_RULE: u16 = SUBSYSTEM << 8 | 6;
const GET_RULE: u16 = SUBSYSTEM << 8 | 7;
const DELETE_RULE: u16 = SUBSYSTEM << 8 | 8;
const NEW_GENERATION: u16 = SUBSYSTEM << 8 | 15;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;
const RULE_EXPRESSIONS: u16 = 4;

/// Bytes of notices that may wait: those of a few thousand rules.
const WAITING_MAX: usize = 16 << 20;

/// How long the kernel may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Number of the family in the kernel: 2 for IPv4, 10 for IPv6, 1 for both.
    pub family: u8,
    /// Table.
    pub table: String,
    /// Chain.
    pub chain: String,
    /// Number in the table; never given twice.
    pub handle: u64,
    /// The chain it jumps to, if it is nothing but a jump.
    pub jump: Option<String>,
}

/// Rules that were made in one step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Number of the step.
    pub generation: u32,
    /// New rules, in order.
    pub new: Vec<Rule>,
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn find<'a>(attributes: &[(u16, &'a [u8])], number: u16) -> Option<&'a [u8]> {
    attributes.iter().find(|(found, _)| *found == number).map(|(_, value)| *value)
}

/// The target of a rule that only counts and jumps.
fn jump(expressions: &[u8]) -> Option<String> {
    let mut target = None;
    for (_, expression) in netlink::attributes(expressions) {
        let parts = netlink::attributes(expression);
        match text(find(&parts, 1)?).as_str() {
            "counter" => {}
            "immediate" => {
                let data = netlink::attributes(find(&parts, 2)?);
                let verdict = netlink::attributes(find(&data, 2)?);
                let verdict = netlink::attributes(find(&verdict, 2)?);
                target = Some(text(find(&verdict, 2)?));
            }
            _ => return None,
        }
    }
    target
}

fn rule(body: &[u8]) -> Option<Rule> {
    let attributes = netlink::attributes(body.get(4..)?);
    Some(Rule {
        family: *body.first()?,
        table: text(find(&attributes, RULE_TABLE)?),
        chain: text(find(&attributes, RULE_CHAIN)?),
        handle: u64::from_be_bytes(find(&attributes, RULE_HANDLE)?.try_into().ok()?),
        jump: find(&attributes, RULE_EXPRESSIONS).and_then(jump),
    })
}

fn generation(body: &[u8]) -> Option<u32> {
    let attributes = netlink::attributes(body.get(4..)?);
    Some(u32::from_be_bytes(find(&attributes, 1)?.try_into().ok()?))
}

/// Hears of changes.
#[derive(Debug)]
pub struct Watch(Socket);

impl Watch {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open() -> io::Result<Watch> {
        let socket = Socket::open(Some(rustix::net::netlink::NETFILTER), 1 << (RULES_GROUP - 1))?;
        socket.widen(WAITING_MAX);
        Ok(Watch(socket))
    }

    /// Waits for changes, at most for `limit`, and takes all there are. None when there were so many that some are lost.
    pub fn changes(&self, limit: Duration) -> Option<Vec<Change>> {
        let messages = match self.0.heard(limit) {
            Heard::Messages(messages) => messages,
            Heard::Lost => return None,
        };
        let mut changes = Vec::new();
        let mut current = Change::default();
        for (kind, body) in messages {
            match kind {
                NEW_RULE => current.new.extend(rule(&body)),
                NEW_GENERATION => {
                    current.generation = generation(&body).unwrap_or(0);
                    changes.push(std::mem::take(&mut current));
                }
                _ => {}
            }
        }
        Some(changes)
    }
}

/// A connection to the packet filter.
#[derive(Debug)]
pub struct Filter(Socket);

/// The structure in front of attributes.
fn fixed(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

impl Filter {
    /// Connects.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open() -> io::Result<Filter> {
        let socket = Socket::open(Some(rustix::net::netlink::NETFILTER), 0)?;
        socket.limit(PATIENCE);
        Ok(Filter(socket))
    }

    /// The rules of a table, by chain and in order; none when there is no such table.
    ///
    /// # Errors
    /// When the kernel refuses, or somebody changes rules meanwhile.
    pub fn rules(&self, family: u8, table: &str) -> io::Result<Vec<Rule>> {
        let mut message = Message::new(GET_RULE, 0, &fixed(family, 0));
        let answers = self.0.dump(message.attr_text(RULE_TABLE, table))?;
        let rules = answers.iter().filter(|(kind, _)| *kind == NEW_RULE).filter_map(|(_, body)| rule(body));
        Ok(rules.filter(|rule| rule.table == table).collect())
    }

    /// Takes rules away, all or none.
    ///
    /// # Errors
    /// When one is not there or the kernel refuses.
    pub fn delete(&self, rules: &[Rule]) -> io::Result<()> {
        let mut batch = vec![Message::new(BATCH_BEGIN, 0, &fixed(0, SUBSYSTEM))];
        for rule in rules {
            let mut message = Message::new(DELETE_RULE, 0, &fixed(rule.family, 0));
            message.attr_text(RULE_TABLE, &rule.table).attr_text(RULE_CHAIN, &rule.chain);
            message.attr(RULE_HANDLE, &rule.handle.to_be_bytes());
            batch.push(message);
        }
        batch.push(Message::new(BATCH_END, 0, &fixed(0, SUBSYSTEM)));
        self.0.batch(&batch)
    }
}
