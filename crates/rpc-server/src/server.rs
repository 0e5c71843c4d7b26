//! The I/O thread: accepts, reads, cuts messages, hands calls to workers, keeps connections alive.
//!
//! ```text
//! Listening ──accept──▶ Reading ──too many calls or full stream──▶ Paused ──room──▶ Reading
//!                          │                                          │
//!                          └── end, garbage, keepalive over ──────────┴──▶ Closed
//! ```

use crate::client::{Client, Entry, locked};
use crate::dispatch;
use crate::inbox::{Inbox, Message, Reading};
use crate::session;
use crate::stream::{self, Packet};
use crate::workers::{Pool, Sizes};
use api::event::Event;
use api::{Call, ConnectionId, DriverSet, EventSink, Identity, Opener};
use base::{Error, ErrorCode, ErrorDomain};
use mio::net::{UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token, Waker};
use proto::generated::table;
use proto::message::{
    Header, KEEPALIVE_PING, KEEPALIVE_PONG, KEEPALIVE_PROGRAM, KEEPALIVE_VERSION, Status, Type,
};
use proto::row::{Procedure, Program};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

/// Limits that configuration sets.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Clients at most.
    pub max_clients: u32,
    /// Clients that have not proven who they are, at most.
    pub max_anonymous_clients: u32,
    /// Calls of one client at a time.
    pub max_client_requests: u32,
    /// Worker threads.
    pub workers: Sizes,
    /// Seconds of silence before the server asks; not positive: it never asks.
    pub keepalive_interval: i32,
    /// Questions without an answer before the connection is closed.
    pub keepalive_count: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_clients: 5000,
            max_anonymous_clients: 20,
            max_client_requests: 5,
            workers: Sizes { min: 5, max: 20, priority: 5 },
            keepalive_interval: 5,
            keepalive_count: 5,
        }
    }
}

/// A listening socket and what comes in by it.
#[derive(Debug)]
pub struct Service {
    /// The socket; it is made non-blocking.
    pub listener: std::os::unix::net::UnixListener,
    /// What its clients may do.
    pub entry: Entry,
}

/// Procedures of drivers that only look at memory and are answered by the I/O thread itself.
const INLINE: &[&str] =
    &["connect_get_type", "connect_get_lib_version", "connect_is_secure", "connect_is_encrypted"];

enum Command {
    Close(ConnectionId),
    Resume(ConnectionId),
}

/// What all threads of the server share.
pub(crate) struct Shared {
    pub(crate) opener: Arc<dyn Opener>,
    /// What the admin program reaches.
    admin: DriverSet,
    limits: RwLock<Limits>,
    clients: RwLock<HashMap<u64, Arc<Client>>>,
    pool: Arc<Pool>,
    commands: Mutex<Vec<Command>>,
    waker: Waker,
    stopping: AtomicBool,
    next: AtomicU64,
}

/// The server before it runs.
pub struct Server {
    shared: Arc<Shared>,
    poll: Poll,
    listeners: Vec<(UnixListener, Entry)>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

/// A handle on a running server.
#[derive(Clone)]
pub struct ServerHandle(Arc<Shared>);

impl std::fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerHandle").finish_non_exhaustive()
    }
}

const WAKE: Token = Token(0);
/// Tokens from here on are clients; below are listeners.
pub(crate) const FIRST_CLIENT: u64 = 1024;
/// Reads in a row from one client before others get their turn.
const READS: usize = 16;

struct Peer {
    client: Arc<Client>,
    inbox: Inbox,
    paused: bool,
    seen: Instant,
    asked: u32,
}

impl Shared {
    pub(crate) fn cut_off(&self, id: ConnectionId) {
        self.command(Command::Close(id));
    }

    pub(crate) fn resume(&self, id: ConnectionId) {
        self.command(Command::Resume(id));
    }

    fn command(&self, command: Command) {
        locked(&self.commands).push(command);
        let _ = self.waker.wake();
    }

