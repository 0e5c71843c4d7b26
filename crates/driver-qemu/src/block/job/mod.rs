//! Block jobs: work on the images of a running guest's disks.
//!
//! ```text
//!                    ┌──────────── cancelled, failed ────────────┐
//! begin ─▶ Running ──┼─▶ (pull, commit) concluded ───────────────┼─▶ settle: definitions, nodes, files ─▶ event ─▶ gone
//!                    └─▶ (copy, active commit) Ready ── pivot ───┘
//! ```
//!
//! * [`begin`]: jobs that clients ask for
//! * [`control`]: speed, progress, end
//! * [`record`]: jobs outlive the daemon
//! * [`settle`]: what becomes of the definitions when a job has ended
//!
//! The emulator tells how far a job is; the thread of events does what follows, whoever waits for it is woken.

mod begin;
mod control;
mod copy;
pub(crate) mod record;
mod settle;

use crate::backup::end::progress;
use crate::guest::{Guest, Live};
use crate::work::Amount;
use crate::{Driver, FROM, error};
use api::event::{DomainEventBlockJob2Payload, DomainEventBlockJobMsg, Event};
use base::{Error, ErrorCode, Result};
use serde_json::{Value as Json, json};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use xml::Tree;

/// How long a call waits for a job that it ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a job does, as the interface numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pull = 1,
    Copy = 2,
    Commit = 3,
    ActiveCommit = 4,
    Backup = 5,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Running,
    Ready,
    Pivoting,
    Aborting,
}

/// How a job ended, as the interface numbers it, or that it may be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Completed = 0,
    Failed = 1,
    Cancelled = 2,
    Ready = 3,
}

/// A job.
#[derive(Debug, Clone)]
pub(crate) struct BlockJob {
    /// The emulator's name of it.
    pub(crate) name: String,
    /// The target of the disk.
    pub(crate) disk: String,
    pub(crate) kind: Kind,
    pub(crate) stage: Stage,
    /// The upper image: pulled into, or committed from.
    pub(crate) top: u32,
    /// The lower image: pulled down to, or committed into.
    pub(crate) base: Option<u32>,
    /// Images that are not needed any more are removed.
    pub(crate) delete: bool,
    /// What a copy is made to, as the element of an image.
    pub(crate) copy: Option<Tree>,
    /// Nodes that were made for the job.
    pub(crate) nodes: Vec<String>,
    /// The copy shares what the original is based on.
    pub(crate) shallow: bool,
}

