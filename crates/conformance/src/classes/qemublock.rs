//! `qemublock`: block nodes of disks, names inside other images, new images, dirty bitmaps; and the names of `virstorage`.

use super::{Verdict, whole};
use crate::manifest::Case;
use crate::{compare, emulator};
use bitmap::{Action, Link, Transfer};
use image::Place;
use qapi::Leniency;
use qemu_plan::argv::{Json, Names, Start};
use qemu_plan::block::{Block, Creation, Keys, NewImage};
use qemu_replies::blocks::{self, Nodes};
use serde_json::{Value, json};
use xml::{Document, Tree, Writer};

/// Runs one case.
pub(crate) fn run(case: &Case) -> Verdict {
    let outcome = match case.text("operation").unwrap_or_default() {
        "backing-json-to-blockdev" => document(case),
        "source-xml-to-json-to-xml" => round_trip(case),
        "disk-xml-to-blockdev" => disk(case),
        "image-create-props" => create(case),
        "bitmap-detect" => detect(case),
        "bitmap-chain-valid" => valid(case),
        "incremental-backup-bitmaps" => backup(case),
        "bitmaps-blockcopy" => copy(case),
        "bitmaps-blockcommit" => commit(case),
        "checkpoint-delete" => delete(case),
        other => Err(format!("unknown operation '{other}'")),
    };
    whole(outcome)
}

/// Runs a case of `virstorage` that reads the name of an image.
pub(crate) fn name(case: &Case) -> Verdict {
    if case.text("kind") != Some("backing-parse") {
        return whole(Err("not there yet".to_owned()));
    }
    let name = case.facts["input"]["backing"].as_str().unwrap_or_default();
    let (rv, text) = match Place::parse(name) {
        Err(_) => (-1, Value::Null),
        Ok(place) => (i32::from(place.lossy), printed(&place.source).into()),
    };
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    whole(compare::exact(&pretty(&case.facts["expected"]), &pretty(&json!({"rv": rv, "source_xml": text}))))
}

fn printed(source: &Tree) -> String {
    let mut writer = Writer::new();
    conf_domain::elements::write(source, &mut writer);
    writer.finish()
}

fn pretty(json: &Value) -> String {
    serde_json::to_string_pretty(json).unwrap_or_default()
}

