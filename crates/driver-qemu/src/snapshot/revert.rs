//! Guests that go back to a snapshot.
//!
//! ```text
//! Running ─ end ─▶ Off ─┬─ snapshot with memory ─ start, load ─▶ Paused ─▶ Running, or stays
//!                       └─ snapshot without ─ images ─▶ Off ─▶ started if wished
//! ```

use super::{external, is_external, prepare};
use crate::block::disk::target;
use crate::guest::{Guest, exclusive_of};
use crate::saving::file::Saved;
use crate::start::{How, Incoming};
use crate::{Driver, FROM, check_flags, error};
use api::consts::domain_event_defined_detail_type as defined;
use api::consts::domain_event_resumed_detail_type as resumed;
use api::consts::domain_event_started_detail_type as started;
use api::consts::domain_event_stopped_detail_type as stopped;
use api::consts::domain_event_suspended_detail_type as suspended;
use api::consts::domain_event_type as kind;
use api::consts::{domain_paused_reason as paused, domain_running_reason as running};
use api::consts::{domain_shutoff_reason as shutoff, domain_state as state};
use base::object::DomainSnapshotRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use conf_snapshot::snapshot::{Location, State};
use conf_snapshot::{Snapshot, SnapshotDisk, align};
use engine::JobKind;
use serde_json::Value as Json;
use std::path::Path;
use std::sync::Arc;

const RUNNING: u32 = 1;
const PAUSED: u32 = 2;
const FORCE: u32 = 4;
const RESET_NVRAM: u32 = 8;

/// Definitions to go back to: the one to be started and the one to be stored.
struct Back {
    run: Domain,
    stored: Domain,
    /// New images for what changes from now on.
    images: Vec<SnapshotDisk>,
    /// Files of these that were made for it.
    made: Vec<String>,
}

impl Driver {
    pub(super) fn revert(&self, snap: &DomainSnapshotRef, flags: u32) -> Result<()> {
        exclusive_of(
            flags,
            (RUNNING, "VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING"),
            (PAUSED, "VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED"),
            "virDomainRevertToSnapshot",
        )
        .map_err(|_| {
            let text = "Flags 'VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING' and 'VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED' are mutually exclusive";
            Error::invalid_arg(ErrorDomain::DOMAIN_SNAPSHOT, "virDomainRevertToSnapshot", "flags", text)
        })?;
        check_flags(flags, RUNNING | PAUSED | FORCE | RESET_NVRAM, "qemuSnapshotRevert")?;
        let guest = self.find(&snap.dom)?;
        let _job = guest.begin(JobKind::Modify, "snapshot revert")?;
        let found = guest.snapshot(&snap.name)?;
        let name = &found.moment.name;
        let offline = matches!(
            found.state,
            None | Some(State::Shutoff | State::Shutdown | State::Crashed | State::DiskSnapshot)
        );
        if found.state == Some(State::PmSuspended) {
            let text = "qemu doesn't support reversion of snapshot taken in PMSUSPENDED state";
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
        }
        if guest.value().config.is_none() && offline && flags & (RUNNING | PAUSED) == 0 {
            let text = "transient domain needs to request run or pause to revert to inactive snapshot";
            return Err(Error::operation_invalid(FROM, text));
        }
        let Ok(definition) = found.definition() else {
            let text = format!("snapshot '{name}' lacks domain '{}' rollback info", guest.value().name);
            return Err(error(ErrorCode::SNAPSHOT_REVERT_RISKY, text));
        };
        if found.memory == Some(Location::External)
            && let Some(path) = &found.memory_file
        {
            // Before anything is ended.
            Saved::open(Path::new(path), false)?;
        }
        let back = self.way_back(&guest, &found, definition, offline)?;
        let made = back.made.clone();
        let outcome = if offline {
            self.revert_offline(&guest, &found, &back, flags)
        } else {
            self.revert_running(&guest, &found, &back, flags)
        };
        outcome.inspect_err(|_| made.iter().for_each(|path| drop(std::fs::remove_file(path))))?;
        self.after_revert(&guest, &found, &back.images)?;
        if guest.value().config.is_some() {
            self.lifecycle(&guest, kind::DEFINED, defined::FROM_SNAPSHOT);
        }
        Ok(())
    }

