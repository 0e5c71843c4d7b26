//! The worker pool: threads that run calls.
//!
//! Ordinary workers take any job; reserved workers take only jobs of high priority, so that queries are answered while
//! all ordinary workers sit in slow calls. Threads are made as they are needed, up to the limit, and end when there
//! are more than the minimum and they have been idle for a while.
//!
//! The thread that leads, that is hands out the jobs, belongs to the pool as well. While a worker has no job it runs one
//! itself and lays the lead aside meanwhile. Most jobs are shorter than another thread needs to wake, and then it goes on
//! leading; after [`PATIENCE`] the worker is told to take over.
//!
//! ```text
//! leads ──lays the lead aside, sets the timer──▶ runs a job ──lead still there──▶ leads
//!                                                    └──a worker has taken it──▶ worker
//! ```
//!
//! Whoever leads, and whoever waits and may lead next, runs ahead of those with jobs, so that a flood of jobs does not keep
//! it from others. No more jobs compute at the same time than there are processors (see [`crate::permits`]), and those that
//! wait are taken from one client after the other (see [`crate::turns`]).

use crate::permits::{Holder, LOOK, Permits};
use crate::turns::Turns;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Something to run.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// What the thread that leads does.
pub(crate) trait Leading: Send {
    /// Leads until somebody else does, or to the end.
    fn lead(self: Box<Self>);
}

/// How long a worker beyond the minimum stays idle.
const IDLE: Duration = Duration::from_secs(30);

/// The lead lies aside, and there is a permit for a job.
#[derive(Debug)]
#[must_use]
pub(crate) struct Aside(Holder);

/// Steps of priority between those with jobs and who leads.
const AHEAD: i32 = 10;

/// How long the lead may lie aside.
const PATIENCE: Duration = Duration::from_micros(500);

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

struct State {
    waiting: Turns<Job>,
    /// Jobs that may compute now.
    permits: Permits,
    /// Workers that were told or made to take a job, and have not looked yet.
    coming: usize,
    figures: Figures,
    free_priority: u32,
    /// The lead, while it lies aside.
    lead: Option<Box<dyn Leading>>,
    /// Since when it does.
    aside: Option<Instant>,
    /// The timer runs.
    timed: bool,
    stopped: bool,
}

impl State {
    fn new(permits: Permits) -> State {
        State {
            waiting: Turns::default(),
            permits,
            coming: 0,
            figures: Figures::default(),
            free_priority: 0,
            lead: None,
            aside: None,
            timed: false,
            stopped: false,
        }
    }
}

