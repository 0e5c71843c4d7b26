//! Rules for frames, as ebtables takes them.

use base::Result;
use conf_nwfilter::{Action, Direction, Item, Protocol, Rule};

use crate::chains::{Chains, Side};
use crate::combination::{Assignment, Radix};
use crate::internal;

/// Where bridges send what they tell each other.
pub const STP_GROUP: &str = "01:80:c2:00:00:00";

/// The words of a rule under construction.
struct Frame<'r> {
    rule: &'r Rule,
    assignment: &'r Assignment,
    /// Source and destination change places.
    reversed: bool,
    words: Vec<String>,
}

impl<'r> Frame<'r> {
    fn item(&self, name: &str) -> Option<&'r Item> {
        self.rule.get(name)
    }

    fn show(&self, item: &Item, radix: Radix) -> String {
        self.assignment.show(item, radix)
    }

    fn push(&mut self, words: &[&str]) {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
    }

    fn option(&mut self, flag: &str, negated: bool, value: &str) {
        self.push(&[flag]);
        if negated {
            self.push(&["!"]);
        }
        self.push(&[value]);
    }

    /// One attribute.
    fn single(&mut self, flag: &str, name: &str, radix: Radix) {
        if let Some(item) = self.item(name) {
            let value = self.show(item, radix);
            self.option(flag, item.negated, &value);
        }
    }

    /// An attribute with what belongs to it, joined by a sign.
    fn joined(&mut self, flag: &str, name: &str, sign: char, rest: &str) {
        let Some(item) = self.item(name) else { return };
        let mut value = self.show(item, Radix::Ten);
        if let Some(rest) = self.item(rest) {
            value.push(sign);
            value.push_str(&self.show(rest, Radix::Ten));
        }
        self.option(flag, item.negated, &value);
    }

    /// The flag for a source, or for a destination when they change places.
    fn side<'f>(&self, straight: &'f str, crossed: &'f str) -> &'f str {
        if self.reversed { crossed } else { straight }
    }

    fn addresses(&mut self) {
        let (source, destination) = (self.side("-s", "-d"), self.side("-d", "-s"));
        self.joined(source, "srcmacaddr", '/', "srcmacmask");
        self.joined(destination, "dstmacaddr", '/', "dstmacmask");
    }

    fn stp(&mut self) {
        self.addresses();
        self.push(&["-d", STP_GROUP]);
        self.single("--stp-type", "type", Radix::Ten);
        self.single("--stp-flags", "flags", Radix::Ten);
        for (flag, name, sign, rest) in [
            ("--stp-root-pri", "root-priority", ':', "root-priority-hi"),
            ("--stp-root-addr", "root-address", '/', "root-address-mask"),
            ("--stp-root-cost", "root-cost", ':', "root-cost-hi"),
            ("--stp-sender-prio", "sender-priority", ':', "sender-priority-hi"),
            ("--stp-sender-addr", "sender-address", '/', "sender-address-mask"),
            ("--stp-port", "port", ':', "port-hi"),
            ("--stp-msg-age", "age", ':', "age-hi"),
            ("--stp-max-age", "max-age", ':', "max-age-hi"),
            ("--stp-hello-time", "hello-time", ':', "hello-time-hi"),
            ("--stp-forward-delay", "forward-delay", ':', "forward-delay-hi"),
        ] {
            self.joined(flag, name, sign, rest);
        }
    }

    fn arp(&mut self, ether_type: &str) {
        self.addresses();
        self.push(&["-p", ether_type]);
        self.single("--arp-htype", "hwtype", Radix::Ten);
        self.single("--arp-opcode", "opcode", Radix::Ten);
        self.single("--arp-ptype", "protocoltype", Radix::Sixteen);
        let (source, destination) = (self.side("src", "dst"), self.side("dst", "src"));
        self.joined(&format!("--arp-ip-{source}"), "arpsrcipaddr", '/', "arpsrcipmask");
        self.joined(&format!("--arp-ip-{destination}"), "arpdstipaddr", '/', "arpdstipmask");
        self.single(&format!("--arp-mac-{source}"), "arpsrcmacaddr", Radix::Ten);
        self.single(&format!("--arp-mac-{destination}"), "arpdstmacaddr", Radix::Ten);
        if let Some(item) = self.item("gratuitous")
            && self.show(item, Radix::Ten) == "true"
        {
            if item.negated {
                self.push(&["!"]);
            }
            self.push(&["--arp-gratuitous"]);
        }
    }

    /// Addresses, protocol and ports above IP; `ip` is the first part of the names of options.
    fn internet(&mut self, ip: &str) {
        self.addresses();
        self.push(&["-p", if ip == "--ip" { "ipv4" } else { "ipv6" }]);
        let (source, destination) = (self.side("source", "destination"), self.side("destination", "source"));
        self.joined(&format!("{ip}-{source}"), "srcipaddr", '/', "srcipmask");
        self.joined(&format!("{ip}-{destination}"), "dstipaddr", '/', "dstipmask");
        self.single(&format!("{ip}-protocol"), "protocol", Radix::Ten);
        self.joined(&format!("{ip}-{source}-port"), "srcportstart", ':', "srcportend");
        self.joined(&format!("{ip}-{destination}-port"), "dstportstart", ':', "dstportend");
    }

    /// Kinds and codes of ICMP as ranges; what is not stated is anything.
    fn icmp_range(&mut self) {
        let range = |first: Option<&Item>, last: Option<&Item>| match (first, last) {
            (None, None) => "0:255".to_owned(),
            (Some(first), Some(last)) => {
                format!("{}:{}", self.show(first, Radix::Ten), self.show(last, Radix::Ten))
            }
            (Some(first), None) => {
                let first = self.show(first, Radix::Ten);
                format!("{first}:{first}")
            }
            (None, Some(last)) => format!("0:{}", self.show(last, Radix::Ten)),
        };
        let parts = ["type", "typeend", "code", "codeend"].map(|name| self.item(name));
        if parts.iter().all(Option::is_none) {
            return;
        }
        let [kind, kind_end, code, code_end] = parts;
        let value = format!("{}/{}", range(kind, kind_end), range(code, code_end));
        self.option("--ip6-icmp-type", kind.is_some_and(|item| item.negated), &value);
    }

    fn look_at(&mut self, protocol: Protocol) {
        match protocol {
            Protocol::Mac => {
                self.addresses();
                self.single("-p", "protocolid", Radix::Sixteen);
            }
            Protocol::Vlan => {
                self.addresses();
                self.push(&["-p", "0x8100"]);
                self.single("--vlan-id", "vlanid", Radix::Ten);
                self.single("--vlan-encap", "encap-protocol", Radix::Ten);
            }
            Protocol::Stp => self.stp(),
            Protocol::Arp => self.arp("0x806"),
            Protocol::Rarp => self.arp("0x8035"),
            Protocol::Ip => {
                self.internet("--ip");
                self.single("--ip-tos", "dscp", Radix::Sixteen);
            }
            Protocol::Ipv6 => {
                self.internet("--ip6");
                self.icmp_range();
            }
            _ => {}
        }
    }
}

