//! Pools come, start, stop and go.

use crate::backend::{self, Found};
use crate::pool::{Entry, Held};
use crate::restore::header;
use crate::{Driver, check_flags, error, internal, refused, system};
use api::consts::storage_pool_build as build_flag;
use api::consts::storage_pool_create as create_flag;
use api::consts::storage_pool_define;
use api::consts::storage_pool_event_lifecycle_type as event;
use base::object::StoragePoolRef;
use base::{ErrorCode, Result};
use conf_storage::{Pool, conflict, status};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Flags of a start that builds before.
const START_FLAGS: u32 =
    create_flag::WITH_BUILD | create_flag::WITH_BUILD_OVERWRITE | create_flag::WITH_BUILD_NO_OVERWRITE;

impl Driver {
    /// Reads a document, held against its schema when the client asks for that.
    fn parse(text: &str, validate: bool) -> Result<Pool> {
        if validate {
            schema::validate_text(schema::Kind::StoragePool, text)?;
        }
        Pool::parse(text, &mut host::random::bytes::<16>)
    }

    /// Refuses a definition whose name, UUID or source belongs to another pool; gives the pool it redefines.
    fn conflict(&self, pool: &Pool, start: bool) -> Result<Option<Arc<Entry>>> {
        let failed = |text: String| Err(error(ErrorCode::OPERATION_FAILED, text));
        for other in self.pools.snapshot().values() {
            let value = other.value();
            if value.pool.name != pool.name && conflict::same_source(pool, &value.pool) {
                return failed(format!("Storage source conflict with pool: '{}'", value.pool.name));
            }
        }
        if let Some(entry) = self.pools.by_uuid(pool.uuid) {
            let value = entry.value();
            if value.pool.name != pool.name {
                return failed(format!(
                    "pool '{}' is already defined with uuid {}",
                    value.pool.name, pool.uuid
                ));
            }
            if start && value.active {
                return Err(refused(format!("pool is already active as '{}'", value.pool.name)));
            }
            return Ok(Some(entry));
        }
        match self.pools.by_name(&pool.name) {
            Some(entry) => failed(format!("pool '{}' already exists with uuid {}", pool.name, entry.uuid)),
            None => Ok(None),
        }
    }

    pub(crate) fn config_file(&self, name: &str) -> PathBuf {
        self.config_dir().join(format!("{name}.xml"))
    }

    pub(crate) fn autostart_link(&self, name: &str) -> PathBuf {
        self.autostart_dir().join(format!("{name}.xml"))
    }

    fn state_file(&self, name: &str) -> PathBuf {
        self.run_dir().join(format!("{name}.xml"))
    }

    fn store(&self, pool: &Pool) -> Result<()> {
        let path = self.config_file(&pool.name);
        let text = header(&pool.name) + &pool.format();
        host::store::write(&path, text.as_bytes(), 0o600)
            .map_err(|cause| system(&cause, format!("cannot write config file '{}'", path.display())))
    }

    pub(crate) fn write_state(&self, pool: &Pool) -> Result<()> {
        let path = self.state_file(&pool.name);
        let text = header(&pool.name) + &status::format(pool);
        host::store::write_volatile(&path, text.as_bytes(), 0o600)
            .map_err(|cause| system(&cause, format!("cannot write state file '{}'", path.display())))
    }

    pub(crate) fn remove_state(&self, name: &str) {
        if let Err(cause) = host::store::remove_volatile(&self.state_file(name)) {
            log::error!("state of pool '{name}': {cause}");
        }
    }

    /// Defines a pool.
    pub(crate) fn define(&self, text: &str, flags: u32) -> Result<StoragePoolRef> {
        check_flags(flags, storage_pool_define::VALIDATE, "storagePoolDefineXML")?;
        let validate = flags & storage_pool_define::VALIDATE != 0;
        let entry = self.pools.exclusively(|| {
            let pool = Driver::parse(text, validate)?;
            let existing = self.conflict(&pool, false)?;
            backend::check(pool.kind)?;
            self.store(&pool)?;
            let pool = Arc::new(pool);
            match existing {
                Some(entry) => {
                    entry.change(|value| {
                        value.persistent = true;
                        if value.active {
                            value.next = Some(pool);
                        } else {
                            value.pool = pool;
                        }
                    });
                    Ok::<_, base::Error>(entry)
                }
                None => {
                    let entry = Arc::new(Entry::new(pool, true, false));
                    self.pools.insert(entry.clone());
                    Ok(entry)
                }
            }
        })?;
        let reference = entry.reference();
        self.announce(reference.clone(), event::DEFINED);
        Ok(reference)
    }

