//! Rules for packets of IPv4 and IPv6, as iptables and ip6tables take them.
//!
//! | chain | packets | a rule for packets out of the guest | a rule for packets into the guest, or both ways |
//! |---|---|---|---|
//! | FJ | from the guest into the network | as it stands | reversed |
//! | FP | to the guest | reversed | as it stands |
//! | HJ | from the guest to the host | as it stands | reversed |
//!
//! A rule that accepts follows connections: it sees their first packet where it stands, and their answers where it is
//! reversed. What cannot be known of an answer (kind of ICMP message, number of connections) is asked where the rule stands
//! only; a sender's hardware address cannot be seen in an answer, so a rule that asks nothing else has no reverse.

use conf_nwfilter::protocol::Layer;
use conf_nwfilter::{Action, Direction, Item, Protocol, Rule};

use crate::combination::{Assignment, Radix};

struct Packet<'r> {
    rule: &'r Rule,
    assignment: &'r Assignment,
    reversed: bool,
    words: Vec<String>,
}

impl<'r> Packet<'r> {
    fn item(&self, name: &str) -> Option<&'r Item> {
        self.rule.get(name)
    }

    fn show(&self, item: &Item) -> String {
        self.assignment.show(item, Radix::Ten)
    }

    fn push(&mut self, words: &[&str]) {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
    }

    fn option(&mut self, negated: bool, flag: &str, value: &str) {
        if negated {
            self.push(&["!"]);
        }
        self.push(&[flag, value]);
    }

    /// An attribute with what belongs to it, joined by a sign.
    fn joined(&self, item: &Item, sign: char, rest: &str) -> String {
        let mut value = self.show(item);
        if let Some(rest) = self.item(rest) {
            value.push(sign);
            value.push_str(&self.show(rest));
        }
        value
    }

    /// Sender or receiver: an address, else a range.
    fn end(&mut self, which: &str, source: bool) {
        let source = source != self.reversed;
        if let Some(item) = self.item(&format!("{which}ipaddr")) {
            let value = self.joined(item, '/', &format!("{which}ipmask"));
            self.option(item.negated, if source { "--source" } else { "--destination" }, &value);
        } else if let Some(item) = self.item(&format!("{which}ipfrom")) {
            let value = self.joined(item, '-', &format!("{which}ipto"));
            self.push(&["-m", "iprange"]);
            self.option(item.negated, if source { "--src-range" } else { "--dst-range" }, &value);
        }
    }

    fn ports(&mut self) {
        for (which, source) in [("src", true), ("dst", false)] {
            if let Some(item) = self.item(&format!("{which}portstart")) {
                let value = self.joined(item, ':', &format!("{which}portend"));
                let flag = if source != self.reversed { "--sport" } else { "--dport" };
                self.option(item.negated, flag, &value);
            }
        }
    }

    fn icmp(&mut self, flag: &str) {
        if let Some(item) = self.item("type") {
            let value = self.joined(item, '/', "code");
            self.option(item.negated, flag, &value);
        }
    }

    fn tcp_flags(&mut self) {
        let Some(item) = self.item("flags") else { return };
        if item.negated {
            self.push(&["!"]);
        }
        let text = self.show(item);
        let (looked, set) = text.split_once('/').unwrap_or((&text, ""));
        self.push(&["--tcp-flags", looked, set]);
    }

    /// What the rule looks at in a packet. False when nothing is left of it in the reverse.
    fn look_at(&mut self, protocol: Protocol) -> bool {
        let name = protocol.as_str();
        self.push(&["-p", name.strip_suffix("-ipv6").unwrap_or(name)]);
        let bare = self.words.len();
        let mac = self.item("srcmacaddr");
        if let Some(item) = mac.filter(|_| !self.reversed) {
            self.push(&["-m", "mac"]);
            let value = self.show(item);
            self.option(item.negated, "--mac-source", &value);
        }
        self.end("src", true);
        self.end("dst", false);
        if let Some(item) = self.item("dscp") {
            self.push(&["-m", "dscp"]);
            let value = self.show(item);
            self.option(item.negated, "--dscp", &value);
        }
        match protocol {
            Protocol::Icmp => self.icmp("--icmp-type"),
            Protocol::Icmpv6 => self.icmp("--icmpv6-type"),
            Protocol::Tcp => {
                self.tcp_flags();
                self.ports();
            }
            _ => self.ports(),
        }
        self.words.len() > bare || mac.is_none() || !self.reversed
    }

    fn limit(&mut self) {
        if let Some(item) = self.item("connlimit-above") {
            self.push(&["-m", "connlimit"]);
            let value = self.show(item);
            self.option(item.negated, "--connlimit-above", &value);
        }
    }

    fn set(&mut self) {
        let (Some(set), Some(flags)) = (self.item("ipset"), self.item("ipsetflags")) else { return };
        let swapped = |word: &str| match word {
            "src" if self.reversed => "dst".to_owned(),
            "dst" if self.reversed => "src".to_owned(),
            word => word.to_owned(),
        };
        let flags: Vec<String> = self.show(flags).split(',').map(swapped).collect();
        self.push(&["-m", "set", "--match-set", &self.show(set), &flags.join(",")]);
    }

    fn comment(&mut self) {
        if let Some(item) = self.item("comment") {
            let text = self.show(item);
            self.push(&["-m", "comment", "--comment", &text]);
        }
    }
}

