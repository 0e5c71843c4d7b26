//! The library's own event loop.
//!
//! ```text
//! run_once: drop what was removed ─▶ poll (no lock held) ─▶ timeouts that are due ─▶ handles that are ready
//! change from another thread: entered in the lists, and the poll is woken
//! ```

use api::EventLoop;
use api::event_loop::{OnReady, OnTimeout, Readiness};
use base::{Error, ErrorDomain, Result};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

type Action<A> = Arc<dyn Fn(i32, A) + Send + Sync>;

struct Handle {
    watch: i32,
    fd: RawFd,
    what: Readiness,
    action: Action<Readiness>,
}

struct Timer {
    timer: i32,
    length: Option<Duration>,
    due: Option<Instant>,
    action: Action<()>,
}

#[derive(Default)]
struct Lists {
    handles: Vec<Handle>,
    timers: Vec<Timer>,
    next_watch: i32,
    next_timer: i32,
    /// Removed; freed by whoever runs the loop.
    removed_handles: Vec<Handle>,
    removed_timers: Vec<Timer>,
    running: Option<rustix::thread::Pid>,
}

/// Handles and timeouts.
pub(crate) struct PollLoop {
    lists: Mutex<Lists>,
    wake: OwnedFd,
}

fn length(milliseconds: i32) -> Option<Duration> {
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}

impl PollLoop {
    /// An empty loop.
    pub(crate) fn new() -> std::io::Result<PollLoop> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let lists = Mutex::new(Lists { next_watch: 1, next_timer: 1, ..Lists::default() });
        Ok(PollLoop { lists, wake })
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the poll of another thread, so that it sees what was changed.
    fn nudge(&self, lists: &Lists) {
        if lists.running.is_some_and(|thread| thread != rustix::thread::gettid()) {
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
    }

    pub(crate) fn watch(
        &self,
        fd: RawFd,
        what: Readiness,
        action: impl Fn(i32, Readiness) + Send + Sync + 'static,
    ) -> i32 {
        let mut lists = self.lists();
        let watch = lists.next_watch;
        lists.next_watch += 1;
        lists.handles.push(Handle { watch, fd, what, action: Arc::new(action) });
        self.nudge(&lists);
        watch
    }

    pub(crate) fn unwatch(&self, watch: i32) -> i32 {
        let mut lists = self.lists();
        let Some(at) = lists.handles.iter().position(|handle| handle.watch == watch) else { return -1 };
        let handle = lists.handles.remove(at);
        lists.removed_handles.push(handle);
        self.nudge(&lists);
        0
    }

    pub(crate) fn time(&self, milliseconds: i32, action: impl Fn(i32) + Send + Sync + 'static) -> i32 {
        let mut lists = self.lists();
        let timer = lists.next_timer;
        lists.next_timer += 1;
        let length = length(milliseconds);
        let due = length.map(|length| Instant::now() + length);
        let action: Action<()> = Arc::new(move |timer, ()| action(timer));
        lists.timers.push(Timer { timer, length, due, action });
        self.nudge(&lists);
        timer
    }

    pub(crate) fn untime(&self, timer: i32) -> i32 {
        let mut lists = self.lists();
        let Some(at) = lists.timers.iter().position(|known| known.timer == timer) else { return -1 };
        let timer = lists.timers.remove(at);
        lists.removed_timers.push(timer);
        self.nudge(&lists);
        0
    }

    /// Waits once and runs what is due.
    pub(crate) fn run_once(&self) -> Result<()> {
        self.free_removed();
        let (fds, limit) = {
            let mut lists = self.lists();
            lists.running = Some(rustix::thread::gettid());
            let fds: Vec<(i32, RawFd, PollFlags)> = lists
                .handles
                .iter()
                .filter(|handle| handle.what != Readiness::default())
                .map(|handle| (handle.watch, handle.fd, flags(handle.what)))
                .collect();
            (fds, lists.timers.iter().filter_map(|timer| timer.due).min())
        };
        let ready = self.wait(&fds, limit);
        self.lists().running = None;
        let ready = ready?;
        self.run_timers();
        for (watch, what) in ready {
            let action = {
                let lists = self.lists();
                let handle = lists.handles.iter().find(|handle| handle.watch == watch);
                // Removed, or no longer interested, since the poll.
                handle
                    .filter(|handle| handle.what != Readiness::default())
                    .map(|handle| handle.action.clone())
            };
            if let Some(action) = action {
                action(watch, what);
            }
        }
        self.free_removed();
        Ok(())
    }

    fn wait(&self, fds: &[(i32, RawFd, PollFlags)], limit: Option<Instant>) -> Result<Vec<(i32, Readiness)>> {
        let left = limit.map(|due| due.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        let mut polled = vec![PollFd::new(&self.wake, PollFlags::IN)];
        for (_, fd, what) in fds {
            // SAFETY: the number is only passed to `poll`, which answers for one that is closed.
            polled.push(PollFd::from_borrowed_fd(unsafe { BorrowedFd::borrow_raw(*fd) }, *what));
        }
        match poll(&mut polled, left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR | Errno::AGAIN) => return Ok(Vec::new()),
            Err(error) => {
                return Err(Error::system(
                    ErrorDomain::EVENT,
                    &error.into(),
                    "Unable to poll on file handles",
                ));
            }
        }
        if polled[0].revents().contains(PollFlags::IN) {
            let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        }
        let ready = fds.iter().zip(&polled[1..]).filter_map(|((watch, _, _), fd)| {
            let got = fd.revents();
            (!got.is_empty()).then(|| (*watch, readiness(got)))
        });
        Ok(ready.collect())
    }

    fn run_timers(&self) {
        let now = Instant::now();
        let due: Vec<i32> = {
            let mut lists = self.lists();
            let mut due = Vec::new();
            for timer in &mut lists.timers {
                if timer.due.is_some_and(|at| at <= now) {
                    timer.due = timer.length.map(|length| now + length);
                    due.push(timer.timer);
                }
            }
            due
        };
        for timer in due {
            let action = {
                let lists = self.lists();
                let known = lists.timers.iter().find(|known| known.timer == timer);
                known.map(|known| known.action.clone())
            };
            if let Some(action) = action {
                action(timer, ());
            }
        }
    }

    fn free_removed(&self) {
        let gone = {
            let mut lists = self.lists();
            (std::mem::take(&mut lists.removed_handles), std::mem::take(&mut lists.removed_timers))
        };
        // Their callers' functions run without the lock.
        drop(gone);
    }
}

fn flags(what: Readiness) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, what.readable);
    flags.set(PollFlags::OUT, what.writable);
    flags.set(PollFlags::ERR, what.error);
    flags.set(PollFlags::HUP, what.hangup);
    flags
}