fn target(action: Action) -> &'static str {
    match action {
        Action::Accept => "ACCEPT",
        // A frame cannot be answered.
        Action::Drop | Action::Reject => "DROP",
        Action::Return => "RETURN",
        Action::Continue => "CONTINUE",
    }
}

/// Sides whose chains have a rule, with whether source and destination change places there.
pub fn sides(direction: Direction) -> &'static [(Side, bool)] {
    match direction {
        Direction::Out => &[(Side::FromGuest, false)],
        Direction::In => &[(Side::ToGuest, false)],
        Direction::InOut => &[(Side::FromGuest, true), (Side::ToGuest, false)],
    }
}

/// What a rule adds to the chains of an interface: side and words.
///
/// # Errors
/// When ebtables has no way to say it.
pub fn rule(
    rule: &Rule,
    assignment: &Assignment,
    chain: &str,
    chains: &Chains<'_>,
) -> Result<Vec<(Side, Vec<String>)>> {
    if rule.protocol == Some(Protocol::Stp)
        && rule.direction == Direction::InOut
        && rule.get("srcmacaddr").is_some()
    {
        return Err(internal(
            "STP filtering in inout direction with source MAC address set is not supported",
        ));
    }
    let made = sides(rule.direction).iter().map(|(side, reversed)| {
        let mut frame = Frame { rule, assignment, reversed: *reversed, words: Vec::new() };
        frame.push(&["-t", "nat", "-A", &chains.frames(*side, chain)]);
        if let Some(protocol) = rule.protocol {
            frame.look_at(protocol);
        }
        frame.push(&["-j", target(rule.action)]);
        (*side, frame.words)
    });
    Ok(made.collect())
}
