//! New checkpoints, and ones that were made before and become known again.

use super::{marks, reference};
use crate::guest::{Guest, Live};
use crate::snapshot::place::check_place;
use crate::{Driver, FROM, check_flags, error, portable};
use base::object::{DomainCheckpointRef, DomainRef};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_snapshot::{Checkpoint, moment};
use engine::JobKind;
use serde_json::Value as Json;
use std::sync::Arc;

const REDEFINE: u32 = 1;
const VALIDATE: u32 = 4;

impl Driver {
    pub(super) fn create_checkpoint(
        &self,
        dom: &DomainRef,
        text: &str,
        flags: u32,
    ) -> Result<DomainCheckpointRef> {
        if flags & VALIDATE != 0 && flags & REDEFINE == 0 {
            let text = "Flag 'VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE' is required by flag 'VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE'";
            let (domain, function) = (ErrorDomain::DOMAIN_CHECKPOINT, "virDomainCheckpointCreateXML");
            return Err(Error::invalid_arg(domain, function, "flags", text));
        }
        check_flags(flags, REDEFINE | VALIDATE, "qemuCheckpointCreateXML")?;
        let guest = self.find(dom)?;
        let redefine = flags & REDEFINE != 0;
        let _job = guest.begin(JobKind::Modify, "checkpoint create")?;
        if !redefine && guest.value().live.is_none() {
            let text = "cannot create checkpoint for inactive domain";
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
        }
        let now = crate::snapshot::now();
        let checkpoint = self.with_reader(|reader| Checkpoint::parse(text, redefine, now, reader))?;
        let name = checkpoint.moment.name.clone();
        if redefine {
            self.redefine_checkpoint(&guest, checkpoint, flags)?;
            return Ok(reference(&guest, &name));
        }
        let live = guest.live()?;
        let checkpoint = self.prepared_checkpoint(&guest, &live, checkpoint)?;
        let actions = marks::begin(&live, &checkpoint.disks)?;
        check_new(&guest, &name)?;
        self.keep_checkpoint(&guest, checkpoint, || marks::transaction(&live, &actions))?;
        Ok(reference(&guest, &name))
    }

    /// A checkpoint that says of every disk whether its changes are noted.
    pub(crate) fn prepared_checkpoint(
        &self,
        guest: &Guest,
        live: &Live,
        mut checkpoint: Checkpoint,
    ) -> Result<Checkpoint> {
        let definition = self.written(&portable::kept(live))?;
        checkpoint.align(&definition)?;
        checkpoint.guest = moment::Guest::Full(Box::new(definition));
        checkpoint.moment.parent = guest.checkpoints().current.clone();
        Ok(checkpoint)
    }

    /// Stores a checkpoint and lets `act` begin it; nothing is left of it when that fails.
    pub(crate) fn keep_checkpoint(
        &self,
        guest: &Guest,
        checkpoint: Checkpoint,
        act: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let name = checkpoint.moment.name.clone();
        let before = {
            let mut all = guest.checkpoints();
            all.put(Arc::new(checkpoint));
            all.current.replace(name.clone())
        };
        self.write_checkpoint(guest, &name).and_then(|()| act()).inspect_err(|_| {
            {
                let mut all = guest.checkpoints();
                all.remove(&name);
                all.current = before;
            }
            self.forget_checkpoint(guest, &name);
        })
    }

    fn redefine_checkpoint(&self, guest: &Arc<Guest>, mut checkpoint: Checkpoint, flags: u32) -> Result<()> {
        let name = checkpoint.moment.name.clone();
        let old = guest.checkpoints().find(&name).cloned();
        check_place(
            &guest.checkpoints(),
            &checkpoint,
            &checkpoint.guest,
            guest.uuid,
            ("checkpoint", ErrorDomain::DOMAIN_CHECKPOINT),
        )?;
        if let (moment::Guest::None | moment::Guest::Uuid(_), Some(old)) = (&checkpoint.guest, &old) {
            checkpoint.guest = old.guest.clone();
        }
        match checkpoint.guest.domain().cloned() {
            Some(definition) => checkpoint.align(&definition)?,
            None => checkpoint.name_bitmaps(),
        }
        if flags & VALIDATE != 0 {
            let live = guest.live()?;
            let nodes = marks::known(&live)?;
            for disk in checkpoint.disks.iter().filter(|disk| disk.noted) {
                marks::check(&live, &nodes, &disk.name, disk.bitmap.as_deref().unwrap_or_default())?;
            }
        }
        let parent = checkpoint.moment.parent.clone();
        {
            let mut all = guest.checkpoints();
            all.put(Arc::new(checkpoint));
            if all.current == parent {
                all.current = Some(name.clone());
            }
        }
        self.write_checkpoint(guest, &name)
    }
}

/// Refuses a name that is taken.
pub(crate) fn check_new(guest: &Guest, name: &str) -> Result<()> {
    if guest.checkpoints().find(name).is_some() {
        let text = format!("domain moment {name} already exists");
        return Err(Error::operation_failed(ErrorDomain::DOMAIN, text));
    }
    Ok(())
}

impl Driver {
    /// Reads a checkpoint that begins together with a backup, and what begins it.
    pub(crate) fn checkpoint_of_backup(
        &self,
        guest: &Guest,
        live: &Live,
        text: &str,
    ) -> Result<(Checkpoint, Vec<Json>)> {
        let now = crate::snapshot::now();
        let checkpoint = self.with_reader(|reader| Checkpoint::parse(text, false, now, reader))?;
        let checkpoint = self.prepared_checkpoint(guest, live, checkpoint)?;
        let actions = marks::begin(live, &checkpoint.disks)?;
        check_new(guest, &checkpoint.moment.name)?;
        if checkpoint.moment.name.is_empty() {
            return Err(Error::internal(FROM, "the checkpoint has no name"));
        }
        Ok((checkpoint, actions))
    }
}
