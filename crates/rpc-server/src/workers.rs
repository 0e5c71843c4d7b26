//! The worker pool: threads that run calls.
//!
//! Ordinary workers take any job; reserved workers take only jobs of high priority, so that queries are answered while
//! all ordinary workers sit in slow calls. Threads are made as they are needed, up to the limit, and end when there
//! are more than the minimum and they have been idle for a while.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Something to run.
type Job = Box<dyn FnOnce() + Send>;

/// How long a worker beyond the minimum stays idle.
const IDLE: Duration = Duration::from_secs(30);

/// Steps of priority between the workers and who hands out the jobs.
const AHEAD: i32 = 10;

/// Sizes of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Ordinary workers that are kept.
    pub min: u32,
    /// Ordinary workers at most.
    pub max: u32,
    /// Workers reserved for high priority.
    pub priority: u32,
}

/// What the pool looks like now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Ordinary workers.
    pub workers: u32,
    /// Ordinary workers without a job.
    pub free: u32,
    /// Reserved workers.
    pub priority: u32,
    /// Jobs waiting.
    pub depth: u32,
}

#[derive(Default)]
struct State {
    high: VecDeque<Job>,
    low: VecDeque<Job>,
    figures: Figures,
    free_priority: u32,
    stopped: bool,
}

/// The pool.
pub struct Pool {
    state: Mutex<State>,
    sizes: Mutex<Sizes>,
    ordinary: Condvar,
    reserved: Condvar,
    /// Priority of the workers, when whoever hands out the jobs has another one.
    nice: OnceLock<i32>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("figures", &self.figures()).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool without threads yet.
    pub fn new(sizes: Sizes) -> Arc<Pool> {
        Arc::new(Pool {
            state: Mutex::default(),
            sizes: Mutex::new(sizes),
            ordinary: Condvar::new(),
            reserved: Condvar::new(),
            nice: OnceLock::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the calling thread, which hands out the jobs, run ahead of the workers, so that a flood of jobs does not keep it
    /// from others. The workers, and the programs they start, keep the priority it has now. Does nothing where the right
    /// to do so is missing.
    pub fn ahead(&self) {
        let Ok(nice) = rustix::process::getpriority_process(None) else { return };
        if rustix::process::setpriority_process(None, nice - AHEAD).is_ok() {
            let _ = self.nice.set(nice);
        }
    }

    /// The sizes in force.
    pub fn sizes(&self) -> Sizes {
        *self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the sizes; workers beyond them end when they are idle.
    pub fn resize(&self, sizes: Sizes) {
        *self.sizes.lock().unwrap_or_else(PoisonError::into_inner) = sizes;
        self.ordinary.notify_all();
        self.reserved.notify_all();
    }

    /// What the pool looks like now.
    pub fn figures(&self) -> Figures {
        let state = self.state();
        Figures { depth: (state.high.len() + state.low.len()) as u32, ..state.figures }
    }

    /// Runs a job soon.
    pub fn run(self: &Arc<Pool>, high: bool, job: Job) {
        let sizes = self.sizes();
        let mut state = self.state();
        if high {
            state.high.push_back(job);
        } else {
            state.low.push_back(job);
        }
        let waiting = state.high.len() + state.low.len();
        if state.figures.free as usize >= waiting {
            self.ordinary.notify_one();
        } else if state.figures.workers < sizes.max.max(1) {
            state.figures.workers += 1;
            self.spawn(false);
        } else if high && state.free_priority > 0 {
            self.reserved.notify_one();
        } else if high && state.figures.priority < sizes.priority {
            state.figures.priority += 1;
            self.spawn(true);
        }
    }

    /// Lets the workers end; jobs that wait are dropped.
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.high.clear();
        state.low.clear();
        self.ordinary.notify_all();
        self.reserved.notify_all();
    }

    fn spawn(self: &Arc<Pool>, reserved: bool) {
        let pool = self.clone();
        let name = if reserved { "prio-rpc-worker" } else { "rpc-worker" };
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || pool.work(reserved));
        if let Err(error) = spawned {
            // The workers there are will get to the job.
            log::error!("cannot start a worker: {error}");
            let mut state = self.state();
            if reserved {
                state.figures.priority -= 1;
            } else {
                state.figures.workers -= 1;
            }
        }
    }

    fn work(self: Arc<Pool>, reserved: bool) {
        if let Some(nice) = self.nice.get() {
            // A thread begins with the priority of the one that made it.
            let _ = rustix::process::setpriority_process(None, *nice);
        }
        let mut state = self.state();
        loop {
            let job = state.high.pop_front().or_else(|| if reserved { None } else { state.low.pop_front() });
            if let Some(job) = job {
                drop(state);
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    log::error!("a job panicked");
                }
                state = self.state();
                continue;
            }
            let sizes = self.sizes();
            let excess = if reserved {
                state.figures.priority > sizes.priority
            } else {
                state.figures.workers > sizes.max.max(1)
            };
            if state.stopped || excess {
                break;
            }
            if reserved {
                state.free_priority += 1;
                state = self.reserved.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.free_priority -= 1;
            } else {
                state.figures.free += 1;
                let (back, waited) =
                    self.ordinary.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
                state = back;
                state.figures.free -= 1;
                let idle = state.high.is_empty() && state.low.is_empty();
                if waited.timed_out() && idle && state.figures.workers > sizes.min {
                    break;
                }
            }
        }
        if reserved {
            state.figures.priority -= 1;
        } else {
            state.figures.workers -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn high_priority_jobs_pass_slow_ones_and_panics_cost_one_job() {
        let pool = Pool::new(Sizes { min: 1, max: 2, priority: 1 });
        let (release, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for _ in 0..2 {
            let held = held.clone();
            pool.run(false, Box::new(move || drop(held.lock().map(|held| held.recv()))));
        }
        let (sender, received) = channel();
        let slow = sender.clone();
        pool.run(false, Box::new(move || slow.send("low").unwrap_or_default()));
        pool.run(true, Box::new(|| panic!("on purpose")));
        pool.run(true, Box::new(move || sender.send("high").unwrap_or_default()));
        assert_eq!(received.recv_timeout(Duration::from_secs(5)), Ok("high"));
        drop(release);
        assert_eq!(received.recv_timeout(Duration::from_secs(5)), Ok("low"));
        pool.stop();
    }
}