/// The jobs of one guest.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    running: Mutex<Vec<BlockJob>>,
    changed: Condvar,
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, Vec<BlockJob>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job that a disk has.
    pub(crate) fn of_disk(&self, disk: &str) -> Option<BlockJob> {
        self.lock().iter().find(|job| job.disk == disk).cloned()
    }

    /// Whether there is any.
    pub(crate) fn any(&self) -> bool {
        !self.lock().is_empty()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<BlockJob> {
        self.lock().clone()
    }

    fn named(&self, name: &str) -> Option<BlockJob> {
        self.lock().iter().find(|job| job.name == name).cloned()
    }

    pub(crate) fn add(&self, job: BlockJob) {
        self.lock().push(job);
    }

    pub(crate) fn set_stage(&self, name: &str, stage: Stage) {
        if let Some(job) = self.lock().iter_mut().find(|job| job.name == name) {
            job.stage = stage;
        }
        self.changed.notify_all();
    }

    pub(crate) fn remove(&self, name: &str) {
        self.lock().retain(|job| job.name != name);
        self.changed.notify_all();
    }

    /// Waits, however long it takes, until a job is gone.
    fn wait_end(&self, name: &str) {
        let mut running = self.lock();
        while running.iter().any(|job| job.name == name) {
            running = self.changed.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until a job may be ended. False when it has ended by itself.
    fn wait_ready(&self, name: &str) -> bool {
        let mut running = self.lock();
        loop {
            match running.iter().find(|job| job.name == name) {
                None => return false,
                Some(job) if job.stage == Stage::Ready => return true,
                Some(_) => running = self.changed.wait(running).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Waits until a job is gone.
    fn wait_gone(&self, name: &str) -> bool {
        let end = Instant::now() + PATIENCE;
        let mut running = self.lock();
        while running.iter().any(|job| job.name == name) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            running = self.changed.wait_timeout(running, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// The emulator has ended and its jobs with it.
    pub(crate) fn give_up(&self) {
        self.lock().clear();
        self.changed.notify_all();
    }
}

/// The error of a disk that has a job already.
pub(crate) fn check_idle(live: &Live, disk: &str) -> Result<()> {
    let Some(job) = live.session.jobs.of_disk(disk) else { return Ok(()) };
    let text = format!("disk '{disk}' already in active block job");
    // What is written to another image as well has a word of its own.
    let code = match job.kind {
        Kind::Copy | Kind::ActiveCommit => ErrorCode::BLOCK_COPY_ACTIVE,
        _ => ErrorCode::OPERATION_UNSUPPORTED,
    };
    Err(error(code, text))
}

impl Driver {
    /// Tells of a job that may be ended or has ended.
    pub(super) fn job_event(&self, guest: &Guest, live: &Live, job: &BlockJob, status: Status) {
        let dom = guest.reference();
        let path = super::disk::find(&live.domain, &job.disk).and_then(crate::chain::local);
        if let Some(path) = path {
            self.events.publish(Event::DomainBlockJob(DomainEventBlockJobMsg {
                dom: dom.clone(),
                path: path.to_owned(),
                type_: job.kind as i32,
                status: status as i32,
            }));
        }
        self.events.publish(Event::DomainBlockJob2(DomainEventBlockJob2Payload {
            dom,
            dst: job.disk.clone(),
            type_: job.kind as i32,
            status: status as i32,
        }));
    }

    /// What the emulator tells of jobs.
    pub(crate) fn heard_of_jobs(&self, guest: &Arc<Guest>, live: &Arc<Live>, event: &qmp::Event) {
        // With the guest end its jobs; whoever ends it sees to what they leave.
        let destroyed = guest.job().is_some_and(|(kind, ..)| kind == engine::JobKind::Destroy);
        if destroyed || live.session.ending.load(std::sync::atomic::Ordering::Acquire) {
            return;
        }
        let text = |name: &str| event.data.get(name).and_then(Json::as_str).unwrap_or_default();
        self.job_stands(guest, live, text("id"), text("status"));
    }

    /// What became of the jobs of a guest while there was no daemon.
    pub(crate) fn resume_jobs(&self, guest: &Arc<Guest>, live: &Arc<Live>) {
        let known = live.session.jobs.all();
        if known.is_empty() {
            return;
        }
        let answer = live.command("query-jobs", Json::Null).unwrap_or_default();
        let jobs = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        for job in known {
            let now = jobs.iter().find(|now| now.get("id").and_then(Json::as_str) == Some(&job.name));
            match now.and_then(|now| now.get("status")?.as_str()) {
                Some(status) => self.job_stands(guest, live, &job.name, status),
                None => {
                    log::warn!("job '{}' of guest '{}' is gone", job.name, guest.value().name);
                    self.settle_job(guest, live, &job, Status::Failed);
                    live.session.jobs.remove(&job.name);
                }
            }
        }
    }

    fn job_stands(&self, guest: &Arc<Guest>, live: &Arc<Live>, name: &str, status: &str) {
        let Some(job) = live.session.jobs.named(name) else {
            // One that no disk has; whoever has begun it looks after it.
            return;
        };
        match status {
            "ready" if job.stage == Stage::Running => {
                let noted = self.change_live(guest, |domain| {
                    let disks = domain.devices_mut().iter_mut().filter(|device| device.name == "disk");
                    for disk in disks.filter(|disk| super::disk::target(disk) == job.disk) {
                        if let Some(mirror) = disk.child_mut("mirror") {
                            mirror.set("ready", "yes");
                        }
                    }
                    Ok(())
                });
                if let Err(cause) = noted {
                    log::error!("{cause}");
                }
                live.session.jobs.set_stage(name, Stage::Ready);
                self.save_status(guest);
                self.job_event(guest, live, &job, Status::Ready);
            }
            "concluded" => self.job_concluded(guest, live, job),
            _ => {}
        }
    }

    fn job_concluded(&self, guest: &Arc<Guest>, live: &Arc<Live>, job: BlockJob) {
        let name = job.name.clone();
        let backup = job.kind == Kind::Backup;
        let done = if backup {
            self.stop_offering(live);
            progress(live, std::slice::from_ref(&name))
        } else {
            Amount::default()
        };
        let fault = conclude(live, &name);
        let now = live.session.jobs.named(&name).unwrap_or(job);
        let status = match (&fault, now.stage) {
            (_, Stage::Aborting) => Status::Cancelled,
            (Some(_), _) => Status::Failed,
            // A copy that ends without a wish was not made the disk's image.
            (None, Stage::Running | Stage::Ready) if matches!(now.kind, Kind::Copy | Kind::ActiveCommit) => {
                Status::Cancelled
            }
            (None, _) => Status::Completed,
        };
        if let Some(fault) = &fault {
            log::warn!("job '{name}' of guest '{}': {fault}", guest.value().name);
        }
        self.settle_job(guest, live, &now, status);
        let live = guest.value().live.clone().unwrap_or_else(|| live.clone());
        if backup {
            // The backup is over before its last job is.
            live.session.jobs.remove(&name);
            self.backup_part_ended(guest, &live, &now, status, done, fault.as_deref());
            self.job_event(guest, &live, &now, status);
        } else {
            self.job_event(guest, &live, &now, status);
            live.session.jobs.remove(&name);
        }
        self.save_status(guest);
    }
}

/// Why a job that has ended failed, and the end of its record.
pub(crate) fn conclude(live: &Live, name: &str) -> Option<String> {
    let answer = live.command("query-jobs", Json::Null).unwrap_or_default();
    let jobs = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let job = jobs.iter().find(|job| job.get("id").and_then(Json::as_str) == Some(name));
    let fault = job.and_then(|job| job.get("error")?.as_str()).map(str::to_owned);
    if let Err(cause) = live.command("job-dismiss", json!({"id": name})) {
        log::debug!("{cause}");
    }
    fault
}

/// The error of a number that is too large for the emulator.
pub(super) fn too_fast() -> Error {
    error(ErrorCode::OVERFLOW, format!("bandwidth must be less than {}", i64::MAX >> 20))
}

/// A speed in bytes a second.
pub(super) fn speed(bandwidth: u64, bytes: bool) -> Result<u64> {
    let limit = if bytes { i64::MAX as u64 } else { (i64::MAX >> 20) as u64 };
    if bandwidth > limit {
        return Err(too_fast());
    }
    Ok(if bytes { bandwidth } else { bandwidth << 20 })
}

/// The error of something that the emulator should know and does not.
pub(super) fn unknown_node(disk: &str) -> Error {
    Error::internal(FROM, format!("disk '{disk}' has no node"))
}
