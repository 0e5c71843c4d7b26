//! How many jobs compute at the same time.
//!
//! More threads that compute than there are processors make nothing faster, and everybody else on the machine waits longer for a
//! processor: the clients themselves first of all. So a job takes a permit, of which there are as many as processors, and
//! others wait meanwhile. A job that sleeps, for a disk or an emulator or another job, does not use its permit: whoever looks
//! after the jobs while others wait takes it away, and the job goes on without one. So does a job that computes for very
//! long, since nobody knows when it ends; from then on the kernel divides the time.

use std::time::{Duration, Instant};

/// How long a job keeps its permit in any case, and how often is looked while others wait.
pub(crate) const LOOK: Duration = Duration::from_micros(500);

/// How long a job that computes keeps its permit.
const LONG: Duration = Duration::from_millis(100);

/// A job with a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Number of its thread.
    pub(crate) thread: i32,
    /// When it began.
    pub(crate) since: Instant,
}

/// The permits that are taken.
#[derive(Debug)]
pub(crate) struct Permits {
    most: usize,
    held: Vec<Holder>,
}

impl Permits {
    /// As many as there are processors for this process.
    pub(crate) fn for_this_machine() -> Permits {
        Permits::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    pub(crate) fn new(most: usize) -> Permits {
        Permits { most, held: Vec::new() }
    }

    /// How many are to be had.
    pub(crate) fn left(&self) -> usize {
        self.most.saturating_sub(self.held.len())
    }

    /// Takes one for a job that a thread begins now.
    pub(crate) fn take(&mut self, thread: i32) -> Holder {
        let holder = Holder { thread, since: Instant::now() };
        self.held.push(holder);
        holder
    }

    /// Gives one back, at the end of the job. It may have been taken away.
    pub(crate) fn give_back(&mut self, holder: Holder) {
        self.held.retain(|held| *held != holder);
    }

    /// Jobs that have had their permit for some time.
    pub(crate) fn elder(&self) -> Vec<Holder> {
        self.held.iter().filter(|held| held.since.elapsed() >= LOOK).copied().collect()
    }
}

impl Holder {
    /// Whether it makes no use of its permit, or has made use of it for too long.
    pub(crate) fn wastes(self, sleeps: impl Fn(i32) -> bool) -> bool {
        self.since.elapsed() >= LONG || sleeps(self.thread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sleeps_or_takes_long_loses_it() {
        let mut permits = Permits::new(2);
        let first = permits.take(1);
        assert_eq!(permits.left(), 1);
        let second = permits.take(2);
        assert_eq!(permits.left(), 0);
        std::thread::sleep(LOOK);
        assert_eq!(permits.elder(), [first, second]);
        assert!(second.wastes(|_| true));
        permits.give_back(second);
        permits.give_back(second);
        assert_eq!(permits.left(), 1);
        let old = Holder { thread: 3, since: Instant::now().checked_sub(LONG).unwrap() };
        assert!(old.wastes(|_| false));
    }
}
