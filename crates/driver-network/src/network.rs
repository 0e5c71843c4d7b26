//! One network: a value that readers take as it is, and a job for those who change it.

use crate::{Driver, FROM, error, internal};
use api::event::{Event, NetworkEventLifecyclePayload};
use base::object::NetworkRef;
use base::{Error, ErrorCode, Result, Uuid};
use conf_network::{Network, NetworkPort};
use engine::{JobGuard, JobKind, JobSlot, Key};
use network_plan::status::Status;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How long a call waits for another's job.
const JOB_WAIT: Duration = Duration::from_secs(30);

/// A running network.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    /// What its status document says.
    pub(crate) status: Status,
    /// Guests that are connected.
    pub(crate) ports: BTreeMap<Uuid, Arc<NetworkPort>>,
}

/// What a network is now.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) name: String,
    /// The stored definition; none for a transient network.
    pub(crate) config: Option<Arc<Network>>,
    pub(crate) live: Option<Arc<Live>>,
    pub(crate) autostart: bool,
}

/// A network.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) uuid: Uuid,
    value: RwLock<Arc<Value>>,
    job: JobSlot,
}

impl Key for Net {
    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> String {
        self.value().name.clone()
    }
}

impl Net {
    pub(crate) fn new(uuid: Uuid, value: Value) -> Net {
        Net { uuid, value: RwLock::new(Arc::new(value)), job: JobSlot::default() }
    }

    /// What the network is now.
    pub(crate) fn value(&self) -> Arc<Value> {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the value in one step.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut current = self.value.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = (**current).clone();
        change(&mut next);
        *current = Arc::new(next);
    }

    /// Changes what runs, if the network does.
    pub(crate) fn change_live(&self, change: impl FnOnce(&mut Live)) {
        self.change(|value| {
            if let Some(live) = &mut value.live {
                change(Arc::make_mut(live));
            }
        });
    }

    /// How a client names it.
    pub(crate) fn reference(&self) -> NetworkRef {
        NetworkRef { name: self.value().name.clone(), uuid: self.uuid }
    }

    /// Begins a job or says who holds it.
    pub(crate) fn begin(&self, name: &str) -> Result<JobGuard<'_>> {
        self.job.begin(JobKind::Modify, name, JOB_WAIT).map_err(|refusal| {
            let text = format!("cannot change network: '{}' is still at work", refusal.holder);
            error(ErrorCode::OPERATION_TIMEOUT, text)
        })
    }

    /// The running network, or the error that it does not run.
    pub(crate) fn live(&self) -> Result<Arc<Live>> {
        let value = self.value();
        value
            .live
            .clone()
            .ok_or_else(|| Error::operation_invalid(FROM, format!("network '{}' is not active", value.name)))
    }
}

impl Value {
    /// The definition in force: the running one, else the stored one.
    pub(crate) fn current(&self) -> Option<&Network> {
        self.live.as_ref().map(|live| &live.status.network).or(self.config.as_deref())
    }

    /// The definition for the next start.
    pub(crate) fn next(&self) -> Option<&Network> {
        self.config.as_deref().or_else(|| self.live.as_ref().map(|live| &live.status.network))
    }

    /// The definition that flags of the interface ask for: 1 is the running one, 2 the stored one, 0 the current.
    pub(crate) fn definition(&self, flags: u32) -> Result<&Network> {
        match flags & 3 {
            1 => {
                let live = self.live.as_ref().map(|live| &live.status.network);
                live.ok_or_else(|| Error::operation_invalid(FROM, "network is not running"))
            }
            2 => self.config.as_deref().ok_or_else(transient),
            _ => self.current().ok_or_else(|| internal("network without a definition")),
        }
    }
}

/// The stored definition of a network that has none.
pub(crate) fn transient() -> Error {
    Error::operation_invalid(FROM, "cannot change persistent config of a transient network")
}

/// Which definitions a change affects: running, stored. `flags`: 1 and 2 as in [`Value::definition`].
pub(crate) fn affected(value: &Value, flags: u32) -> Result<(bool, bool)> {
    let active = value.live.is_some();
    let (live, config) = match flags & 3 {
        0 => (active, !active),
        bits => (bits & 1 != 0, bits & 2 != 0),
    };
    if live && !active {
        return Err(Error::operation_invalid(FROM, "network is not running"));
    }
    if config && value.config.is_none() {
        return Err(transient());
    }
    Ok((live, config))
}

impl Driver {
    /// The network a client means.
    pub(crate) fn find(&self, net: &NetworkRef) -> Result<Arc<Net>> {
        self.networks.by_uuid(net.uuid).ok_or_else(|| {
            let text = format!("no network with matching uuid '{}' ({})", net.uuid, net.name);
            error(ErrorCode::NO_NETWORK, text)
        })
    }

    /// Tells what happened to a network.
    pub(crate) fn announce(&self, net: NetworkRef, event: i32) {
        self.events.publish(Event::NetworkLifecycle(NetworkEventLifecyclePayload { net, event, detail: 0 }));
    }
}
