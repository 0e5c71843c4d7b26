//! The order in which the rules of an interface come and go.

use base::Result;
use conf_nwfilter::filter::ROOT;
use firewall::{Action, Backend, Group, Layer, Transaction};
use netaddr::Mac;

use crate::chains::{Age, Chains, PACKETS, Side};
use crate::combination::combinations;
use crate::flatten::{Placed, missing};
use crate::{frames, internal, packets};

/// A rule for frames in its place.
#[derive(Debug)]
struct FrameRule {
    side: Side,
    root: bool,
    priority: i32,
    words: Vec<String>,
}

/// A chain below the root of a side.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Below {
    priority: i32,
    side: Side,
    chain: String,
}

/// All rules of an interface.
#[derive(Debug)]
pub struct Plan {
    interface: String,
    frames: Vec<FrameRule>,
    below: Vec<Below>,
    packets: Vec<(Layer, i32, Vec<String>)>,
}

/// Plans the rules of an interface.
///
/// # Errors
/// When variables stand for nothing, or a rule cannot be expressed.
pub fn plan(interface: &str, rules: &[Placed]) -> Result<Plan> {
    let lacking = missing(rules);
    if !lacking.is_empty() {
        let names: Vec<String> = lacking.into_iter().collect();
        return Err(internal(format!(
            "Cannot instantiate filter due to unresolvable variables or unavailable list elements: {}",
            names.join(", ")
        )));
    }
    let chains = Chains { interface };
    let mut plan =
        Plan { interface: interface.to_owned(), frames: Vec::new(), below: Vec::new(), packets: Vec::new() };
    for placed in rules {
        let rule = &placed.rule;
        for assignment in combinations(rule, &placed.parameters)? {
            let layer = rule.protocol.and_then(|protocol| Some((protocol, packets::layer(protocol)?)));
            if let Some((protocol, layer)) = layer {
                for words in packets::rule(rule, protocol, &assignment, interface) {
                    plan.packets.push((layer, rule.priority, words));
                }
                continue;
            }
            for (side, words) in frames::rule(rule, &assignment, &placed.chain, &chains)? {
                let root = placed.chain == ROOT;
                plan.frames.push(FrameRule { side, root, priority: rule.priority, words });
                let below = Below { priority: placed.chain_priority, side, chain: placed.chain.clone() };
                if !root && !plan.below.contains(&below) {
                    plan.below.push(below);
                }
            }
        }
    }
    // Rules of one priority stay in the order of documents.
    plan.packets.sort_by_key(|(_, priority, _)| *priority);
    plan.frames.sort_by_key(|rule| rule.priority);
    plan.below.sort_by_key(|below| (below.priority, below.side));
    Ok(plan)
}

fn group(transaction: &mut Transaction, ignore_errors: bool, actions: Vec<Action>) {
    let rollback = Vec::new();
    transaction.groups.push(Group { actions, rollback, ignore_errors, inherit_previous: false });
}

fn frame(words: &[&str]) -> Action {
    Action::new(Layer::Ethernet, ["-t", "nat"].iter().chain(words))
}

impl Plan {
    fn uses(&self, side: Side) -> bool {
        self.frames.iter().any(|rule| rule.side == side)
    }

    fn has_packets(&self, layer: Layer) -> bool {
        self.packets.iter().any(|(of, ..)| *of == layer)
    }

    /// Chains and rules for frames: chains below stand among the rules of the root by their priorities.
    fn frame_actions(&self, chains: &Chains<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        for side in [Side::FromGuest, Side::ToGuest] {
            if self.uses(side) {
                actions.push(chains.make_frames(side));
            }
        }
        let mut below = self.below.iter().peekable();
        for rule in self.frames.iter().filter(|rule| rule.root) {
            while let Some(next) = below.next_if(|below| below.priority <= rule.priority) {
                actions.extend(chains.make_below(next.side, &next.chain));
            }
            actions.push(Action::new(Layer::Ethernet, &rule.words));
        }
        for next in below {
            actions.extend(chains.make_below(next.side, &next.chain));
        }
        let others = self.frames.iter().filter(|rule| !rule.root);
        actions.extend(others.map(|rule| Action::new(Layer::Ethernet, &rule.words)));
        actions
    }

