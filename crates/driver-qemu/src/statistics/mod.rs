//! Statistics of all domains in one call, by groups.
//!
//! What emulators have to be asked is known before: all get their questions first, in one piece, and think about them at
//! the same time. Groups then find the answers; a question that was not foreseen is asked when it comes up.

mod blocks;
mod dirty;
mod interfaces;
mod kernel;
mod memory;
mod processors;

use crate::guest::{Guest, Live, MONITOR_WAIT, Value};
use crate::{Driver, check_flags};
use api::consts::domain_stats_types as kinds;
use api::domain_info::DomainStatsRecord;
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{ErrorCode, Result};
use conf_domain::Domain;
use qmp::Begun;
use serde_json::Value as Json;
use std::iter::repeat_with;
use std::sync::Arc;

/// Groups that are served.
const SERVED: u32 = kinds::STATE
    | kinds::CPU_TOTAL
    | kinds::BALLOON
    | kinds::VCPU
    | kinds::INTERFACE
    | kinds::BLOCK
    | kinds::PERF
    | kinds::IOTHREAD
    | kinds::MEMORY
    | kinds::DIRTYRATE
    | kinds::VM;

/// Filter bits of listing domains that this call takes too.
const FILTERS: u32 = 0xff;
const ENFORCE: u32 = 1 << 31;
const BACKING: u32 = 1 << 30;
const NOWAIT: u32 = 1 << 29;

/// The statistics of one domain under construction.
pub(super) struct Record<'g> {
    pub(super) value: &'g Value,
    pub(super) domain: &'g Domain,
    /// Images below the top are told too.
    pub(super) backing: bool,
    params: Vec<TypedParam>,
    answers: Vec<(Question, Option<Json>)>,
}

/// A command to the emulator and its arguments.
type Question = (&'static str, Json);

/// What the groups that are wanted will ask about a running guest.
fn questions(live: &Live, wanted: u32) -> Vec<Question> {
    let mut all = Vec::new();
    for (kind, ask) in [
        (kinds::CPU_TOTAL, kernel::about_halts as fn(&Live, &mut Vec<Question>)),
        (kinds::BALLOON, memory::questions),
        (kinds::VCPU, kernel::about_vcpus),
        (kinds::BLOCK, blocks::questions),
        (kinds::IOTHREAD, processors::about_iothreads),
        (kinds::DIRTYRATE, dirty::questions),
        (kinds::VM, kernel::about_guest),
    ] {
        if wanted & kind != 0 {
            ask(live, &mut all);
        }
    }
    let mut known: Vec<Question> = Vec::with_capacity(all.len());
    for question in all {
        if !known.contains(&question) {
            known.push(question);
        }
    }
    known
}

impl Record<'_> {
    pub(super) fn put(&mut self, name: impl Into<String>, value: impl Into<TypedValue>) {
        self.params.push(TypedParam::new(name, value));
    }

    pub(super) fn put_some(&mut self, name: impl Into<String>, value: Option<impl Into<TypedValue>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Asks the emulator; what it does not tell is left out.
    pub(super) fn ask(&self, question: &Question) -> Option<Json> {
        match self.answers.iter().find(|(asked, _)| asked == question) {
            Some((_, answer)) => answer.clone(),
            None => ask(self.value.live.as_ref()?, question),
        }
    }
}

/// Asks one question.
pub(super) fn ask(live: &Live, (command, arguments): &Question) -> Option<Json> {
    live.command(command, arguments.clone()).ok()
}

impl Driver {
    pub(crate) fn all_stats(
        &self,
        doms: &[DomainRef],
        stats: u32,
        flags: u32,
    ) -> Result<Vec<DomainStatsRecord>> {
        check_flags(flags, FILTERS | ENFORCE | BACKING | NOWAIT, "qemuConnectGetAllDomainStats")?;
        if flags & ENFORCE != 0 && stats & !SERVED != 0 {
            return Err(crate::error(
                ErrorCode::ARGUMENT_UNSUPPORTED,
                format!("Stats types bits 0x{:x} are not supported by this daemon or QEMU", stats & !SERVED),
            ));
        }
        let wanted = if stats == 0 { SERVED } else { stats };
        let guests: Vec<Arc<Guest>> = if doms.is_empty() {
            let mut all: Vec<Arc<Guest>> = self.guests.snapshot().values().cloned().collect();
            all.retain(|guest| crate::lookup::matches(&guest.value(), self.kept(guest), flags & FILTERS));
            all
        } else {
            doms.iter().filter_map(|dom| self.guests.by_uuid(dom.uuid)).collect()
        };
        let backing = flags & BACKING != 0;
        let values: Vec<Arc<Value>> = guests.iter().map(|guest| guest.value()).collect();
        let begun: Vec<(Vec<Question>, Option<Begun<'_>>)> = values
            .iter()
            .map(|value| {
                let Some(live) = &value.live else { return (Vec::new(), None) };
                let asked = questions(live, wanted);
                let begun = live.monitor.begin(asked.iter().cloned(), MONITOR_WAIT).ok();
                (asked, begun)
            })
            .collect();
        let told = guests.iter().zip(&values).zip(begun);
        Ok(told
            .map(|((guest, value), (asked, begun))| {
                let answers = begun.and_then(|begun| begun.finish().ok());
                let answers = answers.into_iter().flatten().map(Result::ok).chain(repeat_with(|| None));
                record(guest, value, asked.into_iter().zip(answers).collect(), wanted, backing)
            })
            .collect())
    }
}

fn record(
    guest: &Guest,
    value: &Value,
    answers: Vec<(Question, Option<Json>)>,
    wanted: u32,
    backing: bool,
) -> DomainStatsRecord {
    let Ok(domain) = value.current() else {
        return DomainStatsRecord { dom: guest.reference(), params: Vec::new() };
    };
    let mut record = Record { value, domain: &domain, backing, params: Vec::new(), answers };
    if wanted & kinds::STATE != 0 {
        record.put("state.state", value.state.0);
        record.put("state.reason", value.state.1);
    }
    for (kind, add) in [
        (kinds::CPU_TOTAL, processors::total as fn(&mut Record<'_>)),
        (kinds::BALLOON, memory::balloon),
        (kinds::VCPU, processors::each),
        (kinds::INTERFACE, interfaces::add),
        (kinds::BLOCK, blocks::add),
        (kinds::IOTHREAD, processors::iothreads),
        (kinds::DIRTYRATE, dirty::add),
        (kinds::VM, kernel::whole),
    ] {
        if wanted & kind != 0 {
            add(&mut record);
        }
    }
    DomainStatsRecord { dom: guest.reference(), params: record.params }
}
