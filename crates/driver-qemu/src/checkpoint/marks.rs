//! Bitmaps in the images of a running guest's disks.

use crate::block::disk::{self, images, target};
use crate::guest::Live;
use crate::{FROM, chain, error};
use base::{Error, ErrorCode, Result};
use bitmap::{Action, Link};
use conf_snapshot::checkpoint::CheckpointDisk;
use qemu_replies::blocks::{Nodes, nodes};
use serde_json::{Value as Json, json};

/// What the emulator knows of its nodes.
pub(crate) fn known(live: &Live) -> Result<Nodes> {
    let answer = live.command("query-named-block-nodes", json!({"flat": true}))?;
    nodes(&answer).map_err(|cause| Error::internal(FROM, cause.to_string()))
}

/// The node that reads an image.
pub(crate) fn node_of(nodes: &Nodes, index: u32) -> String {
    let (storage, format) = disk::nodes(index);
    if nodes.contains_key(&format) { format } else { storage }
}

/// The images of a disk as nodes, the one that is written to first.
pub(crate) fn links(live: &Live, nodes: &Nodes, name: &str) -> Vec<Link> {
    let found = live.domain.all("disk").find(|disk| target(disk) == name);
    let images = found.map(images).unwrap_or_default();
    let link = |(depth, (_, index)): (usize, &(&xml::Tree, u32))| Link {
        node: node_of(nodes, *index),
        read_only: depth > 0,
    };
    images.iter().enumerate().map(link).collect()
}

/// A transaction of what is to be done with bitmaps, and perhaps more.
pub(crate) fn transaction(live: &Live, actions: &[Json]) -> Result<()> {
    if actions.is_empty() {
        return Ok(());
    }
    live.command("transaction", json!({"actions": actions})).map(drop)
}

/// What begins to note changes of disks. Refuses images that cannot keep the notes.
pub(crate) fn begin(live: &Live, disks: &[CheckpointDisk]) -> Result<Vec<Json>> {
    let mut actions = Vec::new();
    let nodes = known(live)?;
    for disk in disks.iter().filter(|disk| disk.noted) {
        let Some(own) = live.domain.all("disk").find(|own| target(own) == disk.name) else { continue };
        let format = chain::format_of(own).unwrap_or("raw");
        if format != "qcow2" {
            let text = format!("checkpoint for disk {} unsupported for storage type {format}", disk.name);
            return Err(error(ErrorCode::CONFIG_UNSUPPORTED, text));
        }
        let Some(top) = links(live, &nodes, &disk.name).into_iter().next() else { continue };
        let add = Action::Add {
            node: top.node,
            name: disk.bitmap.clone().unwrap_or_default(),
            persistent: true,
            disabled: false,
            granularity: None,
        };
        actions.push(add.json());
    }
    Ok(actions)
}

/// Refuses a checkpoint whose notes are not whole.
pub(crate) fn check(live: &Live, nodes: &Nodes, disk: &str, name: &str) -> Result<()> {
    if bitmap::sound(nodes, &links(live, nodes, disk), name) {
        return Ok(());
    }
    let text = format!("missing or broken bitmap '{name}' for disk '{disk}'");
    Err(error(ErrorCode::CHECKPOINT_INCONSISTENT, text))
}

/// Bytes that have changed since a checkpoint; none when its notes are not whole.
pub(crate) fn size(live: &Live, disk: &str, name: &str) -> Option<u64> {
    const SUM: &str = "libvirt-tmp-size";
    let nodes = known(live).ok()?;
    let chain = links(live, &nodes, disk);
    let top = chain.first()?.node.clone();
    let actions = bitmap::backup(&nodes, &chain, name, &top, SUM);
    if actions.is_empty() {
        return None;
    }
    let actions: Vec<Json> = actions.iter().map(Action::json).collect();
    transaction(live, &actions).ok()?;
    let sum = known(live).ok().and_then(|nodes| Some(nodes.get(&top)?.bitmap(SUM)?.dirty));
    if let Err(cause) = live.command("block-dirty-bitmap-remove", json!({"node": top, "name": SUM})) {
        log::warn!("{cause}");
    }
    sum
}

/// What lets a new image on top of another note what the other has noted so far.
pub(crate) fn carry(nodes: &Nodes, below: &str, above: &str) -> Vec<Json> {
    let bitmaps = nodes.get(below).map(|node| node.bitmaps.as_slice()).unwrap_or_default();
    let carried =
        bitmaps.iter().filter(|bitmap| bitmap.persistent && bitmap.recording && !bitmap.inconsistent);
    let add = |found: &qemu_replies::blocks::Bitmap| {
        Action::Add {
            node: above.to_owned(),
            name: found.name.clone(),
            persistent: true,
            disabled: false,
            granularity: Some(found.granularity),
        }
        .json()
    };
    carried.map(add).collect()
}
