//! Work on a guest as a whole that takes its time: saving, dumping, backing up. Clients see how far it is and may end it.

use crate::guest::{Guest, Live};
use crate::{Driver, FROM, check_flags, error, not_running};
use api::consts::{domain_job_operation as operation, domain_job_type as kind};
use api::domain_job::{DomainGetJobInfoRet, DomainGetJobStatsRet};
use api::event::{DomainEventCallbackJobCompletedPayload, Event};
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, Result};
use serde_json::{Value as Json, json};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is done to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Its state goes to a file, by migration.
    Save,
    Dump,
    /// Its memory goes to a file, by a dump.
    MemoryDump,
    Snapshot,
    Backup,
}

/// How much there is to do, and how much is done, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) total: u64,
    pub(crate) processed: u64,
    pub(crate) remaining: u64,
}

/// How far a work is.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) doing: Doing,
    began: Instant,
    /// How long it took, once it is done.
    took: Option<Duration>,
    pub(crate) memory: Amount,
    pub(crate) disk: Amount,
    /// Space that copies before the guest's writes take: total and used.
    pub(crate) scratch: Option<(u64, u64)>,
    /// What the emulator tells of memory.
    ram: Json,
    pub(crate) success: bool,
    /// A client wishes it to end.
    pub(crate) cancelled: bool,
    fault: Option<String>,
}

/// The work that goes on, and the last one that has ended.
#[derive(Debug, Default)]
pub(crate) struct Works(Mutex<(Option<Work>, Option<Work>)>);

impl Work {
    fn new(doing: Doing) -> Work {
        Work {
            doing,
            began: Instant::now(),
            took: None,
            memory: Amount::default(),
            disk: Amount::default(),
            scratch: None,
            ram: Json::Null,
            success: false,
            cancelled: false,
            fault: None,
        }
    }

    fn elapsed(&self) -> u64 {
        self.took.unwrap_or_else(|| self.began.elapsed()).as_millis() as u64
    }

    fn operation(&self) -> i32 {
        match self.doing {
            Doing::Save => operation::SAVE,
            Doing::Dump | Doing::MemoryDump => operation::DUMP,
            Doing::Snapshot => operation::SNAPSHOT,
            Doing::Backup => operation::BACKUP,
        }
    }

