//! One connection of a client.

use crate::outbox::{Outbox, Purpose};
use crate::server::Shared;
use crate::stream::Pump;
use crate::subscription::Subscriptions;
use api::{ConnectionId, DriverSet, Identity};
use mio::net::UnixStream;
use proto::message::{self, Header, Status, Type};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// What kind of socket a client came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Only reading is possible.
    pub read_only: bool,
    /// The admin program is served, and nothing else.
    pub admin: bool,
    /// Only root and the daemon's own user are let in without asking an authority.
    pub ask_authority: bool,
}

/// What a client has set up.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Drivers of the open connection.
    pub(crate) drivers: Option<Arc<DriverSet>>,
    pub(crate) read_only: bool,
    pub(crate) close_callback: bool,
}

/// One connected client.
#[derive(Debug)]
pub struct Client {
    /// Number, unique in the daemon's lifetime.
    pub id: ConnectionId,
    /// The socket it came in by.
    pub entry: Entry,
    /// When it came.
    pub since: SystemTime,
    pub(crate) identity: Mutex<Arc<Identity>>,
    pub(crate) session: Mutex<Session>,
    pub(crate) subscriptions: Mutex<Subscriptions>,
    pub(crate) streams: Mutex<HashMap<u32, Arc<Pump>>>,
    /// Calls being served.
    pub(crate) running: AtomicU32,
    /// The client answers keepalive messages.
    pub(crate) keepalive: AtomicBool,
    /// It is known who the client is; until then only authentication is served.
    pub(crate) authenticated: AtomicBool,
    /// It did not read what it was sent, once; the socket is watched for room since.
    slow: AtomicBool,
    socket: UnixStream,
    outbox: Outbox,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    pub(crate) fn new(id: ConnectionId, entry: Entry, identity: Identity, socket: UnixStream) -> Client {
        let own = rustix::process::geteuid().as_raw();
        let trusted = identity.uid.is_some_and(|uid| uid == 0 || uid == own);
        Client {
            authenticated: AtomicBool::new(!entry.ask_authority || trusted),
            id,
            entry,
            since: SystemTime::now(),
            identity: Mutex::new(Arc::new(identity)),
            session: Mutex::new(Session { read_only: entry.read_only, ..Session::default() }),
            subscriptions: Mutex::default(),
            streams: Mutex::default(),
            running: AtomicU32::new(0),
            keepalive: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            socket,
            outbox: Outbox::default(),
        }
    }

    /// Who is behind it.
    pub fn identity(&self) -> Arc<Identity> {
        locked(&self.identity).clone()
    }

    /// Its number for people, counted from 1.
    pub fn number(&self) -> u64 {
        self.id.0 + 1 - crate::server::FIRST_CLIENT
    }

    /// Whether it is known who the client is.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.load(Ordering::Relaxed)
    }

    /// Whether its connection may only read.
    pub fn read_only(&self) -> bool {
        locked(&self.session).read_only
    }

    pub(crate) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Sends a whole message that answers no call; a client that cannot take it is cut off.
    pub(crate) fn send(&self, shared: &Shared, message: Vec<u8>, fds: Vec<OwnedFd>) {
        self.write(shared, message, fds, Purpose::News);
    }

    fn write(&self, shared: &Shared, message: Vec<u8>, fds: Vec<OwnedFd>, purpose: Purpose) {
        match self.outbox.send(self.socket.as_fd(), message, fds, purpose) {
            // Once is enough: from then on every answer that it reads is told.
            Ok(left) if left && !self.slow.swap(true, Ordering::AcqRel) => shared.watch_writable(self),
            Ok(_) => {}
            Err(_) => shared.cut_off(self.id),
        }
    }

    /// Answers a call.
    pub(crate) fn reply(
        &self,
        shared: &Shared,
        call: &Header,
        outcome: Result<&[u8], &base::Error>,
        fds: Vec<OwnedFd>,
    ) {
        let status = if outcome.is_ok() { Status::Ok } else { Status::Error };
        let mut header = call.reply(status);
        if !fds.is_empty() {
            header.kind = Type::ReplyWithFds as u32;
        }
        let mut bytes = header.begin();
        if !fds.is_empty() {
            bytes.extend_from_slice(&(fds.len() as u32).to_be_bytes());
        }
        match outcome {
            Ok(payload) if payload.len() <= message::PAYLOAD_MAX => bytes.extend_from_slice(payload),
            Ok(_) => {
                let error = base::Error::new(
                    base::ErrorCode::RPC,
                    base::ErrorDomain::RPC,
                    "Unable to encode message payload",
                );
                return self.reply(shared, call, Err(&error), Vec::new());
            }
            Err(error) => xdr::Xdr::encode(&proto::fault::Fault(error.clone()), &mut bytes),
        }
        message::finish(&mut bytes);
        self.write(shared, bytes, fds, Purpose::Answer);
    }

    /// Ends everything that hangs on the connection. Tells how many bytes it had not read, too.
    pub(crate) fn shut(&self) -> (Option<Arc<DriverSet>>, usize) {
        let unread = self.outbox.close();
        let streams = std::mem::take(&mut *locked(&self.streams));
        for pump in streams.values() {
            pump.abandon();
        }
        (locked(&self.session).drivers.take(), unread)
    }

    /// Whether no more calls are taken from it for now: a call counts until its answer is written, so that a client that
    /// does not read is not served either. It goes on with the end of a call or with room on the socket.
    pub(crate) fn is_full(&self, most: u32) -> bool {
        let running = self.running.load(Ordering::Acquire);
        running >= most || (self.slow.load(Ordering::Acquire) && running + self.outbox.answers() >= most)
    }

    pub(crate) fn finished_call(&self) -> u32 {
        self.running.fetch_sub(1, Ordering::AcqRel)
    }
}
