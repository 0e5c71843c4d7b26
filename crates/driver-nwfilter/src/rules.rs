//! Making and removing rules, in as few processes as may be.
//!
//! What removes something is asked for only when it is there, which one listing of each table tells. Rules that must all
//! succeed go to the tool as one batch; when it refuses, they go one by one, so that the culprit is named.

use base::{Error, ErrorDomain, Result};
use firewall::{Action, Backend, Call, Layer, Transaction, batch};
use host::process::Command;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Fewer actions than this are not worth a batch.
const BATCH_MIN: usize = 3;

struct Done {
    success: bool,
    output: String,
    complaint: String,
}

fn run(program: &str, args: &[&str], input: &str) -> Done {
    let path = host::program::find(program).unwrap_or_else(|| ["/usr/sbin", program].iter().collect());
    let mut command = Command::new(path, args);
    command.input = input.as_bytes().to_vec();
    match command.run(LIMIT) {
        Ok(done) => Done {
            success: done.status == Some(0),
            output: String::from_utf8_lossy(&done.out).into_owned(),
            complaint: String::from_utf8_lossy(&done.err).into_owned(),
        },
        Err(error) => Done { success: false, output: String::new(), complaint: error.to_string() },
    }
}

fn call(call: &Call) -> Done {
    let args: Vec<&str> = call.args.iter().map(String::as_str).collect();
    run(call.program, &args, "")
}