/// The pool.
pub struct Pool {
    state: Mutex<State>,
    sizes: Mutex<Sizes>,
    ordinary: Condvar,
    reserved: Condvar,
    /// Runs out when the lead has lain aside for too long.
    timer: OnceLock<OwnedFd>,
    /// Priority of those with jobs, when whoever leads may have another one.
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
        Pool::with_permits(sizes, Permits::for_this_machine())
    }

    fn with_permits(sizes: Sizes, permits: Permits) -> Arc<Pool> {
        Arc::new(Pool {
            state: Mutex::new(State::new(permits)),
            sizes: Mutex::new(sizes),
            ordinary: Condvar::new(),
            reserved: Condvar::new(),
            timer: OnceLock::new(),
            nice: OnceLock::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the thread that leads first, and one that sees to it that somebody does.
    pub(crate) fn begin(self: &Arc<Pool>, leader: Box<dyn Leading>) -> std::io::Result<()> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        let timer = self.timer.get_or_init(|| timer).as_fd();
        let watched = timer.try_clone_to_owned()?;
        let pool = self.clone();
        let begin = move || {
            if let Ok(nice) = rustix::process::getpriority_process(None)
                && rustix::process::setpriority_process(None, nice - AHEAD).is_ok()
            {
                let _ = pool.nice.set(nice);
            }
            // It begins with the priority of this thread.
            let watching = pool.clone();
            let watch = move || watching.watch(&watched);
            if let Err(cause) = std::thread::Builder::new().name("lead-watch".to_owned()).spawn(watch) {
                log::error!("cannot start a thread: {cause}");
            }
            host::blocks::keep();
            leader.lead();
            pool.work(false);
        };
        std::thread::Builder::new().name("rpc-worker".to_owned()).spawn(begin).map(drop)
    }

    /// Has a worker take the lead each time it has lain aside for too long, and others get on while jobs with permits sleep.
    fn watch(self: &Arc<Pool>, timer: &OwnedFd) {
        let mut count = [0; 8];
        loop {
            match rustix::io::read(timer, &mut count) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(cause) => return log::error!("cannot wait for a timer: {cause}"),
            }
            let mut state = self.state();
            if state.stopped {
                return;
            }
            state.timed = false;
            let mut next = None;
            if state.lead.is_some() {
                // The timer is not set anew for each job: this may be a later one.
                let left = PATIENCE.saturating_sub(state.aside.map_or(PATIENCE, |since| since.elapsed()));
                if left.is_zero() {
                    self.ordinary.notify_one();
                } else {
                    next = Some(left);
                }
            }
            if state.waiting.waiting() > 0 {
                let elder = state.permits.elder();
                drop(state);
                let wasted: Vec<Holder> =
                    elder.into_iter().filter(|holder| holder.wastes(host::thread::sleeps)).collect();
                state = self.state();
                for holder in wasted {
                    state.permits.give_back(holder);
                }
                self.admit(&mut state);
                if state.waiting.waiting() > 0 {
                    next = Some(next.map_or(LOOK, |left| left.min(LOOK)));
                }
            }
            if let Some(next) = next
                && !state.timed
            {
                state.timed = self.set_timer(next);
            }
        }
    }

    /// How many more jobs may begin. Nobody waits for a permit that nobody would take from a job that sleeps.
    fn room(&self, state: &State) -> usize {
        if self.timer.get().is_some() { state.permits.left() } else { usize::MAX }
    }

    /// Has a worker take a job that waits, if it may begin and nobody is on the way to it. Who takes it does the same for the
    /// next one.
    fn admit(self: &Arc<Pool>, state: &mut State) {
        if state.waiting.waiting() == 0 || state.stopped {
            return;
        }
        let room = self.room(state);
        if room == 0 {
            state.timed = state.timed || self.set_timer(LOOK);
        }
        if state.coming >= room.min(state.waiting.waiting()) {
            return;
        }
        let sizes = self.sizes();
        let high = state.waiting.high() > 0;
        state.coming += 1;
        if state.figures.free as usize >= state.coming {
            self.ordinary.notify_one();
        } else if state.figures.workers < sizes.max.max(1) {
            state.figures.workers += 1;
            self.spawn(state, false);
        } else if high && state.free_priority > 0 {
            self.reserved.notify_one();
        } else if high && state.figures.priority < sizes.priority {
            state.figures.priority += 1;
            self.spawn(state, true);
        } else {
            // Whoever has done with its job takes it.
            state.coming -= 1;
        }
    }

    fn set_timer(&self, after: Duration) -> bool {
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let after = Timespec { tv_sec: 0, tv_nsec: after.as_nanos().clamp(1, 999_999_999) as i64 };
        let when = Itimerspec { it_interval: none, it_value: after };
        self.timer
            .get()
            .is_some_and(|timer| timerfd_settime(timer, TimerfdTimerFlags::empty(), &when).is_ok())
    }

    /// Lays the lead aside, if there is a worker that could take it and no job waits. The caller has a job to
    /// [`serve`](Pool::serve); with the return from [`Leading::lead`] it leads again, or works on where another does.
    pub(crate) fn lay_aside<L: Leading + 'static>(&self, leader: Box<L>) -> Result<Aside, Box<L>> {
        let mut state = self.state();
        let others = state.waiting.waiting() > 0 || self.room(&state) == 0;
        if state.figures.free == 0 || others || state.stopped {
            return Err(leader);
        }
        state.timed = state.timed || self.set_timer(PATIENCE);
        if !state.timed {
            return Err(leader);
        }
        state.aside = Some(Instant::now());
        state.lead = Some(leader);
        Ok(Aside(state.permits.take(own_number())))
    }

    /// Runs a job on the calling thread, which led until now.
    pub(crate) fn serve(&self, Aside(permit): Aside, job: Job) {
        self.go_ahead(false);
        run(job);
        self.state().permits.give_back(permit);
    }

    /// Sets the priority of the calling thread: ahead of those with jobs, or like them. The programs that jobs start have
    /// the priority of their threads.
    fn go_ahead(&self, ahead: bool) {
        if let Some(nice) = self.nice.get() {
            let _ = rustix::process::setpriority_process(None, if ahead { nice - AHEAD } else { *nice });
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
        Figures { depth: state.waiting.waiting() as u32, ..state.figures }
    }

    /// Runs a job of a client soon.
    pub(crate) fn run(self: &Arc<Pool>, client: u64, high: bool, job: Job) {
        let mut state = self.state();
        state.waiting.push(client, high, job);
        self.admit(&mut state);
    }

    /// Lets the workers end; jobs that wait are dropped.
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.waiting.clear();
        self.set_timer(Duration::from_nanos(1));
        self.ordinary.notify_all();
        self.reserved.notify_all();
    }

    fn spawn(self: &Arc<Pool>, state: &mut State, reserved: bool) {
        let pool = self.clone();
        let name = if reserved { "prio-rpc-worker" } else { "rpc-worker" };
        let begin = move || {
            {
                let mut state = pool.state();
                state.coming = state.coming.saturating_sub(1);
            }
            pool.work(reserved);
        };
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(begin);
        if let Err(error) = spawned {
            // The workers there are will get to the job.
            log::error!("cannot start a worker: {error}");
            state.coming -= 1;
            if reserved {
                state.figures.priority -= 1;
            } else {
                state.figures.workers -= 1;
            }
        }
    }

    fn work(self: Arc<Pool>, reserved: bool) {
        // A thread begins with the priority of the one that made it, which leads, or has led until now.
        self.go_ahead(false);
        host::blocks::keep();
        let (mut ahead, number) = (false, own_number());
        let mut state = self.state();
        loop {
            if !reserved && let Some(leader) = state.lead.take() {
                drop(state);
                if !std::mem::replace(&mut ahead, false) {
                    self.go_ahead(true);
                }
                leader.lead();
                state = self.state();
                continue;
            }
            let job = match self.room(&state) {
                0 => None,
                _ if reserved => state.waiting.next_high(),
                _ => state.waiting.next(),
            };
            if let Some(job) = job {
                let permit = state.permits.take(number);
                // There may be room for another one.
                self.admit(&mut state);
                drop(state);
                if std::mem::replace(&mut ahead, false) {
                    self.go_ahead(false);
                }
                run(job);
                state = self.state();
                state.permits.give_back(permit);
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
            if !std::mem::replace(&mut ahead, true) {
                self.go_ahead(true);
            }
            if reserved {
                state.free_priority += 1;
                state = self.reserved.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.free_priority -= 1;
                state.coming = state.coming.saturating_sub(1);
            } else {
                state.figures.free += 1;
                let (back, waited) =
                    self.ordinary.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
                state = back;
                state.figures.free -= 1;
                state.coming = state.coming.saturating_sub(1);
                if waited.timed_out() {
                    host::blocks::give_back();
                }
                let idle = state.waiting.waiting() == 0 && state.lead.is_none();
                if waited.timed_out() && idle && state.figures.workers > sizes.min {
                    break;
                }
            }
        }
        if reserved {
            state.figures.priority -= 1;
        } else {
            // At the end whoever led last comes on top.
            state.figures.workers = state.figures.workers.saturating_sub(1);
        }
    }
}

