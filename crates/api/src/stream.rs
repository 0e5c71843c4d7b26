//! Data streams that a call opens: consoles, volume contents, screenshots, tunnelled migration.
//!
//! A driver hands over a descriptor; who owns the connection moves the bytes, so that no driver ever waits for a slow
//! client, and tells how it ended.

use crate::event_loop::Readiness;
use base::Result;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// How a stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The client finished it after all data.
    Finished,
    /// The client aborted it, the connection broke, or moving the data failed.
    Aborted,
}

/// What reading a stream gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// Data, at most as much as was asked for.
    Data(Vec<u8>),
    /// A hole begins here and the reader asked to stop at it.
    Hole,
    /// Nothing more will come.
    End,
    /// Nothing for now.
    WouldBlock,
}

/// A stream whose other end is in another process: data, holes and the end travel as messages.
pub trait Conduit: Send + Sync {
    /// Sends data; the number of bytes taken, `None` when nothing can be taken now and `wait` is false.
    ///
    /// # Errors
    /// What ended the stream.
    fn send(&self, data: &[u8], wait: bool) -> Result<Option<usize>>;

    /// Receives at most `limit` bytes; with `stop_at_hole` a hole is reported, without it is read as zeros.
    ///
    /// # Errors
    /// What ended the stream.
    fn receive(&self, limit: usize, wait: bool, stop_at_hole: bool) -> Result<Received>;

    /// Sends a hole of so many bytes.
    ///
    /// # Errors
    /// What ended the stream.
    fn send_hole(&self, length: i64) -> Result<()>;

    /// Takes the hole that begins here; its length, 0 when there is none.
    ///
    /// # Errors
    /// What ended the stream.
    fn receive_hole(&self) -> Result<i64>;

    /// Says that all was sent or received, and waits for the other end to say the same.
    ///
    /// # Errors
    /// What the other end could not do.
    fn finish(&self) -> Result<()>;

    /// Breaks it off.
    ///
    /// # Errors
    /// When the connection is gone.
    fn abort(&self) -> Result<()>;

    /// What could be done without waiting.
    fn readiness(&self) -> Readiness;

    /// Says who hears of changes of readiness; nobody any more with `None`.
    fn watch(&self, action: Option<Arc<dyn Fn() + Send + Sync>>);
}

/// Where the bytes are.
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
    /// In another process.
    Conduit(Arc<dyn Conduit>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Channel(fd) => write!(f, "Channel({fd:?})"),
            Source::File { fd, length, sparse } => write!(f, "File({fd:?}, {length:?}, {sparse})"),
            Source::Conduit(_) => f.write_str("Conduit"),
        }
    }
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

    /// A stream to another process.
    pub fn conduit(conduit: Arc<dyn Conduit>) -> Stream {
        Stream { source: Source::Conduit(conduit), on_end: None }
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