    /// The name in messages.
    pub(crate) fn name(&self) -> &'static str {
        match self.doing {
            Doing::Save => "domain save job",
            Doing::Dump | Doing::MemoryDump => "domain core dump job",
            Doing::Snapshot => "snapshot job",
            Doing::Backup => "backup job",
        }
    }

    fn kind(&self) -> i32 {
        match (self.took, self.success) {
            (None, _) => kind::UNBOUNDED,
            (Some(_), true) => kind::COMPLETED,
            (Some(_), false) if self.cancelled => kind::CANCELLED,
            (Some(_), false) => kind::FAILED,
        }
    }

    /// What the emulator answered to `query-migrate`.
    pub(crate) fn note_migration(&mut self, answer: &Json) {
        let Some(ram) = answer.get("ram") else { return };
        let number = |name: &str| ram.get(name).and_then(Json::as_u64).unwrap_or(0);
        self.memory = Amount {
            total: number("total"),
            processed: number("transferred"),
            remaining: number("remaining"),
        };
        self.ram = ram.clone();
    }

    /// What the emulator answered to `query-dump`.
    pub(crate) fn note_dump(&mut self, answer: &Json) {
        let number = |name: &str| answer.get(name).and_then(Json::as_u64).unwrap_or(0);
        let (total, processed) = (number("total"), number("completed"));
        self.memory = Amount { total, processed, remaining: total.saturating_sub(processed) };
    }

    /// Everything that is known, as parameters.
    fn params(&self) -> Vec<TypedParam> {
        let param = |field: &str, value: TypedValue| TypedParam { field: field.to_owned(), value };
        let long = |field: &str, number: u64| param(field, TypedValue::ULLong(number));
        let mut all =
            vec![param("operation", TypedValue::Int(self.operation())), long("time_elapsed", self.elapsed())];
        let mut amounts = |name: &str, amount: Amount| {
            all.push(long(&format!("{name}_total"), amount.total));
            all.push(long(&format!("{name}_processed"), amount.processed));
            all.push(long(&format!("{name}_remaining"), amount.remaining));
        };
        match self.doing {
            // Of a copy of what has changed since, when nothing has, nothing is told.
            Doing::Backup if self.disk.total == 0 => {}
            Doing::Backup => amounts("disk", self.disk),
            Doing::MemoryDump => amounts("memory", self.memory),
            _ => {
                amounts("data", self.memory);
                amounts("memory", self.memory);
            }
        }
        if let Some((total, used)) = self.scratch {
            all.push(long("disk_temp_used", used));
            all.push(long("disk_temp_total", total));
        }
        const RAM: [(&str, &str); 7] = [
            ("memory_constant", "duplicate"),
            ("memory_normal", "normal"),
            ("memory_normal_bytes", "normal-bytes"),
            ("memory_dirty_rate", "dirty-pages-rate"),
            ("memory_iteration", "dirty-sync-count"),
            ("memory_postcopy_requests", "postcopy-requests"),
            ("memory_page_size", "page-size"),
        ];
        for (field, member) in RAM {
            if let Some(number) = self.ram.get(member).and_then(Json::as_u64) {
                all.push(long(field, number));
            }
        }
        if self.took.is_some() && self.doing == Doing::Backup {
            all.push(param("success", TypedValue::Boolean(self.success)));
            if let Some(fault) = &self.fault {
                all.push(param("errmsg", TypedValue::String(fault.clone())));
            }
        }
        all
    }
}

impl Works {
    fn with<T>(&self, see: impl FnOnce(&mut (Option<Work>, Option<Work>)) -> T) -> T {
        see(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A work begins.
    pub(crate) fn begin(&self, doing: Doing) {
        self.with(|works| works.0 = Some(Work::new(doing)));
    }

    /// The work that goes on.
    pub(crate) fn now(&self) -> Option<Work> {
        self.with(|works| works.0.clone())
    }

    /// Notes how far the work is.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Work)) {
        self.with(|works| {
            if let Some(work) = &mut works.0 {
                change(work);
            }
        });
    }

    /// The work has ended.
    pub(crate) fn end(&self, fault: Option<String>) -> Option<Work> {
        self.with(|works| {
            let mut work = works.0.take()?;
            work.took = Some(work.began.elapsed());
            work.success = fault.is_none() && !work.cancelled;
            work.fault = fault;
            works.1 = Some(work.clone());
            Some(work)
        })
    }

    /// The work has ended, well or not, whatever there is to say about it.
    pub(crate) fn end_as(&self, success: bool, words: Option<String>) -> Option<Work> {
        self.with(|works| {
            let mut work = works.0.take()?;
            work.took = Some(work.began.elapsed());
            work.success = success;
            work.fault = words;
            works.1 = Some(work.clone());
            Some(work)
        })
    }

    fn last(&self, keep: bool) -> Option<Work> {
        self.with(|works| if keep { works.1.clone() } else { works.1.take() })
    }
}

impl Driver {
    /// Tells that a work has ended.
    pub(crate) fn work_completed(&self, guest: &Guest, work: &Work) {
        self.events.publish(Event::DomainJobCompleted(DomainEventCallbackJobCompletedPayload {
            dom: guest.reference(),
            params: work.params(),
        }));
    }

