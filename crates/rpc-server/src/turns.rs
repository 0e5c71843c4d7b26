//! Jobs that wait, and whose turn it is.
//!
//! Every client has its turn, one job at a time, so that who asks for much waits for its own jobs and not others for them.
//! Jobs of high priority go first every other time: a flood of them holds up the others by half.
//!
//! ```text
//! turns   3 ─▶ 1 ─▶ 7          client 3: job, job, job     client 1: job     client 7: job, job
//! next:   3, 1, 7, 3, 7, 3
//! ```

use std::collections::{HashMap, VecDeque};

/// Jobs by client.
#[derive(Debug)]
pub(crate) struct Turns<J> {
    /// Clients with jobs, in the order in which they have their turn.
    order: VecDeque<u64>,
    jobs: HashMap<u64, VecDeque<(bool, J)>>,
    waiting: usize,
    high: usize,
    /// The last one was taken because of its priority.
    preferred: bool,
}

impl<J> Default for Turns<J> {
    fn default() -> Turns<J> {
        Turns { order: VecDeque::new(), jobs: HashMap::new(), waiting: 0, high: 0, preferred: false }
    }
}

impl<J> Turns<J> {
    /// Jobs that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Jobs of high priority that wait.
    pub(crate) fn high(&self) -> usize {
        self.high
    }

    /// Adds a job of a client.
    pub(crate) fn push(&mut self, client: u64, high: bool, job: J) {
        let own = self.jobs.entry(client).or_default();
        if own.is_empty() {
            self.order.push_back(client);
        }
        own.push_back((high, job));
        self.waiting += 1;
        self.high += usize::from(high);
    }

    /// Takes the next job.
    pub(crate) fn next(&mut self) -> Option<J> {
        let preferred = !std::mem::replace(&mut self.preferred, false);
        if preferred && let Some(job) = self.next_high() {
            self.preferred = true;
            return Some(job);
        }
        self.take(0, |_| true)
    }

    /// Takes the next job of high priority.
    pub(crate) fn next_high(&mut self) -> Option<J> {
        if self.high == 0 {
            return None;
        }
        let jobs = &self.jobs;
        let has = |client: &u64| jobs.get(client).is_some_and(|own| own.iter().any(|(high, _)| *high));
        let place = self.order.iter().position(has)?;
        self.take(place, |high| high)
    }

    /// The first fitting job of the client at a place in the order, which is the last one to have its turn again.
    fn take(&mut self, place: usize, fits: impl Fn(bool) -> bool) -> Option<J> {
        let client = *self.order.get(place)?;
        let own = self.jobs.get_mut(&client)?;
        let at = own.iter().position(|(high, _)| fits(*high))?;
        let (high, job) = own.remove(at)?;
        self.order.remove(place);
        if own.is_empty() {
            self.jobs.remove(&client);
        } else {
            self.order.push_back(client);
        }
        self.waiting -= 1;
        self.high -= usize::from(high);
        Some(job)
    }

    /// Drops all jobs.
    pub(crate) fn clear(&mut self) {
        *self = Turns::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_job_at_a_time() {
        let mut turns = Turns::default();
        for job in ["a1", "a2", "a3", "a4"] {
            turns.push(1, false, job);
        }
        turns.push(2, false, "b1");
        turns.push(3, false, "c1");
        turns.push(3, false, "c2");
        let order: Vec<&str> = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2", "c2", "a3", "a4"]);
        assert_eq!((turns.waiting(), turns.high(), turns.jobs.len()), (0, 0, 0));
    }

    #[test]
    fn high_priority_goes_first_every_other_time() {
        let mut turns = Turns::default();
        turns.push(1, false, "slow");
        turns.push(1, false, "slower");
        for job in ["h1", "h2", "h3"] {
            turns.push(2, true, job);
        }
        assert_eq!(turns.high(), 3);
        let order: Vec<&str> = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(order, ["h1", "slow", "h2", "slower", "h3"]);
        turns.push(1, false, "slow");
        assert_eq!(turns.next_high(), None);
        turns.clear();
        assert_eq!(turns.next(), None);
    }
}
