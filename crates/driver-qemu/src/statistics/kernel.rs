//! What the kernel counts of guests it runs itself; emulated ones have none of it.

use super::{Record, processors};
use crate::guest::Live;
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

fn accelerated(record: &Record<'_>) -> bool {
    record.domain.kind() == "kvm"
}

/// Types of the statistics of a target, by name.
fn types(record: &Record<'_>, target: &str) -> BTreeMap<String, &'static str> {
    let Some(schemas) = record.ask("query-stats-schemas", json!({"provider": "kvm"})) else {
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
    if !accelerated(record) {
        return;
    }
    let types = types(record, "vcpu");
    if let Some(answer) = record.ask("query-stats", processors::question(live, &[vcpu.id])) {
        add(record, &answer, &format!("vcpu.{}", vcpu.id), &types);
    }
}

/// Adds what is counted of the whole guest.
pub(super) fn whole(record: &mut Record<'_>) {
    if !accelerated(record) || record.value.live.is_none() {
        return;
    }
    let types = types(record, "vm");
    if let Some(answer) = record.ask("query-stats", json!({"target": "vm"})) {
        add(record, &answer, "vm", &types);
    }
}

/// Nanoseconds that processors waited actively before they halted: with success, and without.
pub(super) fn halt_poll(live: &Live) -> (u64, u64) {
    if live.domain.kind() != "kvm" {
        return (0, 0);
    }
    let ids: Vec<u32> = live.vcpus.iter().filter(|vcpu| vcpu.online).map(|vcpu| vcpu.id).collect();
    let Ok(answer) = live.command("query-stats", processors::question(live, &ids)) else { return (0, 0) };
    let sum = |name: &str| {
        let vcpus = answer.as_array().into_iter().flatten();
        let stats = vcpus.filter_map(|vcpu| vcpu.get("stats")?.as_array()).flatten();
        let found = stats.filter(|entry| entry.get("name").and_then(Json::as_str) == Some(name));
        found.filter_map(|entry| entry.get("value")?.as_u64()).fold(0u64, u64::saturating_add)
    };
    (sum("halt_poll_success_ns"), sum("halt_poll_fail_ns"))
}