    fn limits(&self) -> Limits {
        *self.limits.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn all_clients(&self) -> Vec<Arc<Client>> {
        self.clients.read().unwrap_or_else(std::sync::PoisonError::into_inner).values().cloned().collect()
    }
}

impl EventSink for Shared {
    fn publish(&self, event: Event) {
        let _ = faults::at(faults::Point::Announce);
        for client in self.all_clients() {
            let messages = {
                let subscriptions = locked(&client.subscriptions);
                if subscriptions.is_empty() {
                    continue;
                }
                subscriptions.messages(&event)
            };
            for message in messages {
                client.send(self, message, Vec::new());
            }
        }
    }
}

impl ServerHandle {
    /// Ends the server: sockets are closed, workers end when they are done.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
        let _ = self.0.waker.wake();
    }

    /// Changes the limits.
    pub fn set_limits(&self, limits: Limits) {
        *self.0.limits.write().unwrap_or_else(std::sync::PoisonError::into_inner) = limits;
        self.0.pool.resize(limits.workers);
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.0.limits()
    }

    /// Clients connected now.
    pub fn clients(&self) -> Vec<Arc<Client>> {
        self.0.all_clients()
    }

    /// The worker pool.
    pub fn pool(&self) -> Arc<Pool> {
        self.0.pool.clone()
    }

    /// Cuts a client off.
    pub fn close(&self, id: ConnectionId) {
        self.0.cut_off(id);
    }
}

impl EventSink for ServerHandle {
    fn publish(&self, event: Event) {
        self.0.publish(event);
    }
}

