//! What the kernel counts of guests it runs itself; emulated ones have none of it.

use super::{Question, Record, processors};
use crate::guest::Live;
use conf_domain::Domain;
use qemu_live::vcpus::Vcpu;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Suffixes of statistics by their type.
fn suffix(kind: &str) -> Option<&'static str> {
    match kind {
        "cumulative" => Some("sum"),
        "instant" => Some("cur"),
        "peak" => Some("max"),
        _ => None,
    }
}

fn accelerated(domain: &Domain) -> bool {
    domain.kind() == "kvm"
}

fn schemas() -> Question {
    ("query-stats-schemas", json!({"provider": "kvm"}))
}

fn of_vcpus(live: &Live, ids: &[u32]) -> Question {
    ("query-stats", processors::question(live, ids))
}

fn of_guest() -> Question {
    ("query-stats", json!({"target": "vm"}))
}

fn online(live: &Live) -> Vec<u32> {
    live.vcpus.iter().filter(|vcpu| vcpu.online).map(|vcpu| vcpu.id).collect()
}

pub(super) fn about_halts(live: &Live, questions: &mut Vec<Question>) {
    if accelerated(&live.domain) {
        questions.push(of_vcpus(live, &online(live)));
    }
}

pub(super) fn about_vcpus(live: &Live, questions: &mut Vec<Question>) {
    if accelerated(&live.domain) {
        questions.push(schemas());
        questions.extend(online(live).into_iter().map(|id| of_vcpus(live, &[id])));
    }
}

pub(super) fn about_guest(live: &Live, questions: &mut Vec<Question>) {
    if accelerated(&live.domain) {
        questions.extend([schemas(), of_guest()]);
    }
}

/// Types of the statistics of a target, by name.
fn types(record: &Record<'_>, target: &str) -> BTreeMap<String, &'static str> {
    let Some(schemas) = record.ask(&schemas()) else {
        return BTreeMap::new();
    };
    let of_target = schemas
        .as_array()
        .into_iter()
        .flatten()
        .find(|schema| schema.get("target").and_then(Json::as_str) == Some(target));
    let listed = of_target.and_then(|schema| schema.get("stats")).and_then(Json::as_array);
    let one = |entry: &Json| {
        let name = entry.get("name")?.as_str()?;
        Some((name.to_owned(), suffix(entry.get("type")?.as_str()?)?))
    };
    listed.into_iter().flatten().filter_map(one).collect()
}

/// Adds all values of an answer whose types are known.
fn add(record: &mut Record<'_>, answer: &Json, prefix: &str, types: &BTreeMap<String, &'static str>) {
    let Some(first) = answer.get(0) else { return };
    let listed: Vec<Json> = first.get("stats").and_then(Json::as_array).cloned().unwrap_or_default();
    for entry in listed {
        let Some(name) = entry.get("name").and_then(Json::as_str) else { continue };
        let Some(suffix) = types.get(name) else { continue };
        let field = format!("{prefix}.{name}.{suffix}");
        match entry.get("value") {
            Some(Json::Bool(value)) => record.put(field, *value),
            Some(Json::Number(number)) => record.put_some(field, number.as_u64()),
            _ => {}
        }
    }
}

/// Adds what is counted of one processor.
pub(super) fn vcpu(record: &mut Record<'_>, live: &Live, vcpu: &Vcpu) {
    if !accelerated(record.domain) {
        return;
    }
    let types = types(record, "vcpu");
    if let Some(answer) = record.ask(&of_vcpus(live, &[vcpu.id])) {
        add(record, &answer, &format!("vcpu.{}", vcpu.id), &types);
    }
}

/// Adds what is counted of the whole guest.
pub(super) fn whole(record: &mut Record<'_>) {
    if !accelerated(record.domain) || record.value.live.is_none() {
        return;
    }
    let types = types(record, "vm");
    if let Some(answer) = record.ask(&of_guest()) {
        add(record, &answer, "vm", &types);
    }
}

/// Nanoseconds that processors waited actively before they halted: with success, and without.
pub(super) fn halt_poll(record: &Record<'_>, live: &Live) -> (u64, u64) {
    if !accelerated(&live.domain) {
        return (0, 0);
    }
    let Some(answer) = record.ask(&of_vcpus(live, &online(live))) else { return (0, 0) };
    let sum = |name: &str| {
        let vcpus = answer.as_array().into_iter().flatten();
        let stats = vcpus.filter_map(|vcpu| vcpu.get("stats")?.as_array()).flatten();
        let found = stats.filter(|entry| entry.get("name").and_then(Json::as_str) == Some(name));
        found.filter_map(|entry| entry.get("value")?.as_u64()).fold(0u64, u64::saturating_add)
    };
    (sum("halt_poll_success_ns"), sum("halt_poll_fail_ns"))
}
