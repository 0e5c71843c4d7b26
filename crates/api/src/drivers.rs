//! Sets of drivers and how a connection gets one.

use crate::event::Event;
use crate::generated::{
    Admin, DomainAgent, DomainBlock, DomainCheckpoint, DomainConfig, DomainConsole, DomainDevice, DomainInfo,
    DomainJob, DomainLifecycle, DomainLookup, DomainMigration, DomainSnapshot, DomainTuning, Host, Interface,
    LxcNamespace, Network, NodeDevice, Nothing, Nwfilter, QemuMonitor, Secret, Storage,
};
use crate::{Call, ConnectionId};
use base::Result;
use std::fmt;
use std::sync::Arc;

/// What a driver of guests implements, family by family.
pub trait Hypervisor:
    Host
    + DomainLookup
    + DomainConfig
    + DomainLifecycle
    + DomainInfo
    + DomainTuning
    + DomainDevice
    + DomainBlock
    + DomainJob
    + DomainMigration
    + DomainSnapshot
    + DomainCheckpoint
    + DomainAgent
    + DomainConsole
    + QemuMonitor
    + LxcNamespace
{
    /// Whether the driver has a feature (`VIR_DRV_FEATURE_*` number).
    fn supports_feature(&self, feature: i32) -> bool {
        let _ = feature;
        false
    }

    /// A connection is gone: guests bound to it end.
    fn connection_closed(&self, connection: ConnectionId) {
        let _ = connection;
    }
}

impl Hypervisor for Nothing {}

/// The drivers behind one connection.
#[derive(Clone)]
pub struct DriverSet {
    /// The connection's URI as the driver states it, e.g. `qemu:///system`.
    pub uri: String,
    /// Guests and the host.
    pub hypervisor: Arc<dyn Hypervisor>,
    /// Virtual networks.
    pub network: Arc<dyn Network>,
    /// Host interfaces.
    pub interface: Arc<dyn Interface>,
    /// Storage pools and volumes.
    pub storage: Arc<dyn Storage>,
    /// Node devices.
    pub node_device: Arc<dyn NodeDevice>,
    /// Secrets.
    pub secret: Arc<dyn Secret>,
    /// Network filters.
    pub nwfilter: Arc<dyn Nwfilter>,
    /// The daemon itself.
    pub admin: Arc<dyn Admin>,
}

impl DriverSet {
    /// A set in which nothing is supported, to be filled.
    pub fn empty(uri: impl Into<String>) -> DriverSet {
        let nothing = Arc::new(Nothing);
        DriverSet {
            uri: uri.into(),
            hypervisor: nothing.clone(),
            network: nothing.clone(),
            interface: nothing.clone(),
            storage: nothing.clone(),
            node_device: nothing.clone(),
            secret: nothing.clone(),
            nwfilter: nothing.clone(),
            admin: nothing,
        }
    }
}

impl fmt::Debug for DriverSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DriverSet({})", self.uri)
    }
}

/// What a client asks for when it opens a connection.
#[derive(Debug, Clone, Copy)]
pub struct OpenRequest<'a> {
    /// URI; `None` or empty asks for the default.
    pub uri: Option<&'a str>,
    /// The connection may only read.
    pub read_only: bool,
}

/// Finds the drivers for a URI.
pub trait Opener: Send + Sync {
    /// The drivers behind a URI.
    ///
    /// # Errors
    /// Code `NO_CONNECT` when no driver serves the URI, or the driver's own refusal.
    fn open(&self, cx: &Call, request: OpenRequest<'_>) -> Result<DriverSet>;
}

/// Where drivers publish what happened.
pub trait EventSink: Send + Sync {
    /// Passes the event to all who listen; never waits for any of them.
    fn publish(&self, event: Event);
}
