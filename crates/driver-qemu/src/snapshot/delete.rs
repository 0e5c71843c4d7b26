//! Snapshots that are no longer wanted.
//!
//! ```text
//! external:  base ◀─ overlay ◀─ …     the overlay's changes are committed into the base, the overlay goes
//! internal:  the state goes from the images
//! ```

use super::is_external;
use crate::block::disk::target;
use crate::block::links;
use crate::guest::Guest;
use crate::{Driver, FROM, check_flags};
use base::object::DomainSnapshotRef;
use base::{Error, ErrorDomain, Result};
use conf_domain::Domain;
use conf_snapshot::snapshot::Location;
use conf_snapshot::{Snapshot, SnapshotDisk, moment};
use engine::JobKind;
use std::sync::Arc;
use xml::Tree;

const CHILDREN: u32 = 1;
const METADATA_ONLY: u32 = 2;
const CHILDREN_ONLY: u32 = 4;

fn unsupported(text: &str) -> Error {
    Error::unsupported(FROM, text)
}

/// Overlays of a snapshot and the disks of its definition that they are based on.
fn overlays(found: &Snapshot) -> Vec<(&SnapshotDisk, &Tree)> {
    let Ok(definition) = found.definition() else { return Vec::new() };
    let based = |part: &SnapshotDisk| definition.all("disk").find(|disk| target(disk) == part.name);
    let outside = found.disks.iter().filter(|part| part.location == Some(Location::External));
    outside.filter_map(|part| Some((part, based(part)?))).collect()
}

/// Puts the base of an overlay in its place in a definition.
fn without_overlay(domain: &mut Domain, part: &SnapshotDisk, base: &Tree) {
    for disk in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
        if target(disk) == part.name && crate::chain::local(disk) == part.path() {
            let mut next = links::with_top(disk, &links::as_base(base));
            next.remove("backingStore");
            next.children.extend(base.child("backingStore").cloned());
            *disk = links::without_numbers(&next);
        }
    }
    domain.sort();
}

impl Driver {
    pub(super) fn delete_snapshot(&self, snap: &DomainSnapshotRef, flags: u32) -> Result<()> {
        if flags & CHILDREN != 0 && flags & CHILDREN_ONLY != 0 {
            let text = "Flags 'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN' and 'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY' are mutually exclusive";
            return Err(Error::invalid_arg(
                ErrorDomain::DOMAIN_SNAPSHOT,
                "virDomainSnapshotDelete",
                "flags",
                text,
            ));
        }
        check_flags(flags, CHILDREN | METADATA_ONLY | CHILDREN_ONLY, "qemuSnapshotDelete")?;
        let guest = self.find(&snap.dom)?;
        let _job = guest.begin(JobKind::Modify, "snapshot delete")?;
        let found = guest.snapshot(&snap.name)?;
        let name = found.moment.name.clone();
        let below = guest.snapshots().below(Some(&name));
        let many = flags & (CHILDREN | CHILDREN_ONLY) != 0;
        if flags & METADATA_ONLY == 0 {
            if many
                && (below.iter().any(|one| is_external(one))
                    || (flags & CHILDREN != 0 && is_external(&found) && !below.is_empty()))
            {
                return Err(unsupported("deletion of external children disk snapshots not supported"));
            }
            self.check_external(&guest, &found, &below)?;
        }
        let mut gone: Vec<Arc<Snapshot>> = Vec::new();
        if many {
            gone.extend(below.into_iter().rev());
        }
        if flags & CHILDREN_ONLY == 0 {
            gone.push(found);
        }
        let was_current =
            |one: &Snapshot| guest.snapshots().current.as_deref() == Some(one.moment.name.as_str());
        for one in gone {
            let current = was_current(&one);
            if flags & METADATA_ONLY == 0 {
                self.discard(&guest, &one)?;
            }
            self.drop_metadata(&guest, &one, current, many.then_some(name.as_str()))?;
        }
        Ok(())
    }

