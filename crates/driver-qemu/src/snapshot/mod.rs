//! Snapshots: guests as they were, to come back to.
//!
//! ```text
//!            memory                 disks
//! internal   in the first image     in the images themselves
//! external   in a file              the images stay as they are; new ones on top of them take what changes
//! ```
//!
//! * [`create`], [`revert`], [`delete`]: what is done
//! * [`prepare`]: what can be done
//! * [`place`]: where one stands among the others
//! * [`internal`], [`external`]: the two kinds
//! * [`store`]: documents on disk

mod create;
mod delete;
mod external;
mod internal;
pub(crate) mod place;
mod prepare;
mod redefine;
mod revert;
mod store;

pub(crate) use create::now;

use crate::guest::Guest;
use crate::{Driver, check_flags, error};
use api::domain_snapshot::{DomainListAllSnapshotsRet, DomainSnapshotListAllChildrenRet};
use api::{Call, DomainSnapshot};
use base::object::{DomainRef, DomainSnapshotRef};
use base::{ErrorCode, Result};
use conf_snapshot::snapshot::{Location, State};
use conf_snapshot::{Moments, Snapshot};
use std::sync::{Arc, MutexGuard, PoisonError};

/// Which snapshots a listing asks for.
mod filter {
    pub(super) const FIRST: u32 = 1;
    pub(super) const METADATA: u32 = 2;
    pub(super) const LEAVES: u32 = 4;
    pub(super) const NO_LEAVES: u32 = 8;
    pub(super) const NO_METADATA: u32 = 16;
    pub(super) const INACTIVE: u32 = 32;
    pub(super) const ACTIVE: u32 = 64;
    pub(super) const DISK_ONLY: u32 = 128;
    pub(super) const INTERNAL: u32 = 256;
    pub(super) const EXTERNAL: u32 = 512;
    pub(super) const ALL: u32 = 2047;
}

/// A group of bits of which none is set filters nothing.
fn passes(flags: u32, bits: &[(u32, bool)]) -> bool {
    let asked = bits.iter().any(|(bit, _)| flags & bit != 0);
    !asked || bits.iter().any(|(bit, holds)| flags & bit != 0 && *holds)
}

fn matches(all: &Moments<Snapshot>, one: &Snapshot, flags: u32) -> bool {
    let leaf = all.is_leaf(one);
    let disk_only = one.state == Some(State::DiskSnapshot);
    let inactive = one.state == Some(State::Shutoff);
    let external = one.is_external();
    passes(flags, &[(filter::METADATA, true), (filter::NO_METADATA, false)])
        && passes(flags, &[(filter::LEAVES, leaf), (filter::NO_LEAVES, !leaf)])
        && passes(
            flags,
            &[
                (filter::INACTIVE, inactive),
                (filter::ACTIVE, !inactive && !disk_only),
                (filter::DISK_ONLY, disk_only),
            ],
        )
        && passes(flags, &[(filter::INTERNAL, !external), (filter::EXTERNAL, external)])
}

/// Snapshots that a listing finds. Of a whole tree the first bit asks for roots only, below one of them for all.
fn list(all: &Moments<Snapshot>, parent: Option<&str>, flags: u32) -> Vec<Arc<Snapshot>> {
    let near = match parent {
        None => flags & filter::FIRST != 0,
        Some(_) => flags & filter::FIRST == 0,
    };
    let found = if near { all.children(parent).cloned().collect() } else { all.below(parent) };
    found.into_iter().filter(|one| matches(all, one, flags)).collect()
}

impl Guest {
    pub(crate) fn snapshots(&self) -> MutexGuard<'_, Moments<Snapshot>> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A snapshot by its name.
    fn snapshot(&self, name: &str) -> Result<Arc<Snapshot>> {
        self.snapshots().find(name).cloned().ok_or_else(|| {
            error(ErrorCode::NO_DOMAIN_SNAPSHOT, format!("no domain snapshot with matching name '{name}'"))
        })
    }
}

/// How clients name a snapshot.
fn reference(guest: &Guest, name: &str) -> DomainSnapshotRef {
    DomainSnapshotRef { name: name.to_owned(), dom: guest.reference() }
}

/// Whether anything of a snapshot lies in files of its own.
pub(super) fn is_external(snapshot: &Snapshot) -> bool {
    snapshot.memory == Some(Location::External)
        || snapshot.disks.iter().any(|disk| disk.location == Some(Location::External))
}

impl Driver {
    /// The guest and the snapshot that a client means.
    fn find_snapshot(&self, snap: &DomainSnapshotRef) -> Result<(Arc<Guest>, Arc<Snapshot>)> {
        let guest = self.find(&snap.dom)?;
        let found = guest.snapshot(&snap.name)?;
        Ok((guest, found))
    }

    fn listed(&self, dom: &DomainRef, flags: u32, function: &str) -> Result<Vec<Arc<Snapshot>>> {
        check_flags(flags, filter::ALL, function)?;
        let guest = self.find(dom)?;
        let all = guest.snapshots();
        Ok(list(&all, None, flags))
    }

    fn listed_below(
        &self,
        snap: &DomainSnapshotRef,
        flags: u32,
        function: &str,
    ) -> Result<Vec<Arc<Snapshot>>> {
        check_flags(flags, filter::ALL, function)?;
        let (guest, found) = self.find_snapshot(snap)?;
        let all = guest.snapshots();
        Ok(list(&all, Some(&found.moment.name), flags))
    }
}

fn names(found: &[Arc<Snapshot>], most: i32) -> Vec<String> {
    let most = usize::try_from(most).unwrap_or(0);
    found.iter().take(most).map(|one| one.moment.name.clone()).collect()
}

