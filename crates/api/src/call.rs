//! One call: who makes it, over which connection, with which descriptors.

use std::os::fd::OwnedFd;
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
}

impl Call {
    /// A call over a connection.
    pub fn new(
        connection: ConnectionId,
        read_only: bool,
        identity: Arc<Identity>,
        passed: Vec<OwnedFd>,
    ) -> Call {
        Call { connection, read_only, identity, passed: Mutex::new(passed), returned: Mutex::default() }
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
