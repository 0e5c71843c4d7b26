//! Finding and listing domains.

use crate::guest::{Guest, Value};
use crate::{Driver, check_flags, error};
use api::consts::{connect_list_all_domains as filter, domain_state as state};
use api::domain_lookup::ConnectListAllDomainsRet;
use api::{Call, DomainLookup};
use base::object::DomainRef;
use base::{ErrorCode, Result, Uuid};
use std::sync::Arc;

/// Whether a domain passes a group of filter bits: a group without any bit set filters nothing.
fn passes(flags: u32, bits: &[(u32, bool)]) -> bool {
    let asked = bits.iter().any(|(bit, _)| flags & bit != 0);
    !asked || bits.iter().any(|(bit, holds)| flags & bit != 0 && *holds)
}

/// What is kept beside a domain.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kept {
    pub(crate) saved: bool,
    pub(crate) snapshots: bool,
    pub(crate) checkpoints: bool,
}

pub(crate) fn matches(value: &Value, beside: Kept, flags: u32) -> bool {
    let active = value.live.is_some();
    let kept = value.config.is_some();
    let is = |wanted: i32| value.state.0 == wanted;
    let other = !is(state::RUNNING) && !is(state::PAUSED) && !is(state::SHUTOFF);
    passes(flags, &[(filter::ACTIVE, active), (filter::INACTIVE, !active)])
        && passes(flags, &[(filter::PERSISTENT, kept), (filter::TRANSIENT, !kept)])
        && passes(
            flags,
            &[
                (filter::RUNNING, is(state::RUNNING)),
                (filter::PAUSED, is(state::PAUSED)),
                (filter::SHUTOFF, is(state::SHUTOFF)),
                (filter::OTHER, other),
            ],
        )
        && passes(flags, &[(filter::MANAGEDSAVE, beside.saved), (filter::NO_MANAGEDSAVE, !beside.saved)])
        && passes(flags, &[(filter::AUTOSTART, value.autostart), (filter::NO_AUTOSTART, !value.autostart)])
        && passes(
            flags,
            &[(filter::HAS_SNAPSHOT, beside.snapshots), (filter::NO_SNAPSHOT, !beside.snapshots)],
        )
        && passes(
            flags,
            &[(filter::HAS_CHECKPOINT, beside.checkpoints), (filter::NO_CHECKPOINT, !beside.checkpoints)],
        )
}

impl Driver {
    /// What is kept beside a domain.
    pub(crate) fn kept(&self, guest: &Guest) -> Kept {
        Kept { saved: self.is_saved(&guest.value().name), ..Kept::default() }
    }

    fn active(&self) -> Vec<(i32, Arc<Guest>)> {
        let mut active: Vec<(i32, Arc<Guest>)> = self
            .guests
            .snapshot()
            .values()
            .filter_map(|guest| Some((guest.value().live.as_ref()?.id, guest.clone())))
            .collect();
        active.sort_by_key(|(id, _)| *id);
        active
    }

    fn inactive_names(&self) -> Vec<String> {
        let snapshot = self.guests.snapshot();
        let off = snapshot.values().map(|guest| guest.value()).filter(|value| value.live.is_none());
        off.map(|value| value.name.clone()).collect()
    }
}

impl DomainLookup for Driver {
    fn connect_list_all_domains(
        &self,
        _cx: &Call,
        need_results: i32,
        flags: u32,
    ) -> Result<ConnectListAllDomainsRet> {
        check_flags(flags, 0xffff, "virConnectListAllDomains")?;
        let snapshot = self.guests.snapshot();
        let found: Vec<DomainRef> = snapshot
            .values()
            .filter(|guest| matches(&guest.value(), self.kept(guest), flags))
            .map(|guest| guest.reference())
            .collect();
        let ret = found.len() as u32;
        Ok(ConnectListAllDomainsRet { domains: if need_results != 0 { found } else { Vec::new() }, ret })
    }

    fn connect_num_of_domains(&self, _cx: &Call) -> Result<i32> {
        Ok(self.active().len() as i32)
    }

    fn connect_list_domains(&self, _cx: &Call, maxids: i32) -> Result<Vec<i32>> {
        let most = usize::try_from(maxids).unwrap_or(0);
        Ok(self.active().into_iter().map(|(id, _)| id).take(most).collect())
    }

    fn connect_num_of_defined_domains(&self, _cx: &Call) -> Result<i32> {
        Ok(self.inactive_names().len() as i32)
    }

    fn connect_list_defined_domains(&self, _cx: &Call, maxnames: i32) -> Result<Vec<String>> {
        let most = usize::try_from(maxnames).unwrap_or(0);
        Ok(self.inactive_names().into_iter().take(most).collect())
    }

    fn domain_lookup_by_id(&self, _cx: &Call, id: i32) -> Result<DomainRef> {
        let found = self.active().into_iter().find(|(number, _)| *number == id);
        found
            .map(|(_, guest)| guest.reference())
            .ok_or_else(|| error(ErrorCode::NO_DOMAIN, format!("no domain with matching id {id}")))
    }

    fn domain_lookup_by_name(&self, _cx: &Call, name: &str) -> Result<DomainRef> {
        self.guests
            .by_name(name)
            .map(|guest| guest.reference())
            .ok_or_else(|| error(ErrorCode::NO_DOMAIN, format!("no domain with matching name '{name}'")))
    }

    fn domain_lookup_by_uuid(&self, _cx: &Call, uuid: Uuid) -> Result<DomainRef> {
        self.guests
            .by_uuid(uuid)
            .map(|guest| guest.reference())
            .ok_or_else(|| error(ErrorCode::NO_DOMAIN, format!("no domain with matching uuid '{uuid}'")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let value = Value {
            name: "x".to_owned(),
            config: None,
            live: None,
            autostart: true,
            autostart_once: false,
            state: (state::SHUTOFF, 0),
        };
        for (flags, expected) in [
            (0, true),
            (filter::ACTIVE, false),
            (filter::ACTIVE | filter::INACTIVE, true),
            (filter::PERSISTENT, false),
            (filter::SHUTOFF | filter::AUTOSTART, true),
            (filter::SHUTOFF | filter::NO_AUTOSTART, false),
            (filter::HAS_SNAPSHOT, false),
        ] {
            assert_eq!(matches(&value, Kept::default(), flags), expected, "{flags:#x}");
        }
    }
}