impl DomainSnapshot for Driver {
    fn domain_snapshot_create_xml(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        xml_desc: &str,
        flags: u32,
    ) -> Result<DomainSnapshotRef> {
        self.create_snapshot(dom, xml_desc, flags)
    }

    fn domain_snapshot_get_xml_desc(
        &self,
        _cx: &Call,
        snap: &DomainSnapshotRef,
        flags: u32,
    ) -> Result<String> {
        check_flags(flags, 1, "qemuDomainSnapshotGetXMLDesc")?;
        let (_, found) = self.find_snapshot(snap)?;
        Ok(found.format(flags & 1 != 0, false))
    }

    fn domain_snapshot_num(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<i32> {
        Ok(self.listed(dom, flags, "qemuDomainSnapshotNum")?.len() as i32)
    }

    fn domain_snapshot_list_names(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        maxnames: i32,
        flags: u32,
    ) -> Result<Vec<String>> {
        Ok(names(&self.listed(dom, flags, "qemuDomainSnapshotListNames")?, maxnames))
    }

    fn domain_snapshot_lookup_by_name(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        name: &str,
        flags: u32,
    ) -> Result<DomainSnapshotRef> {
        check_flags(flags, 0, "qemuDomainSnapshotLookupByName")?;
        let guest = self.find(dom)?;
        guest.snapshot(name)?;
        Ok(reference(&guest, name))
    }

    fn domain_has_current_snapshot(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<i32> {
        check_flags(flags, 0, "qemuDomainHasCurrentSnapshot")?;
        Ok(self.find(dom)?.snapshots().current().is_some().into())
    }

    fn domain_snapshot_current(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<DomainSnapshotRef> {
        check_flags(flags, 0, "qemuDomainSnapshotCurrent")?;
        let guest = self.find(dom)?;
        let current = guest.snapshots().current().cloned();
        match current {
            Some(current) => Ok(reference(&guest, &current.moment.name)),
            None => Err(error(ErrorCode::NO_DOMAIN_SNAPSHOT, "the domain does not have a current snapshot")),
        }
    }

    fn domain_revert_to_snapshot(&self, _cx: &Call, snap: &DomainSnapshotRef, flags: u32) -> Result<()> {
        self.revert(snap, flags)
    }

    fn domain_snapshot_delete(&self, _cx: &Call, snap: &DomainSnapshotRef, flags: u32) -> Result<()> {
        self.delete_snapshot(snap, flags)
    }

    fn domain_snapshot_get_parent(
        &self,
        _cx: &Call,
        snap: &DomainSnapshotRef,
        flags: u32,
    ) -> Result<DomainSnapshotRef> {
        check_flags(flags, 0, "qemuDomainSnapshotGetParent")?;
        let (guest, found) = self.find_snapshot(snap)?;
        let parent = found.moment.parent.as_deref().ok_or_else(|| {
            let text = format!("snapshot '{}' does not have a parent", found.moment.name);
            error(ErrorCode::NO_DOMAIN_SNAPSHOT, text)
        })?;
        Ok(reference(&guest, parent))
    }

    fn domain_snapshot_num_children(&self, _cx: &Call, snap: &DomainSnapshotRef, flags: u32) -> Result<i32> {
        Ok(self.listed_below(snap, flags, "qemuDomainSnapshotNumChildren")?.len() as i32)
    }

    fn domain_snapshot_list_children_names(
        &self,
        _cx: &Call,
        snap: &DomainSnapshotRef,
        maxnames: i32,
        flags: u32,
    ) -> Result<Vec<String>> {
        Ok(names(&self.listed_below(snap, flags, "qemuDomainSnapshotListChildrenNames")?, maxnames))
    }

    fn domain_snapshot_is_current(&self, _cx: &Call, snap: &DomainSnapshotRef, flags: u32) -> Result<i32> {
        check_flags(flags, 0, "qemuDomainSnapshotIsCurrent")?;
        let (guest, found) = self.find_snapshot(snap)?;
        let current = guest.snapshots().current.clone();
        Ok((current.as_deref() == Some(found.moment.name.as_str())).into())
    }

    fn domain_snapshot_has_metadata(&self, _cx: &Call, snap: &DomainSnapshotRef, flags: u32) -> Result<i32> {
        check_flags(flags, 0, "qemuDomainSnapshotHasMetadata")?;
        // One that is found has some.
        self.find_snapshot(snap).map(|_| 1)
    }

    fn domain_list_all_snapshots(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        need_results: i32,
        flags: u32,
    ) -> Result<DomainListAllSnapshotsRet> {
        let found = self.listed(dom, flags, "qemuDomainListAllSnapshots")?;
        let guest = self.find(dom)?;
        let ret = found.len() as i32;
        let snapshots = found.iter().filter(|_| need_results != 0);
        let snapshots = snapshots.map(|one| reference(&guest, &one.moment.name)).collect();
        Ok(DomainListAllSnapshotsRet { snapshots, ret })
    }

    fn domain_snapshot_list_all_children(
        &self,
        _cx: &Call,
        snapshot: &DomainSnapshotRef,
        need_results: i32,
        flags: u32,
    ) -> Result<DomainSnapshotListAllChildrenRet> {
        let found = self.listed_below(snapshot, flags, "qemuDomainSnapshotListAllChildren")?;
        let guest = self.find(&snapshot.dom)?;
        let ret = found.len() as i32;
        let snapshots = found.iter().filter(|_| need_results != 0);
        let snapshots = snapshots.map(|one| reference(&guest, &one.moment.name)).collect();
        Ok(DomainSnapshotListAllChildrenRet { snapshots, ret })
    }
}
