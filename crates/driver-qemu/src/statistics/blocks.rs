//! Counters and sizes of disks and their images.

use super::{Question, Record};
use crate::block::disk::{self, nodes};
use crate::guest::Live;
use crate::{block, chain};
use serde_json::{Value as Json, json};
use std::path::Path;
use xml::Tree;

/// Names among the statistics and fields of the emulator.
const COUNTERS: [(&str, &str); 8] = [
    ("rd.reqs", "rd_operations"),
    ("rd.bytes", "rd_bytes"),
    ("rd.times", "rd_total_time_ns"),
    ("wr.reqs", "wr_operations"),
    ("wr.bytes", "wr_bytes"),
    ("wr.times", "wr_total_time_ns"),
    ("fl.reqs", "flush_operations"),
    ("fl.times", "flush_total_time_ns"),
];

/// What the emulator told.
struct Answers {
    by_device: Json,
    by_node: Json,
    nodes: Json,
}

fn by_device() -> Question {
    ("query-blockstats", Json::Null)
}

fn by_node() -> Question {
    ("query-blockstats", json!({"query-nodes": true}))
}

fn all_nodes() -> Question {
    ("query-named-block-nodes", json!({"flat": true}))
}

pub(super) fn questions(_: &Live, questions: &mut Vec<Question>) {
    questions.extend([by_device(), by_node(), all_nodes()]);
}

pub(super) fn add(record: &mut Record<'_>) {
    let live = record.value.live.clone();
    let answers = live.as_ref().map(|_| Answers {
        by_device: record.ask(&by_device()).unwrap_or_default(),
        by_node: record.ask(&by_node()).unwrap_or_default(),
        nodes: record.ask(&all_nodes()).unwrap_or_default(),
    });
    let disks: Vec<Tree> = record.domain.all("disk").cloned().collect();
    let count_at = record.params.len();
    let mut count = 0u32;
    for element in &disks {
        let images = disk::images(element);
        let told = if record.backing { images.len().max(1) } else { 1 };
        for at in 0..told {
            one(record, count, element, images.get(at).copied(), at == 0, answers.as_ref());
            count += 1;
        }
    }
    record.params.insert(count_at, base::param::TypedParam::new("block.count", count));
}

fn one(
    record: &mut Record<'_>,
    number: u32,
    element: &Tree,
    image: Option<(&Tree, u32)>,
    top: bool,
    answers: Option<&Answers>,
) {
    let name = |what: &str| format!("block.{number}.{what}");
    record.put(name("name"), disk::target(element));
    let path = image.and_then(|(image, _)| chain::local(image));
    record.put_some(name("path"), path);
    let index = image.map(|(_, index)| index);
    if answers.is_some() {
        record.put_some(name("backingIndex"), index.filter(|index| *index != 0));
    }
    let Some(answers) = answers else {
        let format = image.and_then(|(image, _)| chain::format_of(image)).unwrap_or("raw");
        let room = path.and_then(|path| Some((path, host::image::extent(Path::new(path)).ok()?)));
        if let Some((path, extent)) = room {
            record.put(name("allocation"), extent.allocated);
            record.put(name("capacity"), block::capacity(path, format, extent));
            record.put(name("physical"), extent.physical);
        }
        return;
    };
    let entry = |answer: &'_ Json, names: &[String]| -> Option<Json> {
        let about = |entry: &&Json| {
            let node = entry.get("node-name").and_then(Json::as_str).unwrap_or_default();
            names.iter().any(|name| name == node)
        };
        answer.as_array()?.iter().find(about).cloned()
    };
    let (storage, layer) = nodes(index.unwrap_or(0));
    let top_stats =
        answers.by_device.as_array().into_iter().flatten().find(|entry| disk::is_about(entry, element));
    let node_stats = entry(&answers.by_node, &[layer.clone(), storage.clone()]);
    let stats = if top { top_stats.cloned() } else { node_stats.clone() };
    if let Some(stats) = stats.as_ref().and_then(|entry| entry.get("stats")) {
        for (what, field) in COUNTERS {
            record.put_some(name(what), stats.get(field).and_then(Json::as_u64));
        }
    }
    let Some(path) = path else { return };
    let storage_stats = entry(&answers.by_node, std::slice::from_ref(&storage));
    let highest = storage_stats.as_ref().and_then(|entry| entry.pointer("/stats/wr_highest_offset"));
    record.put_some(name("allocation"), highest.and_then(Json::as_u64));
    let node =
        entry(&answers.nodes, &[layer]).or_else(|| entry(&answers.nodes, std::slice::from_ref(&storage)));
    let capacity = node.as_ref().and_then(|node| node.pointer("/image/virtual-size")).and_then(Json::as_u64);
    record.put_some(name("capacity"), capacity);
    let physical = host::image::extent(Path::new(path)).ok().map(|extent| extent.physical);
    record.put_some(name("physical"), physical);
    let below = entry(&answers.nodes, &[storage]);
    let mark = below.as_ref().and_then(|node| node.get("write_threshold")).and_then(Json::as_u64);
    record.put_some(name("threshold"), mark.filter(|mark| *mark != 0));
}
