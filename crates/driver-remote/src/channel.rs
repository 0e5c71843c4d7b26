//! The socket with all who use it at once.
//!
//! There is no thread of its own. Whoever waits for an answer reads the socket, for itself and for all others; when its
//! own answer has come it hands the reading on. Where there is an event loop, the loop reads too.
//!
//! ```text
//! caller A ── send ── read … answer of B, event, answer of A ──▶ returns, hands on
//! caller B ── send ── sleeps ─────────▶ woken by A                caller C reads now
//! loop     ── socket readable: somebody reads already? nothing to do : read what is there
//! ```

use crate::conduit::Packet;
use crate::incoming::{Incoming, Message, Reading};
use api::event::Event;
use api::session::{CloseReason, OnClose, OnEvent};
use base::{Error, ErrorCode, ErrorDomain, Result};
use proto::fault::Fault;
use proto::generated::table;
use proto::message::{
    Header, KEEPALIVE_PING, KEEPALIVE_PONG, KEEPALIVE_PROGRAM, KEEPALIVE_VERSION, Status, Type,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, send, sendmsg, shutdown};
use std::collections::{HashMap, VecDeque};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a call brought back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) payload: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
}

/// The client's side of one data stream.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) packets: VecDeque<Packet>,
    pub(crate) error: Option<Error>,
    /// The daemon has confirmed the end.
    pub(crate) confirmed: bool,
    pub(crate) watcher: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// Signs of life that were sent and not answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keepalive {
    pub(crate) interval: Duration,
    pub(crate) count: u32,
    pub(crate) unanswered: u32,
}

/// Says why a connection has ended.
pub type Explain = Arc<dyn Fn() -> Option<Error> + Send + Sync>;

#[derive(Default)]
pub(crate) struct State {
    reading: bool,
    sleeping: usize,
    pub(crate) closed: Option<(CloseReason, Error)>,
    /// Calls by serial; `None` while the answer is outstanding.
    waiting: HashMap<u32, Option<Result<Answer>>>,
    pub(crate) streams: HashMap<u32, Inbox>,
    pub(crate) on_event: Option<OnEvent>,
    pub(crate) on_close: Option<OnClose>,
    /// Events that nobody has asked to receive: the tests fetch them.
    events: VecDeque<(i32, Event)>,
    pub(crate) keepalive: Option<Keepalive>,
    pub(crate) heard: Option<Instant>,
    pub(crate) explain: Option<Explain>,
}

/// A connected socket.
pub(crate) struct Channel {
    socket: OwnedFd,
    writing: Mutex<()>,
    incoming: Mutex<Incoming>,
    state: Mutex<State>,
    changed: Condvar,
    serial: AtomicU32,
}

pub(crate) fn rpc(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::RPC, ErrorDomain::RPC, text)
}

fn closed_error() -> Error {
    Error::internal(ErrorDomain::RPC, "client socket is closed")
}

impl Channel {
    pub(crate) fn new(socket: OwnedFd) -> Channel {
        Channel {
            socket,
            writing: Mutex::default(),
            incoming: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
            serial: AtomicU32::new(0),
        }
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    pub(crate) fn next_serial(&self) -> u32 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.state().closed.is_none()
    }

    /// Ends the connection; all who wait learn it.
    pub(crate) fn close(&self, reason: CloseReason, error: Error) {
        let (tell, watchers) = {
            let mut state = self.state();
            if state.closed.is_some() {
                return;
            }
            let watchers: Vec<_> = state.streams.values().filter_map(|inbox| inbox.watcher.clone()).collect();
            state.closed = Some((reason, error));
            self.changed.notify_all();
            (state.on_close.clone(), watchers)
        };
        let _ = shutdown(&self.socket, Shutdown::Both);
        watchers.iter().for_each(|watcher| watcher());
        if let Some(tell) = tell {
            tell(reason);
        }
    }