    pub(crate) fn work_info(&self, dom: &DomainRef) -> Result<DomainGetJobInfoRet> {
        let live = self.find(dom)?.live()?;
        self.refresh_work(&live);
        let mut info = DomainGetJobInfoRet {
            type_: kind::NONE,
            time_elapsed: 0,
            time_remaining: 0,
            data_total: 0,
            data_processed: 0,
            data_remaining: 0,
            mem_total: 0,
            mem_processed: 0,
            mem_remaining: 0,
            file_total: 0,
            file_processed: 0,
            file_remaining: 0,
        };
        let Some(work) = live.session.works.now() else { return Ok(info) };
        info.type_ = work.kind();
        info.time_elapsed = work.elapsed();
        (info.mem_total, info.mem_processed, info.mem_remaining) =
            (work.memory.total, work.memory.processed, work.memory.remaining);
        (info.file_total, info.file_processed, info.file_remaining) =
            (work.disk.total, work.disk.processed, work.disk.remaining);
        info.data_total = work.memory.total.saturating_add(work.disk.total);
        info.data_processed = work.memory.processed.saturating_add(work.disk.processed);
        info.data_remaining = work.memory.remaining.saturating_add(work.disk.remaining);
        Ok(info)
    }

    pub(crate) fn work_stats(&self, dom: &DomainRef, flags: u32) -> Result<DomainGetJobStatsRet> {
        const COMPLETED: u32 = 1;
        const KEEP: u32 = 2;
        check_flags(flags, COMPLETED | KEEP, "qemuDomainGetJobStats")?;
        let guest = self.find(dom)?;
        let Some(live) = guest.value().live.clone() else {
            return if flags & COMPLETED == 0 {
                Err(not_running())
            } else {
                Ok(DomainGetJobStatsRet { type_: kind::NONE, params: Vec::new() })
            };
        };
        let work = if flags & COMPLETED != 0 {
            live.session.works.last(flags & KEEP != 0)
        } else {
            self.refresh_work(&live);
            live.session.works.now()
        };
        Ok(match work {
            Some(work) => DomainGetJobStatsRet { type_: work.kind(), params: work.params() },
            None => DomainGetJobStatsRet { type_: kind::NONE, params: Vec::new() },
        })
    }

    /// Asks the emulator how far it is, where nobody else does.
    fn refresh_work(&self, live: &Live) {
        if live.session.works.now().is_some_and(|work| work.doing == Doing::Backup) {
            let now = crate::backup::end::progress(live, &live.session.backup.jobs());
            let all = crate::backup::end::sum(now, live.session.backup.done());
            let scratch = live.session.backup.scratch(live);
            live.session.works.note(|work| match scratch {
                Some(scratch) => work.scratch = Some(scratch),
                None => work.disk = all,
            });
        }
    }

    /// Ends the work at a client's wish.
    pub(crate) fn abort_work(&self, dom: &DomainRef, flags: u32) -> Result<()> {
        const POSTCOPY: u32 = 1;
        check_flags(flags, POSTCOPY, "qemuDomainAbortJobFlags")?;
        let guest = self.find(dom)?;
        let live = guest.live()?;
        if flags & POSTCOPY != 0 {
            let text = "current job is not outgoing migration in post-copy mode";
            return Err(Error::operation_invalid(FROM, text));
        }
        let Some(work) = live.session.works.now() else {
            return Err(Error::operation_invalid(FROM, "no job is active on the domain"));
        };
        match work.doing {
            Doing::MemoryDump => Err(Error::operation_invalid(FROM, "cannot abort memory-only dump")),
            Doing::Backup => {
                self.cancel_backup(&live);
                Ok(())
            }
            Doing::Save | Doing::Dump | Doing::Snapshot => {
                live.session.works.note(|work| work.cancelled = true);
                live.command("migrate_cancel", Json::Null).map(drop)
            }
        }
    }

    /// Ends whatever keeps a guest's job, because the guest itself is to end.
    pub(crate) fn interrupt_work(&self, live: &Live) {
        if live.session.works.now().is_some_and(|work| work.doing != Doing::Backup) {
            live.session.works.note(|work| work.cancelled = true);
            let _ = live.command("migrate_cancel", json!({}));
        }
    }
}

/// The error of a work that a client has ended.
pub(crate) fn aborted(work: &Work) -> Error {
    error(ErrorCode::OPERATION_ABORTED, format!("{}: canceled by client", work.name()))
}
