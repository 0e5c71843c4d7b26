//! Bitmaps of images that a job moves contents between: what one image has noted, the other has to know.
//!
//! ```text
//! pull     images below ─▶ top
//! commit   top ─▶ base            what a guest writes to the base once it is the top is noted apart until the bitmaps are there
//! copy     top, or all ─▶ copy    the same
//! ```

use super::{BlockJob, Kind};
use crate::block::disk::{self, images};
use crate::checkpoint::marks;
use crate::guest::Live;
use base::Result;
use bitmap::{Action, Transfer};
use qemu_replies::blocks::Nodes;
use serde_json::Value as Json;
use xml::Tree;

fn position(disk: &Tree, index: u32) -> Option<usize> {
    images(disk).iter().position(|(_, number)| *number == index)
}

/// The node that gets the contents.
fn target_of(nodes: &Nodes, job: &BlockJob) -> Option<String> {
    match job.kind {
        Kind::Copy => {
            let copy = job.copy.as_ref()?;
            let index = copy.attr("index").or_else(|| copy.attr_at("source", "index"))?;
            Some(marks::node_of(nodes, index.parse().ok()?))
        }
        Kind::Commit | Kind::ActiveCommit => Some(marks::node_of(nodes, job.base?)),
        Kind::Pull => Some(marks::node_of(nodes, job.top)),
        Kind::Backup => None,
    }
}

fn has_any(nodes: &Nodes, node: &str) -> bool {
    nodes.get(node).is_some_and(|node| node.bitmaps.iter().any(|bitmap| bitmap.persistent))
}

/// Before a guest goes on with another image: what it writes there is noted until the bitmaps are there.
pub(super) fn before_pivot(live: &Live, job: &BlockJob) -> Result<()> {
    let nodes = marks::known(live)?;
    let chain = marks::links(live, &nodes, &job.disk);
    let Some(target) = target_of(&nodes, job) else { return Ok(()) };
    if !chain.first().is_some_and(|top| has_any(&nodes, &top.node)) {
        return Ok(());
    }
    marks::transaction(live, &[bitmap::record(&target).json()])
}

/// Leaves out what merges a bitmap with itself.
fn apart(action: Action) -> Option<Action> {
    match action {
        Action::Merge { node, target, mut sources } => {
            sources.retain(|source| *source != (node.clone(), target.clone()));
            (!sources.is_empty()).then_some(Action::Merge { node, target, sources })
        }
        other => Some(other),
    }
}

/// What brings the bitmaps to where the contents have gone, before the images that are not needed any more are let go.
pub(super) fn after(live: &Live, job: &BlockJob, old: &Tree) -> Result<()> {
    let nodes = marks::known(live)?;
    let chain = marks::links(live, &nodes, disk::target(old));
    let Some(target) = target_of(&nodes, job) else { return Ok(()) };
    let recorded = nodes.get(&target).is_some_and(|node| node.bitmap(bitmap::RECORDER).is_some());
    let top = position(old, job.top).unwrap_or(0);
    let base = job.base.and_then(|base| position(old, base));
    let transfer = match job.kind {
        Kind::Copy => Some(Transfer::copy(&chain, &target, job.shallow)),
        Kind::Commit | Kind::ActiveCommit => {
            base.and_then(|base| Transfer::commit(&chain, top, base, recorded))
        }
        Kind::Pull => Some(Transfer {
            chain: &chain,
            depth: base.unwrap_or(chain.len()),
            target: &target,
            written: false,
        }),
        Kind::Backup => None,
    };
    let Some(transfer) = transfer.map(|transfer| Transfer { written: recorded, ..transfer }) else {
        return Ok(());
    };
    let actions: Vec<Json> = bitmap::transfer(&nodes, &transfer)
        .into_iter()
        .filter_map(apart)
        .map(|action| action.json())
        .collect();
    marks::transaction(live, &actions)
}
