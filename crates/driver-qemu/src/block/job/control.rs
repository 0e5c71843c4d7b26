//! Speed, progress and end of jobs.

use super::begin::Commit;
use super::{BlockJob, Kind, Stage, speed};
use crate::block::{disk, links};
use crate::guest::{Guest, Live};
use crate::{Driver, FROM, check_flags, error};
use api::domain_block::DomainGetBlockJobInfoRet;
use base::object::DomainRef;
use base::{Error, ErrorCode, Result};
use engine::JobKind;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// The job of the disk that a client means.
fn job(live: &Live, path: &str) -> Result<BlockJob> {
    let target = disk::target(disk::wanted(&live.domain, path)?);
    live.session.jobs.of_disk(target).ok_or_else(|| {
        error(ErrorCode::INVALID_ARG, format!("disk {target} does not have an active block job"))
    })
}

impl Driver {
    pub(in crate::block) fn job_info(
        &self,
        dom: &DomainRef,
        path: &str,
        flags: u32,
    ) -> Result<DomainGetBlockJobInfoRet> {
        const BYTES: u32 = 1;
        check_flags(flags, BYTES, "qemuDomainGetBlockJobInfo")?;
        let live = self.find(dom)?.live()?;
        let target = disk::target(disk::wanted(&live.domain, path)?);
        let none = DomainGetBlockJobInfoRet { found: 0, type_: 0, bandwidth: 0, cur: 0, end: 0 };
        let Some(job) = live.session.jobs.of_disk(target) else { return Ok(none) };
        let answer = live.command("query-block-jobs", Json::Null)?;
        let jobs = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let entry = jobs.iter().find(|entry| entry.get("device").and_then(Json::as_str) == Some(&job.name));
        // It has just ended.
        let Some(entry) = entry else { return Ok(none) };
        let number = |name: &str| entry.get(name).and_then(Json::as_u64).unwrap_or(0);
        let (mut cur, mut end) = (number("offset"), number("len"));
        let ready = entry.get("ready").and_then(Json::as_bool).unwrap_or(false);
        // Only a job that is ready may look like one.
        if !ready && cur == end {
            if cur > 0 {
                cur -= 1;
            } else {
                end += 1;
            }
        }
        let speed = number("speed");
        let bandwidth = if flags & BYTES != 0 { speed } else { speed.div_ceil(1 << 20) };
        Ok(DomainGetBlockJobInfoRet { found: 1, type_: job.kind as i32, bandwidth, cur, end })
    }

    pub(in crate::block) fn set_job_speed(
        &self,
        dom: &DomainRef,
        path: &str,
        bandwidth: u64,
        flags: u32,
    ) -> Result<()> {
        const BYTES: u32 = 1;
        check_flags(flags, BYTES, "qemuDomainBlockJobSetSpeed")?;
        let speed = speed(bandwidth, flags & BYTES != 0)?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "block job speed")?;
        let live = guest.live()?;
        let job = job(&live, path)?;
        live.command("block-job-set-speed", json!({"device": job.name, "speed": speed})).map(drop)
    }

    /// Commits what lies between two images of a disk, removes what is not needed any more and waits until that is done.
    pub(crate) fn commit_and_wait(
        &self,
        guest: &Arc<Guest>,
        target: &str,
        top: u32,
        base: u32,
    ) -> Result<()> {
        let live = guest.live()?;
        let subject = disk::wanted(&live.domain, target)?;
        super::check_idle(&live, target)?;
        let how = Commit { delete: true, ..Commit::default() };
        let name = self.start_commit(guest, &live, subject, (top, base), how)?;
        if live.session.jobs.wait_ready(&name) {
            self.pivot(&live, &name)?;
        }
        live.session.jobs.wait_end(&name);
        let now = guest.live()?;
        let kept = now.domain.all("disk").any(|disk| links::element(disk, top).is_some());
        if kept {
            return Err(Error::operation_failed(FROM, format!("block commit of disk '{target}' failed")));
        }
        Ok(())
    }

    fn pivot(&self, live: &Live, name: &str) -> Result<()> {
        live.session.jobs.set_stage(name, Stage::Pivoting);
        live.command("job-complete", json!({"id": name}))
            .map(drop)
            .inspect_err(|_| live.session.jobs.set_stage(name, Stage::Ready))
    }

    pub(in crate::block) fn end_job(&self, dom: &DomainRef, path: &str, flags: u32) -> Result<()> {
        const ASYNC: u32 = 1;
        const PIVOT: u32 = 2;
        check_flags(flags, ASYNC | PIVOT, "qemuDomainBlockJobAbort")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "block job abort")?;
        let live = guest.live()?;
        let job = job(&live, path)?;
        let target = &job.disk;
        let invalid = |text: String| Err(Error::operation_invalid(FROM, text));
        if matches!(job.stage, Stage::Pivoting | Stage::Aborting) {
            return invalid(format!("block job on disk '{target}' is still being ended"));
        }
        if flags & PIVOT != 0 {
            if !matches!(job.kind, Kind::Copy | Kind::ActiveCommit) {
                return invalid(format!("pivot of disk '{target}' requires an active copy job"));
            }
            if job.stage != Stage::Ready {
                let text = format!("block copy still active: disk '{target}' not ready for pivot yet");
                let text = text.trim_start_matches("block copy still active: ").to_owned();
                return Err(error(ErrorCode::BLOCK_COPY_ACTIVE, text));
            }
            self.pivot(&live, &job.name)?;
        } else {
            let before = job.stage;
            live.session.jobs.set_stage(&job.name, Stage::Aborting);
            let force = job.kind == Kind::Backup;
            if let Err(cause) = live.command("block-job-cancel", json!({"device": job.name, "force": force}))
            {
                live.session.jobs.set_stage(&job.name, before);
                return Err(cause);
            }
        }
        if flags & ASYNC == 0 && !live.session.jobs.wait_gone(&job.name) {
            return Err(Error::operation_failed(FROM, format!("block job on disk '{target}' does not end")));
        }
        Ok(())
    }
}
