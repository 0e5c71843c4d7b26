//! The event loop of the program that a client library lives in.
//!
//! A library owns no thread: what it must do by itself (read a socket, send a keepalive, deliver an event) it does inside
//! the loop that the program runs.

use std::os::fd::RawFd;

/// What a descriptor is watched for, or is ready for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Readiness {
    /// Can be read.
    pub readable: bool,
    /// Can be written.
    pub writable: bool,
    /// Broken.
    pub error: bool,
    /// Closed by the other side.
    pub hangup: bool,
}

impl Readiness {
    /// To be read.
    pub const READABLE: Readiness =
        Readiness { readable: true, writable: false, error: false, hangup: false };
}

/// Called by the loop when a descriptor is ready.
pub type OnReady = Box<dyn Fn(Readiness) + Send + Sync>;

/// Called by the loop when a timeout has passed.
pub type OnTimeout = Box<dyn Fn() + Send + Sync>;

/// A loop; every method may be called from any thread, also from within a callback.
pub trait EventLoop: Send + Sync {
    /// Watches a descriptor; gives the watch's number, `None` when it cannot.
    fn add_handle(&self, fd: RawFd, what: Readiness, action: OnReady) -> Option<i32>;

    /// Watches it for something else.
    fn update_handle(&self, watch: i32, what: Readiness);

    /// Forgets it; the action may run until the loop has noticed.
    fn remove_handle(&self, watch: i32);

    /// Adds a timeout of milliseconds that repeats, -1 for one that rests; gives its number.
    fn add_timeout(&self, milliseconds: i32, action: OnTimeout) -> Option<i32>;

    /// Changes its length.
    fn update_timeout(&self, timer: i32, milliseconds: i32);

    /// Forgets it.
    fn remove_timeout(&self, timer: i32);
}