    /// Refuses what cannot be taken out from between others.
    fn check_external(&self, guest: &Guest, found: &Snapshot, below: &[Arc<Snapshot>]) -> Result<()> {
        if !is_external(found) {
            return Ok(());
        }
        let children = guest.snapshots().children(Some(&found.moment.name)).count();
        if children > 1 {
            return Err(unsupported(
                "deletion of external disk snapshot with multiple children is not supported",
            ));
        }
        let all_external = below.iter().all(|one| is_external(one));
        if !all_external {
            let text =
                "deletion of external disk snapshots with internal children disk snapshots not supported";
            return Err(unsupported(text));
        }
        if !found.revert_disks.is_empty() {
            return Err(unsupported(
                "deletion of external snapshot that has been reverted to is not supported",
            ));
        }
        Ok(())
    }

    /// Takes what a snapshot has kept away.
    fn discard(&self, guest: &Arc<Guest>, found: &Snapshot) -> Result<()> {
        if !is_external(found) {
            return self.drop_internal(guest, found);
        }
        for (part, base) in overlays(found) {
            let path = part.path().unwrap_or_default();
            let used = match &guest.value().live {
                Some(live) => live.domain.all("disk").any(|disk| links::find(disk, None, path).is_ok()),
                None => self.in_chain(guest, part),
            };
            if !used {
                // The guest went another way; nobody needs what changed on this one.
                let _ = std::fs::remove_file(path);
                continue;
            }
            match guest.value().live.is_some() {
                true => self.merge(guest, part, base)?,
                false => self.merge_offline(guest, part, base)?,
            }
            self.correct_below(guest, found, part, base)?;
        }
        if let Some(path) = found.memory_file.as_deref().filter(|_| found.memory == Some(Location::External))
            && let Err(cause) = std::fs::remove_file(path)
        {
            log::warn!("{path}: {cause}");
        }
        Ok(())
    }

    /// Whether the stored definition leads to an overlay.
    fn in_chain(&self, guest: &Guest, part: &SnapshotDisk) -> bool {
        let Some(config) = guest.value().stored() else { return false };
        let mut disk = config.all("disk").find(|disk| target(disk) == part.name).cloned().unwrap_or_default();
        disk.remove("backingStore");
        crate::chain::of_disk(&mut disk).is_ok()
            && super::external::has_image_of(&disk, part.path().unwrap_or_default())
    }

    /// Commits an overlay of a running guest into its base.
    fn merge(&self, guest: &Arc<Guest>, part: &SnapshotDisk, base: &Tree) -> Result<()> {
        let live = guest.live()?;
        let disk =
            live.domain.all("disk").find(|disk| target(disk) == part.name).cloned().unwrap_or_default();
        let top = links::find(&disk, None, part.path().unwrap_or_default())?;
        let lower = links::find(&disk, Some(top), crate::chain::local(base).unwrap_or_default())?;
        self.commit_and_wait(guest, &part.name, top, lower)
    }

    /// The stored definitions of later snapshots lead past an overlay that is gone.
    fn correct_below(&self, guest: &Guest, found: &Snapshot, part: &SnapshotDisk, base: &Tree) -> Result<()> {
        let below: Vec<String> = guest
            .snapshots()
            .below(Some(&found.moment.name))
            .iter()
            .map(|one| one.moment.name.clone())
            .collect();
        for name in below {
            guest.snapshots().change(&name, |one| {
                if let moment::Guest::Full(domain) = &mut one.guest {
                    without_overlay(domain, part, base);
                }
                if let Some(domain) = &mut one.inactive {
                    without_overlay(domain, part, base);
                }
            });
            self.write_snapshot(guest, &name)?;
        }
        Ok(())
    }

    /// Takes a snapshot out of the tree.
    fn drop_metadata(
        &self,
        guest: &Guest,
        one: &Snapshot,
        was_current: bool,
        under: Option<&str>,
    ) -> Result<()> {
        let name = &one.moment.name;
        let children: Vec<String> = {
            let mut all = guest.snapshots();
            let children = all.children(Some(name)).map(|child| child.moment.name.clone()).collect();
            all.remove(name);
            children
        };
        self.forget_snapshot(guest, name);
        for child in children {
            self.write_snapshot(guest, &child)?;
        }
        if was_current {
            // What goes with its parent leaves the parent current as long as that stays.
            let next = one.moment.parent.as_deref().filter(|parent| guest.snapshots().find(parent).is_some());
            let next = next.or(under.filter(|under| guest.snapshots().find(under).is_some()));
            let next = next.map(str::to_owned);
            self.set_current(guest, next.as_deref())?;
        }
        Ok(())
    }
}
