//! Documents of snapshots on disk, one folder for each guest.

use crate::config::header;
use crate::guest::Guest;
use crate::{Driver, FROM};
use base::{Error, Result};
use conf_domain::{Domain, ParseFlags, Reader};
use conf_snapshot::Snapshot;
use conf_snapshot::snapshot::ReadAs;
use qemu_plan::complete;
use std::path::PathBuf;
use std::sync::Arc;

impl Driver {
    pub(crate) fn snapshot_dir(&self, name: &str) -> PathBuf {
        self.state_dir().join("snapshot").join(name)
    }

    /// Reads definitions inside other documents.
    pub(crate) fn with_reader<T>(&self, read: impl FnOnce(&mut Reader<'_>) -> Result<T>) -> Result<T> {
        let complete = |domain: &mut Domain, flags: ParseFlags| {
            let caps = self.caps_for(domain)?;
            let site = self.site(domain);
            complete::complete(domain, &caps, &site, flags)
        };
        read(&mut Reader { random: &mut host::random::bytes::<16>, complete: &complete })
    }

    /// Writes the document of a snapshot; whether it is the current one is part of it.
    pub(super) fn write_snapshot(&self, guest: &Guest, name: &str) -> Result<()> {
        let (found, current) = {
            let all = guest.snapshots();
            (all.find(name).cloned(), all.current.as_deref() == Some(name))
        };
        let Some(found) = found else { return Ok(()) };
        let mut noted = (*found).clone();
        noted.current = current;
        let folder = self.snapshot_dir(&guest.value().name);
        let text = header(name) + &noted.format(true, true);
        let path = folder.join(format!("{name}.xml"));
        host::store::folder(&folder, 0o755)
            .and_then(|()| host::store::write(&path, text.as_bytes(), 0o600))
            .map_err(|cause| {
                Error::system(FROM, &cause, format!("cannot create snapshot file '{}'", path.display()))
            })
    }

    /// Removes the document of a snapshot, and the folder with the last one.
    pub(super) fn forget_snapshot(&self, guest: &Guest, name: &str) {
        let folder = self.snapshot_dir(&guest.value().name);
        if let Err(cause) = host::store::remove(&folder.join(format!("{name}.xml"))) {
            log::warn!("snapshot '{name}': {cause}");
        }
        if guest.snapshots().is_empty() {
            let _ = std::fs::remove_dir(folder);
        }
    }

    /// Removes the documents of all snapshots; what they keep in images and files stays.
    pub(crate) fn forget_all_snapshots(&self, guest: &Guest) {
        let names: Vec<String> = guest.snapshots().iter().map(|one| one.moment.name.clone()).collect();
        for name in names {
            guest.snapshots().remove(&name);
            self.forget_snapshot(guest, &name);
        }
    }

    /// Makes another snapshot, or none, the current one, and notes it on disk.
    pub(super) fn set_current(&self, guest: &Guest, name: Option<&str>) -> Result<()> {
        let old = {
            let mut all = guest.snapshots();
            std::mem::replace(&mut all.current, name.map(str::to_owned))
        };
        if let Some(old) = old.filter(|old| Some(old.as_str()) != name) {
            self.write_snapshot(guest, &old)?;
        }
        name.map_or(Ok(()), |name| self.write_snapshot(guest, name))
    }

    /// Reads the snapshots of a guest. The definitions in them were complete when they were stored.
    pub(crate) fn load_snapshots(&self, guest: &Guest) {
        let complete = |_: &mut Domain, _: ParseFlags| Ok(());
        for (name, text) in host::store::files(&self.snapshot_dir(&guest.value().name), "xml") {
            let how = ReadAs { redefine: true, internal: true, offline: false };
            let mut reader = Reader { random: &mut host::random::bytes::<16>, complete: &complete };
            match Snapshot::parse(&text, how, 0, &mut reader) {
                Ok(found) => {
                    let mut all = guest.snapshots();
                    if found.current {
                        all.current = Some(found.moment.name.clone());
                    }
                    all.put(Arc::new(found));
                }
                Err(cause) => log::error!("snapshot '{name}' of '{}': {cause}", guest.value().name),
            }
        }
    }
}
