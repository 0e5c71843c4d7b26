//! Data streams that a call opens: consoles, volume contents, screenshots, tunnelled migration.
//!
//! A driver hands over a descriptor; who owns the connection moves the bytes, so that no driver ever waits for a slow
//! client, and tells how it ended.

use std::fmt;
use std::os::fd::OwnedFd;

/// How a stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The client finished it after all data.
    Finished,
    /// The client aborted it, the connection broke, or moving the data failed.
    Aborted,
}

/// Where the bytes are.
#[derive(Debug)]
pub enum Source {
    /// Something that can be polled: pty, pipe, socket. Both directions are moved.
    Channel(OwnedFd),
    /// A regular file or block device, moved in one direction by a worker.
    File {
        /// The open file, at the right offset.
        fd: OwnedFd,
        /// Bytes to move; `None` is up to the end of the file.
        length: Option<u64>,
        /// Holes are sent and taken as such.
        sparse: bool,
    },
}

/// One end of a data stream.
pub struct Stream {
    /// Where the bytes are.
    pub source: Source,
    on_end: Option<Box<dyn FnOnce(Outcome) + Send>>,
}

impl Stream {
    /// A stream over something that can be polled.
    pub fn channel(fd: OwnedFd) -> Stream {
        Stream { source: Source::Channel(fd), on_end: None }
    }

    /// A stream over a file.
    pub fn file(fd: OwnedFd, length: Option<u64>, sparse: bool) -> Stream {
        Stream { source: Source::File { fd, length, sparse }, on_end: None }
    }

    /// Runs `action` once when the stream has ended, however it ends.
    pub fn on_end(mut self, action: impl FnOnce(Outcome) + Send + 'static) -> Stream {
        self.on_end = Some(Box::new(action));
        self
    }

    /// Splits off what must run at the end; whoever takes it must run it.
    pub fn take_end(&mut self) -> Option<Box<dyn FnOnce(Outcome) + Send>> {
        self.on_end.take()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(action) = self.on_end.take() {
            action(Outcome::Aborted);
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("source", &self.source).finish_non_exhaustive()
    }
}
