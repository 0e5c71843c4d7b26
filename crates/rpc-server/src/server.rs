//! The server: its sockets, its limits, and what its threads share.

use crate::client::{Client, Entry, locked};
use crate::lead::Lead;
use crate::workers::{Pool, Sizes};
use api::event::Event;
use api::{ConnectionId, DriverSet, EventSink, Opener};
use mio::net::UnixListener;
use mio::unix::SourceFd;
use mio::{Interest, Poll, Registry, Token, Waker};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, RwLock};

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

/// What other threads want of the one that leads.
pub(crate) enum Command {
    Close(ConnectionId),
    Resume(ConnectionId),
}

/// What all threads of the server share.
pub(crate) struct Shared {
    pub(crate) opener: Arc<dyn Opener>,
    /// Memory is about to be given back.
    pub(crate) giving_back: AtomicBool,
    /// Bytes that were under way to clients that are gone, since memory was given back.
    pub(crate) freed: AtomicUsize,
    /// What the admin program reaches.
    pub(crate) admin: DriverSet,
    limits: RwLock<Limits>,
    pub(crate) clients: RwLock<HashMap<u64, Arc<Client>>>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) commands: Mutex<Vec<Command>>,
    /// Where sockets are watched.
    pub(crate) registry: Registry,
    waker: Waker,
    pub(crate) stopping: AtomicBool,
    pub(crate) next: AtomicU64,
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

pub(crate) const WAKE: Token = Token(0);
/// Tokens from here on are clients; below are listeners.
pub(crate) const FIRST_CLIENT: u64 = 1024;
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

    /// Has the client looked at when its socket takes more.
    pub(crate) fn watch_writable(&self, client: &Client) {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(client.id.0 as usize);
        let watched = self.registry.reregister(&mut SourceFd(&client.socket().as_raw_fd()), token, interest);
        if let Err(cause) = watched {
            log::error!("cannot watch client {}: {cause}", client.id.0);
            self.cut_off(client.id);
        }
    }

    pub(crate) fn limits(&self) -> Limits {
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
        let registry = poll.registry().try_clone()?;
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
            giving_back: AtomicBool::new(false),
            freed: AtomicUsize::new(0),
            admin,
            limits: RwLock::new(limits),
            clients: RwLock::default(),
            pool: Pool::new(limits.workers),
            commands: Mutex::default(),
            registry,
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
    pub fn run(self) -> io::Result<()> {
        let (ended, end) = channel();
        let pool = self.shared.pool.clone();
        pool.begin(Box::new(Lead::new(self.shared, self.poll, self.listeners, ended)))?;
        end.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that leads has panicked")))
    }
}