    /// Makes the new rules beside the old ones and has frames and packets go through them. When anything fails, the new
    /// rules are removed again.
    pub fn install(&self) -> Transaction {
        let chains = Chains { interface: &self.interface };
        let mut transaction = Transaction::new(Backend::Iptables);
        group(&mut transaction, true, chains.remove_frames(Age::New));
        group(&mut transaction, false, self.frame_actions(&chains));
        for layer in PACKETS.into_iter().filter(|layer| self.has_packets(*layer)) {
            group(&mut transaction, true, chains.remove_packets(layer, Age::New, false));
            let mut actions = Chains::make_shared(layer);
            actions.extend(chains.make_packets(layer));
            let rules = self.packets.iter().filter(|(of, ..)| *of == layer);
            actions.extend(rules.map(|(layer, _, words)| Action::new(*layer, words)));
            group(&mut transaction, false, actions);
        }
        let sides = [Side::FromGuest, Side::ToGuest].into_iter().filter(|side| self.uses(*side));
        group(&mut transaction, false, sides.map(|side| chains.link_frames(side)).collect());
        transaction.groups.retain(|group| !group.actions.is_empty());
        transaction
    }
}

/// Removes rules that were made but are not in force.
pub fn discard(interface: &str) -> Transaction {
    let chains = Chains { interface };
    let mut transaction = Transaction::new(Backend::Iptables);
    for layer in PACKETS {
        group(&mut transaction, true, chains.remove_packets(layer, Age::New, false));
    }
    group(&mut transaction, true, chains.remove_frames(Age::New));
    transaction
}

/// Removes the rules in force and gives the new ones their names.
pub fn replace(interface: &str) -> Transaction {
    let chains = Chains { interface };
    let mut transaction = Transaction::new(Backend::Iptables);
    for layer in PACKETS {
        let mut actions = chains.remove_packets(layer, Age::InForce, false);
        actions.extend(chains.rename_packets(layer));
        group(&mut transaction, true, actions);
    }
    group(&mut transaction, true, chains.remove_frames(Age::InForce));
    group(&mut transaction, true, chains.rename_frames());
    transaction
}

/// Removes all rules of an interface.
pub fn remove(interface: &str) -> Transaction {
    let chains = Chains { interface };
    let mut transaction = Transaction::new(Backend::Iptables);
    for age in [Age::New, Age::InForce] {
        for layer in PACKETS {
            group(&mut transaction, true, chains.remove_packets(layer, age, age == Age::InForce));
        }
        group(&mut transaction, true, chains.remove_frames(age));
    }
    transaction
}

/// Removes all rules for frames of an interface.
pub fn remove_frames(interface: &str) -> Transaction {
    let chains = Chains { interface };
    let mut transaction = Transaction::new(Backend::Iptables);
    for age in [Age::InForce, Age::New] {
        group(&mut transaction, true, chains.remove_frames(age));
    }
    transaction
}

/// What is in force until an interface gets its rules.
fn provisional(interface: &str, sides: &[Side], rules: &[(Side, Vec<&str>)], leave_new: bool) -> Transaction {
    let chains = Chains { interface };
    let mut transaction = remove(interface);
    let mut actions: Vec<Action> = sides.iter().map(|side| chains.make_frames(*side)).collect();
    for (side, words) in rules {
        let chain = chains.frames(*side, ROOT);
        let words: Vec<&str> = ["-A", &chain].into_iter().chain(words.iter().copied()).collect();
        actions.push(frame(&words));
    }
    actions.extend(sides.iter().map(|side| chains.link_frames(*side)));
    if !leave_new {
        actions.extend(sides.iter().map(|side| chains.rename_root(*side)));
    }
    group(&mut transaction, false, actions);
    transaction
}

/// The guest may send IPv4 and ARP from its own address, so that its IP address can be learnt.
pub fn basic(interface: &str, mac: Mac) -> Transaction {
    let from = Side::FromGuest;
    let mac = mac.to_string();
    let rules = [
        (from, vec!["-s", "!", mac.as_str(), "-j", "DROP"]),
        (from, vec!["-p", "IPv4", "-j", "ACCEPT"]),
        (from, vec!["-p", "ARP", "-j", "ACCEPT"]),
        (from, vec!["-j", "DROP"]),
    ];
    provisional(interface, &[from], &rules, false)
}

/// The guest may ask for an address, and servers may answer: these, or any when there is none.
pub fn dhcp_only(interface: &str, mac: Mac, servers: &[&str], leave_new: bool) -> Transaction {
    let (from, to) = (Side::FromGuest, Side::ToGuest);
    let mac = mac.to_string();
    let udp = ["-p", "ipv4", "--ip-protocol", "udp"];
    let ports = |source, destination| ["--ip-sport", source, "--ip-dport", destination, "-j", "ACCEPT"];
    let mut rules = vec![(from, [&["-s", mac.as_str()][..], &udp, &ports("68", "67")].concat())];
    rules.push((from, vec!["-j", "DROP"]));
    let servers: Vec<Vec<&str>> = if servers.is_empty() {
        vec![Vec::new()]
    } else {
        servers.iter().map(|server| vec!["--ip-src", *server]).collect()
    };
    for server in &servers {
        for receiver in [mac.as_str(), "ff:ff:ff:ff:ff:ff"] {
            rules.push((to, [&["-d", receiver][..], &udp, server, &ports("67", "68")].concat()));
        }
    }
    rules.push((to, vec!["-j", "DROP"]));
    provisional(interface, &[from, to], &rules, leave_new)
}