    /// Sends a whole message and the descriptors that follow it. While the daemon takes nothing, what it says is read, so
    /// that two full sockets do not wait for each other.
    pub(crate) fn write(&self, bytes: &[u8], fds: &[OwnedFd]) -> Result<()> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = bytes;
        while !rest.is_empty() {
            match send(&self.socket, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::AGAIN) => self.wait_for_room(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(self.broken(error)),
            }
        }
        for fd in fds {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let borrowed = [fd.as_fd()];
            control.push(SendAncillaryMessage::ScmRights(&borrowed));
            let data = [std::io::IoSlice::new(&[0])];
            sendmsg(&self.socket, &data, &mut control, SendFlags::NOSIGNAL)
                .map_err(|error| self.broken(error))?;
        }
        Ok(())
    }

    /// Sends what the socket takes at once; `None` when that is nothing.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> Result<Option<()>> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = bytes;
        while !rest.is_empty() {
            match send(&self.socket, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::AGAIN) if rest.len() == bytes.len() => return Ok(None),
                // A message that was begun must be ended before any other.
                Err(Errno::AGAIN) => self.wait_for_room(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(self.broken(error)),
            }
        }
        Ok(Some(()))
    }

    fn wait_for_room(&self) {
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN | PollFlags::OUT)];
        let limit = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
        let _ = poll(&mut fds, Some(&limit));
        if fds[0].revents().contains(PollFlags::IN) {
            self.read_if_free();
        }
    }

    fn broken(&self, error: Errno) -> Error {
        let end = Error::system(ErrorDomain::RPC, &error.into(), "Cannot write data");
        let text = self.explained().unwrap_or(end);
        self.close(CloseReason::Error, text.clone());
        text
    }

    /// Registers a call that is about to be sent.
    pub(crate) fn expect(&self, serial: u32) -> Result<()> {
        let mut state = self.state();
        if let Some((_, error)) = &state.closed {
            return Err(if state.keepalive.is_some() { error.clone() } else { closed_error() });
        }
        state.waiting.insert(serial, None);
        Ok(())
    }

    /// Waits for the answer of a registered call.
    pub(crate) fn answer(&self, serial: u32) -> Result<Answer> {
        self.wait(None, |state| match state.waiting.get(&serial) {
            Some(Some(_)) => state.waiting.remove(&serial).flatten(),
            _ => None,
        })
        .inspect_err(|_| drop(self.state().waiting.remove(&serial)))?
        .unwrap_or_else(|| Err(rpc("the daemon does not answer")))
    }

    /// Reads and sleeps until `done` gives something, the connection ends (an error), or the deadline passes (`None`).
    pub(crate) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut done: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<Option<T>> {
        let mut state = self.state();
        loop {
            if let Some(value) = done(&mut state) {
                return Ok(Some(value));
            }
            if let Some((_, error)) = &state.closed {
                return Err(error.clone());
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            if state.reading {
                state.sleeping += 1;
                state = match left {
                    None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                    Some(left) => {
                        let woken = self.changed.wait_timeout(state, left);
                        woken.unwrap_or_else(PoisonError::into_inner).0
                    }
                };
                state.sleeping -= 1;
                continue;
            }
            state.reading = true;
            drop(state);
            let ready = left.is_none_or(|left| self.readable_within(left));
            if ready {
                self.read(true);
            }
            state = self.stop_reading();
        }
    }

    fn readable_within(&self, left: Duration) -> bool {
        let limit = rustix::event::Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&limit)).is_ok_and(|count| count > 0)
    }

    /// Reads once something comes, if nobody else does.
    pub(crate) fn listen(&self, limit: Duration) {
        if self.readable_within(limit) {
            self.read_if_free();
        }
    }

    fn stop_reading(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        state.reading = false;
        if state.sleeping > 0 {
            self.changed.notify_all();
        }
        state
    }

    /// Reads what is there, unless somebody else reads.
    pub(crate) fn read_if_free(&self) {
        {
            let mut state = self.state();
            if state.reading || state.closed.is_some() {
                return;
            }
            state.reading = true;
        }
        self.read(false);
        drop(self.stop_reading());
    }

    /// Reads once and hands out what has come; the caller has the reading.
    fn read(&self, wait: bool) {
        let mut incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner);
        match incoming.read(self.socket.as_fd(), wait) {
            Reading::Nothing => {}
            Reading::Some => loop {
                match incoming.next() {
                    Ok(Some(message)) => self.heard(message),
                    Ok(None) => return,
                    Err(bad) => {
                        let text = format!("packet {} bytes received from server is out of bounds", bad.0);
                        return self.close(CloseReason::Error, rpc(text));
                    }
                }
            },
            Reading::Gone(None) => {
                let text = "End of file while reading data: Input/output error";
                let end = Error::new(ErrorCode::SYSTEM_ERROR, ErrorDomain::RPC, text);
                self.close(CloseReason::Eof, self.explained().unwrap_or(end));
            }
            Reading::Gone(Some(error)) => {
                let reset = error.kind() == std::io::ErrorKind::ConnectionReset;
                let reason = if reset { CloseReason::Eof } else { CloseReason::Error };
                let end = Error::system(ErrorDomain::RPC, &error, "Cannot recv data");
                self.close(reason, self.explained().unwrap_or(end));
            }
        }
    }

    fn explained(&self) -> Option<Error> {
        let explain = self.state().explain.clone();
        explain.and_then(|explain| explain())
    }

    fn heard(&self, message: Message) {
        let header = message.header;
        {
            let mut state = self.state();
            if let Some(keepalive) = &mut state.keepalive {
                keepalive.unanswered = 0;
                state.heard = Some(Instant::now());
            }
        }
        if header.program == KEEPALIVE_PROGRAM {
            if header.procedure == KEEPALIVE_PING {
                let _ = self.write(&Header { procedure: KEEPALIVE_PONG, ..header }.message(&[]), &[]);
            }
            return;
        }
        match Type::from_number(header.kind) {
            Some(Type::Reply | Type::ReplyWithFds) => {
                let answer = if header.status == Status::Ok as u32 {
                    Ok(Answer { payload: message.payload, fds: message.fds })
                } else {
                    Err(fault(&message.payload))
                };
                if let Some(slot) = self.state().waiting.get_mut(&header.serial) {
                    *slot = Some(answer);
                }
            }
            Some(Type::Message) => self.event(&header, &message.payload),
            Some(Type::Stream | Type::StreamHole) => self.stream(&header, message.payload),
            _ => {}
        }
    }

    fn event(&self, header: &Header, payload: &[u8]) {
        let programs = [&table::REMOTE, &table::QEMU];
        let Some(program) = programs.into_iter().find(|program| program.number == header.program) else {
            return;
        };
        let Ok(Some((number, event))) = Event::decode_callback(program, header.procedure as u32, payload)
        else {
            return;
        };
        let mut state = self.state();
        match state.on_event.clone() {
            Some(tell) => {
                drop(state);
                tell(number, event);
            }
            None => state.events.push_back((number, event)),
        }
    }

    fn stream(&self, header: &Header, payload: Vec<u8>) {
        let watcher = {
            let mut state = self.state();
            let Some(inbox) = state.streams.get_mut(&header.serial) else { return };
            match (Type::from_number(header.kind), Status::from_number(header.status)) {
                (_, Some(Status::Error)) => inbox.error = Some(fault(&payload)),
                (Some(Type::StreamHole), _) => {
                    let length = payload.first_chunk::<8>().map_or(0, |bytes| i64::from_be_bytes(*bytes));
                    inbox.packets.push_back(Packet::Hole(length));
                }
                (_, Some(Status::Continue)) if payload.is_empty() => inbox.packets.push_back(Packet::End),
                (_, Some(Status::Continue)) => inbox.packets.push_back(Packet::Data(payload, 0)),
                _ => inbox.confirmed = true,
            }
            inbox.watcher.clone()
        };
        if let Some(watcher) = watcher {
            watcher();
        }
    }

    /// The next event that nobody asked to receive.
    pub(crate) fn next_event(&self, limit: Duration) -> Option<(i32, Event)> {
        self.wait(Some(Instant::now() + limit), |state| state.events.pop_front()).ok().flatten()
    }

    /// Time for a sign of life; gives up when too many were not answered.
    pub(crate) fn beat(&self) {
        {
            let mut state = self.state();
            let heard = state.heard;
            let Some(keepalive) = &mut state.keepalive else { return };
            if heard.is_some_and(|heard| heard.elapsed() < keepalive.interval / 2) {
                return;
            }
            keepalive.unanswered += 1;
            if keepalive.unanswered > keepalive.count {
                drop(state);
                let text = "connection closed due to keepalive timeout";
                return self.close(CloseReason::Keepalive, Error::internal(ErrorDomain::RPC, text));
            }
        }
        let header = Header {
            program: KEEPALIVE_PROGRAM,
            version: KEEPALIVE_VERSION,
            procedure: KEEPALIVE_PING,
            kind: Type::Message as u32,
            serial: 0,
            status: Status::Ok as u32,
        };
        let _ = self.try_write(&header.message(&[]));
    }
}

fn fault(payload: &[u8]) -> Error {
    xdr::from_bytes::<Fault>(payload).map_or_else(|_| rpc("Unable to decode an error"), |fault| fault.0)
}
