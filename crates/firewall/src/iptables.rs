//! Rules in private chains of the common tables.
//!
//! | table, chain | goes to | holds |
//! |---|---|---|
//! | filter INPUT | LIBVIRT_INP | what guests may ask the host for |
//! | filter OUTPUT | LIBVIRT_OUT | the host's answers |
//! | filter FORWARD, first | LIBVIRT_FWX | traffic within a bridge |
//! | filter FORWARD, second | LIBVIRT_FWI | traffic into networks |
//! | filter FORWARD, third | LIBVIRT_FWO | traffic out of networks |
//! | nat POSTROUTING | LIBVIRT_PRT | translation of senders |
//! | mangle POSTROUTING | LIBVIRT_PRT | checksums of answers to guests |

use crate::Backend;
use crate::intent::{Intent, Kind, Nat, local_receivers};
use crate::transaction::{Action, Layer, Transaction};
use netaddr::{Family, Subnet};

/// Table, chain it hangs on, private chain. A link goes to the head of its chain, so the last of these is asked first.
pub const CHAINS: &[(&str, &str, &str)] = &[
    ("filter", "INPUT", "LIBVIRT_INP"),
    ("filter", "OUTPUT", "LIBVIRT_OUT"),
    ("filter", "FORWARD", "LIBVIRT_FWO"),
    ("filter", "FORWARD", "LIBVIRT_FWI"),
    ("filter", "FORWARD", "LIBVIRT_FWX"),
    ("nat", "POSTROUTING", "LIBVIRT_PRT"),
    ("mangle", "POSTROUTING", "LIBVIRT_PRT"),
];

/// Tables that hold private chains.
pub const TABLES: &[&str] = &["filter", "nat", "mangle"];

fn layer_of(family: Family) -> Layer {
    match family {
        Family::Ipv4 => Layer::Ipv4,
        Family::Ipv6 => Layer::Ipv6,
    }
}

/// The questions which private chains there are, one for each table.
pub fn list_chains(layer: Layer) -> Vec<Action> {
    TABLES.iter().map(|table| Action::new(layer, ["--table", table, "--list-rules"])).collect()
}

/// Makes private chains and their links. `known` says whether a chain (table, name) and its link are there already.
pub fn make_chains(layer: Layer, known: &dyn Fn(&str, &str) -> (bool, bool)) -> Vec<Action> {
    let mut actions = Vec::new();
    for (table, parent, chain) in CHAINS {
        let (made, linked) = known(table, chain);
        if !made {
            actions.push(Action::new(layer, ["--table", table, "--new-chain", chain]));
        }
        if !linked {
            actions.push(Action::new(layer, ["--table", table, "--insert", parent, "--jump", chain]));
        }
    }
    actions
}

/// What a listing of a table says of its private chains: for each, whether it is there and linked.
pub fn known_chains(table: &str, lines: &[&str]) -> Vec<(&'static str, bool, bool)> {
    CHAINS
        .iter()
        .filter(|(of, ..)| *of == table)
        .map(|(_, parent, chain)| {
            let made = lines.iter().any(|line| line.trim_end() == format!("-N {chain}"));
            let linked = lines.iter().any(|line| line.trim_end() == format!("-A {parent} -j {chain}"));
            (*chain, made, linked)
        })
        .collect()
}

/// Whether the links out of the common chain for forwarded packets, as far as a listing of its table shows them, are all
/// there and in order: traffic within a bridge and what comes in is decided before anything that goes out.
pub fn forward_in_order(lines: &[&str]) -> bool {
    let place = |chain: &str| {
        let link = format!("-A FORWARD -j {chain}");
        lines.iter().position(|line| line.trim_end() == link)
    };
    match (place("LIBVIRT_FWX"), place("LIBVIRT_FWI"), place("LIBVIRT_FWO")) {
        (Some(cross), Some(into), Some(out)) => cross < into && into < out,
        _ => false,
    }
}

/// A rule: inserted at the head of its chain.
struct Rule<'a> {
    layer: Layer,
    table: &'a str,
    chain: &'a str,
    spec: Vec<String>,
}

impl Rule<'_> {
    fn action(&self, verb: &str) -> Action {
        let words = ["--table", self.table, verb, self.chain].map(str::to_owned);
        Action::new(self.layer, words.into_iter().chain(self.spec.iter().cloned()))
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

struct Builder<'i> {
    intent: &'i Intent,
    rules: Vec<Rule<'static>>,
}

