//! What still has to be written to a client, bounded.
//!
//! Whoever has something to say writes it straight to the socket when nothing is queued; what the socket does not
//! take is queued and written by the I/O thread when there is room again. Descriptors follow their message, each with
//! one byte of data.

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Queued bytes beyond which a client counts as not reading. One largest message must fit on top of it.
const QUEUE_MAX: usize = 8 << 20;
/// Queued messages beyond which a client counts as not reading: events are small, and many of them cost more than their
/// bytes.
const MESSAGES_MAX: usize = 4096;
/// Places for items that an empty queue keeps.
const ITEMS_KEPT: usize = 64;
/// Queued bytes below which stream data is added.
const STREAM_ROOM: usize = 512 << 10;

/// The client does not read, or the socket is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

#[derive(Debug)]
enum Item {
    /// Bytes, and whether they answer a call.
    Bytes(Vec<u8>, bool),
    Fd(OwnedFd),
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    /// Bytes of the first item that are written already.
    written: usize,
    bytes: usize,
    /// Answers among the items.
    answers: u32,
    broken: bool,
}

/// What a message is to its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It answers a call, which is not over before the answer is written.
    Answer,
    /// Something that the client did not ask for just now.
    News,
}

/// Output of one client.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: Mutex<Queue>,
    drained: Condvar,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes or queues a message and the descriptors that follow it. True when something is left for [`Outbox::flush`].
    ///
    /// # Errors
    /// When the client must be cut off.
    pub fn send(
        &self,
        socket: BorrowedFd<'_>,
        message: Vec<u8>,
        fds: Vec<OwnedFd>,
        purpose: Purpose,
    ) -> Result<bool, Broken> {
        let mut queue = self.lock();
        if queue.broken || queue.bytes > QUEUE_MAX || queue.items.len() > MESSAGES_MAX {
            queue.broken = true;
            return Err(Broken);
        }
        queue.bytes += message.len();
        let answers = purpose == Purpose::Answer;
        queue.answers += u32::from(answers);
        queue.items.push_back(Item::Bytes(message, answers));
        queue.items.extend(fds.into_iter().map(Item::Fd));
        let outcome = flush(&mut queue, socket);
        self.after(&mut queue, outcome)?;
        Ok(!queue.items.is_empty())
    }

    /// Writes what the socket takes; called when it has room again.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn flush(&self, socket: BorrowedFd<'_>) -> Result<(), Broken> {
        let mut queue = self.lock();
        let outcome = flush(&mut queue, socket);
        self.after(&mut queue, outcome)
    }

    fn after(&self, queue: &mut Queue, outcome: Result<(), Errno>) -> Result<(), Broken> {
        if outcome.is_err() {
            queue.broken = true;
            queue.items = VecDeque::new();
            queue.bytes = 0;
            queue.answers = 0;
        }
        // A queue that was long once must not leave its memory with a client that reads again.
        if queue.items.is_empty() && queue.items.capacity() > ITEMS_KEPT {
            queue.items = VecDeque::new();
        }
        if queue.bytes < STREAM_ROOM || queue.broken {
            self.drained.notify_all();
        }
        if queue.broken { Err(Broken) } else { Ok(()) }
    }

    /// Waits until there is room for stream data; false when there never will be, or not within `limit`.
    pub fn wait_for_room(&self, limit: Duration) -> Result<bool, Broken> {
        let queue = self.lock();
        let (queue, _) = self
            .drained
            .wait_timeout_while(queue, limit, |queue| queue.bytes >= STREAM_ROOM && !queue.broken)
            .unwrap_or_else(PoisonError::into_inner);
        if queue.broken { Err(Broken) } else { Ok(queue.bytes < STREAM_ROOM) }
    }

    /// Answers that are not written yet.
    pub fn answers(&self) -> u32 {
        self.lock().answers
    }

    /// Nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.lock().items.is_empty()
    }

    /// Drops what is queued; everything after this fails. Gives the number of bytes that were.
    pub fn close(&self) -> usize {
        let mut queue = self.lock();
        queue.broken = true;
        queue.items = VecDeque::new();
        queue.answers = 0;
        self.drained.notify_all();
        std::mem::take(&mut queue.bytes)
    }
}

fn flush(queue: &mut Queue, socket: BorrowedFd<'_>) -> Result<(), Errno> {
    while let Some(item) = queue.items.front() {
        let outcome = match item {
            Item::Bytes(bytes, _) => write(socket, &bytes[queue.written..], None),
            Item::Fd(fd) => write(socket, &[0], Some(fd.as_fd())),
        };
        match (outcome, item) {
            (Ok(_), Item::Fd(_)) => {
                queue.items.pop_front();
            }
            (Ok(count), Item::Bytes(bytes, answers)) => {
                queue.written += count;
                if queue.written == bytes.len() {
                    queue.bytes -= bytes.len();
                    queue.answers -= u32::from(*answers);
                    queue.written = 0;
                    queue.items.pop_front();
                }
            }
            (Err(Errno::AGAIN), _) => return Ok(()),
            (Err(Errno::INTR), _) => {}
            (Err(error), _) => return Err(error),
        }
    }
    Ok(())
}

fn write(socket: BorrowedFd<'_>, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = fd.map(|fd| [fd]);
    if let Some(fds) = &fds {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
}
