//! Rules in private chains of the common tables.

use super::{Lacks, State, batch, refused, singly};
use base::{Error, Result, Uuid};
use firewall::iptables::{CHAINS, TABLES, forward_in_order, install as plan, known_chains, make_chains};
use firewall::removal::Removal;
use firewall::{Action, Backend, Group, Intent, Layer, Transaction};
use host::netfilter::Rule;
use std::collections::{BTreeMap, VecDeque};

const FAMILIES: [(Layer, &str, &str); 2] = [
    (Layer::Ipv4, "iptables-restore", "iptables-save"),
    (Layer::Ipv6, "ip6tables-restore", "ip6tables-save"),
];

fn restore(program: &'static str, input: &str) -> std::result::Result<(), String> {
    if input.is_empty() { Ok(()) } else { batch(program, &["-w", "--noflush"], input).map(drop) }
}

/// Applies actions of both families, or none of them.
fn apply(actions: &[&Action], undo: &[&Action]) -> std::result::Result<(), String> {
    for (at, (layer, program, _)) in FAMILIES.into_iter().enumerate() {
        if let Err(complaint) = restore(program, &firewall::batch::restore(actions, layer)) {
            for (layer, program, _) in FAMILIES.into_iter().take(at) {
                let _ = restore(program, &firewall::batch::restore(undo, layer));
            }
            return Err(complaint);
        }
    }
    Ok(())
}

/// The private chains of one family that are there and linked.
struct Links {
    known: Vec<(&'static str, &'static str, bool, bool)>,
    /// Links out of the chain for forwarded packets are in order.
    in_order: bool,
}

impl Links {
    /// Reads a listing of all tables. A table that nobody has used is not in it and has no chains.
    fn read(listing: &str) -> Links {
        let mut links = Links { known: Vec::new(), in_order: false };
        for table in TABLES {
            let lines: Vec<String> = table_lines(listing, table);
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            links.in_order |= forward_in_order(&lines);
            let known = known_chains(table, &lines).into_iter();
            links.known.extend(known.map(|(chain, made, linked)| (*table, chain, made, linked)));
        }
        links
    }

    fn complete(&self) -> bool {
        self.in_order
            && self.known.len() == CHAINS.len()
            && self.known.iter().all(|(.., made, linked)| *made && *linked)
    }

    /// What makes the missing ones. Links that are out of order are made again.
    fn missing(&self, layer: Layer) -> Vec<Action> {
        let mut actions = Vec::new();
        let (mut known, forward) = (self.known.clone(), |chain: &str| {
            CHAINS.iter().any(|(_, parent, name)| *name == chain && *parent == "FORWARD")
        });
        if !self.in_order {
            for (table, chain, _, linked) in known.iter_mut().filter(|(_, chain, ..)| forward(chain)) {
                if std::mem::take(linked) {
                    actions.push(Action::new(
                        layer,
                        ["--table", *table, "--delete", "FORWARD", "--jump", *chain],
                    ));
                }
            }
        }
        actions.extend(make_chains(layer, &|table, chain| {
            let found = known.iter().find(|(of, name, ..)| *of == table && *name == chain);
            found.map_or((false, false), |(.., made, linked)| (*made, *linked))
        }));
        actions
    }
}

/// Makes the private chains and their links that are missing.
pub(super) fn ensure_chains(state: &mut State) -> Result<()> {
    if state.made {
        return Ok(());
    }
    for (layer, program, save) in FAMILIES {
        let links = Links::read(&batch(save, &[], "").map_err(refused)?);
        let actions = links.missing(layer);
        let actions: Vec<&Action> = actions.iter().collect();
        restore(program, &firewall::batch::restore(&actions, layer)).map_err(refused)?;
    }
    state.made = true;
    Ok(())
}

/// The lines of one table, with chains as `-N`.
fn table_lines(listing: &str, table: &str) -> Vec<String> {
    let start = format!("*{table}");
    let lines =
        listing.lines().skip_while(|line| *line != start).skip(1).take_while(|line| *line != "COMMIT");
    lines
        .map(|line| match line.strip_prefix(':') {
            Some(chain) => format!("-N {}", chain.split(' ').next().unwrap_or_default()),
            None => line.to_owned(),
        })
        .collect()
}

