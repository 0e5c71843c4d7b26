//! Volumes by name, key and path.

use crate::pool::{Entry, Held, Value, inactive};
use crate::{Driver, error, refused};
use base::object::{StoragePoolRef, StorageVolRef};
use base::{Error, ErrorCode, Result};
use conf_storage::{Volume, clean_path};
use std::sync::Arc;

/// The error that a volume is not there.
pub(crate) fn no_volume(what: impl std::fmt::Display) -> Error {
    error(ErrorCode::NO_STORAGE_VOL, format!("no storage vol with matching {what}"))
}

impl Value {
    /// The volume of this name.
    pub(crate) fn volume(&self, name: &str) -> Result<&Held> {
        self.volumes.get(name).ok_or_else(|| no_volume(format!("name '{name}'")))
    }
}

impl Held {
    /// Refuses a volume that is being made.
    pub(crate) fn made(&self) -> Result<()> {
        if self.making {
            return Err(refused(format!("volume '{}' is still being allocated.", self.volume.name)));
        }
        Ok(())
    }

    /// Refuses a volume that somebody reads or writes, or that is being made.
    pub(crate) fn unused(&self) -> Result<()> {
        if self.users > 0 {
            return Err(refused(format!("volume '{}' is still in use.", self.volume.name)));
        }
        self.made()
    }
}

impl Driver {
    /// The active pool and the volume that a client means.
    pub(crate) fn volume(&self, vol: &StorageVolRef) -> Result<(Arc<Entry>, Held)> {
        let entry = self.named(&vol.pool)?;
        let held = entry.active()?.volume(&vol.name)?.clone();
        Ok((entry, held))
    }

    /// A volume of a pool by its name.
    pub(crate) fn by_name(&self, pool: &StoragePoolRef, name: &str) -> Result<StorageVolRef> {
        let value = self.find(pool)?.active()?;
        Ok(value.reference(&value.volume(name)?.volume))
    }

    /// A volume of an active pool that fits.
    fn search(&self, fits: impl Fn(&Volume) -> bool) -> Option<StorageVolRef> {
        self.pools.snapshot().values().find_map(|pool| {
            let value = pool.value();
            if !value.active {
                return None;
            }
            let held = value.volumes.values().find(|held| fits(&held.volume))?;
            Some(value.reference(&held.volume))
        })
    }

    /// A volume by its key.
    pub(crate) fn by_key(&self, key: &str) -> Result<StorageVolRef> {
        self.search(|volume| volume.key.as_deref() == Some(key))
            .ok_or_else(|| no_volume(format!("key {key}")))
    }

    /// A volume by the path of what it is on the host.
    pub(crate) fn by_path(&self, path: &str) -> Result<StorageVolRef> {
        let place = clean_path(path);
        self.search(|volume| volume.path.as_deref() == Some(&place)).ok_or_else(|| {
            if place == path {
                no_volume(format!("path '{path}'"))
            } else {
                no_volume(format!("path '{path}' ({place})"))
            }
        })
    }

    /// Names of a pool's volumes.
    pub(crate) fn volume_names(&self, pool: &StoragePoolRef) -> Result<Vec<String>> {
        Ok(self.find(pool)?.active()?.volumes.keys().cloned().collect())
    }

    /// A pool's volumes.
    pub(crate) fn volume_list(&self, pool: &StoragePoolRef) -> Result<Vec<StorageVolRef>> {
        let value = self.find(pool)?.active()?;
        Ok(value.volumes.values().map(|held| value.reference(&held.volume)).collect())
    }

    /// Counts a user of a volume for as long as the result lives.
    pub(crate) fn use_volume(&self, entry: &Arc<Entry>, name: &str, exclusive: bool) -> Result<Use> {
        entry.change(|value| {
            if !value.active {
                return Err(inactive(value));
            }
            let held = value.volumes.get_mut(name).ok_or_else(|| no_volume(format!("name '{name}'")))?;
            let free = if exclusive { held.unused() } else { held.made() };
            free?;
            held.users += 1;
            value.works += 1;
            Ok(())
        })?;
        Ok(Use { entry: entry.clone(), name: name.to_owned() })
    }
}

/// A volume is read or written.
#[derive(Debug)]
pub(crate) struct Use {
    entry: Arc<Entry>,
    name: String,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.entry.change(|value| {
            value.works = value.works.saturating_sub(1);
            if let Some(held) = value.volumes.get_mut(&self.name) {
                held.users = held.users.saturating_sub(1);
            }
        });
    }
}
