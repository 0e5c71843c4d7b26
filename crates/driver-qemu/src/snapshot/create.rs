//! New snapshots.

use super::{prepare, reference};
use crate::guest::{Guest, exclusive_of};
use crate::saving::file::cookie;
use crate::{Driver, FROM, check_flags, error, portable};
use api::consts::domain_event_stopped_detail_type as stopped;
use api::consts::domain_shutoff_reason as shutoff;
use api::consts::{domain_paused_reason as paused, domain_state as state};
use base::object::{DomainRef, DomainSnapshotRef};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::{Domain, ParseFlags};
use conf_snapshot::moment;
use conf_snapshot::snapshot::{Location, ReadAs, State};
use conf_snapshot::{Snapshot, align};
use engine::JobKind;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Flags of making one.
pub(super) mod flag {
    pub(in crate::snapshot) const REDEFINE: u32 = 1;
    pub(in crate::snapshot) const CURRENT: u32 = 2;
    pub(in crate::snapshot) const NO_METADATA: u32 = 4;
    pub(in crate::snapshot) const HALT: u32 = 8;
    pub(in crate::snapshot) const DISK_ONLY: u32 = 16;
    pub(in crate::snapshot) const REUSE: u32 = 32;
    pub(in crate::snapshot) const QUIESCE: u32 = 64;
    pub(in crate::snapshot) const LIVE: u32 = 256;
    pub(in crate::snapshot) const VALIDATE: u32 = 512;
    pub(in crate::snapshot) const ALL: u32 = 1023;
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64)
}

fn required(domain: ErrorDomain, by: &str, wanted: &str) -> Error {
    let prefix = "VIR_DOMAIN_SNAPSHOT_CREATE_";
    let text = format!("Flag '{prefix}{wanted}' is required by flag '{prefix}{by}'");
    Error::invalid_arg(domain, "virDomainSnapshotCreateXML", "flags", &text)
}

fn check(flags: u32) -> Result<()> {
    let api = ErrorDomain::DOMAIN_SNAPSHOT;
    let name = |flag: &str| format!("VIR_DOMAIN_SNAPSHOT_CREATE_{flag}");
    if flags & flag::CURRENT != 0 && flags & flag::REDEFINE == 0 {
        return Err(required(api, "CURRENT", "REDEFINE"));
    }
    let excluded = exclusive_of(
        flags,
        (flag::REDEFINE, &name("REDEFINE")),
        (flag::NO_METADATA, &name("NO_METADATA")),
        "virDomainSnapshotCreateXML",
    );
    excluded.map_err(|_| {
        let text =
            format!("Flags '{}' and '{}' are mutually exclusive", name("REDEFINE"), name("NO_METADATA"));
        Error::invalid_arg(api, "virDomainSnapshotCreateXML", "flags", &text)
    })?;
    check_flags(flags, flag::ALL, "qemuSnapshotCreateXML")?;
    if flags & flag::QUIESCE != 0 && flags & flag::DISK_ONLY == 0 {
        return Err(required(FROM, "QUIESCE", "DISK_ONLY"));
    }
    exclusive_of(
        flags,
        (flag::LIVE, &name("LIVE")),
        (flag::REDEFINE, &name("REDEFINE")),
        "qemuSnapshotCreateXML",
    )
}

/// Refuses names that are no names of files.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let refuse = |why: &str| {
        let text = format!("invalid {what} name '{name}': name can't {why}");
        Err(error(ErrorCode::XML_DETAIL, text))
    };
    if name.contains('/') {
        return refuse("contain '/'");
    }
    if name.starts_with('.') {
        return refuse("start with '.'");
    }
    Ok(())
}

/// The state of a guest as a snapshot tells it.
fn state_of(number: i32) -> State {
    match number {
        state::BLOCKED => State::Blocked,
        state::PAUSED => State::Paused,
        state::SHUTDOWN => State::Shutdown,
        state::SHUTOFF => State::Shutoff,
        state::CRASHED => State::Crashed,
        state::PMSUSPENDED => State::PmSuspended,
        _ => State::Running,
    }
}

impl Driver {
    pub(super) fn create_snapshot(
        &self,
        dom: &DomainRef,
        text: &str,
        flags: u32,
    ) -> Result<DomainSnapshotRef> {
        check(flags)?;
        let guest = self.find(dom)?;
        let redefine = flags & flag::REDEFINE != 0;
        if !redefine {
            self.await_backup(&guest)?;
        }
        let _job = guest.begin(JobKind::Modify, "snapshot create")?;
        let value = guest.value();
        let active = value.live.is_some();
        if value.config.is_none() && flags & flag::HALT != 0 {
            let text = "cannot halt after transient domain snapshot";
            return Err(Error::operation_invalid(FROM, text));
        }
        if flags & flag::VALIDATE != 0 {
            let document =
                xml::Document::parse(text).map_err(|cause| conf_domain::fault::malformed(text, &cause))?;
            schema::validate(schema::Kind::DomainSnapshot, document.root())?;
        }
        let offline = flags & flag::DISK_ONLY != 0 || !active;
        let how = ReadAs { redefine, internal: false, offline };
        let snapshot = self.with_reader(|reader| Snapshot::parse(text, how, now(), reader))?;
        check_name("snapshot", &snapshot.moment.name)?;
        if redefine {
            return self.redefine_snapshot(&guest, snapshot, flags);
        }
        if flags & flag::LIVE != 0 && (!active || snapshot.memory != Some(Location::External)) {
            let text = "live snapshot creation is supported only during full system snapshots";
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
        }
        let snapshot = self.aligned(&guest, snapshot, flags)?;
        let name = snapshot.moment.name.clone();
        if guest.snapshots().find(&name).is_some() {
            let text = format!("domain moment {name} already exists");
            return Err(Error::operation_failed(ErrorDomain::DOMAIN, text));
        }
        self.make(&guest, snapshot, flags)?;
        Ok(reference(&guest, &name))
    }

