//! Documents of checkpoints on disk, one folder for each guest.

use crate::config::header;
use crate::guest::Guest;
use crate::{Driver, FROM};
use base::{Error, Result};
use conf_domain::{Domain, ParseFlags, Reader};
use conf_snapshot::Checkpoint;
use conf_snapshot::checkpoint::Show;
use std::path::PathBuf;
use std::sync::Arc;

impl Driver {
    fn checkpoint_dir(&self, name: &str) -> PathBuf {
        self.state_dir().join("checkpoint").join(name)
    }

    /// Writes the document of a checkpoint.
    pub(super) fn write_checkpoint(&self, guest: &Guest, name: &str) -> Result<()> {
        let Some(found) = guest.checkpoints().find(name).cloned() else { return Ok(()) };
        let folder = self.checkpoint_dir(&guest.value().name);
        let text = header(name) + &found.format(Show { secure: true, ..Show::default() });
        let path = folder.join(format!("{name}.xml"));
        host::store::folder(&folder, 0o755)
            .and_then(|()| host::store::write(&path, text.as_bytes(), 0o600))
            .map_err(|cause| {
                Error::system(FROM, &cause, format!("cannot create checkpoint file '{}'", path.display()))
            })
    }

    /// Removes the document of a checkpoint, and the folder with the last one.
    pub(super) fn forget_checkpoint(&self, guest: &Guest, name: &str) {
        let folder = self.checkpoint_dir(&guest.value().name);
        if let Err(cause) = host::store::remove(&folder.join(format!("{name}.xml"))) {
            log::warn!("checkpoint '{name}': {cause}");
        }
        if guest.checkpoints().is_empty() {
            let _ = std::fs::remove_dir(folder);
        }
    }

    /// Removes the documents of all checkpoints; bitmaps in images stay.
    pub(crate) fn forget_all_checkpoints(&self, guest: &Guest) {
        let names: Vec<String> = guest.checkpoints().iter().map(|one| one.moment.name.clone()).collect();
        for name in names {
            guest.checkpoints().remove(&name);
            self.forget_checkpoint(guest, &name);
        }
    }

    /// Reads the checkpoints of a guest. The current one is the one that has no others behind it.
    pub(crate) fn load_checkpoints(&self, guest: &Guest) {
        let complete = |_: &mut Domain, _: ParseFlags| Ok(());
        for (name, text) in host::store::files(&self.checkpoint_dir(&guest.value().name), "xml") {
            let mut reader = Reader { random: &mut host::random::bytes::<16>, complete: &complete };
            match Checkpoint::parse(&text, true, 0, &mut reader) {
                Ok(found) => guest.checkpoints().put(Arc::new(found)),
                Err(cause) => log::error!("checkpoint '{name}' of '{}': {cause}", guest.value().name),
            }
        }
        let mut all = guest.checkpoints();
        let last = all.iter().filter(|one| all.is_leaf(one)).max_by_key(|one| one.moment.created);
        let last = last.map(|one| one.moment.name.clone());
        all.current = last;
    }
}