impl Builder<'_> {
    fn add(&mut self, layer: Layer, table: &'static str, chain: &'static str, spec: &str) {
        self.rules.push(Rule { layer, table, chain, spec: words(spec) });
    }

    /// Guests may ask the host on a port, or the host may answer.
    fn service(&mut self, layer: Layer, chain: &'static str, protocol: &str, port: u16) {
        let bridge = &self.intent.bridge;
        let side = if chain == "LIBVIRT_INP" { "in" } else { "out" };
        let spec = format!(
            "--{side}-interface {bridge} --protocol {protocol} --destination-port {port} --jump ACCEPT"
        );
        self.add(layer, "filter", chain, &spec);
    }

    fn both_protocols(&mut self, layer: Layer, input: u16, output: u16) {
        for (chain, port) in [("LIBVIRT_INP", input), ("LIBVIRT_OUT", output)] {
            for protocol in ["tcp", "udp"] {
                self.service(layer, chain, protocol, port);
            }
        }
    }

    /// Nothing goes between the bridge and the world, everything within it.
    fn wall(&mut self, layer: Layer) {
        let bridge = self.intent.bridge.clone();
        self.add(layer, "filter", "LIBVIRT_FWO", &format!("--in-interface {bridge} --jump REJECT"));
        self.add(layer, "filter", "LIBVIRT_FWI", &format!("--out-interface {bridge} --jump REJECT"));
        let within = format!("--in-interface {bridge} --out-interface {bridge} --jump ACCEPT");
        self.add(layer, "filter", "LIBVIRT_FWX", &within);
    }

    fn services(&mut self) {
        self.both_protocols(Layer::Ipv4, 67, 68);
        self.both_protocols(Layer::Ipv4, 53, 53);
        if self.intent.tftp {
            self.service(Layer::Ipv4, "LIBVIRT_INP", "udp", 69);
            self.service(Layer::Ipv4, "LIBVIRT_OUT", "udp", 69);
        }
        self.wall(Layer::Ipv4);
        if self.intent.needs_ipv6() {
            self.wall(Layer::Ipv6);
        }
        if self.intent.has(Family::Ipv6) {
            self.both_protocols(Layer::Ipv6, 53, 53);
            self.service(Layer::Ipv6, "LIBVIRT_INP", "udp", 547);
            self.service(Layer::Ipv6, "LIBVIRT_OUT", "udp", 546);
        }
    }

    /// A door for packets of one network on the bridge.
    fn door(&mut self, subnet: &Subnet) {
        let family = Family::of(subnet.network);
        let layer = layer_of(family);
        let bridge = self.intent.bridge.clone();
        let option = |side: &str| {
            self.intent.dev.as_ref().map_or(String::new(), |dev| format!(" --{side}-interface {dev}"))
        };
        let (to_dev, from_dev) = (option("out"), option("in"));
        let out = format!("--source {subnet} --in-interface {bridge}{to_dev} --jump ACCEPT");
        self.add(layer, "filter", "LIBVIRT_FWO", &out);
        let translation = self.intent.translation(subnet);
        let answers =
            if translation.is_some() { " --match conntrack --ctstate ESTABLISHED,RELATED" } else { "" };
        let into =
            format!("--destination {subnet}{from_dev} --out-interface {bridge}{answers} --jump ACCEPT");
        self.add(layer, "filter", "LIBVIRT_FWI", &into);
        if let Some(nat) = translation {
            for protocol in ["", " -p udp", " -p tcp"] {
                let target = target(&nat, !protocol.is_empty());
                let spec =
                    format!("--source {subnet}{protocol} ! --destination {subnet}{to_dev} --jump {target}");
                self.add(layer, "nat", "LIBVIRT_PRT", &spec);
            }
            for receiver in local_receivers(family) {
                let spec = format!("{to_dev} --source {subnet} --destination {receiver} --jump RETURN");
                self.add(layer, "nat", "LIBVIRT_PRT", &spec);
            }
        }
    }
}

fn target(nat: &Nat, with_ports: bool) -> String {
    let (first, last) = nat.effective_ports();
    match (nat.addresses, with_ports) {
        (Some((start, end)), true) => format!("SNAT --to-source {start}-{end}:{first}-{last}"),
        (Some((start, end)), false) => format!("SNAT --to-source {start}-{end}"),
        (None, true) => format!("MASQUERADE --to-ports {first}-{last}"),
        (None, false) => "MASQUERADE".to_owned(),
    }
}

fn rules(intent: &Intent) -> (Vec<Rule<'static>>, Vec<Rule<'static>>) {
    let mut main = Builder { intent, rules: Vec::new() };
    main.services();
    if intent.kind != Kind::Isolated {
        for subnet in &intent.subnets {
            main.door(subnet);
        }
    }
    let mut extra = Builder { intent, rules: Vec::new() };
    if intent.dhcp {
        let spec = format!(
            "--out-interface {} --protocol udp --destination-port 68 --jump CHECKSUM --checksum-fill",
            intent.bridge
        );
        extra.add(Layer::Ipv4, "mangle", "LIBVIRT_PRT", &spec);
    }
    (main.rules, extra.rules)
}

/// What installs the rules of a network: what must succeed, and what not every kernel knows.
pub fn install(intent: &Intent) -> Transaction {
    let mut transaction = Transaction::new(Backend::Iptables);
    let (main, extra) = rules(intent);
    for (rules, ignore_errors) in [(main, false), (extra, true)] {
        let group = transaction.group(ignore_errors);
        group.rollback = rules.iter().rev().map(|rule| rule.action("--delete")).collect();
        group.actions = rules.iter().map(|rule| rule.action("--insert")).collect();
    }
    transaction.groups.retain(|group| !group.actions.is_empty());
    transaction
}