    /// Forgets a definition.
    pub(crate) fn undefine(&self, pool: &StoragePoolRef) -> Result<()> {
        let entry = self.find(pool)?;
        let _job = entry.begin("undefine")?;
        let value = entry.value();
        if value.active {
            return Err(refused(format!("storage pool '{}' is still active", value.pool.name)));
        }
        value.idle()?;
        let reference = entry.reference();
        for path in [self.autostart_link(&value.pool.name), self.config_file(&value.pool.name)] {
            host::store::remove(&path)
                .map_err(|cause| system(&cause, format!("cannot remove config file '{}'", path.display())))?;
        }
        self.pools.remove(entry.uuid);
        self.announce(reference, event::UNDEFINED);
        Ok(())
    }

    /// Starts a pool from a document; it is gone when it stops, unless it is defined.
    pub(crate) fn create(&self, text: &str, flags: u32) -> Result<StoragePoolRef> {
        check_flags(flags, START_FLAGS, "storagePoolCreateXML")?;
        let (entry, new) = self.pools.exclusively(|| {
            let pool = Driver::parse(text, false)?;
            let existing = self.conflict(&pool, true)?;
            backend::check(pool.kind)?;
            let pool = Arc::new(pool);
            match existing {
                Some(entry) => {
                    entry.change(|value| {
                        if value.persistent {
                            value.next = Some(value.pool.clone());
                        }
                        value.pool = pool;
                    });
                    Ok::<_, base::Error>((entry, false))
                }
                None => {
                    let entry = Arc::new(Entry::new(pool, false, false));
                    self.pools.insert(entry.clone());
                    Ok((entry, true))
                }
            }
        })?;
        let started = self.launch(&entry, flags);
        if let Err(cause) = started {
            if new {
                self.pools.remove(entry.uuid);
            } else {
                entry.change(settle);
            }
            return Err(cause);
        }
        Ok(entry.reference())
    }

    /// Starts a defined pool.
    pub(crate) fn start_defined(&self, pool: &StoragePoolRef, flags: u32) -> Result<()> {
        check_flags(flags, START_FLAGS, "storagePoolCreate")?;
        self.launch(&*self.find(pool)?, flags)
    }

    /// Starts a pool: builds it when asked to, makes its volumes appear, looks what there is.
    pub(crate) fn launch(&self, entry: &Entry, flags: u32) -> Result<()> {
        let _job = entry.begin("create")?;
        let value = entry.value();
        if value.active {
            return Err(refused(format!("storage pool '{}' is already active", value.pool.name)));
        }
        backend::check(value.pool.kind)?;
        if flags & create_flag::WITH_BUILD_OVERWRITE != 0 {
            backend::build(&value.pool, build_flag::OVERWRITE)?;
        } else if flags & create_flag::WITH_BUILD_NO_OVERWRITE != 0 {
            backend::build(&value.pool, build_flag::NO_OVERWRITE)?;
        } else if flags & create_flag::WITH_BUILD != 0 {
            backend::build(&value.pool, 0)?;
        }
        let mut pool = (*value.pool).clone();
        backend::start(&mut pool)?;
        let found = match backend::look(&pool).and_then(|found| self.write_state(&pool).map(|()| found)) {
            Ok(found) => found,
            Err(cause) => {
                self.remove_state(&pool.name);
                if let Err(cause) = backend::stop(&pool) {
                    log::warn!("pool '{}': {cause}", pool.name);
                }
                return Err(cause);
            }
        };
        entry.change(|value| {
            value.pool = Arc::new(pool);
            value.active = true;
            take_in(value, found);
        });
        self.announce(entry.reference(), event::STARTED);
        Ok(())
    }

    /// Makes what a pool lies on.
    pub(crate) fn build_pool(&self, pool: &StoragePoolRef, flags: u32) -> Result<()> {
        let entry = self.find(pool)?;
        let _job = entry.begin("build")?;
        let value = entry.value();
        if value.active {
            return Err(refused(format!("storage pool '{}' is already active", value.pool.name)));
        }
        backend::check(value.pool.kind)?;
        backend::build(&value.pool, flags)?;
        self.announce(entry.reference(), event::CREATED);
        Ok(())
    }

