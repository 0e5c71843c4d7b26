//! Backups: copies of disks as they are at one time, written into files (push) or offered to a client that fetches them (pull).
//!
//! ```text
//! push   disk ──── job copies what was there ────▶ target
//! pull   disk ──── job copies what is overwritten ▶ scratch ◀── disk        a server offers scratch and what it is based on
//! ```
//!
//! * [`begin`]: files, nodes, jobs, server
//! * [`end`]: what is left when the last job has ended
//! * [`record`]: backups in the status document

mod begin;
pub(crate) mod end;
pub(crate) mod record;

use crate::block::disk::{self, target};
use crate::checkpoint::marks;
use crate::guest::{Guest, Live};
use crate::work::Amount;
use crate::{Driver, check_flags, error};
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_snapshot::Backup;
use conf_snapshot::backup::{BackupDisk, Mode};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a backup waits for another one.
const PATIENCE: Duration = Duration::from_secs(30);

/// One disk's part of a backup.
#[derive(Debug, Clone)]
struct Part {
    disk: String,
    /// Name of the job.
    job: String,
    /// Node that the guest writes to.
    top: String,
    /// Node of the copy, or of what is overwritten meanwhile.
    store: String,
    /// The bitmap that tells what has changed: node and name.
    mark: Option<(String, String)>,
    /// A file that goes with the backup.
    scratch: Option<String>,
    ended: bool,
}

/// A backup that goes on.
#[derive(Debug)]
pub(crate) struct Running {
    backup: Backup,
    /// The files were there before.
    reuse: bool,
    parts: Vec<Part>,
    /// Of jobs that have ended.
    amount: Amount,
    /// What was said about a job that did not end well.
    fault: Option<String>,
    failed: bool,
    cancelled: bool,
    serving: bool,
    /// Space that what is overwritten meanwhile may take.
    space: u64,
}

/// The backup of one guest.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    running: Mutex<Option<Running>>,
    changed: Condvar,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end of a backup. False when that takes too long.
    fn wait_free(&self) -> bool {
        let end = Instant::now() + PATIENCE;
        let mut running = self.lock();
        while running.is_some() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            running = self.changed.wait_timeout(running, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn put(&self, running: Running) {
        *self.lock() = Some(running);
    }

    fn take(&self) -> Option<Running> {
        let taken = self.lock().take();
        self.changed.notify_all();
        taken
    }

    /// Names of the jobs that go on.
    pub(crate) fn jobs(&self) -> Vec<String> {
        let running = self.lock();
        let parts = running.as_ref().map(|running| running.parts.as_slice()).unwrap_or_default();
        parts.iter().filter(|part| !part.ended).map(|part| part.job.clone()).collect()
    }

    /// Space that what is overwritten meanwhile may take, and takes, where it is kept.
    pub(crate) fn scratch(&self, live: &Live) -> Option<(u64, u64)> {
        let (space, stores) = {
            let running = self.lock();
            let running = running.as_ref().filter(|running| running.backup.mode == Mode::Pull)?;
            let stores = running.parts.iter().map(|part| part.store.clone());
            (running.space, stores.collect::<Vec<String>>())
        };
        let nodes = marks::known(live).unwrap_or_default();
        let used = stores.iter().filter_map(|store| Some(nodes.get(store)?.physical)).sum();
        Some((space, used))
    }

    /// What jobs that have ended have done.
    pub(crate) fn done(&self) -> Amount {
        self.lock().as_ref().map(|running| running.amount).unwrap_or_default()
    }
}

/// The error of an operation that has to wait for the end of a backup.
fn locked() -> Error {
    let text = "cannot acquire state change lock (held by monitor=remoteDispatchDomainBackupBegin)";
    Error::new(ErrorCode::OPERATION_TIMEOUT, ErrorDomain::NONE, text)
}

/// Name of the bitmap that tells what has changed, and under which it is offered.
fn mark_name(part: &BackupDisk) -> String {
    part.export_bitmap.clone().unwrap_or_else(|| format!("backup-{}", part.name))
}

/// The parts of a backup whose files have their numbers.
fn parts(backup: &Backup, live: &Live, reuse: bool) -> Result<Vec<Part>> {
    let nodes = marks::known(live)?;
    let pull = backup.mode == Mode::Pull;
    let part = |disk: &BackupDisk| {
        let own = live.domain.all("disk").find(|own| target(own) == disk.name)?;
        let (_, index) = disk::images(own).into_iter().next()?;
        let top = marks::node_of(&nodes, index);
        let store = marks::node_of(&nodes, disk.index?);
        let incremental = disk.incremental.is_some();
        let mark = incremental.then(|| (if pull { store.clone() } else { top.clone() }, mark_name(disk)));
        let file = disk.store.as_ref().and_then(|store| store.attr("file")).map(str::to_owned);
        Some(Part {
            disk: disk.name.clone(),
            job: format!("backup-{}-{top}", disk.name),
            top,
            store,
            mark,
            scratch: file.filter(|_| pull && !reuse),
            ended: false,
        })
    };
    Ok(backup.disks.iter().filter(|disk| disk.backup).filter_map(part).collect())
}

impl Driver {
    /// Waits for the end of a guest's backup: it and whatever changes images or ends the guest cannot go together.
    pub(crate) fn await_backup(&self, guest: &Guest) -> Result<()> {
        match &guest.value().live {
            Some(live) if !live.session.backup.wait_free() => Err(locked()),
            _ => Ok(()),
        }
    }

    pub(crate) fn backup_xml(&self, dom: &DomainRef, flags: u32) -> Result<String> {
        check_flags(flags, 0, "qemuBackupGetXMLDesc")?;
        let guest = self.find(dom)?;
        let live = guest.value().live.clone();
        let running = live.as_ref().map(|live| live.session.backup.lock());
        let running = running.as_ref().and_then(|running| running.as_ref());
        running
            .map(|running| running.backup.format(false))
            .ok_or_else(|| error(ErrorCode::NO_DOMAIN_BACKUP, "no domain backup job present"))
    }
}
