//! `<cputune>`: time, places and ranks of a guest's threads.

use super::{group, iothread};
use crate::fault::{internal, invalid, unsupported};
use crate::{Domain, bitmap, domain, values};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::collections::BTreeSet;
use xml::{Tree, Trees};

/// Times, and which of them are lengths of periods.
const TIMES: &[&str] = &[
    "period",
    "quota",
    "global_period",
    "global_quota",
    "emulator_period",
    "emulator_quota",
    "iothread_period",
    "iothread_quota",
];

/// Refusal of a thread for input and output that is not there.
fn no_thread(id: u32) -> Error {
    unsupported(format!("Cannot find 'iothread' : {id}"))
}

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let vcpus: u32 = tree.text_of("vcpu").and_then(|text| text.parse().ok()).unwrap_or(1);
    let threads = iothread::known(tree);
    let Some(tune) = tree.child_mut("cputune") else { return Ok(()) };
    let place = domain::place("domain/cputune");
    for name in ["shares"].iter().chain(TIMES) {
        values::read(place, tune, name)?;
    }
    processors(tune, vcpus)?;
    emulator(tune, "emulatorpin")?;
    pinned_threads(tune, &threads)?;
    scheduled(tune, "vcpusched", "vcpus", |id| match id < vcpus {
        true => Ok(()),
        false => Err(unsupported(format!("vCPU '{id}' is not present in domain definition"))),
    })?;
    scheduled(tune, "iothreadsched", "iothreads", |id| match threads.contains(&id) {
        true => Ok(()),
        false => Err(no_thread(id)),
    })?;
    values::read(place, tune, "emulatorsched")?;
    emulator(tune, "emulatorsched")?;
    for rank in tune.all_mut("emulatorsched") {
        without_priority(rank);
    }
    group::complete(tune, vcpus)
}

/// Where a thread may run; `what` is the element.
fn place_of(pin: &mut Tree, what: &str) -> Result<()> {
    if pin.attr("cpuset").is_none() {
        return Err(internal(format!("missing cpuset for {what}")));
    }
    bitmap::take(pin, "cpuset").map(|_| ())
}

fn processors(tune: &mut Tree, vcpus: u32) -> Result<()> {
    values::read(domain::place("domain/cputune"), tune, "vcpupin")?;
    let mut seen = BTreeSet::new();
    for pin in tune.all_mut("vcpupin") {
        let id = number(pin, "vcpu");
        if id < vcpus && !seen.insert(id) {
            return Err(internal(format!("duplicate vcpupin for vcpu '{id}'")));
        }
        place_of(pin, "vcpupin")?;
    }
    // Processors that the guest does not have are nowhere.
    tune.children.retain(|child| child.name != "vcpupin" || number(child, "vcpu") < vcpus);
    order(&mut tune.children, "vcpupin", "vcpu");
    Ok(())
}

fn number(tree: &Tree, name: &str) -> u32 {
    tree.attr(name).and_then(|text| text.parse().ok()).unwrap_or(u32::MAX)
}

/// Brings the elements of one name into the order of their numbers.
fn order(children: &mut Trees, name: &str, attr: &str) {
    let own = children.iter().filter(|child| child.name == name);
    if own.map(|child| number(child, attr)).is_sorted() {
        return;
    }
    let (mut own, others): (Vec<Tree>, Vec<Tree>) =
        std::mem::take(children).into_iter().partition(|child| child.name == name);
    own.sort_by_key(|child| number(child, attr));
    children.extend(others);
    children.extend(own);
}

/// There is one emulator.
fn emulator(tune: &mut Tree, name: &str) -> Result<()> {
    if tune.all(name).count() > 1 {
        return Err(invalid(format!("only one {name} is supported")));
    }
    match tune.child_mut(name).filter(|_| name == "emulatorpin") {
        Some(pin) => place_of(pin, name),
        None => Ok(()),
    }
}

fn pinned_threads(tune: &mut Tree, threads: &BTreeSet<u32>) -> Result<()> {
    values::read(domain::place("domain/cputune"), tune, "iothreadpin")?;
    let mut seen = BTreeSet::new();
    for pin in tune.all_mut("iothreadpin") {
        let id = number(pin, "iothread");
        if !threads.contains(&id) {
            return Err(no_thread(id));
        }
        if !seen.insert(id) {
            return Err(internal(format!("duplicate iothreadpin for same iothread '{id}'")));
        }
        place_of(pin, "iothreadpin")?;
    }
    order(&mut tune.children, "iothreadpin", "iothread");
    Ok(())
}

/// Only threads that are served before others have a priority.
fn without_priority(rank: &mut Tree) {
    if !matches!(rank.attr("scheduler"), Some("fifo" | "rr")) {
        rank.unset("priority");
    }
}

/// Reads how threads are scheduled; what is said of several is kept for each.
fn scheduled(tune: &mut Tree, name: &str, attr: &str, exists: impl Fn(u32) -> Result<()>) -> Result<()> {
    if tune.all(name).any(|rank| rank.attr(attr).is_none()) {
        return Err(invalid(format!("Missing attribute '{attr}' in element '{name}'")));
    }
    for rank in tune.all(name) {
        let text = rank.attr(attr).unwrap_or_default();
        if bitmap::read(text)?.is_empty() {
            return Err(unsupported(format!("'{attr}' scheduler bitmap '{text}' is empty")));
        }
    }
    values::read(domain::place("domain/cputune"), tune, name)?;
    let mut taken = BTreeSet::new();
    let mut all = Vec::new();
    for rank in tune.all(name) {
        for id in rank.attr(attr).and_then(bitmap::parse).unwrap_or_default() {
            exists(id)?;
            if !taken.insert(id) {
                let text = format!("'{name}' attributes '{attr}' must not overlap");
                return Err(Error::new(ErrorCode::XML_DETAIL, ErrorDomain::DOMAIN, text));
            }
            let mut own = rank.clone();
            without_priority(&mut own);
            own.set(attr, id.to_string());
            all.push((id, own));
        }
    }
    all.sort_by_key(|(id, _)| *id);
    tune.remove(name);
    tune.children.extend(all.into_iter().map(|(_, rank)| rank));
    Ok(())
}

/// Checks how long periods are, and how much of them is granted.
pub(crate) fn check(domain: &Domain) -> Result<()> {
    let Some(tune) = domain.tree.child("cputune") else { return Ok(()) };
    for name in TIMES {
        let Some(time) = tune.text_of(name).and_then(|text| text.parse::<i64>().ok()) else { continue };
        let period = name.ends_with("period");
        let most = if period { 1_000_000 } else { 17_592_186_044_415 };
        // What is below zero is no limit.
        if (period || time > 0) && !(1000..=most).contains(&time) {
            return Err(unsupported(format!("Value of cputune '{name}' must be in range [1000, {most}]")));
        }
    }
    Ok(())
}