    /// Stops a pool.
    pub(crate) fn destroy(&self, pool: &StoragePoolRef) -> Result<()> {
        let entry = self.find(pool)?;
        let _job = entry.begin("destroy")?;
        let value = entry.active()?;
        value.idle()?;
        backend::stop(&value.pool)?;
        self.stopped(&entry);
        Ok(())
    }

    /// Notes that a pool has stopped and tells it.
    fn stopped(&self, entry: &Entry) {
        let reference = entry.reference();
        self.remove_state(&reference.name);
        let persistent = entry.change(|value| {
            value.active = false;
            value.volumes.clear();
            settle(value);
            value.persistent
        });
        if !persistent {
            self.pools.remove(entry.uuid);
        }
        self.announce(reference, event::STOPPED);
    }

    /// Removes what a pool lies on.
    pub(crate) fn delete(&self, pool: &StoragePoolRef, flags: u32) -> Result<()> {
        let entry = self.find(pool)?;
        let _job = entry.begin("delete")?;
        let value = entry.value();
        if value.active {
            return Err(refused(format!("storage pool '{}' is still active", value.pool.name)));
        }
        value.idle()?;
        backend::check(value.pool.kind)?;
        backend::delete(&value.pool, flags)?;
        self.announce(entry.reference(), event::DELETED);
        Ok(())
    }

    /// Looks what a pool has now.
    pub(crate) fn refresh(&self, pool: &StoragePoolRef, flags: u32) -> Result<()> {
        check_flags(flags, 0, "storagePoolRefresh")?;
        let entry = self.find(pool)?;
        let _job = entry.begin("refresh")?;
        let value = entry.active()?;
        value.idle()?;
        self.look_again(&entry)?;
        Ok(())
    }

    /// The look itself; a pool that cannot be looked at has stopped.
    pub(crate) fn look_again(&self, entry: &Entry) -> Result<()> {
        let value = entry.value();
        match backend::look(&value.pool) {
            Ok(found) => {
                entry.change(|value| take_in(value, found));
                self.announce_refresh(entry.reference());
                Ok(())
            }
            Err(cause) => {
                if let Err(cause) = backend::stop(&value.pool) {
                    log::warn!("pool '{}': {cause}", value.pool.name);
                }
                self.stopped(entry);
                Err(cause)
            }
        }
    }

    /// Has a pool start by itself, or not.
    pub(crate) fn set_autostart(&self, pool: &StoragePoolRef, on: bool) -> Result<()> {
        let entry = self.find(pool)?;
        let _job = entry.begin("set autostart")?;
        let value = entry.value();
        if !value.persistent {
            return Err(internal("pool has no config file"));
        }
        if value.autostart == on {
            return Ok(());
        }
        let (link, file) = (self.autostart_link(&value.pool.name), self.config_file(&value.pool.name));
        let changed = if on { host::store::link(&file, &link) } else { host::store::remove(&link) };
        changed.map_err(|cause| {
            let what = if on {
                format!("Failed to create symlink '{}' to '{}'", link.display(), file.display())
            } else {
                format!("Failed to delete symlink '{}'", link.display())
            };
            system(&cause, what)
        })?;
        entry.change(|value| value.autostart = on);
        Ok(())
    }
}

/// From now on the next definition is in force.
pub(crate) fn settle(value: &mut crate::pool::Value) {
    if let Some(next) = value.next.take() {
        value.pool = next;
    }
}

/// Takes in what a look has found; volumes that are being made are kept as they are.
pub(crate) fn take_in(value: &mut crate::pool::Value, found: Found) {
    value.redefine(|pool| {
        (pool.capacity, pool.allocation, pool.available) = found.room;
        if let Some(permissions) = found.permissions {
            pool.permissions = permissions;
        }
        if let Some(device) = pool.source.devices.first_mut() {
            device.free = found.free;
        }
    });
    let old = std::mem::take(&mut value.volumes);
    let mut volumes: BTreeMap<String, Held> = found
        .volumes
        .into_iter()
        .map(|volume| {
            let users = old.get(&volume.name).map_or(0, |held| held.users);
            (volume.name.clone(), Held { volume: Arc::new(volume), making: false, users })
        })
        .collect();
    volumes.extend(old.into_iter().filter(|(_, held)| held.making));
    value.volumes = volumes;
}
