//! The thread that leads: it accepts, reads, cuts messages and keeps connections alive.
//!
//! ```text
//! Listening ──accept──▶ Reading ──too many calls or full stream──▶ Paused ──room──▶ Reading
//!                          │                                          │
//!                          └── end, garbage, keepalive over ──────────┴──▶ Closed
//! ```
//!
//! Waking a thread takes longer than most calls do. Calls that only look at memory are therefore served by the thread that
//! leads, and the last other call of a turn too, while a worker is free that could lead in its place if the call takes long
//! (see [`crate::workers`]).

use crate::client::{Client, Entry, locked};
use crate::dispatch;
use crate::inbox::{Inbox, Message, Reading};
use crate::linger::Linger;
use crate::server::{Command, FIRST_CLIENT, Shared, WAKE};
use crate::service::{self, Served};
use crate::stream::Packet;
use crate::workers::{Job, Leading};
use api::{ConnectionId, Identity};
use base::{Error, ErrorCode, ErrorDomain};
use mio::net::{UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token};
use proto::generated::table;
use proto::message::{
    Header, KEEPALIVE_PING, KEEPALIVE_PONG, KEEPALIVE_PROGRAM, KEEPALIVE_VERSION, Status, Type,
};
use proto::row::{Procedure, Program};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Reads in a row from one client before others get their turn.
const READS: usize = 16;

/// Bytes that were under way, in either direction, to clients that are gone, from which on it pays to give memory back.
const FREED_LARGE: usize = 256 << 10;

/// Clients at a time from which on it pays to give memory back when most of them are gone.
const MANY: usize = 256;

/// Clients that are accepted in one turn.
const ACCEPTS: usize = 16;

/// What accepting clients gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepting {
    /// Nobody waits any more.
    Done,
    /// There may be more.
    More,
    /// There are too many.
    Crowded,
}

struct Peer {
    client: Arc<Client>,
    inbox: Inbox,
    paused: bool,
    seen: Instant,
    asked: u32,
}

/// A call for a worker: whose it is, whether it is of high priority, and the call.
type Held = (u64, bool, Job);

/// What the thread that leads has, whichever that is.
pub(crate) struct Lead {
    shared: Arc<Shared>,
    poll: Poll,
    events: Events,
    linger: Linger,
    listeners: Vec<(UnixListener, Entry)>,
    peers: HashMap<u64, Peer>,
    /// The most clients at a time since most of them were gone.
    most: usize,
    /// Clients that may have sent more than was read.
    again: Vec<u64>,
    chunk: Vec<u8>,
    /// Sockets had clients waiting when there were too many.
    crowded: bool,
    /// Sockets may have more clients waiting.
    more: bool,
    /// When silent clients are looked for.
    look: Option<Instant>,
    /// The last call of this turn that is not with the workers yet.
    held: Option<Held>,
    ended: Sender<io::Result<()>>,
}

impl Leading for Lead {
    fn lead(mut self: Box<Self>) {
        loop {
            if self.shared.stopping.load(Ordering::Acquire) {
                return self.end(Ok(()));
            }
            if let Err(cause) = self.turn() {
                return self.end(Err(cause));
            }
            let Some((client, high, job)) = self.held.take() else { continue };
            let pool = self.shared.pool.clone();
            match pool.lay_aside(self) {
                Ok(aside) => return pool.serve(aside, job),
                Err(leader) => self = leader,
            }
            pool.run(client, high, job);
        }
    }
}

impl Lead {
    pub(crate) fn new(
        shared: Arc<Shared>,
        poll: Poll,
        listeners: Vec<(UnixListener, Entry)>,
        ended: Sender<io::Result<()>>,
    ) -> Lead {
        Lead {
            shared,
            poll,
            events: Events::with_capacity(256),
            linger: Linger::default(),
            listeners,
            peers: HashMap::new(),
            most: 0,
            again: Vec::new(),
            chunk: vec![0; 64 << 10],
            crowded: false,
            more: false,
            look: None,
            held: None,
            ended,
        }
    }

    /// Closes everything.
    fn end(mut self: Box<Self>, outcome: io::Result<()>) {
        let ids: Vec<u64> = self.peers.keys().copied().collect();
        for id in ids {
            self.close(id);
        }
        self.shared.pool.stop();
        // Nobody waits for it any more when the process ends.
        let _ = self.ended.send(outcome);
    }