    /// A snapshot that says of every disk what is done with it.
    fn aligned(&self, guest: &Arc<Guest>, mut snapshot: Snapshot, flags: u32) -> Result<Snapshot> {
        let value = guest.value();
        let disk_only = flags & flag::DISK_ONLY != 0;
        let (definition, number) = match &value.live {
            Some(live) => {
                snapshot.inactive = value.stored().map(Box::new);
                (self.written(&portable::kept(live))?, value.state.0)
            }
            None => {
                let stored = value.stored().ok_or_else(crate::not_running)?;
                (self.written(&stored)?, state::SHUTOFF)
            }
        };
        let active = value.live.is_some();
        let location = if disk_only {
            snapshot.state = Some(if active { State::DiskSnapshot } else { State::Shutoff });
            snapshot.memory = Some(Location::No);
            (Location::External, false)
        } else {
            snapshot.state = Some(state_of(number));
            if active && snapshot.memory == Some(Location::No) {
                let text = "internal snapshot of a running VM must include the memory state";
                return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
            }
            let external =
                !active && snapshot.disks.iter().any(|disk| disk.location == Some(Location::External));
            // Of disks alone nothing is said about memory.
            let usual = match (active, external) {
                (true, _) => Some(Location::Internal),
                (false, true) => None,
                (false, false) => Some(Location::No),
            };
            snapshot.memory = snapshot.memory.or(usual);
            match snapshot.memory {
                Some(Location::External) => (Location::External, false),
                _ if external => (Location::External, false),
                _ => (Location::Internal, true),
            }
        };
        align::snapshot(&mut snapshot, &definition, location.0, location.1, &prepare::is_regular)?;
        prepare::formats(&mut snapshot.disks);
        if let Some(live) = &value.live {
            let wanted = |place: Option<Location>| !matches!(place, None | Some(Location::No));
            for part in snapshot.disks.iter().filter(|part| wanted(part.location)) {
                crate::block::job::check_idle(live, &part.name)?;
            }
        }
        prepare::check(&snapshot, &definition, active, disk_only, flags & flag::REUSE != 0)?;
        if let Some(live) = value.live.as_ref().filter(|_| snapshot.memory != Some(Location::No)) {
            snapshot.cookie = Some(cookie(&live.domain));
        }
        snapshot.guest = moment::Guest::Full(Box::new(definition));
        snapshot.moment.parent = guest.snapshots().current.clone();
        Ok(snapshot)
    }

    /// A running guest's definition as it comes back from a document: without what belongs to the run.
    pub(crate) fn written(&self, domain: &Domain) -> Result<Domain> {
        let flags = ParseFlags { inactive: true, skip_validate: true, ..ParseFlags::default() };
        self.parse(&portable::document(domain, true), flags)
    }

    /// Does what an aligned snapshot says.
    fn make(&self, guest: &Arc<Guest>, snapshot: Snapshot, flags: u32) -> Result<()> {
        let active = guest.value().live.is_some();
        let external = super::is_external(&snapshot);
        match (active, external) {
            (true, true) => self.take_external(guest, &snapshot, flags)?,
            (true, false) => self.take_internal(guest, &snapshot, flags)?,
            (false, true) => self.take_external_offline(guest, &snapshot, flags)?,
            (false, false) => self.take_internal_offline(&snapshot)?,
        }
        if flags & flag::NO_METADATA == 0 {
            let name = snapshot.moment.name.clone();
            guest.snapshots().put(Arc::new(snapshot));
            self.set_current(guest, Some(&name)).inspect_err(|_| {
                guest.snapshots().remove(&name);
            })?;
        }
        if active && flags & flag::HALT != 0 {
            return self.finish(guest, shutoff::FROM_SNAPSHOT, stopped::FROM_SNAPSHOT, "from-snapshot");
        }
        Ok(())
    }

    /// State and memory of a running guest go into its images.
    fn take_internal(&self, guest: &Arc<Guest>, snapshot: &Snapshot, flags: u32) -> Result<()> {
        let ran = self.hold_still(guest, paused::SNAPSHOT)?;
        let outcome = self.save_internal(guest, snapshot);
        if ran && (flags & flag::HALT == 0 || outcome.is_err()) {
            self.go_on(guest)?;
        }
        outcome
    }
}