impl Server {
    /// A server over these sockets.
    ///
    /// # Errors
    /// When the kernel refuses what polling needs.
    pub fn new(
        services: Vec<Service>,
        opener: Arc<dyn Opener>,
        admin: DriverSet,
        limits: Limits,
    ) -> io::Result<Server> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let mut listeners = Vec::new();
        for (index, service) in services.into_iter().enumerate() {
            service.listener.set_nonblocking(true)?;
            let mut listener = UnixListener::from_std(service.listener);
            poll.registry().register(&mut listener, Token(index + 1), Interest::READABLE)?;
            listeners.push((listener, service.entry));
        }
        let shared = Arc::new(Shared {
            opener,
            admin,
            limits: RwLock::new(limits),
            clients: RwLock::default(),
            pool: Pool::new(limits.workers),
            commands: Mutex::default(),
            waker,
            stopping: AtomicBool::new(false),
            next: AtomicU64::new(FIRST_CLIENT),
        });
        Ok(Server { shared, poll, listeners })
    }

    /// A handle that outlives [`Server::run`].
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(self.shared.clone())
    }

    /// Serves until [`ServerHandle::stop`].
    ///
    /// # Errors
    /// When polling fails.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let mut peers: HashMap<u64, Peer> = HashMap::new();
        let mut again: Vec<u64> = Vec::new();
        let mut chunk = vec![0; 64 << 10];
        // Sockets that had clients waiting when there were too many.
        let mut crowded = false;
        while !self.shared.stopping.load(Ordering::Acquire) {
            let timeout = if again.is_empty() { self.keep_alive(&mut peers) } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let mut ready: Vec<u64> = std::mem::take(&mut again);
            for event in &events {
                match event.token() {
                    WAKE => {}
                    Token(index) if (index as u64) < FIRST_CLIENT => {
                        crowded |= !self.accept(index - 1, &mut peers);
                    }
                    Token(id) => {
                        let id = id as u64;
                        if event.is_writable()
                            && let Some(peer) = peers.get(&id)
                        {
                            let client = &peer.client;
                            if client.outbox().flush(client.socket().as_fd()).is_err() {
                                self.shared.cut_off(client.id);
                            }
                        }
                        if (event.is_readable() || event.is_read_closed()) && !ready.contains(&id) {
                            ready.push(id);
                        }
                    }
                }
            }
            for command in std::mem::take(&mut *locked(&self.shared.commands)) {
                match command {
                    Command::Close(id) => self.close(&mut peers, id.0),
                    Command::Resume(id) => {
                        if let Some(peer) = peers.get_mut(&id.0) {
                            peer.paused = false;
                            if !ready.contains(&id.0) {
                                ready.push(id.0);
                            }
                        }
                    }
                }
            }
            for id in ready {
                let Some(peer) = peers.get_mut(&id) else { continue };
                match self.read(peer, &mut chunk) {
                    Reading::Empty => {}
                    Reading::More => again.push(id),
                    Reading::Gone => self.close(&mut peers, id),
                }
            }
            if crowded && (peers.len() as u32) < self.shared.limits().max_clients {
                crowded = (0..self.listeners.len())
                    .fold(false, |left, index| left | !self.accept(index, &mut peers));
            }
        }
        let ids: Vec<u64> = peers.keys().copied().collect();
        for id in ids {
            self.close(&mut peers, id);
        }
        self.shared.pool.stop();
        Ok(())
    }

    /// Accepts all who wait; false when there are too many clients.
    fn accept(&self, index: usize, peers: &mut HashMap<u64, Peer>) -> bool {
        let (listener, entry) = &self.listeners[index];
        loop {
            let limits = self.shared.limits();
            let strangers = peers.values().filter(|peer| !peer.client.is_authenticated()).count() as u32;
            if peers.len() as u32 >= limits.max_clients || strangers >= limits.max_anonymous_clients {
                log::warn!("too many clients, new ones have to wait");
                return false;
            }
            match listener.accept() {
                Ok((socket, _)) => self.welcome(socket, *entry, peers),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::error!("cannot accept a client: {error}");
                    return true;
                }
            }
        }
    }

    fn welcome(&self, mut socket: UnixStream, entry: Entry, peers: &mut HashMap<u64, Peer>) {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let mut identity = Identity::default();
        if let Ok(credentials) = rustix::net::sockopt::socket_peercred(&socket) {
            identity.uid = Some(credentials.uid.as_raw());
            identity.gid = Some(credentials.gid.as_raw());
            identity.pid = Some(credentials.pid.as_raw_nonzero().get());
        }
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut socket, Token(id as usize), interest) {
            log::error!("cannot watch a client: {error}");
            return;
        }
        let client = Arc::new(Client::new(ConnectionId(id), entry, identity, socket));
        log::debug!("client {id} connected, {:?}", client.identity());
        self.shared
            .clients
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(id, client.clone());
        peers.insert(
            id,
            Peer { client, inbox: Inbox::default(), paused: false, seen: Instant::now(), asked: 0 },
        );
    }

    fn close(&self, peers: &mut HashMap<u64, Peer>, id: u64) {
        let Some(peer) = peers.remove(&id) else { return };
        log::debug!("client {id} is gone");
        self.shared.clients.write().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&id);
        let drivers = peer.client.shut();
        let _ = rustix::net::shutdown(peer.client.socket(), rustix::net::Shutdown::Both);
        if let Some(drivers) = drivers {
            let connection = peer.client.id;
            self.shared.pool.run(false, Box::new(move || drivers.hypervisor.connection_closed(connection)));
        }
    }

    /// Reads and handles what one client sent, a fair share of it.
    fn read(&self, peer: &mut Peer, chunk: &mut [u8]) -> Reading {
        for _ in 0..READS {
            if !self.handle_arrived(peer) {
                return Reading::Gone;
            }
            if peer.paused {
                return Reading::Empty;
            }
            match peer.inbox.read(peer.client.socket().as_fd(), chunk) {
                Reading::Empty => {
                    peer.seen = Instant::now();
                    peer.asked = 0;
                    return if self.handle_arrived(peer) { Reading::Empty } else { Reading::Gone };
                }
                Reading::More => {
                    peer.seen = Instant::now();
                    peer.asked = 0;
                }
                Reading::Gone => {
                    // What came before the end is still answered.
                    self.handle_arrived(peer);
                    return Reading::Gone;
                }
            }
        }
        Reading::More
    }

    /// Handles whole messages; false when the client must be cut off.
    fn handle_arrived(&self, peer: &mut Peer) -> bool {
        let most = self.shared.limits().max_client_requests.max(1);
        while !peer.paused {
            if peer.client.running.load(Ordering::Acquire) >= most {
                peer.paused = true;
                // The last call may have ended in between, and then nobody would resume.
                if peer.client.running.load(Ordering::Acquire) < most {
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

    fn take(&self, peer: &Peer, message: Message) -> Result<bool, ()> {
        let client = &peer.client;
        let header = message.header;
        if header.program == KEEPALIVE_PROGRAM && header.version == KEEPALIVE_VERSION {
            if header.procedure == KEEPALIVE_PING {
                let pong = Header { procedure: KEEPALIVE_PONG, kind: Type::Message as u32, ..header };
                client.send(&self.shared, pong.message(&[]), Vec::new());
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

    fn call(&self, client: &Arc<Client>, message: Message) {
        let header = message.header;
        let (program, row) = match self.find(client, &header) {
            Ok(found) => found,
            Err(error) => return client.reply(&self.shared, &header, Err(&error), Vec::new()),
        };
        client.running.fetch_add(1, Ordering::AcqRel);
        let quick = (row.server && !matches!(row.name, "connect_open" | "connect_close"))
            || INLINE.contains(&row.name);
        let (shared, client) = (self.shared.clone(), client.clone());
        let job = move || serve(&shared, &client, program, row, message);
        if quick {
            job();
        } else {
            self.shared.pool.run(row.high, Box::new(job));
        }
    }

    fn find(
        &self,
        client: &Client,
        header: &Header,
    ) -> Result<(&'static Program, &'static Procedure), Error> {
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

    /// Asks silent clients whether they are there, closes those that do not answer; gives the time until the next look.
    fn keep_alive(&self, peers: &mut HashMap<u64, Peer>) -> Option<Duration> {
        let limits = self.shared.limits();
        let interval = Duration::from_secs(u64::try_from(limits.keepalive_interval).ok().filter(|s| *s > 0)?);
        let now = Instant::now();
        let (mut next, mut dead) = (None, Vec::new());
        for (id, peer) in peers.iter_mut().filter(|(_, peer)| peer.client.keepalive.load(Ordering::Relaxed)) {
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
            let wait = (peer.seen + interval * (peer.asked + 1)).saturating_duration_since(now);
            next = Some(next.map_or(wait, |next: Duration| next.min(wait)));
        }
        for id in dead {
            log::warn!("client {id} has not responded to keepalive messages");
            self.close(peers, id);
        }
        next
    }
}

fn serve(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    program: &'static Program,
    row: &'static Procedure,
    message: Message,
) {
    let header = message.header;
    let cx = Call::new(client.id, client.read_only(), client.identity(), message.fds);
    let work = || {
        if row.server {
            return session::serve(shared, client, &cx, row, &message.payload);
        }
        if program.name == "admin" {
            return dispatch::call(&cx, &shared.admin, program, row, &message.payload);
        }
        let drivers = locked(&client.session).drivers.clone();
        let drivers = drivers.ok_or_else(|| session::not_open(row.family))?;
        dispatch::call(&cx, &drivers, program, row, &message.payload)
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| faults::in_call(work)));
    let outcome = outcome.unwrap_or_else(|_| {
        log::error!("{} panicked", row.name);
        Err(Error::internal(
            ErrorDomain::RPC,
            format!("{} failed unexpectedly; see the daemon's log", row.name),
        ))
    });
    match outcome {
        Ok(reply) => {
            client.reply(shared, &header, Ok(&reply.payload), cx.take_returned());
            if let (Some(stream), Some(row_stream)) = (reply.stream, row.stream) {
                stream::start(shared, client, header, stream, row_stream.to_server);
            }
        }
        Err(error) => {
            log::debug!("{}: {error}", row.name);
            client.reply(shared, &header, Err(&error), Vec::new());
        }
    }
    if client.finished_call() >= shared.limits().max_client_requests.max(1) {
        shared.resume(client.id);
    }
}