/// The states of a connection that a rule asks for itself.
fn stated(rule: &Rule) -> Option<String> {
    rule.get("state").filter(|item| item.value.variable().is_none()).map(|item| item.value.text())
}

/// One of the rules that a rule becomes, if it becomes one in this orientation.
fn one(
    rule: &Rule,
    protocol: Protocol,
    assignment: &Assignment,
    chain: &str,
    reversed: bool,
    accept: &str,
) -> Option<Vec<String>> {
    let both = rule.direction == Direction::InOut;
    let limited = rule.get("connlimit-above").is_some();
    let kind = matches!(protocol, Protocol::Icmp | Protocol::Icmpv6) && rule.get("type").is_some();
    let accepts = rule.action == Action::Accept;
    if kind && (reversed || both) || limited && reversed {
        return None;
    }
    let stated = stated(rule);
    if stated.is_some() && reversed && !both {
        return None;
    }
    let mut packet = Packet { rule, assignment, reversed, words: Vec::new() };
    packet.push(&["-A", chain]);
    if !packet.look_at(protocol) {
        return None;
    }
    match stated.as_deref() {
        _ if accepts && limited => {}
        Some("NONE" | "") => {}
        Some(states) => packet.push(&["-m", "conntrack", "--ctstate", states]),
        None if !accepts || !rule.state_match || both => {}
        None => {
            let states = if reversed { "ESTABLISHED" } else { "NEW,ESTABLISHED" };
            packet.push(&["-m", "conntrack", "--ctstate", states]);
            if !kind {
                let side = if reversed { "Reply" } else { "Original" };
                packet.push(&["-m", "conntrack", "--ctdir", side]);
            }
        }
    }
    packet.limit();
    packet.set();
    packet.comment();
    let target = match rule.action {
        Action::Accept => accept,
        Action::Drop => "DROP",
        Action::Reject => "REJECT",
        Action::Return => "RETURN",
        Action::Continue => "CONTINUE",
    };
    packet.push(&["-j", target]);
    Some(packet.words)
}

/// What a rule adds to the chains of an interface.
pub fn rule(rule: &Rule, protocol: Protocol, assignment: &Assignment, interface: &str) -> Vec<Vec<String>> {
    let out = rule.direction == Direction::Out;
    [("FJ", !out, "RETURN"), ("FP", out, "ACCEPT"), ("HJ", !out, "RETURN")]
        .into_iter()
        .filter_map(|(chain, reversed, accept)| {
            one(rule, protocol, assignment, &format!("{chain}-{interface}"), reversed, accept)
        })
        .collect()
}

/// The layer of the packets that a protocol is in, unless it is one of frames.
pub fn layer(protocol: Protocol) -> Option<firewall::Layer> {
    match protocol.layer() {
        Layer::Ethernet => None,
        Layer::Ipv4 => Some(firewall::Layer::Ipv4),
        Layer::Ipv6 => Some(firewall::Layer::Ipv6),
    }
}
