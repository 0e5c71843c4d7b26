//! Backups that end.

use super::Running;
use crate::Driver;
use crate::block::job::{BlockJob, Stage, Status};
use crate::guest::{Guest, Live};
use crate::work::Amount;
use conf_snapshot::backup::Mode;
use serde_json::{Value as Json, json};

/// How far jobs are, of all that the emulator knows: total and done, in bytes.
pub(crate) fn progress(live: &Live, names: &[String]) -> Amount {
    let answer = live.command("query-jobs", Json::Null).unwrap_or_default();
    let jobs = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let named = |job: &&Json| {
        job.get("id").and_then(Json::as_str).is_some_and(|id| names.iter().any(|name| name == id))
    };
    jobs.iter().filter(named).fold(Amount::default(), |sum, job| {
        let number = |name: &str| job.get(name).and_then(Json::as_u64).unwrap_or(0);
        let (total, done) = (number("total-progress"), number("current-progress"));
        Amount {
            total: sum.total.saturating_add(total),
            processed: sum.processed.saturating_add(done),
            remaining: sum.remaining.saturating_add(total.saturating_sub(done)),
        }
    })
}

pub(crate) fn sum(one: Amount, other: Amount) -> Amount {
    Amount {
        total: one.total.saturating_add(other.total),
        processed: one.processed.saturating_add(other.processed),
        remaining: one.remaining.saturating_add(other.remaining),
    }
}

impl Driver {
    /// Nothing is offered any more once the first job has ended: what is offered would not be as it was.
    pub(crate) fn stop_offering(&self, live: &Live) {
        let serving =
            live.session.backup.lock().as_mut().is_some_and(|running| std::mem::take(&mut running.serving));
        if serving && let Err(cause) = live.command("nbd-server-stop", Json::Null) {
            log::warn!("{cause}");
        }
    }

    /// A job of a backup has ended; with the last one the backup has.
    pub(crate) fn backup_part_ended(
        &self,
        guest: &Guest,
        live: &Live,
        job: &BlockJob,
        status: Status,
        amount: Amount,
        fault: Option<&str>,
    ) {
        let (over, others) = {
            let mut slot = live.session.backup.lock();
            let Some(running) = slot.as_mut() else { return };
            running.amount = sum(running.amount, amount);
            running.parts.iter_mut().filter(|part| part.job == job.name).for_each(|part| part.ended = true);
            running.failed |= status == Status::Failed;
            running.cancelled |= status == Status::Cancelled;
            if running.fault.is_none() {
                running.fault = fault.map(str::to_owned);
            }
            let word = match status {
                Status::Failed => "failed",
                Status::Cancelled => "cancelled",
                _ => "complete",
            };
            for disk in running.backup.disks.iter_mut().filter(|disk| disk.name == job.disk) {
                disk.state = Some(word.to_owned());
            }
            let left = running.parts.iter().filter(|part| !part.ended);
            let left: Vec<String> = left.map(|part| part.job.clone()).collect();
            (left.is_empty(), if status == Status::Completed { Vec::new() } else { left })
        };
        // A backup without one of its disks is none.
        for name in others {
            live.session.jobs.set_stage(&name, Stage::Aborting);
            let _ = live.command("block-job-cancel", json!({"device": name, "force": true}));
        }
        if over && let Some(running) = live.session.backup.take() {
            self.backup_over(guest, live, &running);
        }
    }

    fn backup_over(&self, guest: &Guest, live: &Live, running: &Running) {
        let pull = running.backup.mode == Mode::Pull;
        for part in &running.parts {
            if let Some((node, name)) = part.mark.as_ref().filter(|_| !pull)
                && let Err(cause) =
                    live.command("block-dirty-bitmap-remove", json!({"node": node, "name": name}))
            {
                log::debug!("{cause}");
            }
        }
        remove_scratch(running);
        live.session.works.note(|work| {
            // A client that has fetched what it wanted ends the jobs; that is no failure.
            work.cancelled = running.cancelled && !pull;
            if pull {
                work.scratch = Some((running.space, work.scratch.map_or(0, |(_, used)| used)));
            } else {
                work.disk = running.amount;
            }
        });
        let success = !running.failed && (pull || !running.cancelled);
        if let Some(work) = live.session.works.end_as(success, running.fault.clone()) {
            self.work_completed(guest, &work);
        }
        self.save_status(guest);
    }

    /// The guest has ended, and the backup with it.
    pub(crate) fn give_up_backup(&self, guest: &Guest, live: &Live) {
        let Some(running) = live.session.backup.take() else { return };
        remove_scratch(&running);
        if let Some(work) = live.session.works.end_as(false, None) {
            self.work_completed(guest, &work);
        }
    }

    /// Ends a backup at a client's wish.
    pub(crate) fn cancel_backup(&self, live: &Live) {
        let names = {
            let mut slot = live.session.backup.lock();
            if let Some(running) = slot.as_mut() {
                running.cancelled = true;
            }
            let parts = slot.as_ref().map(|running| running.parts.as_slice()).unwrap_or_default();
            let left = parts.iter().filter(|part| !part.ended);
            left.map(|part| part.job.clone()).collect::<Vec<String>>()
        };
        self.stop_offering(live);
        for name in names {
            live.session.jobs.set_stage(&name, Stage::Aborting);
            // One that has just ended by itself needs no other end.
            if let Err(cause) = live.command("block-job-cancel", json!({"device": name, "force": true})) {
                log::debug!("{cause}");
            }
        }
    }
}

/// Files that only took what was overwritten meanwhile.
fn remove_scratch(running: &Running) {
    for path in running.parts.iter().filter_map(|part| part.scratch.as_ref()) {
        if let Err(cause) = std::fs::remove_file(path) {
            log::warn!("{path}: {cause}");
        }
    }
}
