//! What a connection is besides its drivers: whether it lives, what it tells by itself, how it ends.

use crate::event::{Event, Kind};
use crate::event_loop::EventLoop;
use base::Result;
use base::object::{DomainRef, NetworkRef, NodeDeviceRef, SecretRef, StoragePoolRef};
use base::param::TypedParam;
use std::sync::Arc;
use std::time::Duration;

/// Why a connection ended; the numbers are `virConnectCloseReason`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum CloseReason {
    /// A system error.
    Error = 0,
    /// The other side closed it.
    Eof = 1,
    /// No answer to keepalive messages.
    Keepalive = 2,
    /// The client asked for it.
    Client = 3,
}

/// The object that a client wants events of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// A domain.
    Domain(DomainRef),
    /// A network.
    Network(NetworkRef),
    /// A storage pool.
    StoragePool(StoragePoolRef),
    /// A node device.
    NodeDevice(NodeDeviceRef),
    /// A secret.
    Secret(SecretRef),
}

impl Subject {
    /// Whether an event happened to this object.
    pub fn of(&self, event: &Event) -> bool {
        match self {
            Subject::Domain(dom) => event.domain().is_some_and(|other| other.uuid == dom.uuid),
            Subject::Network(net) => event.network().is_some_and(|other| other.uuid == net.uuid),
            Subject::StoragePool(pool) => event.storage_pool().is_some_and(|other| other.uuid == pool.uuid),
            Subject::NodeDevice(dev) => event.node_device().is_some_and(|other| other.name == dev.name),
            Subject::Secret(secret) => event.secret().is_some_and(|other| other.uuid == secret.uuid),
        }
    }
}

/// What a client wants to hear of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscription {
    /// Kind of object.
    pub kind: Kind,
    /// Number of the event within the kind; -1 for those of QEMU's monitor.
    pub id: i32,
    /// Only of this object.
    pub subject: Option<Subject>,
    /// For events of QEMU's monitor: the name asked for, and how it is to be understood (flags).
    pub monitor: Option<(Option<String>, u32)>,
}

/// Receives events with the number of the subscription they answer; [`UNNUMBERED`] when they answer any.
pub type OnEvent = Arc<dyn Fn(i32, Event) + Send + Sync>;

/// Receives the end of the connection.
pub type OnClose = Arc<dyn Fn(CloseReason) + Send + Sync>;

/// The number of subscriptions to a source that does not tell them apart.
pub const UNNUMBERED: i32 = -1;

/// A connection as its client sees it. The default is that of a driver inside the client.
pub trait Session: Send + Sync {
    /// The drivers are in this process: asking them costs nothing.
    fn is_local(&self) -> bool {
        false
    }

    /// Still there.
    ///
    /// # Errors
    /// When that cannot be told.
    fn is_alive(&self) -> Result<bool> {
        Ok(true)
    }

    /// Nobody can listen in.
    ///
    /// # Errors
    /// What the other side answers.
    fn is_secure(&self) -> Result<bool> {
        Ok(true)
    }

    /// Encrypted on its way.
    ///
    /// # Errors
    /// What the other side answers.
    fn is_encrypted(&self) -> Result<bool> {
        Ok(false)
    }

    /// Sends a sign of life every `interval` seconds, and gives up after `count` without an answer; false when the
    /// other side knows no keepalive. An interval of 0 or less stops it.
    ///
    /// # Errors
    /// When there is nobody to send them.
    fn set_keepalive(&self, interval: i32, count: u32) -> Result<bool> {
        let _ = (interval, count);
        Err(base::Error::no_support("virConnectSetKeepAlive").in_domain(base::ErrorDomain::DOMAIN))
    }

    /// Tells who the user behind the client is.
    ///
    /// # Errors
    /// What the other side answers.
    fn set_identity(&self, params: &[TypedParam], flags: u32) -> Result<()> {
        let _ = (params, flags);
        Err(base::Error::no_support("virConnectSetIdentity").in_domain(base::ErrorDomain::DOMAIN))
    }

    /// Asks for events; gives the subscription's number.
    ///
    /// # Errors
    /// What the other side answers.
    fn subscribe(&self, what: &Subscription) -> Result<i32> {
        let _ = what;
        Ok(UNNUMBERED)
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// What the other side answers.
    fn unsubscribe(&self, what: &Subscription, number: i32) -> Result<()> {
        let _ = (what, number);
        Ok(())
    }

    /// Says who receives events.
    fn on_event(&self, action: OnEvent) {
        let _ = action;
    }

    /// Says who hears of the connection's end.
    fn on_close(&self, action: OnClose) {
        let _ = action;
    }

    /// Reads what the other side says, for programs without a loop; returns when something came or `limit` has passed.
    fn listen(&self, limit: Duration) {
        let _ = limit;
    }

    /// Gives it a loop to live in.
    fn attach(&self, event_loop: Arc<dyn EventLoop>) {
        let _ = event_loop;
    }

    /// Ends it.
    fn close(&self) {}
}
