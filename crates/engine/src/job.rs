//! Jobs: who may change an object now.
//!
//! ```text
//! Free ──begin──▶ Held(kind, since) ──end──▶ Free
//!                    │  another begins: waits in turn, at most for its limit
//!                    └─ destruction passes those who wait
//! ```
//!
//! [`Table`] decides and is pure; [`JobSlot`] waits. Readers need no job.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a job does to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// Asks the emulator something that readers cannot know.
    Query,
    /// Changes the object.
    Modify,
    /// Ends the guest; passes others who wait.
    Destroy,
}

impl JobKind {
    /// The word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            JobKind::Query => "query",
            JobKind::Modify => "modify",
            JobKind::Destroy => "destroy",
        }
    }
}

/// Why a job did not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Who holds the job: name of the call.
    pub holder: String,
    /// What it does.
    pub kind: JobKind,
}

/// Who holds the job and who waits, by ticket.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Table {
    holder: Option<(u64, JobKind)>,
    waiting: Vec<(u64, JobKind)>,
    next: u64,
}

impl Table {
    /// Gets in line; the ticket tells when it is its turn.
    pub fn arrive(&mut self, kind: JobKind) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.waiting.push((ticket, kind));
        ticket
    }

    /// Takes the job if it is free and this ticket's turn.
    pub fn try_begin(&mut self, ticket: u64) -> bool {
        if self.holder.is_some() || self.first() != Some(ticket) {
            return false;
        }
        if let Some(at) = self.waiting.iter().position(|(waiting, _)| *waiting == ticket) {
            self.holder = Some(self.waiting.remove(at));
        }
        true
    }

    fn first(&self) -> Option<u64> {
        let destroy = self.waiting.iter().find(|(_, kind)| *kind == JobKind::Destroy);
        destroy.or_else(|| self.waiting.first()).map(|(ticket, _)| *ticket)
    }

    /// Gives up waiting.
    pub fn leave(&mut self, ticket: u64) {
        self.waiting.retain(|(waiting, _)| *waiting != ticket);
    }

    /// Ends the job.
    pub fn end(&mut self) {
        self.holder = None;
    }

    /// The job that is held.
    pub fn held(&self) -> Option<JobKind> {
        self.holder.map(|(_, kind)| kind)
    }
}

#[derive(Debug, Default)]
struct State {
    table: Table,
    holder: String,
    since: Option<Instant>,
}

/// The job of one object.
#[derive(Debug, Default)]
pub struct JobSlot {
    state: Mutex<State>,
    changed: Condvar,
}

/// A held job; ends when dropped.
#[derive(Debug)]
pub struct JobGuard<'s>(&'s JobSlot);

impl JobSlot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the job, at most for `limit`.
    ///
    /// # Errors
    /// Who held it when the time was over.
    pub fn begin(&self, kind: JobKind, name: &str, limit: Duration) -> Result<JobGuard<'_>, Refusal> {
        let end = Instant::now() + limit;
        let mut state = self.lock();
        let ticket = state.table.arrive(kind);
        while !state.table.try_begin(ticket) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.table.leave(ticket);
                self.changed.notify_all();
                let kind = state.table.held().unwrap_or(JobKind::Modify);
                return Err(Refusal { holder: state.holder.clone(), kind });
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.holder = name.to_owned();
        state.since = Some(Instant::now());
        Ok(JobGuard(self))
    }

    /// The job that is held: what it does, its name and for how long.
    pub fn held(&self) -> Option<(JobKind, String, Duration)> {
        let state = self.lock();
        let since = state.since.map(|since| since.elapsed()).unwrap_or_default();
        state.table.held().map(|kind| (kind, state.holder.clone(), since))
    }
}

impl Drop for JobGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.table.end();
        state.since = None;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind() -> impl Strategy<Value = JobKind> {
        prop_oneof![Just(JobKind::Query), Just(JobKind::Modify), Just(JobKind::Destroy)]
    }

    proptest! {
        /// Whatever happens, at most one holds the job, everybody who stays gets it, and in turn within a kind.
        #[test]
        fn everybody_gets_their_turn(arrivals in prop::collection::vec((kind(), any::<bool>()), 1..20)) {
            let mut table = Table::default();
            let mut staying: Vec<(u64, JobKind)> = Vec::new();
            for (kind, leaves) in arrivals {
                let ticket = table.arrive(kind);
                if leaves { table.leave(ticket) } else { staying.push((ticket, kind)) }
            }
            let mut served: Vec<(u64, JobKind)> = Vec::new();
            while served.len() < staying.len() {
                let begun: Vec<_> = staying.iter().filter(|(ticket, _)| !served.iter().any(|(s, _)| s == ticket))
                    .filter(|(ticket, _)| table.clone().try_begin(*ticket)).copied().collect();
                prop_assert_eq!(begun.len(), 1);
                prop_assert!(table.try_begin(begun[0].0));
                prop_assert!(!staying.iter().any(|(ticket, _)| table.clone().try_begin(*ticket)));
                served.push(begun[0]);
                table.end();
            }
            let order = |wanted: bool| {
                let of_kind = |(_, kind): &&(u64, JobKind)| (*kind == JobKind::Destroy) == wanted;
                served.iter().filter(of_kind).map(|(ticket, _)| *ticket).collect::<Vec<_>>()
            };
            prop_assert!(order(true).is_sorted() && order(false).is_sorted());
        }
    }

    #[test]
    fn waiting_ends_with_the_holder_named() {
        let slot = JobSlot::default();
        let held = slot.begin(JobKind::Modify, "first", Duration::from_secs(1)).unwrap();
        let refused = slot.begin(JobKind::Query, "second", Duration::from_millis(10)).unwrap_err();
        assert_eq!(refused, Refusal { holder: "first".to_owned(), kind: JobKind::Modify });
        drop(held);
        assert!(slot.begin(JobKind::Query, "third", Duration::from_millis(10)).is_ok());
        assert!(slot.held().is_none());
    }
}
