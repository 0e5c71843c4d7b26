//! Snapshots that were made before and become known again.

use super::create::flag;
use super::reference;
use crate::guest::Guest;
use crate::{Driver, FROM, error};
use base::object::DomainSnapshotRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_snapshot::snapshot::{Location, State};
use conf_snapshot::{Snapshot, align, moment};
use std::sync::Arc;

fn invalid(text: String) -> Error {
    error(ErrorCode::INVALID_ARG, text)
}

impl Driver {
    /// Checks where it stands among the others.
    fn check_place(&self, guest: &Guest, snapshot: &Snapshot) -> Result<()> {
        let name = &snapshot.moment.name;
        let all = guest.snapshots();
        super::place::check_place(
            &all,
            snapshot,
            &snapshot.guest,
            guest.uuid,
            ("snapshot", ErrorDomain::DOMAIN_SNAPSHOT),
        )?;
        if let Some(old) = all.find(name) {
            let offline = |state: Option<State>| state == Some(State::Shutoff);
            if offline(old.state) != offline(snapshot.state) {
                return Err(invalid(format!(
                    "cannot change between online and offline snapshot state in snapshot {name}"
                )));
            }
            let disk_only = |state: Option<State>| state == Some(State::DiskSnapshot);
            if disk_only(old.state) != disk_only(snapshot.state) {
                return Err(invalid(format!(
                    "cannot change between disk only and full system in snapshot {name}"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn redefine_snapshot(
        &self,
        guest: &Arc<Guest>,
        mut snapshot: Snapshot,
        flags: u32,
    ) -> Result<DomainSnapshotRef> {
        match snapshot.state {
            Some(State::Blocked) => return Err(Error::internal(FROM, "Invalid domain state blocked")),
            Some(State::PmSuspended) => {
                let text = "qemu doesn't support taking snapshots of PMSUSPENDED guests";
                return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
            }
            _ => {}
        }
        let name = snapshot.moment.name.clone();
        let old = guest.snapshots().find(&name).cloned();
        let whole = matches!(snapshot.guest, moment::Guest::Full(_)) || old.is_some();
        if !whole {
            snapshot.guest = moment::Guest::None;
        }
        self.check_place(guest, &snapshot)?;
        if !whole {
            return Err(Error::internal(ErrorDomain::DOMAIN_SNAPSHOT, "missing domain in snapshot"));
        }
        if let (moment::Guest::None | moment::Guest::Uuid(_), Some(old)) = (&snapshot.guest, &old) {
            snapshot.guest = old.guest.clone();
        }
        if let Some(definition) = snapshot.guest.domain().cloned() {
            let external = snapshot.state == Some(State::DiskSnapshot) || super::is_external(&snapshot);
            let (default, uniform) =
                if external { (Location::External, false) } else { (Location::Internal, true) };
            align::snapshot(&mut snapshot, &definition, default, uniform, &super::prepare::is_regular)?;
        }
        guest.snapshots().put(Arc::new(snapshot));
        let was_current = guest.snapshots().current.as_deref() == Some(name.as_str());
        if flags & flag::CURRENT != 0 {
            self.set_current(guest, Some(&name))?;
        } else if was_current {
            self.set_current(guest, None)?;
        } else {
            self.write_snapshot(guest, &name)?;
        }
        if guest.snapshots().find(&name).is_none() {
            return Err(Error::internal(FROM, format!("snapshot {name} was not kept")));
        }
        Ok(reference(guest, &name))
    }
}
