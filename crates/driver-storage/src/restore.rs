//! What an earlier daemon left: definitions, active pools, and those that start by themselves.

use crate::lifecycle::{settle, take_in};
use crate::pool::Entry;
use crate::{Driver, backend};
use conf_storage::{Pool, status};
use std::sync::Arc;

/// What precedes a stored document.
pub(crate) fn header(name: &str) -> String {
    format!(
        "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\nOVERWRITTEN AND LOST. \
         Changes to this xml configuration should be made using:\n  virsh pool-edit {name}\nor other application \
         using the libvirt API.\n-->\n\n"
    )
}

impl Driver {
    /// Reads the stored definitions.
    pub(crate) fn load(&self) {
        let mut found = Vec::new();
        for (name, text) in host::store::files(&self.config_dir(), "xml") {
            match Pool::parse_stored(&text, &mut host::random::bytes::<16>) {
                Ok(pool) if pool.name == name => {
                    let autostart = self.autostart_link(&name).symlink_metadata().is_ok();
                    found.push(Arc::new(Entry::new(Arc::new(pool), true, autostart)));
                }
                Ok(pool) => {
                    log::error!("definition '{name}' is of a storage pool '{}' and left aside", pool.name);
                }
                Err(error) => log::error!("definition of storage pool '{name}' is left aside: {error}"),
            }
        }
        self.pools.extend(found);
    }

    /// Finds pools that are active: by what is kept about them, and those that need nothing done to be.
    pub(crate) fn reconnect(&self) {
        for (name, text) in host::store::files(&self.run_dir(), "xml") {
            let pool = match status::parse(&text) {
                Ok(pool) => Arc::new(pool),
                Err(error) => {
                    log::error!("state of storage pool '{name}' is not understood: {error}");
                    continue;
                }
            };
            match self.pools.by_uuid(pool.uuid) {
                Some(entry) => {
                    entry.change(|value| value.next = Some(std::mem::replace(&mut value.pool, pool)));
                }
                None => self.pools.insert(Arc::new(Entry::new(pool, false, false))),
            }
        }
        for entry in self.pools.snapshot().values() {
            let pool = entry.value().pool.clone();
            let up = backend::supported(pool.kind) && backend::is_up(&pool);
            let found = if up { backend::look(&pool).map(Some) } else { Ok(None) };
            let found = found.unwrap_or_else(|error| {
                log::error!("storage pool '{}' cannot be looked at: {error}", pool.name);
                None
            });
            match found {
                Some(found) => {
                    if let Err(error) = self.write_state(&pool) {
                        log::error!("storage pool '{}': {error}", pool.name);
                    }
                    entry.change(|value| {
                        value.active = true;
                        take_in(value, found);
                    });
                }
                None => {
                    self.remove_state(&pool.name);
                    if entry.change(|value| {
                        settle(value);
                        !value.persistent
                    }) {
                        self.pools.remove(entry.uuid);
                    }
                }
            }
        }
    }

    /// Starts pools that start by themselves, once per boot of the machine.
    pub(crate) fn autostart(&self) {
        let mark = self.run_dir().join("autostarted");
        if mark.exists() {
            return;
        }
        for entry in self.pools.snapshot().values() {
            let value = entry.value();
            if !value.autostart || value.active {
                continue;
            }
            if let Err(error) = self.launch(entry, 0) {
                log::error!("storage pool '{}' does not start: {error}", value.pool.name);
            }
        }
        if let Err(error) = host::store::write_volatile(&mark, b"", 0o600) {
            log::error!("{}: {error}; storage pools start again with the next daemon", mark.display());
        }
    }
}
