//! What becomes of definitions, nodes and files when a job has ended.

use super::{BlockJob, Kind, Status};
use crate::block::disk::{self, target};
use crate::block::links;
use crate::guest::{Guest, Live};
use crate::{Driver, chain};
use serde_json::json;
use std::sync::Arc;
use xml::Tree;

/// Removes nodes that nothing uses any more.
pub(crate) fn drop_images(live: &Live, numbers: &[u32]) {
    for index in numbers {
        let (storage, format) = disk::nodes(*index);
        for node in [format, storage] {
            // An image may be without one of its two nodes.
            if let Err(cause) = live.command("blockdev-del", json!({"node-name": node})) {
                log::debug!("{cause}");
            }
        }
    }
}

/// Whether two disks have the same image at the top.
fn same_top(one: &Tree, other: &Tree) -> bool {
    let source = |disk: &Tree| {
        let mut source = disk.child("source").cloned().unwrap_or_default();
        for name in ["index", "startupPolicy"] {
            source.unset(name);
        }
        source.attrs
    };
    source(one) == source(other)
}

/// A running disk as it is after a job, and the images that it does without.
fn after(old: &Tree, job: &BlockJob, status: Status) -> (Tree, Vec<u32>) {
    let mut next = old.clone();
    next.remove("mirror");
    let done = status == Status::Completed;
    match job.kind {
        Kind::Pull if done => {
            let gone = links::between(old, job.top, job.base, false);
            links::rebase(&mut next, job.top, job.base);
            (next, gone)
        }
        Kind::Commit if done => {
            let gone = links::between(old, job.top, job.base, true);
            if let Some(above) = links::parent(old, job.top) {
                links::rebase(&mut next, above, job.base);
            }
            (next, gone)
        }
        Kind::ActiveCommit if done => {
            let gone = links::between(old, job.top, job.base, true);
            let base = job.base.and_then(|base| links::element(old, base));
            let next = base.map_or(next.clone(), |base| links::with_top(&next, base));
            (next, gone)
        }
        Kind::Copy if done => {
            let lower = if job.shallow { links::below(old, job.top) } else { None };
            let gone = links::between(old, job.top, lower, true);
            let next = job.copy.as_ref().map_or(next.clone(), |copy| links::with_top(&next, copy));
            (next, gone)
        }
        _ => (next, Vec::new()),
    }
}

impl Driver {
    /// Brings definitions up to date, drops nodes and files.
    pub(super) fn settle_job(&self, guest: &Arc<Guest>, live: &Live, job: &BlockJob, status: Status) {
        if let Err(cause) = self.settle_disk(guest, job, status) {
            log::error!("disk '{}' of guest '{}': {cause}", job.disk, guest.value().name);
        }
        if status != Status::Completed || job.kind == Kind::Backup {
            // Whatever was made for the job.
            for node in job.nodes.iter().rev() {
                if let Err(cause) = live.command("blockdev-del", json!({"node-name": node})) {
                    log::debug!("{cause}");
                }
            }
        }
    }

    fn settle_disk(&self, guest: &Arc<Guest>, job: &BlockJob, status: Status) -> base::Result<()> {
        if job.kind == Kind::Backup {
            return Ok(());
        }
        let live = guest.live()?;
        let Some(old) = live.domain.all("disk").find(|disk| target(disk) == job.disk).cloned() else {
            return Ok(());
        };
        let (next, gone) = after(&old, job, status);
        let files: Vec<String> = gone
            .iter()
            .filter(|_| job.delete)
            .filter_map(|index| links::element(&old, *index))
            .filter(|element| element.attr("type").unwrap_or("file") == "file")
            .filter_map(|element| chain::local(element).map(str::to_owned))
            .collect();
        self.change_live(guest, |domain| {
            for disk in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
                if target(disk) == job.disk {
                    *disk = next.clone();
                }
            }
            Ok(())
        })?;
        drop_images(&live, &gone);
        for path in files {
            if let Err(cause) = std::fs::remove_file(&path) {
                log::warn!("{path}: {cause}");
            }
        }
        if status == Status::Completed {
            self.settle_config(guest, job, &old, &next)?;
        }
        Ok(())
    }

    /// The stored definition follows where it has the same disk.
    fn settle_config(&self, guest: &Arc<Guest>, job: &BlockJob, old: &Tree, next: &Tree) -> base::Result<()> {
        let Some(config) = guest.value().config.clone() else { return Ok(()) };
        let known = config.all("disk").find(|disk| target(disk) == job.disk && same_top(disk, old));
        let Some(known) = known else { return Ok(()) };
        let plain = links::without_numbers(next);
        let mut wanted = known.clone();
        if !same_top(old, next) {
            wanted = links::with_top(known, &plain);
            wanted.remove("backingStore");
        }
        if known.child("backingStore").is_some() {
            wanted.remove("backingStore");
            wanted.children.extend(plain.child("backingStore").cloned());
        }
        if wanted == *known {
            return Ok(());
        }
        self.change_config(guest, |domain| {
            for disk in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
                if target(disk) == job.disk {
                    *disk = wanted.clone();
                }
            }
            Ok(())
        })
    }
}
