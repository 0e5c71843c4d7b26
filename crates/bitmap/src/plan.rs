//! The plans.

use crate::{Action, Link, RECORDER};
use qemu_replies::blocks::{Bitmap, Nodes};

fn find<'n>(nodes: &'n Nodes, link: &Link, name: &str) -> Option<&'n Bitmap> {
    nodes.get(&link.node)?.bitmap(name)
}

/// A bitmap tells all that has changed: it is in the image that is written to and, without a gap, in those behind it,
/// and has recorded in each of them.
pub fn sound(nodes: &Nodes, chain: &[Link], name: &str) -> bool {
    let mut ended = false;
    for (depth, link) in chain.iter().enumerate() {
        match find(nodes, link, name) {
            None if depth == 0 => return false,
            None => ended = true,
            Some(_) if ended => return false,
            Some(bitmap) if bitmap.inconsistent || !bitmap.persistent || !bitmap.recording => return false,
            Some(_) => {}
        }
    }
    !chain.is_empty()
}

/// Bitmaps that go to another image, where each gets what all images of the chain know under its name.
#[derive(Debug, Clone, Copy)]
pub struct Transfer<'t> {
    /// The images whose contents go over, the topmost first.
    pub chain: &'t [Link],
    /// How many of them, from the top: behind them is what the target already has.
    pub depth: usize,
    /// The node that gets the bitmaps.
    pub target: &'t str,
    /// While the contents went over, the target was written to; [`RECORDER`] there knows what.
    pub written: bool,
}

impl<'t> Transfer<'t> {
    /// A copy of a chain: of its topmost image or of all its contents.
    pub fn copy(chain: &'t [Link], mirror: &'t str, shallow: bool) -> Transfer<'t> {
        let depth = if shallow { chain.len().min(1) } else { chain.len() };
        Transfer { chain, depth, target: mirror, written: true }
    }

    /// A commit of the images from `top` to the one before `base` into `base`, places in the chain counted from 0;
    /// `active` when the guest writes to the topmost. `None` when the base is not behind the top.
    pub fn commit(chain: &'t [Link], top: usize, base: usize, active: bool) -> Option<Transfer<'t>> {
        let target = chain.get(base).filter(|_| top < base)?;
        Some(Transfer { chain: chain.get(top..)?, depth: base - top, target: &target.node, written: active })
    }
}

/// What is done with bitmaps when contents have gone over.
pub fn transfer(nodes: &Nodes, transfer: &Transfer<'_>) -> Vec<Action> {
    let old = nodes.get(transfer.target).is_some_and(|node| node.old_qcow2);
    let top = transfer.chain.first().and_then(|link| nodes.get(&link.node)).filter(|_| !old);
    let names = top.into_iter().flat_map(|node| node.bitmaps.iter().rev()).map(|bitmap| bitmap.name.as_str());
    let kept = Kept { persistent: true, disabled: false };
    let mut actions: Vec<Action> = names.flat_map(|name| merge(nodes, transfer, name, name, kept)).collect();
    if transfer.written {
        actions.push(Action::Remove { node: transfer.target.to_owned(), name: RECORDER.to_owned() });
    }
    actions
}

/// How a bitmap is kept that is made for others.
#[derive(Clone, Copy)]
struct Kept {
    persistent: bool,
    disabled: bool,
}

fn merge(nodes: &Nodes, transfer: &Transfer<'_>, name: &str, as_name: &str, kept: Kept) -> Vec<Action> {
    let mut actions = Vec::new();
    // What is not whole would tell the other image something wrong.
    if !sound(nodes, transfer.chain, name) {
        return actions;
    }
    let target = transfer.target.to_owned();
    if nodes.get(transfer.target).and_then(|node| node.bitmap(as_name)).is_none() {
        actions.push(Action::Add {
            node: target.clone(),
            name: as_name.to_owned(),
            persistent: kept.persistent,
            disabled: kept.disabled,
            granularity: transfer
                .chain
                .first()
                .and_then(|link| find(nodes, link, name))
                .map(|bitmap| bitmap.granularity),
        });
    }
    let over = transfer.chain.get(..transfer.depth).unwrap_or(transfer.chain);
    let mut sources: Vec<(String, String)> = over
        .iter()
        .filter(|link| find(nodes, link, name).is_some())
        .map(|link| (link.node.clone(), name.to_owned()))
        .collect();
    if transfer.written {
        sources.push((target.clone(), RECORDER.to_owned()));
    }
    actions.push(Action::Merge { node: target, target: as_name.to_owned(), sources });
    actions
}

/// The bitmap `as_name` of the node `target` that tells an incremental backup what has changed since the checkpoint
/// `name`. Empty when the checkpoint's bitmaps are not whole.
pub fn backup(nodes: &Nodes, chain: &[Link], name: &str, target: &str, as_name: &str) -> Vec<Action> {
    let all = Transfer { chain, depth: chain.len(), target, written: false };
    merge(nodes, &all, name, as_name, Kept { persistent: false, disabled: true })
}

/// Records what is written to a node from now on; taken away by [`transfer`].
pub fn record(node: &str) -> Action {
    Action::Add {
        node: node.to_owned(),
        name: RECORDER.to_owned(),
        persistent: false,
        disabled: false,
        granularity: None,
    }
}

/// How the bitmaps of a checkpoint are taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deletion {
    /// The actions.
    pub actions: Vec<Action>,
    /// Nodes that must be writable meanwhile, the furthest first.
    pub reopened: Vec<String>,
}

/// Takes the bitmaps of a checkpoint away; `None` when no image has one.
pub fn delete(nodes: &Nodes, chain: &[Link], name: &str) -> Option<Deletion> {
    let with: Vec<&Link> = chain.iter().filter(|link| find(nodes, link, name).is_some()).collect();
    if with.is_empty() {
        return None;
    }
    let remove = |link: &&Link| Action::Remove { node: link.node.clone(), name: name.to_owned() };
    let reopened = with.iter().rev().filter(|link| link.read_only).map(|link| link.node.clone());
    Some(Deletion { actions: with.iter().map(remove).collect(), reopened: reopened.collect() })
}
