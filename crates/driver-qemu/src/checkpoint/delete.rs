//! Checkpoints that are no longer wanted.

use super::marks;
use crate::guest::{Guest, Live};
use crate::{Driver, check_flags, error};
use base::object::DomainCheckpointRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use bitmap::Action;
use conf_snapshot::Checkpoint;
use engine::JobKind;
use serde_json::Value as Json;
use std::sync::Arc;

const CHILDREN: u32 = 1;
const METADATA_ONLY: u32 = 2;
const CHILDREN_ONLY: u32 = 4;

impl Driver {
    pub(super) fn delete_checkpoint(&self, checkpoint: &DomainCheckpointRef, flags: u32) -> Result<()> {
        if flags & CHILDREN != 0 && flags & CHILDREN_ONLY != 0 {
            let text = "Flags 'VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN' and 'VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN_ONLY' are mutually exclusive";
            let (domain, function) = (ErrorDomain::DOMAIN_CHECKPOINT, "virDomainCheckpointDelete");
            return Err(Error::invalid_arg(domain, function, "flags", text));
        }
        check_flags(flags, CHILDREN | METADATA_ONLY | CHILDREN_ONLY, "qemuCheckpointDelete")?;
        let guest = self.find(&checkpoint.dom)?;
        let _job = guest.begin(JobKind::Modify, "checkpoint delete")?;
        let live = guest.value().live.clone().filter(|_| flags & METADATA_ONLY == 0);
        if live.is_none() && flags & METADATA_ONLY == 0 {
            let text = "cannot delete checkpoint for inactive domain";
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
        }
        let found = guest.checkpoint(&checkpoint.name)?;
        let mut gone: Vec<Arc<Checkpoint>> = Vec::new();
        if flags & (CHILDREN | CHILDREN_ONLY) != 0 {
            gone.extend(guest.checkpoints().below(Some(&found.moment.name)).into_iter().rev());
        }
        if flags & CHILDREN_ONLY == 0 {
            gone.push(found);
        }
        for one in gone {
            if let Some(live) = &live {
                self.drop_marks(live, &one)?;
            }
            self.drop_one(&guest, &one)?;
        }
        Ok(())
    }

    /// Takes the bitmaps of a checkpoint from the images.
    fn drop_marks(&self, live: &Live, one: &Checkpoint) -> Result<()> {
        let nodes = marks::known(live)?;
        let mut actions: Vec<Json> = Vec::new();
        for disk in one.disks.iter().filter(|disk| disk.noted) {
            let name = disk.bitmap.as_deref().unwrap_or_default();
            // Images that are not written to keep theirs, which say nothing without the one above.
            let written: Vec<_> =
                marks::links(live, &nodes, &disk.name).into_iter().filter(|link| !link.read_only).collect();
            let deletion = bitmap::delete(&nodes, &written, name).unwrap_or_default();
            actions.extend(deletion.actions.iter().map(Action::json));
        }
        marks::transaction(live, &actions)
    }

    /// Takes a checkpoint out of the tree.
    fn drop_one(&self, guest: &Guest, one: &Checkpoint) -> Result<()> {
        let name = &one.moment.name;
        let children: Vec<String> = {
            let mut all = guest.checkpoints();
            let children = all.children(Some(name)).map(|child| child.moment.name.clone()).collect();
            all.remove(name);
            children
        };
        self.forget_checkpoint(guest, name);
        children.iter().try_for_each(|child| self.write_checkpoint(guest, child))
    }
}