/// The plan without what the kernel lacks.
fn possible(intent: &Intent, lacks: &Lacks) -> Transaction {
    let mut transaction = plan(intent);
    if lacks.checksum_rule {
        transaction.groups.retain(|group| !group.ignore_errors);
    }
    transaction
}

fn actions(groups: &[Group]) -> Vec<&Action> {
    groups.iter().flat_map(|group| &group.actions).collect()
}

fn removal(transaction: Transaction) -> Removal {
    let groups = transaction.groups.into_iter().rev().map(|group| {
        let rollback = group.rollback.into_iter();
        rollback.map(|action| Action { ignore_errors: true, ..action }).collect()
    });
    Removal { backend: Backend::Iptables, groups: groups.collect() }
}

fn try_install(transaction: &Transaction) -> std::result::Result<(), String> {
    let undo: Vec<&Action> = transaction.groups.iter().rev().flat_map(|group| &group.rollback).collect();
    apply(&actions(&transaction.groups), &undo)
}

/// Tries to install and notes what became of it in the kernel.
fn noted(state: &mut State, uuid: Uuid, transaction: &Transaction) -> std::result::Result<(), String> {
    state.handles.begin();
    let outcome = try_install(transaction);
    let new = state.handles.end().unwrap_or_default();
    if outcome.is_ok() {
        let expected = actions(&transaction.groups).len();
        state.handles.note(uuid, private(new), expected);
    }
    outcome
}

/// Rules in private chains.
fn private(rules: Vec<Rule>) -> Vec<Rule> {
    rules.into_iter().filter(|rule| CHAINS.iter().any(|(.., chain)| *chain == rule.chain)).collect()
}

/// Installs the rules of one network.
pub(super) fn install(state: &mut State, uuid: Uuid, intent: &Intent) -> Result<Removal> {
    ensure_chains(state)?;
    let transaction = possible(intent, &state.lacks);
    if noted(state, uuid, &transaction).is_ok() {
        return Ok(removal(transaction));
    }
    // Chains that somebody has taken away are made again; rules that the kernel does not know are left out.
    state.made = false;
    ensure_chains(state)?;
    if noted(state, uuid, &transaction).is_ok() {
        return Ok(removal(transaction));
    }
    let lacks = Lacks { checksum_rule: true, checksum_filter: state.lacks.checksum_filter };
    let less = possible(intent, &lacks);
    if noted(state, uuid, &less).is_ok() {
        log::warn!("this kernel has no CHECKSUM target; old DHCP clients may not accept answers");
        state.lacks = lacks;
        return Ok(removal(less));
    }
    // One by one tells which one it was.
    let mut single = less;
    single.apply(&mut super::Single)?;
    Ok(removal(single))
}

/// Runs what removes rules.
pub(super) fn run(removals: &[&Action]) {
    if apply(removals, &[]).is_err() {
        singly(Backend::Iptables, removals);
    }
}

/// The kernel's number of a family.
fn number(layer: Layer) -> u8 {
    if layer == Layer::Ipv6 { 10 } else { 2 }
}

/// Whether every link and rule is there.
pub(super) fn intact(state: &State) -> bool {
    known_intact(state).unwrap_or_else(|| asked_intact(state))
}

/// The same by the kernel's own listing; none where the rules are not known to be in it.
fn known_intact(state: &State) -> Option<bool> {
    let mut tables = BTreeMap::new();
    for (layer, ..) in FAMILIES {
        for table in TABLES {
            tables.insert((number(layer), *table), state.handles.listed(number(layer), table)?);
        }
    }
    if !state.handles.all_there(state.wanted.keys(), &tables)? {
        return Some(false);
    }
    let linked = |layer: Layer, table: &str, parent: &str, chain: &str| {
        let rules = tables.get(&(number(layer), table))?;
        rules.iter().position(|rule| rule.chain == parent && rule.jump.as_deref() == Some(chain))
    };
    Some(FAMILIES.into_iter().all(|(layer, ..)| {
        let place = |chain: &str| linked(layer, "filter", "FORWARD", chain);
        let all = CHAINS.iter().all(|(table, parent, chain)| linked(layer, table, parent, chain).is_some());
        all && place("LIBVIRT_FWX") < place("LIBVIRT_FWI") && place("LIBVIRT_FWI") < place("LIBVIRT_FWO")
    }))
}