    /// Waits until something happens, and sees to all of it.
    fn turn(&mut self) -> io::Result<()> {
        let timeout =
            if self.again.is_empty() && !self.more { self.keep_alive() } else { Some(Duration::ZERO) };
        match self.linger.poll(&mut self.poll, &mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let mut ready = std::mem::take(&mut self.again);
        let mut arrived = Vec::new();
        for event in &self.events {
            match event.token() {
                WAKE => {}
                Token(index) if (index as u64) < FIRST_CLIENT => arrived.push(index - 1),
                Token(id) => {
                    let id = id as u64;
                    let mut resumes = false;
                    if event.is_writable()
                        && let Some(peer) = self.peers.get_mut(&id)
                    {
                        let client = &peer.client;
                        if client.outbox().flush(client.socket().as_fd()).is_err() {
                            self.shared.cut_off(client.id);
                        }
                        // Who reads is there, even while nothing is read from it.
                        (peer.seen, peer.asked) = (Instant::now(), 0);
                        resumes = std::mem::take(&mut peer.paused);
                    }
                    if (resumes || event.is_readable() || event.is_read_closed()) && !ready.contains(&id) {
                        ready.push(id);
                    }
                }
            }
        }
        for index in arrived {
            match self.accept(index) {
                Accepting::Done => {}
                Accepting::More => self.more = true,
                Accepting::Crowded => self.crowded = true,
            }
        }
        self.obey(&mut ready);
        for id in ready {
            match self.read(id) {
                Reading::Empty => {}
                Reading::More => self.again.push(id),
                Reading::Gone => self.close(id),
            }
        }
        if (self.crowded || self.more) && (self.peers.len() as u32) < self.shared.limits().max_clients {
            (self.crowded, self.more) = (false, false);
            for index in 0..self.listeners.len() {
                let accepting = self.accept(index);
                self.crowded |= accepting == Accepting::Crowded;
                self.more |= accepting == Accepting::More;
            }
        } else if std::mem::take(&mut self.more) {
            self.crowded = true;
        }
        Ok(())
    }

    /// Does what other threads want.
    fn obey(&mut self, ready: &mut Vec<u64>) {
        let commands = std::mem::take(&mut *locked(&self.shared.commands));
        for command in commands {
            match command {
                Command::Close(id) => self.close(id.0),
                Command::Resume(id) => {
                    if let Some(peer) = self.peers.get_mut(&id.0) {
                        peer.paused = false;
                        if !ready.contains(&id.0) {
                            ready.push(id.0);
                        }
                    }
                }
            }
        }
    }

    /// Accepts those who wait, but only so many that others get their turn.
    fn accept(&mut self, index: usize) -> Accepting {
        let limits = self.shared.limits();
        let mut strangers = self.peers.values().filter(|peer| !peer.client.is_authenticated()).count() as u32;
        for _ in 0..ACCEPTS {
            if self.peers.len() as u32 >= limits.max_clients || strangers >= limits.max_anonymous_clients {
                log::warn!("too many clients, new ones have to wait");
                return Accepting::Crowded;
            }
            let Some((listener, entry)) = self.listeners.get(index) else { return Accepting::Done };
            let entry = *entry;
            match listener.accept() {
                Ok((socket, _)) => {
                    self.welcome(socket, entry);
                    // Whoever came just now may be one as well.
                    strangers += 1;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Accepting::Done,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::error!("cannot accept a client: {error}");
                    return Accepting::Done;
                }
            }
        }
        Accepting::More
    }

    fn welcome(&mut self, mut socket: UnixStream, entry: Entry) {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let mut identity = Identity::default();
        if let Ok(credentials) = rustix::net::sockopt::socket_peercred(&socket) {
            identity.uid = Some(credentials.uid.as_raw());
            identity.gid = Some(credentials.gid.as_raw());
            identity.pid = Some(credentials.pid.as_raw_nonzero().get());
        }
        // Whether it takes more is of interest once it did not: every answer that is read would wake this thread.
        let watched = self.shared.registry.register(&mut socket, Token(id as usize), Interest::READABLE);
        if let Err(error) = watched {
            log::error!("cannot watch a client: {error}");
            return;
        }
        let client = Arc::new(Client::new(ConnectionId(id), entry, identity, socket));
        log::debug!("client {id} connected, {:?}", client.identity());
        self.shared.clients.write().unwrap_or_else(PoisonError::into_inner).insert(id, client.clone());
        let peer = Peer { client, inbox: Inbox::default(), paused: false, seen: Instant::now(), asked: 0 };
        self.peers.insert(id, peer);
        self.most = self.most.max(self.peers.len());
    }

    fn close(&mut self, id: u64) {
        let Some(peer) = self.peers.remove(&id) else { return };
        log::debug!("client {id} is gone");
        self.shared.clients.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let (drivers, unread) = peer.client.shut();
        let _ = rustix::net::shutdown(peer.client.socket(), rustix::net::Shutdown::Both);
        if let Some(drivers) = drivers {
            let connection = peer.client.id;
            self.shared.pool.run(
                id,
                false,
                Box::new(move || drivers.hypervisor.connection_closed(connection)),
            );
        }
        // What such a client has cost is not to stay with the daemon; once for all that go at a time.
        let left = unread + peer.inbox.held() + self.left_by_many();
        let freed = self.shared.freed.fetch_add(left, Ordering::Relaxed) + left;
        if freed > FREED_LARGE && !self.shared.giving_back.swap(true, Ordering::AcqRel) {
            let shared = self.shared.clone();
            let give_back = move || {
                std::thread::sleep(Duration::from_millis(100));
                shared.freed.store(0, Ordering::Relaxed);
                shared.giving_back.store(false, Ordering::Release);
                host::memory::give_back();
            };
            self.shared.pool.run(0, false, Box::new(give_back));
        }
    }

    /// Bytes that clients have left behind, beside what was under way, once most of many are gone. The places that they had in
    /// tables are given up.
    fn left_by_many(&mut self) -> usize {
        if self.most < MANY || self.peers.len() > self.most / 4 {
            return 0;
        }
        self.most = self.peers.len();
        self.peers.shrink_to_fit();
        self.shared.clients.write().unwrap_or_else(PoisonError::into_inner).shrink_to_fit();
        FREED_LARGE + 1
    }

    /// Reads and handles what one client sent, a fair share of it.
    fn read(&mut self, id: u64) -> Reading {
        let Lead { shared, peers, chunk, held, .. } = self;
        let Some(peer) = peers.get_mut(&id) else { return Reading::Empty };
        let mut desk = Desk { shared, held };
        for _ in 0..READS {
            if !desk.handle_arrived(peer) {
                return Reading::Gone;
            }
            if peer.paused {
                return Reading::Empty;
            }
            match peer.inbox.read(peer.client.socket().as_fd(), chunk) {
                Reading::Empty => {
                    peer.seen = Instant::now();
                    peer.asked = 0;
                    return if desk.handle_arrived(peer) { Reading::Empty } else { Reading::Gone };
                }
                Reading::More => {
                    peer.seen = Instant::now();
                    peer.asked = 0;
                }
                Reading::Gone => {
                    // What came before the end is still answered.
                    desk.handle_arrived(peer);
                    return Reading::Gone;
                }
            }
        }
        Reading::More
    }

    /// Asks silent clients whether they are there, closes those that do not answer; gives the time until the next look.
    fn keep_alive(&mut self) -> Option<Duration> {
        let limits = self.shared.limits();
        let interval = Duration::from_secs(u64::try_from(limits.keepalive_interval).ok().filter(|s| *s > 0)?);
        let now = Instant::now();
        if let Some(look) = self.look.filter(|look| *look > now) {
            return Some(look - now);
        }
        // Whoever comes until the next look is due after it.
        let (mut next, mut dead) = (interval, Vec::new());
        for (id, peer) in &mut self.peers {
            if !peer.client.keepalive.load(Ordering::Relaxed) {
                continue;
            }
            let due = peer.seen + interval * (peer.asked + 1);
            if due <= now {
                if peer.asked >= limits.keepalive_count {
                    dead.push(*id);
                    continue;
                }
                peer.asked += 1;
                let ping = Header {
                    program: KEEPALIVE_PROGRAM,
                    version: KEEPALIVE_VERSION,
                    procedure: KEEPALIVE_PING,
                    kind: Type::Message as u32,
                    serial: 0,
                    status: Status::Ok as u32,
                };
                peer.client.send(&self.shared, ping.message(&[]), Vec::new());
            }
            next = next.min((peer.seen + interval * (peer.asked + 1)).saturating_duration_since(now));
        }
        for id in dead {
            log::warn!("client {id} has not responded to keepalive messages");
            self.close(id);
        }
        self.look = Some(now + next);
        Some(next)
    }
}

/// Where messages of clients come to: what is needed to see to them, but for the clients.
struct Desk<'l> {
    shared: &'l Arc<Shared>,
    held: &'l mut Option<Held>,
}