fn readiness(flags: PollFlags) -> Readiness {
    Readiness {
        readable: flags.contains(PollFlags::IN),
        writable: flags.contains(PollFlags::OUT),
        error: flags.intersects(PollFlags::ERR | PollFlags::NVAL),
        hangup: flags.contains(PollFlags::HUP),
    }
}

impl EventLoop for PollLoop {
    fn add_handle(&self, fd: RawFd, what: Readiness, action: OnReady) -> Option<i32> {
        Some(self.watch(fd, what, move |_, ready| action(ready)))
    }

    fn update_handle(&self, watch: i32, what: Readiness) {
        let mut lists = self.lists();
        if let Some(handle) = lists.handles.iter_mut().find(|handle| handle.watch == watch) {
            handle.what = what;
        }
        self.nudge(&lists);
    }

    fn remove_handle(&self, watch: i32) {
        self.unwatch(watch);
    }

    fn add_timeout(&self, milliseconds: i32, action: OnTimeout) -> Option<i32> {
        Some(self.time(milliseconds, move |_| action()))
    }

    fn update_timeout(&self, timer: i32, milliseconds: i32) {
        let mut lists = self.lists();
        if let Some(timer) = lists.timers.iter_mut().find(|known| known.timer == timer) {
            timer.length = length(milliseconds);
            timer.due = timer.length.map(|length| Instant::now() + length);
        }
        self.nudge(&lists);
    }

    fn remove_timeout(&self, timer: i32) {
        self.untime(timer);
    }
}
