//! One emulator's monitor.
//!
//! ```text
//! Greeted ──qmp_capabilities──▶ Commanding ──end of file──▶ Closed (all who wait are told)
//! ```

use crate::message::{Event, Lines, Message};
use mio::net::UnixStream;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a monitor tells besides answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Something happened in the emulator.
    Event(Event),
    /// The connection is gone: the emulator has ended, or cannot be talked to any more.
    Closed,
}

/// Why a command gave no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CommandError {
    /// The emulator refused.
    #[error("{description}")]
    Refused {
        /// Class of the error, e.g. `GenericError`.
        class: String,
        /// The emulator's words.
        description: String,
    },
    /// The emulator did not answer in time.
    #[error("the monitor did not answer within {0:?}")]
    Stalled(Duration),
    /// The connection is gone.
    #[error("the monitor is closed")]
    Closed,
}

/// Who hears notices. Called in the reading thread: it must not wait, and must not send commands.
pub type Listener = Box<dyn Fn(Notice) + Send + Sync>;

type Answer = Result<Value, (String, String)>;

/// One monitor. Commands may be sent from any thread.
pub struct Monitor {
    stream: UnixStream,
    writing: Mutex<()>,
    waiting: Mutex<Option<HashMap<String, Sender<Answer>>>>,
    next: AtomicU64,
    lines: Mutex<Lines>,
    listener: Listener,
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").field("stream", &self.stream).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command that is to fail is refused.
fn fault() -> Result<(), CommandError> {
    faults::at(faults::Point::Command).map_err(|cause| CommandError::Refused {
        class: "GenericError".to_owned(),
        description: cause.to_string(),
    })
}

/// Commands that were sent and whose results nobody has taken yet.
#[derive(Debug)]
pub struct Begun<'m> {
    monitor: &'m Monitor,
    expected: Vec<(Receiver<Answer>, String)>,
    end: Instant,
    limit: Duration,
}

impl Begun<'_> {
    /// Waits for all results, in the order of the commands.
    ///
    /// # Errors
    /// When the emulator has not answered all of them within the limit, or is gone.
    pub fn finish(mut self) -> Result<Vec<Result<Value, CommandError>>, CommandError> {
        let expected = std::mem::take(&mut self.expected);
        let take = |(receiver, id): &(Receiver<Answer>, String)| match self
            .monitor
            .receive(receiver, id, self.end, self.limit)
        {
            Ok(value) => Ok(Ok(value)),
            Err(refused @ CommandError::Refused { .. }) => Ok(Err(refused)),
            Err(error) => Err(error),
        };
        let Some((last, before)) = expected.split_last() else { return Ok(Vec::new()) };
        // Answers come in the order of the commands: when the last is there, so are the others, and this thread was
        // woken once.
        let outcome = take(last).and_then(|last| {
            let mut results = before.iter().map(take).collect::<Result<Vec<_>, _>>()?;
            results.push(last);
            Ok(results)
        });
        if outcome.is_err() {
            expected.iter().for_each(|(_, id)| self.monitor.forget(id));
        }
        outcome
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.expected.iter().for_each(|(_, id)| self.monitor.forget(id));
    }
}

impl Monitor {
    pub(crate) fn new(stream: UnixStream, listener: Listener) -> Monitor {
        Monitor {
            stream,
            writing: Mutex::default(),
            waiting: Mutex::new(Some(HashMap::new())),
            next: AtomicU64::new(1),
            lines: Mutex::default(),
            listener,
        }
    }

    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Sends a command and waits for its result. `arguments` is null for none.
    ///
    /// # Errors
    /// When the emulator refuses, does not answer within `limit`, or is gone.
    pub fn command(&self, name: &str, arguments: Value, limit: Duration) -> Result<Value, CommandError> {
        let mut document = json!({ "execute": name });
        if !arguments.is_null() {
            document["arguments"] = arguments;
        }
        self.raw(document, limit)
    }

