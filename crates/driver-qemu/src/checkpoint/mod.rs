//! Checkpoints: points from which on changed blocks are noted, for later backups.
//!
//! ```text
//! checkpoint c1 ── bitmap c1 in the image that is written to     notes what is written from then on
//! ```
//!
//! * [`create`]: new ones, and ones that become known again
//! * [`delete`]: ones that are no longer wanted
//! * [`marks`]: the bitmaps in the images
//! * [`store`]: documents on disk

mod create;
mod delete;
pub(crate) mod marks;
mod store;

use crate::guest::Guest;
use crate::{Driver, check_flags, error};
use api::domain_checkpoint::{DomainCheckpointListAllChildrenRet, DomainListAllCheckpointsRet};
use api::{Call, DomainCheckpoint};
use base::object::{DomainCheckpointRef, DomainRef};
use base::{ErrorCode, Result};
use conf_snapshot::checkpoint::Show;
use conf_snapshot::{Checkpoint, Moments};
use std::sync::{Arc, MutexGuard, PoisonError};

/// Which checkpoints a listing asks for.
mod filter {
    /// Roots only of all; of those below one not only the nearest.
    pub(super) const FIRST: u32 = 1;
    pub(super) const LEAVES: u32 = 4;
    pub(super) const NO_LEAVES: u32 = 8;
    pub(super) const ALL: u32 = 15;
}

fn list(all: &Moments<Checkpoint>, parent: Option<&str>, flags: u32) -> Vec<Arc<Checkpoint>> {
    let near = parent.is_none() == (flags & filter::FIRST != 0);
    let found = if near { all.children(parent).cloned().collect() } else { all.below(parent) };
    let wanted = |leaf: bool| match flags & (filter::LEAVES | filter::NO_LEAVES) {
        filter::LEAVES => leaf,
        filter::NO_LEAVES => !leaf,
        _ => true,
    };
    found.into_iter().filter(|one| wanted(all.is_leaf(one))).collect()
}

impl Guest {
    pub(crate) fn checkpoints(&self) -> MutexGuard<'_, Moments<Checkpoint>> {
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A checkpoint by its name.
    pub(crate) fn checkpoint(&self, name: &str) -> Result<Arc<Checkpoint>> {
        self.checkpoints().find(name).cloned().ok_or_else(|| {
            let text = format!("no domain checkpoint with matching name '{name}'");
            error(ErrorCode::NO_DOMAIN_CHECKPOINT, text)
        })
    }
}

/// How clients name a checkpoint.
fn reference(guest: &Guest, name: &str) -> DomainCheckpointRef {
    DomainCheckpointRef { name: name.to_owned(), dom: guest.reference() }
}

fn references(guest: &Guest, found: &[Arc<Checkpoint>], wanted: i32) -> Vec<DomainCheckpointRef> {
    let found = found.iter().filter(|_| wanted != 0);
    found.map(|one| reference(guest, &one.moment.name)).collect()
}

impl Driver {
    fn checkpoint_xml(&self, checkpoint: &DomainCheckpointRef, flags: u32) -> Result<String> {
        const SECURE: u32 = 1;
        const NO_DOMAIN: u32 = 2;
        const SIZE: u32 = 4;
        check_flags(flags, SECURE | NO_DOMAIN | SIZE, "qemuCheckpointGetXMLDesc")?;
        let guest = self.find(&checkpoint.dom)?;
        let found = guest.checkpoint(&checkpoint.name)?;
        let size = flags & SIZE != 0;
        let show = Show { secure: flags & SECURE != 0, no_domain: flags & NO_DOMAIN != 0, size };
        if !size {
            return Ok(found.format(show));
        }
        let live = guest.live()?;
        let mut measured = (*found).clone();
        for disk in measured.disks.iter_mut().filter(|disk| disk.noted) {
            disk.size = disk.bitmap.as_deref().and_then(|bitmap| marks::size(&live, &disk.name, bitmap));
        }
        Ok(measured.format(show))
    }
}

impl DomainCheckpoint for Driver {
    fn domain_checkpoint_create_xml(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        xml_desc: &str,
        flags: u32,
    ) -> Result<DomainCheckpointRef> {
        self.create_checkpoint(dom, xml_desc, flags)
    }

    fn domain_checkpoint_get_xml_desc(
        &self,
        _cx: &Call,
        checkpoint: &DomainCheckpointRef,
        flags: u32,
    ) -> Result<String> {
        self.checkpoint_xml(checkpoint, flags)
    }

    fn domain_list_all_checkpoints(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        need_results: i32,
        flags: u32,
    ) -> Result<DomainListAllCheckpointsRet> {
        check_flags(flags, filter::ALL, "qemuDomainListAllCheckpoints")?;
        let guest = self.find(dom)?;
        let found = list(&guest.checkpoints(), None, flags);
        let checkpoints = references(&guest, &found, need_results);
        Ok(DomainListAllCheckpointsRet { checkpoints, ret: found.len() as i32 })
    }

    fn domain_checkpoint_list_all_children(
        &self,
        _cx: &Call,
        checkpoint: &DomainCheckpointRef,
        need_results: i32,
        flags: u32,
    ) -> Result<DomainCheckpointListAllChildrenRet> {
        check_flags(flags, filter::ALL, "qemuDomainCheckpointListAllChildren")?;
        let guest = self.find(&checkpoint.dom)?;
        let name = guest.checkpoint(&checkpoint.name)?.moment.name.clone();
        let found = list(&guest.checkpoints(), Some(&name), flags);
        let checkpoints = references(&guest, &found, need_results);
        Ok(DomainCheckpointListAllChildrenRet { checkpoints, ret: found.len() as i32 })
    }

    fn domain_checkpoint_lookup_by_name(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        name: &str,
        flags: u32,
    ) -> Result<DomainCheckpointRef> {
        check_flags(flags, 0, "qemuDomainCheckpointLookupByName")?;
        let guest = self.find(dom)?;
        guest.checkpoint(name)?;
        Ok(reference(&guest, name))
    }

    fn domain_checkpoint_get_parent(
        &self,
        _cx: &Call,
        checkpoint: &DomainCheckpointRef,
        flags: u32,
    ) -> Result<DomainCheckpointRef> {
        check_flags(flags, 0, "qemuDomainCheckpointGetParent")?;
        let guest = self.find(&checkpoint.dom)?;
        let found = guest.checkpoint(&checkpoint.name)?;
        let parent = found.moment.parent.as_deref().ok_or_else(|| {
            let text = format!("checkpoint '{}' does not have a parent", found.moment.name);
            error(ErrorCode::NO_DOMAIN_CHECKPOINT, text)
        })?;
        Ok(reference(&guest, parent))
    }

    fn domain_checkpoint_delete(
        &self,
        _cx: &Call,
        checkpoint: &DomainCheckpointRef,
        flags: u32,
    ) -> Result<()> {
        self.delete_checkpoint(checkpoint, flags)
    }

    fn domain_backup_begin(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        backup_xml: &str,
        checkpoint_xml: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        self.begin_backup(dom, backup_xml, checkpoint_xml, flags)
    }

    fn domain_backup_get_xml_desc(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<String> {
        self.backup_xml(dom, flags)
    }
}
