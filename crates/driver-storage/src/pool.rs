//! One pool: a value that readers take as it is, a job for those who change it, the count of long work.

use crate::{Driver, error, internal, refused};
use api::event::{Event, StoragePoolEventLifecyclePayload, StoragePoolEventRefreshPayload};
use base::object::{StoragePoolRef, StorageVolRef};
use base::{ErrorCode, Result, Uuid};
use conf_storage::{Pool, Volume};
use engine::{JobGuard, JobKind, JobSlot, Key};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How long a call waits for another's job.
const JOB_WAIT: Duration = Duration::from_secs(30);

/// A volume of an active pool.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// What is known of it.
    pub(crate) volume: Arc<Volume>,
    /// It is being made.
    pub(crate) making: bool,
    /// Calls that read or write it.
    pub(crate) users: u32,
}

/// What a pool is now.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    /// The definition in force.
    pub(crate) pool: Arc<Pool>,
    /// The definition for the next start, when it is another one.
    pub(crate) next: Option<Arc<Pool>>,
    /// It is stored.
    pub(crate) persistent: bool,
    pub(crate) active: bool,
    pub(crate) autostart: bool,
    /// Work that goes on without the job.
    pub(crate) works: u32,
    /// Volumes by name.
    pub(crate) volumes: BTreeMap<String, Held>,
}

/// A pool.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) uuid: Uuid,
    value: RwLock<Arc<Value>>,
    job: JobSlot,
}

impl Key for Entry {
    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> String {
        self.value().pool.name.clone()
    }
}

impl Entry {
    pub(crate) fn new(pool: Arc<Pool>, persistent: bool, autostart: bool) -> Entry {
        let uuid = pool.uuid;
        let value = Value {
            pool,
            next: None,
            persistent,
            active: false,
            autostart,
            works: 0,
            volumes: BTreeMap::new(),
        };
        Entry { uuid, value: RwLock::new(Arc::new(value)), job: JobSlot::default() }
    }

    /// What the pool is now.
    pub(crate) fn value(&self) -> Arc<Value> {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the value in one step; what the change says.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut Value) -> R) -> R {
        let mut current = self.value.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut current))
    }

    /// How a client names it.
    pub(crate) fn reference(&self) -> StoragePoolRef {
        StoragePoolRef { name: self.name(), uuid: self.uuid }
    }

    /// Begins a job or says who holds it.
    pub(crate) fn begin(&self, name: &str) -> Result<JobGuard<'_>> {
        self.job.begin(JobKind::Modify, name, JOB_WAIT).map_err(|refusal| {
            let text = format!("cannot change storage pool: '{}' is still at work", refusal.holder);
            error(ErrorCode::OPERATION_TIMEOUT, text)
        })
    }

    /// What an active pool is now.
    pub(crate) fn active(&self) -> Result<Arc<Value>> {
        let value = self.value();
        if value.active { Ok(value) } else { Err(inactive(&value)) }
    }
}

/// The refusal of what only an active pool can do.
pub(crate) fn inactive(value: &Value) -> base::Error {
    refused(format!("storage pool '{}' is not active", value.pool.name))
}

impl Value {
    /// Refuses while long work is under way.
    pub(crate) fn idle(&self) -> Result<()> {
        if self.works == 0 {
            return Ok(());
        }
        Err(internal(format!("pool '{}' has asynchronous jobs running.", self.pool.name)))
    }

    /// Puts a volume in the place of the one of its name, who makes and uses it staying the same.
    pub(crate) fn know(&mut self, volume: Volume) {
        let volume = Arc::new(volume);
        match self.volumes.get_mut(&volume.name) {
            Some(held) => held.volume = volume,
            None => {
                let held = Held { volume: volume.clone(), making: false, users: 0 };
                self.volumes.insert(volume.name.clone(), held);
            }
        }
    }

    /// Changes the definition in force.
    pub(crate) fn redefine(&mut self, change: impl FnOnce(&mut Pool)) {
        change(Arc::make_mut(&mut self.pool));
    }

    /// How a client names a volume.
    pub(crate) fn reference(&self, volume: &Volume) -> StorageVolRef {
        let key = volume.key.clone().unwrap_or_default();
        StorageVolRef { pool: self.pool.name.clone(), name: volume.name.clone(), key }
    }
}

impl Driver {
    /// The pool a client means.
    pub(crate) fn find(&self, pool: &StoragePoolRef) -> Result<Arc<Entry>> {
        self.pools.by_uuid(pool.uuid).ok_or_else(|| {
            let text = format!("no storage pool with matching uuid '{}' ({})", pool.uuid, pool.name);
            error(ErrorCode::NO_STORAGE_POOL, text)
        })
    }

    /// The pool of this name.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<Entry>> {
        self.pools.by_name(name).ok_or_else(|| {
            error(ErrorCode::NO_STORAGE_POOL, format!("no storage pool with matching name '{name}'"))
        })
    }

    /// Tells what happened to a pool.
    pub(crate) fn announce(&self, pool: StoragePoolRef, event: i32) {
        let payload = StoragePoolEventLifecyclePayload { pool, event, detail: 0 };
        self.events.publish(Event::StoragePoolLifecycle(payload));
    }

    /// Tells that a pool was looked at anew.
    pub(crate) fn announce_refresh(&self, pool: StoragePoolRef) {
        self.events.publish(Event::StoragePoolRefresh(StoragePoolEventRefreshPayload { pool }));
    }
}