impl Desk<'_> {
    /// Handles whole messages; false when the client must be cut off.
    fn handle_arrived(&mut self, peer: &mut Peer) -> bool {
        let most = self.shared.limits().max_client_requests.max(1);
        while !peer.paused {
            if peer.client.is_full(most) {
                peer.paused = true;
                // The last call may have ended in between, and then nobody would resume.
                if !peer.client.is_full(most) {
                    peer.paused = false;
                    continue;
                }
                break;
            }
            match peer.inbox.next(peer.client.authenticated.load(Ordering::Relaxed)) {
                Ok(Some(message)) => match self.take(peer, message) {
                    Ok(pause) => peer.paused = pause,
                    Err(()) => return false,
                },
                Ok(None) => break,
                Err(length) => {
                    log::warn!("client {}: message length {} is out of bounds", peer.client.id.0, length.0);
                    return false;
                }
            }
        }
        true
    }

    fn take(&mut self, peer: &Peer, message: Message) -> Result<bool, ()> {
        let client = &peer.client;
        let header = message.header;
        if header.program == KEEPALIVE_PROGRAM && header.version == KEEPALIVE_VERSION {
            if header.procedure == KEEPALIVE_PING {
                let pong = Header { procedure: KEEPALIVE_PONG, kind: Type::Message as u32, ..header };
                client.send(self.shared, pong.message(&[]), Vec::new());
            }
            return Ok(false);
        }
        match Type::from_number(header.kind) {
            Some(Type::Call | Type::CallWithFds) => {
                self.call(client, message);
                Ok(false)
            }
            Some(Type::Stream | Type::StreamHole) => self.stream(client, message),
            _ => {
                log::warn!("client {}: Unexpected message type {}", client.id.0, header.kind);
                Err(())
            }
        }
    }

    fn stream(&self, client: &Arc<Client>, message: Message) -> Result<bool, ()> {
        let header = message.header;
        let pump = locked(&client.streams).get(&header.serial).cloned();
        // Packets of a stream that has ended on our side are dropped.
        let Some(pump) = pump else { return Ok(false) };
        let packet = match (Type::from_number(header.kind), Status::from_number(header.status)) {
            (Some(Type::StreamHole), _) => match message.payload.first_chunk::<8>() {
                Some(length) => Packet::Hole(i64::from_be_bytes(*length)),
                None => return Err(()),
            },
            (_, Some(Status::Continue)) => Packet::Data(message.payload),
            (_, Some(Status::Ok)) => Packet::Finish,
            (_, Some(Status::Error)) => Packet::Abort,
            (_, None) => return Err(()),
        };
        Ok(pump.push(packet))
    }

    fn call(&mut self, client: &Arc<Client>, message: Message) {
        let (program, row) = match find(client, &message.header) {
            Ok(found) => found,
            Err(error) => return client.reply(self.shared, &message.header, Err(&error), Vec::new()),
        };
        client.running.fetch_add(1, Ordering::AcqRel);
        let mut message = message;
        if service::is_quick(row) && message.fds.is_empty() {
            match service::serve(self.shared, client, program, row, message, true) {
                Served::Answered => return,
                Served::MustWait(back) => message = back,
            }
        }
        let (shared, client) = (self.shared.clone(), client.clone());
        let id = client.id.0;
        let job = move || {
            service::serve(&shared, &client, program, row, message, false);
        };
        if let Some((id, high, earlier)) = self.held.replace((id, row.high, Box::new(job))) {
            self.shared.pool.run(id, high, earlier);
        }
    }
}

fn find(client: &Client, header: &Header) -> Result<(&'static Program, &'static Procedure), Error> {
    let programs: &[&'static Program] =
        if client.entry.admin { &[&table::ADMIN] } else { &[&table::REMOTE, &table::QEMU, &table::LXC] };
    let rpc = |text: String| Error::new(ErrorCode::RPC, ErrorDomain::RPC, text);
    let program = programs.iter().find(|p| p.number == header.program && p.version == header.version);
    let Some(program) = program.copied() else {
        return Err(rpc(format!("Cannot find program {} version {}", header.program, header.version)));
    };
    if header.status != Status::Ok as u32 {
        return Err(rpc(format!("Unexpected message status {}", header.status)));
    }
    let row = dispatch::row(program, header.procedure)?;
    if !client.authenticated.load(Ordering::Relaxed) && !row.name.starts_with("auth_") {
        return Err(rpc("authentication required".to_owned()));
    }
    Ok((program, row))
}