/// Nothing passes.
pub fn drop_all(interface: &str) -> Transaction {
    let (from, to) = (Side::FromGuest, Side::ToGuest);
    provisional(interface, &[from, to], &[(from, vec!["-j", "DROP"]), (to, vec!["-j", "DROP"])], false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use conf_nwfilter::{Filter, Include, Parameters};
    use std::sync::Arc;

    fn lines(transaction: &Transaction) -> Vec<String> {
        let actions = transaction.groups.iter().flat_map(|group| &group.actions);
        actions.map(|action| action.call(Backend::Iptables).to_string()).collect()
    }

    fn made(body: &str, other: &str) -> Result<Vec<String>> {
        let parse = |name: &str, body: &str| {
            let text = format!("<filter name='{name}'{body}</filter>");
            Filter::parse(&text, false, &mut || [0; 16]).map(Arc::new)
        };
        let (first, second) = (parse("a", body)?, parse("b", other)?);
        let library = |name: &str| match name {
            "a" => Some(first.clone()),
            "b" => Some(second.clone()),
            _ => None,
        };
        let mut parameters = Parameters::default();
        parameters.add("P", "22");
        let rules = crate::flatten(&Include { filter: "a".to_owned(), parameters }, &library)?;
        let all = lines(&plan("v", &rules)?.install());
        Ok(all.into_iter().filter(|line| line.contains(" -A ") && !line.contains("physdev")).collect())
    }

    const DROP_ARP: &str =
        "<rule action='drop' direction='out' priority='-600'><mac protocolid='arp'/></rule>";

    #[test]
    fn chains_stand_among_rules_by_priority() {
        let body = format!("><filterref filter='b'/>{DROP_ARP}");
        let other = " chain='ipv4-x'><rule action='return' direction='out'><ip srcipaddr='1.2.3.4'/></rule>";
        let expected = [
            "ebtables --concurrent -t nat -A libvirt-J-v -p 0x0800 -j J-v-ipv4-x",
            "ebtables --concurrent -t nat -A libvirt-J-v -p 0x806 -j DROP",
            "ebtables --concurrent -t nat -A J-v-ipv4-x -p ipv4 --ip-source 1.2.3.4 -j RETURN",
            "ebtables --concurrent -t nat -A PREROUTING -i v -j libvirt-J-v",
        ];
        assert_eq!(made(&body, other).unwrap(), expected);
    }

    #[test]
    fn connections_are_followed_in_both_directions() {
        let expected = [
            "iptables -w -A FJ-v -p tcp --sport 22 -m conntrack --ctstate ESTABLISHED -m conntrack --ctdir Reply -j RETURN",
            "iptables -w -A FP-v -p tcp --dport 22 -m conntrack --ctstate NEW,ESTABLISHED -m conntrack --ctdir Original -j ACCEPT",
            "iptables -w -A HJ-v -p tcp --sport 22 -m conntrack --ctstate ESTABLISHED -m conntrack --ctdir Reply -j RETURN",
        ];
        let body = "><rule action='accept' direction='in'><tcp dstportstart='$P'/></rule>";
        assert_eq!(made(body, ">").unwrap(), expected);
        let body = "><rule action='drop' direction='in'><tcp srcmacaddr='1:2:3:4:5:6'/></rule>";
        assert_eq!(made(body, ">").unwrap().len(), 1);
    }

    #[test]
    fn what_is_missing_is_named() {
        let told = |body: &str| made(body, ">").unwrap_err().message().to_owned();
        let body = "><rule action='drop' direction='in'><tcp srcipaddr='$Z' dstportstart='$P[3]'/></rule>";
        assert!(told(body).ends_with("unavailable list elements: P[3], Z"), "{}", told(body));
        assert!(told("><filterref filter='c'/>").contains("referenced filter 'c' is missing"));
    }

    #[test]
    fn new_rules_take_the_names_of_the_old_ones() {
        let all = lines(&replace("v"));
        let at = |line: &str| all.iter().position(|known| known.contains(line)).unwrap();
        assert!(at("-X FO-v") < at("-E FP-v FO-v"));
        assert!(at("-X libvirt-I-v") < at("-E libvirt-J-v libvirt-I-v"));
        assert!(lines(&drop_all("v")).iter().any(|line| line.ends_with("-A libvirt-P-v -j DROP")));
    }
}