fn tree(text: &str) -> Result<Tree, String> {
    Document::parse(text).map(|document| Tree::of(document.root())).map_err(|error| error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn fault(error: base::Error) -> String {
    error.to_string()
}

/// Checks a document against the emulator's schema.
fn fits(case: &Case, value: &Value) -> Result<(), String> {
    let root = case.text("schema_validation_root").unwrap_or_default();
    let deprecated = case.value("deprecated_schema_members_allowed").is_none_or(|value| value == true);
    let schema = emulator::schema(case)?;
    let outcome = schema.check(root, value, Leniency { undescribed: false, deprecated });
    outcome.map_err(|mismatch| format!("{mismatch}: {value}"))
}

fn document(case: &Case) -> Result<(), String> {
    let place = Place::parse(case.read("input")?.trim_end()).map_err(fault)?;
    let block = Block::at(&place.source, place.kind, Names::of(1), "raw");
    let block = block.by_ssh(place.user.as_deref(), place.any_key);
    let got = block.place(&Start::default()).map_err(fault)?.value();
    fits(case, &got)?;
    compare::as_is(&case.read("expected")?, &pretty(&got))
}

fn round_trip(case: &Case) -> Result<(), String> {
    let mut holder = Tree::new("disk").holding(tree(&case.read("input")?)?);
    let kind = case.text("source_type").unwrap_or_default();
    conf_domain::device::storage(&mut holder, kind).map_err(fault)?;
    let source = holder.child("source").ok_or("the source is gone")?;
    let block = Block::at(source, kind, Names::of(1), "raw");
    let place = block.place(&Start::default()).map_err(fault)?;
    fits(case, &place.clone().value())?;
    let name = format!("json:{}", json!({"file": place.value()}));
    compare::exact(&case.read("expected")?, &printed(&Place::parse(&name).map_err(fault)?.source))
}

/// The document of a disk, completed as far as its sources go.
fn completed(text: &str) -> Result<Tree, String> {
    let mut disk = tree(text)?;
    disk.default_to("type", "file");
    sources(&mut disk)?;
    Ok(disk)
}

fn sources(holder: &mut Tree) -> Result<(), String> {
    let kind = holder.attr("type").unwrap_or("file").to_owned();
    // A definition cannot say how an image is to be encrypted; who makes images can.
    let encryption = holder.child("source").and_then(|source| source.child("encryption")).cloned();
    if let Some(encryption) = holder.child_mut("source").and_then(|source| source.child_mut("encryption")) {
        encryption.children.retain(|child| child.name == "secret");
    }
    conf_domain::device::storage(holder, &kind).map_err(fault)?;
    if let (Some(kept), Some(source)) = (encryption, holder.child_mut("source")) {
        source.remove("encryption");
        source.children.push(kept);
    }
    match holder.child_mut("backingStore") {
        Some(store) if store.child("source").is_some() => sources(store),
        _ => Ok(()),
    }
}

/// Names of the objects of this class.
fn keys(block: &Block<'_>) -> Keys {
    Keys {
        password: block.asks().then(|| format!("{}-secalias", block.names().storage)),
        format: block.locked().then(|| format!("{}-encalias", block.names().format)).into_iter().collect(),
        ..Keys::default()
    }
}

fn disk(case: &Case) -> Result<(), String> {
    let disk = completed(&case.read("input")?)?;
    let top = match Block::of_disk(&disk) {
        Err(_) if case.expect() == "fail" => return Ok(()),
        outcome => outcome.map_err(fault)?,
    };
    if case.expect() == "fail" {
        return Err("accepted".to_owned());
    }
    let start = Start::default();
    let (mut all, mut places) = (String::new(), String::new());
    let mut next = top;
    while let Some(block) = next {
        let mut nodes: Vec<Value> =
            block.nodes(&start, &keys(&block)).map_err(fault)?.into_iter().map(Json::value).collect();
        nodes.reverse();
        for node in &nodes {
            fits(case, node)?;
            all.push_str(&pretty(node));
            all.push('\n');
        }
        let place = pretty(&block.place(&start).map_err(fault)?.value());
        let text = block.text(&start, true).map_err(fault)?;
        let inner = format!("source only properties:\n{place}\nbacking store string:\n{}\n", text.trim_end());
        let inner: Vec<String> = inner.lines().map(|line| format!("  {line}\n")).collect();
        places.push_str(&format!("(\n{})\n", inner.concat()));
        next = block.behind();
    }
    compare::as_is(&case.read("expected")?, &all)?;
    match case.text("expected_srconly") {
        Some(file) => compare::as_is(&case.read_file(file)?, &places),
        None => Ok(()),
    }
}

fn create(case: &Case) -> Result<(), String> {
    let disk = completed(&case.read("input")?)?;
    let behind = case.text("backing").map(|file| case.read_file(file)).transpose()?;
    let behind = behind.map(|text| completed(&text)).transpose()?;
    let block = Block::of_disk(&disk).map_err(fault)?.ok_or("no image")?;
    let backing = behind.as_ref().map(Block::of_disk).transpose().map_err(fault)?.flatten();
    let size = |name: &str| case.value(name).and_then(Value::as_u64).unwrap_or(0);
    let new = NewImage {
        capacity: size("capacity"),
        physical: size("physical"),
        backing: backing.as_ref(),
        ..NewImage::default()
    };
    let Creation { protocol, format } =
        block.create(&new, &Start::default(), &keys(&block)).map_err(fault)?;
    let mut shown = Vec::new();
    for step in [protocol, format] {
        shown.push(match step.map(Json::value) {
            Some(value) => {
                fits(case, &value)?;
                format!("{}\n", pretty(&value))
            }
            None => "<null>".to_owned(),
        });
    }
    let text = format!("protocol:\n{}\nformat:\n{}", shown[0], shown[1]);
    compare::as_is(&case.read("expected")?, &text)
}

fn nodes(case: &Case) -> Result<Nodes, String> {
    let value: Value = serde_json::from_str(&case.read("input")?).map_err(|error| error.to_string())?;
    blocks::nodes(&value).map_err(|error| error.to_string())
}

fn chain(case: &Case) -> Vec<Link> {
    let length = case.value("chain_length").and_then(Value::as_u64).unwrap_or(0);
    let link = |at| Link { node: format!("libvirt-{at}-format"), read_only: at > 1 };
    (1..=length).map(link).collect()
}

fn detect(case: &Case) -> Result<(), String> {
    let nodes = nodes(case)?;
    let mut out = String::new();
    for name in (0..30).map(|at| format!("libvirt-{at}-format")) {
        let Some(node) = nodes.get(&name) else { continue };
        out.push_str(&format!("{name}:\n"));
        if node.old_qcow2 {
            out.push_str(" qcow2 v2\n");
        }
        for bitmap in &node.bitmaps {
            let flag = u8::from;
            out.push_str(&format!(
                " {:>8}: record:{} busy:{} persist:{} inconsist:{} gran:{} dirty:{}\n",
                bitmap.name,
                flag(bitmap.recording),
                flag(bitmap.busy),
                flag(bitmap.persistent),
                flag(bitmap.inconsistent),
                bitmap.granularity,
                bitmap.dirty
            ));
        }
        if !node.snapshots.is_empty() {
            let mut names: Vec<String> = node
                .snapshots
                .iter()
                .map(|inside| format!(" '{}'{}", inside.name, if inside.with_state { "(*)" } else { "" }))
                .collect();
            names.sort();
            out.push_str(&format!(" internal snapshots:{}\n", names.concat()));
        }
    }
    compare::as_is(&case.read("expected")?, &out)
}

fn valid(case: &Case) -> Result<(), String> {
    let name = case.text("bitmap").unwrap_or_default();
    let got = bitmap::sound(&nodes(case)?, &chain(case), name);
    if case.value("result") == Some(&got.into()) { Ok(()) } else { Err(format!("{got}")) }
}

fn shown(actions: &[Action]) -> String {
    pretty(&actions.iter().map(Action::json).collect())
}

fn backup(case: &Case) -> Result<(), String> {
    let fact = |name: &str| case.text(name).unwrap_or_default();
    let (target, bitmap) = (fact("target_node"), fact("target_bitmap"));
    let actions = bitmap::backup(&nodes(case)?, &chain(case), fact("incremental"), target, bitmap);
    compare::as_is(&case.read("expected")?, &shown(&actions))
}

fn copy(case: &Case) -> Result<(), String> {
    let chain = chain(case);
    let target = case.text("mirror_node").unwrap_or_default();
    let actions = bitmap::transfer(&nodes(case)?, &Transfer::copy(&chain, target, case.is("shallow")));
    compare::as_is(&case.read("expected")?, &shown(&actions))
}

fn commit(case: &Case) -> Result<(), String> {
    let chain = chain(case);
    let at = |name: &str| case.value(name).and_then(Value::as_u64).unwrap_or(0).saturating_sub(1) as usize;
    let transfer = Transfer::commit(&chain, at("top_index"), at("base_index"), case.is("active_commit"));
    let actions = bitmap::transfer(&nodes(case)?, &transfer.ok_or("the base is not behind the top")?);
    compare::as_is(&case.read("expected")?, &format!("merge bitmpas:\n{}", shown(&actions)))
}

fn delete(case: &Case) -> Result<(), String> {
    let name = case.text("bitmap").unwrap_or_default();
    let text = match bitmap::delete(&nodes(case)?, &chain(case), name) {
        None => "NULL".to_owned(),
        Some(deletion) => {
            let mut text = shown(&deletion.actions);
            if !deletion.reopened.is_empty() {
                text.push_str("\nreopen nodes:\n");
                text.push_str(&deletion.reopened.join("\n"));
            }
            text
        }
    };
    compare::as_is(&case.read("expected")?, &text)
}
