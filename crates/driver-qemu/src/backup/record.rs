//! Backups in the status document.

use super::{Running, Slot, parts};
use crate::guest::Live;
use conf_snapshot::Backup;
use xml::{Node, Writer};

/// Prints the backup that goes on.
pub(crate) fn write(slot: &Slot, w: &mut Writer) {
    if let Some(running) = slot.lock().as_ref() {
        let reuse = if running.reuse { "yes" } else { "no" };
        w.element("backup").attr("reuse", reuse).children(|w| running.backup.write(true, w));
    }
}

/// Reads it: the document, and whether its files were there before.
pub(crate) fn read(root: Node<'_>) -> Option<(Backup, bool)> {
    let node = root.child("backup")?;
    match Backup::read(node.child("domainbackup")?, true) {
        Ok(backup) => Some((backup, node.attr("reuse") == Some("yes"))),
        Err(cause) => {
            log::error!("a backup is not known any more: {cause}");
            None
        }
    }
}

/// Makes a backup known again that an earlier daemon began.
pub(crate) fn resume(live: &Live, known: Option<(Backup, bool)>) {
    let Some((backup, reuse)) = known else { return };
    let parts = match parts(&backup, live, reuse) {
        Ok(parts) => parts,
        Err(cause) => return log::error!("a backup is not known any more: {cause}"),
    };
    let serving = backup.mode == conf_snapshot::backup::Mode::Pull;
    live.session.works.begin(crate::work::Doing::Backup);
    live.session.backup.put(Running {
        backup,
        reuse,
        parts,
        amount: crate::work::Amount::default(),
        fault: None,
        failed: false,
        cancelled: false,
        serving,
        space: 0,
    });
}
