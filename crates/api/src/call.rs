//! One call: who makes it, over which connection, with which descriptors.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A connection of the daemon, unique in its lifetime.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct ConnectionId(pub u64);

/// Who is behind a connection, as far as it is known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    /// Unix user id.
    pub uid: Option<u32>,
    /// Unix group id.
    pub gid: Option<u32>,
    /// Process id.
    pub pid: Option<i32>,
    /// Name of the user.
    pub user_name: Option<String>,
    /// Name of the group.
    pub group_name: Option<String>,
    /// Name proven by SASL.
    pub sasl_name: Option<String>,
    /// Distinguished name of the client's certificate.
    pub x509_name: Option<String>,
    /// Security label of the peer.
    pub selinux_context: Option<String>,
}

/// The circumstances of one call.
#[derive(Debug)]
pub struct Call {
    connection: ConnectionId,
    read_only: bool,
    identity: Arc<Identity>,
    /// Descriptors that came with the call; a driver takes those it wants.
    passed: Mutex<Vec<OwnedFd>>,
    /// Descriptors that go with the answer.
    returned: Mutex<Vec<OwnedFd>>,
    /// Who serves it has others waiting.
    quick: bool,
    /// It cannot be served quickly.
    must_wait: AtomicBool,
}

impl Call {
    /// A call over a connection.
    pub fn new(
        connection: ConnectionId,
        read_only: bool,
        identity: Arc<Identity>,
        passed: Vec<OwnedFd>,
    ) -> Call {
        Call {
            connection,
            read_only,
            identity,
            passed: Mutex::new(passed),
            returned: Mutex::default(),
            quick: false,
            must_wait: AtomicBool::new(false),
        }
    }

    /// The same, tried by a thread that nobody else waits for: whatever would wait asks [`Call::may_wait`] before.
    #[must_use]
    pub fn quick(mut self) -> Call {
        self.quick = true;
        self
    }

    /// Asked before anything that may take its time: another's lock or job, a file, an emulator, much computing.
    ///
    /// # Errors
    /// When the call was to be quick. It is made again then, by a thread that may wait; so nothing must have been changed yet.
    pub fn may_wait(&self) -> base::Result<()> {
        if !self.quick {
            return Ok(());
        }
        self.must_wait.store(true, Ordering::Relaxed);
        Err(base::Error::internal(base::ErrorDomain::RPC, "the call has to wait"))
    }

    /// Whether [`Call::may_wait`] was refused.
    pub fn must_wait(&self) -> bool {
        self.must_wait.load(Ordering::Relaxed)
    }

    /// A call of the daemon itself: autostart, cleaning up.
    pub fn internal() -> Call {
        Call::new(ConnectionId::default(), false, Arc::default(), Vec::new())
    }

    /// The connection it came over.
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// Whether the connection may only read.
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// Who calls.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Takes the descriptors that came with the call.
    pub fn take_fds(&self) -> Vec<OwnedFd> {
        std::mem::take(&mut *self.passed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends a descriptor with the answer.
    pub fn return_fd(&self, fd: OwnedFd) {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner).push(fd);
    }

    /// Takes the descriptors that go with the answer.
    pub fn take_returned(&self) -> Vec<OwnedFd> {
        std::mem::take(&mut *self.returned.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