    /// The definitions, on new images where the snapshot left the old ones as they were. A guest that goes on with its
    /// memory gets these once it is there.
    fn way_back(&self, guest: &Guest, found: &Snapshot, definition: &Domain, offline: bool) -> Result<Back> {
        let stored = found.inactive.as_deref().cloned().unwrap_or_else(|| definition.clone());
        let mut back = Back { run: definition.clone(), stored, images: Vec::new(), made: Vec::new() };
        for domain in [&mut back.run, &mut back.stored] {
            domain.name.clone_from(&guest.value().name);
        }
        if !is_external(found) {
            return Ok(back);
        }
        let mut next = Snapshot::default();
        next.moment.name = super::create::now().to_string();
        next.disks = found
            .disks
            .iter()
            .map(|disk| {
                let mut part = SnapshotDisk::new(&disk.name);
                part.location = disk.location;
                part
            })
            .collect();
        align::snapshot(&mut next, definition, Location::External, false, &prepare::is_regular)?;
        prepare::formats(&mut next.disks);
        if !offline {
            back.images = next.disks;
            return Ok(back);
        }
        for part in next.disks.iter().filter(|part| part.location == Some(Location::External)) {
            let Some(old) = definition.all("disk").find(|disk| target(disk) == part.name) else { continue };
            match self.make_image(part, old, false) {
                Ok(made) => back.made.extend(made),
                Err(cause) => {
                    back.made.iter().for_each(|path| drop(std::fs::remove_file(path)));
                    return Err(cause);
                }
            }
        }
        for domain in [&mut back.run, &mut back.stored] {
            for disk in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
                let name = target(disk).to_owned();
                let part = next.disks.iter().find(|part| part.name == name);
                if let Some(part) = part.filter(|part| part.location == Some(Location::External)) {
                    *disk = external::stored(disk, part);
                }
            }
        }
        back.images = next.disks;
        Ok(back)
    }

    /// Ends a guest that runs.
    fn leave(&self, guest: &Arc<Guest>) -> Result<()> {
        if guest.value().live.is_none() {
            return Ok(());
        }
        self.finish(guest, shutoff::FROM_SNAPSHOT, stopped::FROM_SNAPSHOT, "from-snapshot")?;
        // A transient one is gone with its end; it comes back.
        if self.guests.by_uuid(guest.uuid).is_none() {
            self.guests.insert(guest.clone());
        }
        Ok(())
    }

    /// Stores a definition, where there is one.
    fn put_back(&self, guest: &Arc<Guest>, stored: &Domain) -> Result<()> {
        if guest.value().config.is_none() {
            return Ok(());
        }
        self.change_config(guest, |domain| {
            *domain = stored.clone();
            Ok(())
        })
    }

    fn revert_running(&self, guest: &Arc<Guest>, found: &Snapshot, back: &Back, flags: u32) -> Result<()> {
        self.leave(guest)?;
        let cpu = found.cookie.as_ref().and_then(|cookie| cookie.cpu.clone());
        let file = found.memory_file.as_deref().filter(|_| found.memory == Some(Location::External));
        let fd =
            file.map(|path| Saved::open(Path::new(path), false)).transpose()?.map(|saved| saved.file.into());
        let internal = fd.is_none();
        self.put_back(guest, &back.stored)?;
        let how = How { incoming: Some(Incoming { fd, cpu }), ..How::default() };
        self.launch(guest, back.run.clone(), how)?;
        if internal && let Err(cause) = self.load_internal(guest, found) {
            let _ = self.destroy_held(guest, "failed");
            return Err(cause);
        }
        if !back.images.is_empty() {
            let next = Snapshot { disks: back.images.clone(), ..Snapshot::default() };
            self.take_disks(guest, &next, false).inspect_err(|_| drop(self.destroy_held(guest, "failed")))?;
        }
        let wish = flags & (RUNNING | PAUSED);
        let to_run = if wish != 0 { wish == RUNNING } else { found.state != Some(State::Paused) };
        self.lifecycle(guest, kind::STARTED, started::FROM_SNAPSHOT);
        self.arrive(guest, to_run)
    }

    /// Lets a guest that has its state again run, or stay paused, and tells.
    fn arrive(&self, guest: &Arc<Guest>, to_run: bool) -> Result<()> {
        if to_run {
            guest.live()?.command("cont", Json::Null)?;
            guest.change(|value| value.state = (state::RUNNING, running::FROM_SNAPSHOT));
            self.write_status(guest)?;
            self.lifecycle(guest, kind::RESUMED, resumed::FROM_SNAPSHOT);
        } else {
            guest.change(|value| value.state = (state::PAUSED, paused::FROM_SNAPSHOT));
            self.write_status(guest)?;
            self.lifecycle(guest, kind::SUSPENDED, suspended::FROM_SNAPSHOT);
        }
        Ok(())
    }

    fn revert_offline(&self, guest: &Arc<Guest>, found: &Snapshot, back: &Back, flags: u32) -> Result<()> {
        self.leave(guest)?;
        if !is_external(found) {
            self.load_internal_offline(found)?;
        }
        self.put_back(guest, &back.stored)?;
        guest.change(|value| value.state = (state::SHUTOFF, shutoff::FROM_SNAPSHOT));
        if flags & (RUNNING | PAUSED) == 0 {
            return Ok(());
        }
        let how = How { incoming: Some(Incoming { fd: None, cpu: None }), ..How::default() };
        self.launch(guest, back.run.clone(), how)?;
        self.lifecycle(guest, kind::STARTED, started::FROM_SNAPSHOT);
        if flags & RUNNING != 0 {
            guest.live()?.command("cont", Json::Null)?;
            guest.change(|value| value.state = (state::RUNNING, running::FROM_SNAPSHOT));
            return self.write_status(guest);
        }
        self.arrive(guest, false)
    }

    /// Notes where the guest is now, and removes images that nothing leads to any more.
    fn after_revert(&self, guest: &Guest, found: &Snapshot, images: &[SnapshotDisk]) -> Result<()> {
        let name = &found.moment.name;
        let current = guest.snapshots().current().cloned();
        if let Some(current) = current.filter(|_| !images.is_empty()) {
            self.drop_tops(guest, &current);
        }
        {
            let mut all = guest.snapshots();
            let leaf = all.find(name).is_some_and(|one| all.is_leaf(one));
            all.change(name, |one| {
                if images.is_empty() {
                    return;
                }
                if leaf {
                    one.disks = images.to_vec();
                } else {
                    one.revert_disks = images.to_vec();
                }
            });
        }
        self.set_current(guest, Some(name))
    }

    /// Images that took what changed since a snapshot the guest has left.
    fn drop_tops(&self, guest: &Guest, left: &Snapshot) {
        let leaf = {
            let all = guest.snapshots();
            all.find(&left.moment.name).is_some_and(|one| all.is_leaf(one))
        };
        let tops = if left.revert_disks.is_empty() {
            // Snapshots below are based on its images.
            left.disks.iter().filter(|_| leaf).collect::<Vec<_>>()
        } else {
            left.revert_disks.iter().collect()
        };
        for part in tops.into_iter().filter(|part| part.location == Some(Location::External)) {
            if let Some(path) = part.path().filter(|_| part.kind == "file")
                && let Err(cause) = std::fs::remove_file(path)
            {
                log::warn!("{path}: {cause}");
            }
        }
        guest.snapshots().change(&left.moment.name, |one| one.revert_disks.clear());
        if let Err(cause) = self.write_snapshot(guest, &left.moment.name) {
            log::warn!("{cause}");
        }
    }
}