/// The same by asking programs.
fn asked_intact(state: &State) -> bool {
    let linked = |(_, _, save)| batch(save, &[], "").is_ok_and(|listing| Links::read(&listing).complete());
    if !FAMILIES.into_iter().all(linked) {
        return false;
    }
    let mut checks: Vec<Action> = Vec::new();
    for intent in state.wanted.values() {
        for action in possible(intent, &state.lacks).groups.into_iter().flat_map(|group| group.actions) {
            let args = action.args.iter().map(|arg| if arg == "--insert" { "--check" } else { arg });
            checks.push(Action::new(action.layer.unwrap_or(Layer::Ipv4), args));
        }
    }
    let checks: Vec<&Action> = checks.iter().collect();
    FAMILIES
        .into_iter()
        .all(|(layer, program, _)| restore(program, &firewall::batch::restore(&checks, layer)).is_ok())
}

/// Makes all rules again, in one batch for each family.
pub(super) fn rebuild(state: &mut State) -> Result<BTreeMap<Uuid, Removal>> {
    state.made = false;
    ensure_chains(state)?;
    match rebuilt(state) {
        Err(_) if !state.lacks.checksum_rule => {
            state.lacks.checksum_rule = true;
            rebuilt(state)
        }
        outcome => outcome,
    }
}

fn rebuilt(state: &mut State) -> Result<BTreeMap<Uuid, Removal>> {
    let mut all: Vec<Action> = Vec::new();
    for (layer, ..) in FAMILIES {
        for (table, _, chain) in CHAINS {
            all.push(Action::new(layer, ["--table", table, "--flush", chain]));
        }
    }
    let plans: Vec<(Uuid, Transaction)> =
        state.wanted.iter().map(|(uuid, intent)| (*uuid, possible(intent, &state.lacks))).collect();
    for (_, transaction) in &plans {
        all.extend(transaction.groups.iter().flat_map(|group| &group.actions).map(Action::plain));
    }
    let all: Vec<&Action> = all.iter().collect();
    state.handles.begin();
    let outcome = apply(&all, &[]);
    let new = private(state.handles.end().unwrap_or_default());
    state.handles.clear();
    outcome.map_err(|complaint| {
        let text = format!("Failed to apply firewall rules: {complaint}");
        Error::internal(base::ErrorDomain::FIREWALL, text)
    })?;
    // Within a table of a family, rules were made in the order of the plans.
    let mut queues: BTreeMap<(u8, String), VecDeque<Rule>> = BTreeMap::new();
    for rule in new {
        queues.entry((rule.family, rule.table.clone())).or_default().push_back(rule);
    }
    let mut removals = BTreeMap::new();
    for (uuid, transaction) in plans {
        let planned = actions(&transaction.groups);
        let rules = planned.iter().filter_map(|action| {
            let table = action.args.iter().skip_while(|arg| *arg != "--table").nth(1)?;
            queues.get_mut(&(number(action.layer?), table.clone()))?.pop_front()
        });
        let rules: Vec<Rule> = rules.collect();
        state.handles.note(uuid, rules, planned.len());
        removals.insert(uuid, removal(transaction));
    }
    Ok(removals)
}

/// Removes rules of a version that put them into the chains of everybody.
pub(super) fn remove_oldest(intent: &Intent) {
    let mut old = Vec::new();
    for action in plan(intent).groups.iter().flat_map(|group| &group.rollback) {
        let args = action.args.iter().map(|arg| match arg.as_str() {
            "LIBVIRT_INP" => "INPUT",
            "LIBVIRT_OUT" => "OUTPUT",
            "LIBVIRT_FWI" | "LIBVIRT_FWO" | "LIBVIRT_FWX" => "FORWARD",
            "LIBVIRT_PRT" => "POSTROUTING",
            other => other,
        });
        old.push(Action::new(action.layer.unwrap_or(Layer::Ipv4), args));
    }
    singly(Backend::Iptables, &old.iter().collect::<Vec<_>>());
}

/// Whether the tables are of the older kind.
pub(super) fn is_legacy() -> bool {
    batch("iptables", &["--version"], "").is_ok_and(|version| version.contains("legacy"))
}
