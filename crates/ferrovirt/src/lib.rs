//! A safe client: guests, networks and storage behind any URI that libvirt knows, without C.
//!
//! ```
//! use ferrovirt::{Connection, State};
//!
//! # fn main() -> ferrovirt::Result<()> {
//! let host = Connection::open("test:///default")?;
//! for domain in host.domains()? {
//!     println!("{} has {} MiB", domain.name(), domain.info()?.memory_kib / 1024);
//! }
//! let domain = host.domain("test")?;
//! domain.suspend()?;
//! assert_eq!(domain.state()?, State::Paused);
//! domain.resume()?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything is synchronous. An object keeps its connection open; the connection closes with its last user. What has no
//! method of its own here is reached through [`Connection::drivers`] with the traits of every driver.
//!
//! # Events
//!
//! [`Connection::events`] gives an iterator; it reads the connection itself, no loop is needed.
//!
//! ```
//! use ferrovirt::{Connection, Event};
//! use std::time::Duration;
//!
//! # fn main() -> ferrovirt::Result<()> {
//! let host = Connection::open("test:///default")?;
//! let mut events = host.events()?;
//! host.domain("test")?.suspend()?;
//! let first = events.next_within(Duration::from_secs(5));
//! assert!(matches!(first, Some(Event::DomainLifecycle(message)) if message.dom.name == "test"));
//! # host.domain("test")?.resume()?;
//! # Ok(())
//! # }
//! ```

mod domain;
mod events;
mod network;
mod storage;
mod stream;

pub use api::event::Event;
pub use base::param::{TypedParam, TypedValue};
pub use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
pub use domain::{Domain, Info, Snapshot, State};
pub use events::Events;
pub use network::Network;
pub use storage::{Pool, PoolInfo, Volume};
pub use stream::Data;

use api::{Call, ConnectionId, DriverSet, Session};
use std::fmt;
use std::sync::Arc;

/// What all users of a connection share.
pub(crate) struct Shared {
    pub(crate) drivers: DriverSet,
    pub(crate) session: Arc<dyn Session>,
    uri: String,
    read_only: bool,
    pub(crate) hub: events::Hub,
}

impl Shared {
    /// A call over this connection.
    pub(crate) fn call(&self) -> Call {
        Call::new(ConnectionId(1), self.read_only, Arc::default(), Vec::new())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.session.close();
    }
}

/// A connection to a host.
#[derive(Clone)]
pub struct Connection {
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.shared.uri)
    }
}

impl Connection {
    fn with(name: Option<&str>, read_only: bool) -> Result<Connection> {
        let options = connect::Options { read_only, ..connect::Options::default() };
        let backend = connect::open(name, options)?;
        let (drivers, session, uri) = (backend.drivers, backend.session, backend.uri);
        let hub = events::Hub::listening(&session);
        Ok(Connection { shared: Arc::new(Shared { drivers, session, uri, read_only, hub }) })
    }

    /// Opens a URI or an alias.
    ///
    /// # Errors
    /// Code [`ErrorCode::NO_CONNECT`] when no driver serves the URI, or what went wrong on the way.
    pub fn open(uri: &str) -> Result<Connection> {
        Connection::with(Some(uri), false)
    }

    /// Opens the user's or the machine's default.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn open_default() -> Result<Connection> {
        Connection::with(None, false)
    }

    /// Opens a connection that may only read.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn open_read_only(uri: &str) -> Result<Connection> {
        Connection::with(Some(uri), true)
    }

    /// The URI that was opened.
    pub fn uri(&self) -> &str {
        &self.shared.uri
    }

    /// Whether the other side is still there.
    pub fn is_alive(&self) -> bool {
        self.shared.session.is_alive().unwrap_or(false)
    }

    /// The drivers behind the connection, for calls that have no method here.
    pub fn drivers(&self) -> &DriverSet {
        &self.shared.drivers
    }

    /// A call to make on [`Connection::drivers`].
    pub fn call(&self) -> Call {
        self.shared.call()
    }

    /// Name of the hypervisor, e.g. `QEMU`.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn kind(&self) -> Result<String> {
        self.shared.drivers.hypervisor.connect_get_type(&self.call())
    }

    /// Name of the host.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn hostname(&self) -> Result<String> {
        self.shared.drivers.hypervisor.connect_get_hostname(&self.call())
    }

    /// What the host and its hypervisors can do, as a document.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn capabilities(&self) -> Result<String> {
        self.shared.drivers.hypervisor.connect_get_capabilities(&self.call())
    }

    /// Events of all domains, networks, pools and devices from now on; kinds that the driver does not have are left out.
    ///
    /// # Errors
    /// When none can be asked for.
    pub fn events(&self) -> Result<Events> {
        Events::of(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_uris_are_refused() {
        let error = Connection::open("nosuch:///system").unwrap_err();
        assert_eq!(error.code(), ErrorCode::NO_CONNECT);
        assert_eq!(error.message(), "no connection driver available for nosuch:///system");
    }

    #[test]
    fn storage_and_networks() {
        let host = Connection::open("test:///default").unwrap();
        let pool = host.pool("default-pool").unwrap();
        let volume = pool.create_volume("<volume><name>x</name><capacity>10</capacity></volume>").unwrap();
        assert_eq!(volume.path().unwrap(), "/default-pool/x");
        assert!(pool.volumes().unwrap().iter().any(|known| known.name() == "x"));
        volume.delete().unwrap();
        assert_eq!(host.network("default").unwrap().bridge().unwrap(), "virbr0");
    }

    #[test]
    fn snapshots_and_screens() {
        let host = Connection::open("test:///default").unwrap();
        let domain = host.domain("test").unwrap();
        let snapshot = domain.snapshot("<domainsnapshot><name>s</name></domainsnapshot>").unwrap();
        assert_eq!(snapshot.name(), "s");
        snapshot.delete().unwrap();
        let (kind, picture) = domain.screenshot().unwrap();
        assert_eq!(kind.as_deref(), Some("image/png"));
        assert!(picture.read_all().unwrap().starts_with(b"\x89PNG"));
    }
}
