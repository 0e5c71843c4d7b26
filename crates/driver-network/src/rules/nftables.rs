//! Rules in a table of their own.

use super::{State, batch, singly};
use crate::command;
use base::{Error, ErrorDomain, Result, Uuid};
use firewall::nftables::{self, TABLE};
use firewall::removal::Removal;
use firewall::transaction::failed;
use firewall::{Action, Backend, Intent, Layer};
use host::netfilter::Rule;
use netaddr::Family;
use std::collections::BTreeMap;

const FAMILIES: [(Family, &str); 2] = [(Family::Ipv4, "ip"), (Family::Ipv6, "ip6")];

fn script(actions: &[&Action]) -> std::result::Result<String, String> {
    let input = firewall::batch::script(actions);
    if input.is_empty() { Ok(String::new()) } else { batch("nft", &["-a", "-e", "-f", "-"], &input) }
}

/// Rules of the private tables.
fn listed(state: &State) -> Option<BTreeMap<(u8, &'static str), Vec<Rule>>> {
    let list = |number: u8| Some(((number, TABLE), state.handles.listed(number, TABLE)?));
    [2, 10].into_iter().map(list).collect()
}

/// Whether every link and rule is there.
pub(super) fn intact(state: &State) -> bool {
    let Some(tables) = listed(state) else { return true };
    let linked = state
        .links
        .iter()
        .all(|link| tables.get(&(link.family, TABLE)).is_some_and(|rules| rules.contains(link)));
    linked && state.handles.all_there(state.wanted.keys(), &tables) != Some(false)
}

/// Notes the links between chains.
fn note_links(state: &mut State) {
    let tables = listed(state).unwrap_or_default();
    state.links = tables.into_values().flatten().filter(|rule| rule.jump.is_some()).collect();
}

/// Makes the tables that are missing.
pub(super) fn ensure_chains(state: &mut State) -> Result<()> {
    if state.made {
        return Ok(());
    }
    let mut actions = Vec::new();
    for (family, name) in FAMILIES {
        if batch("nft", &["list", "table", name, TABLE], "").is_err() {
            actions.extend(nftables::make_chains(family));
        }
    }
    state.handles.begin();
    let outcome = script(&actions.iter().collect::<Vec<_>>());
    state.handles.end();
    outcome.map_err(|complaint| Error::internal(ErrorDomain::FIREWALL, complaint))?;
    state.made = true;
    note_links(state);
    Ok(())
}

/// Has traffic control fill in checksums. What is there already stays.
fn fill_checksums(state: &mut State, bridge: &str) -> Option<Action> {
    if state.lacks.checksum_filter {
        return None;
    }
    let [show, root, filter] = nftables::checksum(bridge);
    let shown = command::ask(&show, "");
    let rooted = shown.success && !shown.output.trim().is_empty();
    if !rooted {
        let made = command::ask(&root, "");
        if !made.success {
            log::warn!("{}", failed(&root, &made.complaint));
            state.lacks.checksum_filter = true;
            return None;
        }
    }
    let answer = command::ask(&filter, "");
    if answer.success {
        return Some(nftables::no_checksum(bridge));
    }
    // Guests of today do not need it; a network that does not start would help nobody.
    log::warn!("{}; old DHCP clients may not accept answers", failed(&filter, &answer.complaint));
    state.lacks.checksum_filter = true;
    if !rooted {
        command::ask(&firewall::Call::new("tc", ["qdisc", "del", "dev", bridge, "root"]), "");
    }
    None
}

fn removal(inserted: &[Action], handles: &[u64], checksum: Option<Action>) -> Removal {
    let removals = inserted.iter().zip(handles).rev();
    let mut group: Vec<Action> =
        removals.filter_map(|(action, handle)| nftables::remove(action, *handle)).collect();
    group.extend(checksum);
    Removal { backend: Backend::Nftables, groups: vec![group] }
}

fn inserts(intent: &Intent) -> Vec<Action> {
    nftables::install(intent).groups.into_iter().flat_map(|group| group.actions).collect()
}

/// Installs the rules of one network.
pub(super) fn install(state: &mut State, uuid: Uuid, intent: &Intent) -> Result<Removal> {
    ensure_chains(state)?;
    let inserted = inserts(intent);
    let refs: Vec<&Action> = inserted.iter().collect();
    state.handles.begin();
    let output = match script(&refs) {
        Ok(output) => output,
        Err(_) => {
            // Chains that somebody has taken away are made again.
            state.made = false;
            ensure_chains(state)?;
            state.handles.begin();
            script(&refs).map_err(|complaint| {
                let first = inserted.first().map(|action| action.call(Backend::Nftables));
                first.map_or_else(
                    || Error::internal(ErrorDomain::FIREWALL, complaint.as_str()),
                    |call| failed(&call, &complaint),
                )
            })?
        }
    };
    let new = state.handles.end().unwrap_or_default();
    state.handles.note(uuid, new, inserted.len());
    let checksum = fill_checksums(state, &intent.bridge);
    Ok(removal(&inserted, &nftables::handles(&output), checksum))
}

/// Runs what removes rules.
pub(super) fn run(removals: &[&Action]) {
    let (control, rules): (Vec<&Action>, Vec<&Action>) =
        removals.iter().partition(|action| action.layer == Some(Layer::Tc));
    if script(&rules).is_err() {
        singly(Backend::Nftables, &rules);
    }
    singly(Backend::Nftables, &control);
}

/// Makes both tables again, in one step.
pub(super) fn rebuild(state: &mut State) -> Result<BTreeMap<Uuid, Removal>> {
    let mut all: Vec<Action> = Vec::new();
    for (family, name) in FAMILIES {
        let layer = if family == Family::Ipv4 { Layer::Ipv4 } else { Layer::Ipv6 };
        // Adding makes sure that there is something to delete.
        all.push(Action::new(layer, ["add", "table", name, TABLE]));
        all.push(Action::new(layer, ["delete", "table", name, TABLE]));
        all.extend(nftables::make_chains(family));
    }
    let links = all.iter().filter(|action| action.args.first().is_some_and(|verb| verb == "insert")).count();
    let wanted: Vec<(Uuid, Intent)> =
        state.wanted.iter().map(|(uuid, intent)| (*uuid, intent.clone())).collect();
    let planned: Vec<(Uuid, Vec<Action>)> =
        wanted.iter().map(|(uuid, intent)| (*uuid, inserts(intent))).collect();
    let refs: Vec<&Action> = all.iter().chain(planned.iter().flat_map(|(_, actions)| actions)).collect();
    state.handles.begin();
    let outcome = script(&refs);
    let new = state.handles.end().unwrap_or_default();
    state.handles.clear();
    let output = outcome.map_err(|complaint| {
        Error::internal(ErrorDomain::FIREWALL, format!("Failed to apply firewall rules: {complaint}"))
    })?;
    state.made = true;
    let mut new = new.into_iter().skip(links);
    for (uuid, actions) in &planned {
        let own: Vec<Rule> = new.by_ref().take(actions.len()).collect();
        state.handles.note(*uuid, own, actions.len());
    }
    note_links(state);
    let handles = nftables::handles(&output);
    let mut rest = handles.get(links..).unwrap_or_default();
    let mut removals = BTreeMap::new();
    for ((uuid, actions), (_, intent)) in planned.iter().zip(&wanted) {
        let (own, more) = rest.split_at(actions.len().min(rest.len()));
        rest = more;
        let checksum = fill_checksums(state, &intent.bridge);
        removals.insert(*uuid, removal(actions, own, checksum));
    }
    Ok(removals)
}