    /// Sends several commands at once and waits for all their results, in order. Costs one round trip instead of one
    /// per command; a refusal of one is no refusal of the others.
    ///
    /// # Errors
    /// When the emulator does not answer all of them within `limit`, or is gone.
    pub fn batch(
        &self,
        commands: impl IntoIterator<Item = (&'static str, Value)>,
        limit: Duration,
    ) -> Result<Vec<Result<Value, CommandError>>, CommandError> {
        self.begin(commands, limit)?.finish()
    }

    /// The first half of [`Monitor::batch`]: sends, and does not wait. So several emulators work at the same time.
    ///
    /// # Errors
    /// When the emulator does not take them within `limit`, or is gone.
    pub fn begin(
        &self,
        commands: impl IntoIterator<Item = (&'static str, Value)>,
        limit: Duration,
    ) -> Result<Begun<'_>, CommandError> {
        fault()?;
        let end = Instant::now() + limit;
        let mut begun = Begun { monitor: self, expected: Vec::new(), end, limit };
        let mut text = String::new();
        for (name, arguments) in commands {
            let id = self.next_id();
            let mut document = json!({ "execute": name });
            if !arguments.is_null() {
                document["arguments"] = arguments;
            }
            document["id"] = Value::String(id.clone());
            text.push_str(&document.to_string());
            text.push('\n');
            begun.expected.push((self.expect(&id)?, id));
        }
        self.write(text.as_bytes(), end)?;
        Ok(begun)
    }

    /// Sends a command and with it a descriptor, which the emulator keeps for a later command that names it.
    ///
    /// # Errors
    /// As [`Monitor::command`].
    pub fn command_with_fd(
        &self,
        name: &str,
        arguments: &Value,
        fd: BorrowedFd<'_>,
        limit: Duration,
    ) -> Result<Value, CommandError> {
        fault()?;
        let id = self.next_id();
        let mut line = json!({ "execute": name, "arguments": arguments, "id": id }).to_string();
        line.push('\n');
        let receiver = self.expect(&id)?;
        let end = Instant::now() + limit;
        if let Err(error) = self.write_with_fd(line.as_bytes(), fd, end) {
            self.forget(&id);
            return Err(error);
        }
        self.receive(&receiver, &id, end, limit)
    }

    /// Writes a line whose first byte carries a descriptor.
    fn write_with_fd(&self, bytes: &[u8], fd: BorrowedFd<'_>, end: Instant) -> Result<(), CommandError> {
        let turn = locked(&self.writing);
        let fds = [fd];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let sent = loop {
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(&fds));
            match sendmsg(&self.stream, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL) {
                Ok(count) => break count,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(rustix::io::Errno::AGAIN) => return Err(CommandError::Stalled(Duration::ZERO)),
                Err(_) => return Err(CommandError::Closed),
            }
        };
        self.write_on(bytes.get(sent..).unwrap_or_default(), end, &turn)
    }

    fn next_id(&self) -> String {
        format!("libvirt-{}", self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends a whole command document; its id is replaced.
    ///
    /// # Errors
    /// As [`Monitor::command`].
    pub fn raw(&self, mut document: Value, limit: Duration) -> Result<Value, CommandError> {
        fault()?;
        let id = self.next_id();
        document["id"] = Value::String(id.clone());
        let receiver = self.expect(&id)?;
        let mut line = document.to_string();
        line.push('\n');
        let end = Instant::now() + limit;
        if let Err(error) = self.write(line.as_bytes(), end) {
            self.forget(&id);
            return Err(error);
        }
        self.receive(&receiver, &id, end, limit)
    }

    fn receive(
        &self,
        receiver: &Receiver<Answer>,
        id: &str,
        end: Instant,
        limit: Duration,
    ) -> Result<Value, CommandError> {
        let answer = receiver.recv_timeout(end.saturating_duration_since(Instant::now()));
        let _ = faults::at(faults::Point::Answered);
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err((class, description))) => Err(CommandError::Refused { class, description }),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                self.forget(id);
                Err(CommandError::Stalled(limit))
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Err(CommandError::Closed),
        }
    }

    fn expect(&self, id: &str) -> Result<Receiver<Answer>, CommandError> {
        let (sender, receiver) = channel();
        locked(&self.waiting).as_mut().ok_or(CommandError::Closed)?.insert(id.to_owned(), sender);
        Ok(receiver)
    }

    fn forget(&self, id: &str) {
        if let Some(waiting) = locked(&self.waiting).as_mut() {
            waiting.remove(id);
        }
    }

    fn write(&self, bytes: &[u8], end: Instant) -> Result<(), CommandError> {
        let turn = locked(&self.writing);
        self.write_on(bytes, end, &turn)
    }

    fn write_on(
        &self,
        mut bytes: &[u8],
        end: Instant,
        _turn: &MutexGuard<'_, ()>,
    ) -> Result<(), CommandError> {
        while !bytes.is_empty() {
            match (&self.stream).write(bytes) {
                Ok(0) => return Err(CommandError::Closed),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The socket's buffer is full: the emulator has not read for long.
                Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(CommandError::Stalled(Duration::ZERO));
                }
                Err(_) => return Err(CommandError::Closed),
            }
        }
        Ok(())
    }

    /// Reads what has arrived; false when the connection is gone.
    pub(crate) fn readable(&self, chunk: &mut [u8]) -> bool {
        loop {
            match (&self.stream).read(chunk) {
                Ok(0) => break,
                Ok(count) => match locked(&self.lines).feed(&chunk[..count]) {
                    Ok(messages) => messages.into_iter().for_each(|message| self.heard(message)),
                    Err(error) => {
                        log::error!("{error}");
                        break;
                    }
                },
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.close();
        false
    }

    fn heard(&self, message: Message) {
        match message {
            Message::Reply { id: Some(id), result } => {
                let sender = locked(&self.waiting).as_mut().and_then(|waiting| waiting.remove(&id));
                if let Some(sender) = sender {
                    // Who asked may have given up.
                    let _ = sender.send(result);
                }
            }
            Message::Event(event) => (self.listener)(Notice::Event(event)),
            Message::Greeting { .. } | Message::Reply { id: None, .. } | Message::Unknown => {}
        }
    }

    /// Ends the connection: all who wait are told.
    pub(crate) fn close(&self) {
        if locked(&self.waiting).take().is_some() {
            let _ = self.stream.shutdown(std::net::Shutdown::Both);
            (self.listener)(Notice::Closed);
        }
    }
}