/// The kernel's number of the calling thread.
fn own_number() -> i32 {
    thread_local!(static NUMBER: i32 = rustix::thread::gettid().as_raw_nonzero().get());
    NUMBER.with(|number| *number)
}

fn run(job: Job) {
    if catch_unwind(AssertUnwindSafe(job)).is_err() {
        log::error!("a job panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    #[test]
    fn high_priority_jobs_pass_slow_ones_and_panics_cost_one_job() {
        let pool = Pool::new(Sizes { min: 1, max: 2, priority: 1 });
        let (release, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for _ in 0..2 {
            let held = held.clone();
            pool.run(1, false, Box::new(move || drop(held.lock().map(|held| held.recv()))));
        }
        let (sender, received) = channel();
        let slow = sender.clone();
        pool.run(1, false, Box::new(move || slow.send("low").unwrap_or_default()));
        pool.run(1, true, Box::new(|| panic!("on purpose")));
        pool.run(1, true, Box::new(move || sender.send("high").unwrap_or_default()));
        assert_eq!(received.recv_timeout(Duration::from_secs(5)), Ok("high"));
        drop(release);
        assert_eq!(received.recv_timeout(Duration::from_secs(5)), Ok("low"));
        pool.stop();
    }

    /// Counts how often it is handed on, and serves a job each time.
    struct Relay {
        pool: Arc<Pool>,
        left: u32,
        done: std::sync::mpsc::Sender<(u32, std::thread::ThreadId)>,
    }

    impl Leading for Relay {
        fn lead(mut self: Box<Self>) {
            while self.left > 0 {
                self.left -= 1;
                let (pool, done, left) = (self.pool.clone(), self.done.clone(), self.left);
                let job = Box::new(move || {
                    std::thread::sleep(Duration::from_millis(5));
                    done.send((left, std::thread::current().id())).unwrap_or_default();
                });
                match pool.lay_aside(self) {
                    Ok(aside) => return pool.serve(aside, job),
                    Err(back) => self = back,
                }
                pool.run(1, false, job);
                // The next one finds a worker without a job.
                std::thread::sleep(Duration::from_millis(20));
            }
            self.pool.stop();
        }
    }

    #[test]
    fn the_lead_goes_to_whoever_has_nothing_to_do() {
        let pool = Pool::new(Sizes { min: 1, max: 3, priority: 0 });
        let (done, heard) = channel();
        pool.begin(Box::new(Relay { pool: pool.clone(), left: 40, done })).unwrap();
        let mut served: Vec<(u32, std::thread::ThreadId)> = heard.iter().collect();
        served.sort_by_key(|(number, _)| *number);
        assert_eq!(served.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (0..40).collect::<Vec<_>>());
        let threads: std::collections::HashSet<_> = served.iter().map(|(_, thread)| *thread).collect();
        assert!((2..=4).contains(&threads.len()), "{} threads", threads.len());
    }

    /// A lead that does nothing but keep the pool going.
    struct Idle(Arc<Pool>);

    impl Leading for Idle {
        fn lead(self: Box<Self>) {
            while !self.0.state().stopped {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    #[test]
    fn no_more_compute_than_there_are_permits_and_sleepers_stop_nobody() {
        let pool = Pool::with_permits(Sizes { min: 1, max: 12, priority: 0 }, Permits::new(2));
        pool.begin(Box::new(Idle(pool.clone()))).unwrap();
        // More sleep than there are permits.
        let (release, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for client in 0..4 {
            let held = held.clone();
            pool.run(client, false, Box::new(move || drop(held.lock().map(|held| held.recv()))));
        }
        // Those that compute are few at a time, and all have their turn.
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (done, heard) = channel();
        for client in 0..40 {
            let (now, most, done) = (now.clone(), most.clone(), done.clone());
            let job = move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let begin = Instant::now();
                while begin.elapsed() < Duration::from_millis(2) {
                    std::hint::spin_loop();
                }
                now.fetch_sub(1, Ordering::SeqCst);
                done.send(()).unwrap_or_default();
            };
            pool.run(client, false, Box::new(job));
        }
        for _ in 0..40 {
            assert_eq!(heard.recv_timeout(Duration::from_secs(20)), Ok(()));
        }
        // On a machine with much other work a job may take so long that it loses its permit.
        assert!(most.load(Ordering::SeqCst) < 8, "{most:?}");
        assert!(pool.figures().workers <= 12);
        drop(release);
        pool.stop();
    }
}