/// The error of a command that matters.
fn failed(call: &Call, complaint: &str) -> Error {
    let quoted = |word: &str| {
        let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/,=+%@".contains(c));
        if plain && !word.is_empty() { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
    };
    let words: Vec<String> = call.words().map(quoted).collect();
    let text = format!("Failed to run firewall command {}: {complaint}", words.join(" "));
    Error::internal(ErrorDomain::NWFILTER, text)
}

/// Chains of a layer that are there, as far as they have been listed and changed since.
#[derive(Default)]
struct Known {
    listed: BTreeSet<Slot>,
    chains: BTreeSet<(Slot, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Frames,
    Four,
    Six,
}

fn slot(layer: Layer) -> Slot {
    match layer {
        Layer::Ipv4 => Slot::Four,
        Layer::Ipv6 => Slot::Six,
        Layer::Ethernet | Layer::Tc => Slot::Frames,
    }
}

impl Known {
    fn list(&mut self, layer: Layer) {
        let slot = slot(layer);
        if !self.listed.insert(slot) {
            return;
        }
        let done = match slot {
            Slot::Frames => run("ebtables", &["--concurrent", "-t", "nat", "-L"], ""),
            Slot::Four => run("iptables", &["-w", "-S"], ""),
            Slot::Six => run("ip6tables", &["-w", "-S"], ""),
        };
        for line in done.output.lines() {
            let name = match slot {
                Slot::Frames => line.strip_prefix("Bridge chain: ").and_then(|rest| rest.split(',').next()),
                _ => line.strip_prefix("-N "),
            };
            self.chains.extend(name.map(|name| (slot, name.trim().to_owned())));
        }
    }

    fn has(&mut self, layer: Layer, chain: &str) -> bool {
        self.list(layer);
        self.chains.contains(&(slot(layer), chain.to_owned()))
    }

    /// Whether an action that may fail can succeed at all.
    fn useful(&mut self, action: &Action) -> bool {
        let Some(layer) = action.layer else { return true };
        let words: Vec<&str> = action.args.iter().map(String::as_str).collect();
        let words = words.strip_prefix(&["-t", "nat"]).unwrap_or(&words);
        let target = words
            .iter()
            .position(|word| matches!(*word, "-g" | "-j"))
            .and_then(|at| words.get(at + 1))
            .filter(|target| target.contains('-'));
        match words {
            ["-F" | "-X" | "-E" | "-L", chain, ..] => self.has(layer, chain),
            ["-N", chain] => !self.has(layer, chain),
            ["-D", chain, ..] => {
                let there = match *chain {
                    "FORWARD" | "INPUT" | "PREROUTING" | "POSTROUTING" => true,
                    chain => self.has(layer, chain),
                };
                there && target.is_none_or(|target| self.has(layer, target))
            }
            _ => true,
        }
    }

    /// An action has succeeded.
    fn note(&mut self, action: &Action) {
        let Some(layer) = action.layer else { return };
        let words: Vec<&str> = action.args.iter().map(String::as_str).collect();
        let words = words.strip_prefix(&["-t", "nat"]).unwrap_or(&words);
        let slot = slot(layer);
        match words {
            ["-N", chain] => drop(self.chains.insert((slot, (*chain).to_owned()))),
            ["-X", chain] => drop(self.chains.remove(&(slot, (*chain).to_owned()))),
            ["-E", old, new] => {
                self.chains.remove(&(slot, (*old).to_owned()));
                self.chains.insert((slot, (*new).to_owned()));
            }
            _ => {}
        }
    }
}

/// Actions from a place on that may go to their tool together.
fn together(actions: &[Action]) -> usize {
    let layer = actions.first().and_then(|action| action.layer);
    let fits = |action: &&Action| {
        let plain = action.layer == layer && !action.ignore_errors && action.query.is_none();
        let packets = matches!(action.layer, Some(Layer::Ipv4 | Layer::Ipv6));
        // A new chain is no line of a batch.
        plain && packets && action.args.first().is_some_and(|verb| verb == "-A")
    };
    actions.iter().take_while(fits).count()
}

fn restore(actions: &[Action]) -> bool {
    let Some(layer) = actions.first().and_then(|action| action.layer) else { return false };
    let all: Vec<&Action> = actions.iter().collect();
    let text = batch::restore(&all, layer);
    let program = if layer == Layer::Ipv6 { "ip6tables-restore" } else { "iptables-restore" };
    run(program, &["-w", "--noflush"], &text).success
}

/// Does all that a transaction says.
///
/// # Errors
/// The first failure that matters; what was done before it stays.
pub(crate) fn apply(transaction: Transaction) -> Result<()> {
    let mut known = Known::default();
    for mut group in transaction.groups {
        let mut at = 0;
        while at < group.actions.len() {
            let rest = group.actions.get(at..).unwrap_or_default();
            let many = if group.ignore_errors { 0 } else { together(rest) };
            if many >= BATCH_MIN && rest.get(..many).is_some_and(restore) {
                at += many;
                continue;
            }
            let Some(action) = group.actions.get_mut(at) else { break };
            at += 1;
            let careless = group.ignore_errors || action.ignore_errors;
            if careless && !known.useful(action) {
                continue;
            }
            let command = action.call(Backend::Iptables);
            let done = call(&command);
            if !done.success {
                if careless {
                    continue;
                }
                return Err(failed(&command, &done.complaint));
            }
            known.note(action);
            if let Some(query) = &mut action.query {
                let lines: Vec<&str> = done.output.lines().collect();
                let more = query(&lines);
                group.actions.extend(more);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_one_layer_go_together() {
        let rule = |layer| Action::new(layer, ["-A", "X", "-j", "DROP"]);
        let mut actions = vec![rule(Layer::Ipv4), rule(Layer::Ipv4), rule(Layer::Ipv6)];
        assert_eq!(together(&actions), 2);
        actions[0].ignore_errors = true;
        assert_eq!(together(&actions), 0);
        assert_eq!(together(&[rule(Layer::Ethernet)]), 0);
        assert_eq!(together(&[Action::new(Layer::Ipv4, ["-N", "X"])]), 0);
    }

    #[test]
    fn what_is_not_there_is_not_removed() {
        let mut known = Known::default();
        known.listed.extend([Slot::Frames, Slot::Four]);
        known.chains.insert((Slot::Four, "FO-v".to_owned()));
        known.chains.insert((Slot::Four, "libvirt-out".to_owned()));
        let mut useful = |layer, words: &str| known.useful(&Action::new(layer, words.split(' ')));
        assert!(useful(Layer::Ipv4, "-F FO-v"));
        assert!(!useful(Layer::Ipv4, "-F FI-v"));
        assert!(useful(Layer::Ipv4, "-D libvirt-out -m physdev --physdev-out v -g FO-v"));
        assert!(!useful(Layer::Ipv4, "-D libvirt-in -m physdev --physdev-in v -g FI-v"));
        assert!(!useful(Layer::Ethernet, "-t nat -D PREROUTING -i v -j libvirt-I-v"));
        assert!(!useful(Layer::Ethernet, "-t nat -L libvirt-I-v"));
    }

    #[test]
    fn a_failure_shows_its_command_as_a_shell_would_take_it() {
        let call = Call::new("ebtables", ["-s", "!", "a b"]);
        let text = failed(&call, "no").message().to_owned();
        assert_eq!(text, "internal error: Failed to run firewall command ebtables -s '!' 'a b': no");
    }
}
