//! Rules in a table of their own, one for each family.
//!
//! | chain | asked | holds |
//! |---|---|---|
//! | forward | by the kernel | the order of the next three |
//! | guest_cross | first | traffic within a bridge |
//! | guest_input | second | traffic into networks |
//! | guest_output | third | traffic out of networks |
//! | guest_nat | by the kernel, after routing | translation of senders |
//!
//! What the host itself sends and receives is not restricted, so there are no rules for it. Checksums of answers to
//! guests cannot be filled in here; traffic control does that.

use crate::Backend;
use crate::Call;
use crate::intent::{Intent, Kind, Nat, local_receivers};
use crate::transaction::{Action, Layer, Transaction};
use netaddr::{Family, Subnet};

/// The table's name in both families.
pub const TABLE: &str = "libvirt_network";

/// Chains that hold rules of networks.
pub const CHAINS: &[&str] = &["guest_output", "guest_input", "guest_cross", "guest_nat"];

fn name(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ip",
        Family::Ipv6 => "ip6",
    }
}

fn layer_of(family: Family) -> Layer {
    match family {
        Family::Ipv4 => Layer::Ipv4,
        Family::Ipv6 => Layer::Ipv6,
    }
}

/// The question whether the table is there.
pub fn list_table(family: Family) -> Action {
    Action::new(layer_of(family), ["list", "table", name(family), TABLE])
}

/// Makes the table, its chains and their order.
pub fn make_chains(family: Family) -> Vec<Action> {
    let (layer, ip) = (layer_of(family), name(family));
    let mut actions = vec![
        Action::new(layer, ["add", "table", ip, TABLE]),
        Action::new(
            layer,
            ["add", "chain", ip, TABLE, "forward", "{ type filter hook forward priority 0; policy accept; }"],
        ),
    ];
    for chain in CHAINS.iter().filter(|chain| **chain != "guest_nat") {
        actions.push(Action::new(layer, ["add", "chain", ip, TABLE, chain]));
        actions.push(Action::new(layer, ["insert", "rule", ip, TABLE, "forward", "counter", "jump", chain]));
    }
    actions.push(Action::new(
        layer,
        [
            "add",
            "chain",
            ip,
            TABLE,
            "guest_nat",
            "{ type nat hook postrouting priority 100; policy accept; }",
        ],
    ));
    actions
}

/// Commands that have traffic control fill in the checksums of answers to guests: the question whether there is a root
/// to hang that on, what makes one, and the filter itself.
pub fn checksum(bridge: &str) -> [Call; 3] {
    [
        Call::new("tc", ["qdisc", "show", "dev", bridge, "handle", "1:"]),
        Call::new("tc", ["qdisc", "add", "dev", bridge, "root", "handle", "1:", "htb", "default", "2"]),
        Call::new("tc", checksum_filter(bridge, "add")),
    ]
}

fn checksum_filter(bridge: &str, verb: &str) -> Vec<String> {
    let text = format!(
        "filter {verb} dev {bridge} prio 2 protocol ip parent 1: u32 match ip dport 68 ffff action csum ip and udp"
    );
    text.split(' ').map(str::to_owned).collect()
}

/// What takes that filter away.
pub fn no_checksum(bridge: &str) -> Action {
    Action::new(Layer::Tc, checksum_filter(bridge, "del"))
}

struct Builder<'i> {
    intent: &'i Intent,
    actions: Vec<Action>,
}

impl Builder<'_> {
    fn add(&mut self, family: Family, chain: &str, spec: &str) {
        let words = ["-ae", "insert", "rule", name(family), TABLE, chain].into_iter();
        let spec = spec.split(' ').filter(|word| !word.is_empty());
        self.actions.push(Action::new(layer_of(family), words.chain(spec)));
    }

    fn wall(&mut self, family: Family) {
        let bridge = self.intent.bridge.clone();
        self.add(family, "guest_output", &format!("iif {bridge} counter reject"));
        self.add(family, "guest_input", &format!("oif {bridge} counter reject"));
        self.add(family, "guest_cross", &format!("iif {bridge} oif {bridge} counter accept"));
    }

    fn door(&mut self, subnet: &Subnet) {
        let family = Family::of(subnet.network);
        let ip = name(family);
        let bridge = self.intent.bridge.clone();
        let option =
            |side: &str| self.intent.dev.as_ref().map_or(String::new(), |dev| format!("{side} {dev}"));
        let (to_dev, from_dev) = (option("oifname"), option("iifname"));
        self.add(
            family,
            "guest_output",
            &format!("{ip} saddr {subnet} iif {bridge} {to_dev} counter accept"),
        );
        let Some(nat) = self.intent.translation(subnet) else {
            let spec = format!("{ip} daddr {subnet} {from_dev} oif {bridge} counter accept");
            self.add(family, "guest_input", &spec);
            return;
        };
        let spec = format!(
            "{from_dev} oif {bridge} {ip} daddr {subnet} ct state related,established counter accept"
        );
        self.add(family, "guest_input", &spec);
        for protocol in ["", "meta l4proto udp", "meta l4proto tcp"] {
            let target = target(&nat, !protocol.is_empty());
            let spec =
                format!("{protocol} {ip} saddr {subnet} {ip} daddr != {subnet} {to_dev} counter {target}");
            self.add(family, "guest_nat", &spec);
        }
        for receiver in local_receivers(family) {
            let spec = format!("{to_dev} {ip} saddr {subnet} {ip} daddr {receiver} counter return");
            self.add(family, "guest_nat", &spec);
        }
    }
}

fn target(nat: &Nat, with_ports: bool) -> String {
    let (first, last) = nat.effective_ports();
    match (nat.addresses, with_ports) {
        (Some((start, end)), true) => format!("snat to {start}-{end}:{first}-{last}"),
        (Some((start, end)), false) => format!("snat to {start}-{end}"),
        (None, true) => format!("masquerade to :{first}-{last}"),
        (None, false) => "masquerade".to_owned(),
    }
}

/// What installs the rules of a network. What removes them is known when the kernel has numbered them.
pub fn install(intent: &Intent) -> Transaction {
    let mut builder = Builder { intent, actions: Vec::new() };
    builder.wall(Family::Ipv4);
    if intent.needs_ipv6() {
        builder.wall(Family::Ipv6);
    }
    if intent.kind != Kind::Isolated {
        for subnet in &intent.subnets {
            builder.door(subnet);
        }
    }
    let mut transaction = Transaction::new(Backend::Nftables);
    transaction.group(false).actions = builder.actions;
    transaction
}

/// What removes a rule, by the arguments that inserted it and the number the kernel gave it.
pub fn remove(inserted: &Action, handle: u64) -> Option<Action> {
    // The first words are: "-ae", "insert", "rule", family, table, chain.
    let [_, _, _, family, table, chain, ..] = inserted.args.as_slice() else { return None };
    let handle = handle.to_string();
    let layer = inserted.layer.unwrap_or(Layer::Ipv4);
    Some(Action::new(layer, ["delete", "rule", family, table, chain, "handle", &handle]))
}

/// The numbers of rules, in the order in which `nft -a -e` prints what it did.
pub fn handles(output: &str) -> Vec<u64> {
    let inserted = output.lines().filter(|line| line.trim_start().starts_with("insert rule "));
    inserted
        .filter_map(|line| line.rsplit_once("# handle ").and_then(|(_, handle)| handle.trim().parse().ok()))
        .collect()
}
