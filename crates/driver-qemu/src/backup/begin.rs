//! Backups that begin.

use super::{Part, Running, mark_name, parts};
use crate::block::disk::target;
use crate::block::job::{BlockJob, Kind, Stage, check_idle};
use crate::block::{links, overlay};
use crate::checkpoint::marks;
use crate::guest::{Guest, Live};
use crate::work::{Amount, Doing};
use crate::{Driver, FROM, check_flags, error};
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use bitmap::Action;
use conf_snapshot::Backup;
use conf_snapshot::backup::{BackupDisk, Mode};
use engine::JobKind;
use serde_json::{Value as Json, json};
use std::fs::{OpenOptions, remove_file};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use xml::Tree;

const REUSE: u32 = 1;
/// Port of servers that offer disks.
const PORT: &str = "10809";

/// What was made for a backup that did not come to be.
#[derive(Default)]
struct Made {
    files: Vec<String>,
    nodes: Vec<String>,
    serving: bool,
}

impl Made {
    fn undo(&self, live: &Live) {
        if self.serving {
            let _ = live.command("nbd-server-stop", Json::Null);
        }
        for node in self.nodes.iter().rev() {
            let _ = live.command("blockdev-del", json!({"node-name": node}));
        }
        self.files.iter().for_each(|path| drop(remove_file(path)));
    }
}

/// The file of a disk as the element of an image.
fn element(part: &BackupDisk, index: u32) -> Tree {
    let mut element = Tree::new("disk").with("type", part.kind.clone().unwrap_or_else(|| "file".to_owned()));
    let format = part.driver.as_ref().and_then(|driver| driver.attr("type")).unwrap_or("qcow2").to_owned();
    element.children.push(Tree::new("driver").with("type", format));
    let mut source = part.store.clone().unwrap_or_default();
    source.name = "source".into();
    source.set("index", index.to_string());
    element.children.push(source);
    element
}

/// Where a client finds what is offered, completed.
fn settle_server(backup: &mut Backup) -> Result<()> {
    if backup.mode != Mode::Pull {
        return Ok(());
    }
    let server = backup.server.get_or_insert_with(|| Tree::new("server").with("transport", "tcp"));
    if server.attr("transport") == Some("tcp") {
        server.default_to("name", "localhost");
        server.default_to("port", PORT);
    }
    if server.attr("tls") == Some("yes") {
        let text = "a server with TLS needs certificates, which are not set up for backups";
        return Err(Error::unsupported(FROM, text));
    }
    Ok(())
}

/// The address of a server for the emulator.
fn address(server: &Tree) -> Result<Json> {
    let text = |name: &str| server.attr(name).unwrap_or_default();
    match server.attr("transport") {
        Some("unix") => Ok(json!({"type": "unix", "data": {"path": text("socket")}})),
        Some("tcp") => Ok(json!({"type": "inet", "data": {"host": text("name"), "port": text("port")}})),
        other => Err(Error::unsupported(
            FROM,
            format!("transport '{}' is not supported", other.unwrap_or_default()),
        )),
    }
}

/// Makes the file of a disk, unless it is to be there.
fn make_file(part: &BackupDisk, element: &Tree, size: u64, reuse: bool, made: &mut Made) -> Result<()> {
    let named = |name: &str| part.store.as_ref().and_then(|store| store.attr(name));
    let Some(path) = named("file").filter(|_| !reuse) else {
        let there = named("file").or(named("dev")).unwrap_or_default();
        return std::fs::metadata(there).map(drop).map_err(|cause| {
            Error::system(ErrorDomain::SECURITY, &cause, format!("unable to stat: {there}"))
        });
    };
    if Path::new(path).exists() {
        let text = format!("store '{path}' for backup of '{}' exists", part.name);
        return Err(error(ErrorCode::INVALID_ARG, text));
    }
    // It is made by us, so that only we can read it.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|cause| Error::system(FROM, &cause, format!("failed to create image file '{path}'")))?;
    made.files.push(path.to_owned());
    overlay::make(element, size, None)
}

impl Driver {
    pub(crate) fn begin_backup(
        &self,
        dom: &DomainRef,
        text: &str,
        checkpoint: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, REUSE, "qemuBackupBegin")?;
        let guest = self.find(dom)?;
        self.await_backup(&guest)?;
        let _job = guest.begin(JobKind::Modify, "backup begin")?;
        let mut backup = Backup::parse(text, false)?;
        let Some(live) = guest.value().live.clone() else {
            let text = "cannot perform disk backup for inactive domain";
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
        };
        settle_server(&mut backup)?;
        let checkpoint = match checkpoint.filter(|text| !text.is_empty()) {
            Some(text) => Some(self.checkpoint_of_backup(&guest, &live, text)?),
            None => None,
        };
        let suffix = match &checkpoint {
            Some((checkpoint, _)) => checkpoint.moment.name.clone(),
            None => crate::snapshot::now().to_string(),
        };
        backup.align(&live.domain, &suffix)?;
        self.check_disks(&guest, &live, &backup)?;
        let mut made = Made::default();
        let (begun, more) = checkpoint.map_or((None, Vec::new()), |(one, actions)| (Some(one), actions));
        let start =
            |made: &mut Made| self.start_backup(&guest, &live, backup, more, flags & REUSE != 0, made);
        let outcome = match begun {
            Some(checkpoint) => self.keep_checkpoint(&guest, checkpoint, || start(&mut made)),
            None => start(&mut made),
        };
        outcome.inspect_err(|_| made.undo(&live))
    }

    /// Refuses disks that are busy, and checkpoints that are not there or not whole.
    fn check_disks(&self, guest: &Guest, live: &Live, backup: &Backup) -> Result<()> {
        let nodes = marks::known(live)?;
        for disk in backup.disks.iter().filter(|disk| disk.backup) {
            check_idle(live, &disk.name)?;
            let Some(name) = &disk.incremental else { continue };
            let found = guest.checkpoints().find(name).cloned().ok_or_else(|| {
                let text =
                    format!("Checkpoint '{name}' for incremental backup of disk '{}' not found", disk.name);
                error(ErrorCode::NO_DOMAIN_CHECKPOINT, text)
            })?;
            let noted = found.disks.iter().find(|noted| noted.name == disk.name);
            let mark = noted.and_then(|noted| noted.bitmap.as_deref()).unwrap_or(name);
            marks::check(live, &nodes, &disk.name, mark)?;
        }
        Ok(())
    }

    fn start_backup(
        &self,
        guest: &Arc<Guest>,
        live: &Arc<Live>,
        mut backup: Backup,
        more: Vec<Json>,
        reuse: bool,
        made: &mut Made,
    ) -> Result<()> {
        let pull = backup.mode == Mode::Pull;
        let mut handed: Vec<(String, Vec<String>)> = Vec::new();
        let mut space = 0_u64;
        for disk in backup.disks.iter_mut().filter(|disk| disk.backup) {
            let Some(own) = live.domain.all("disk").find(|own| target(own) == disk.name) else { continue };
            let index = self.next_node(live);
            live.session.nodes.fetch_max(index + 1, Ordering::AcqRel);
            disk.index = Some(index);
            disk.state = Some("running".to_owned());
            if pull && disk.export_name.is_none() {
                disk.export_name = Some(disk.name.clone());
            }
            if disk.driver.is_none() {
                disk.driver = Some(Tree::new("driver").with("type", "qcow2"));
            }
            let mut top = element(disk, index);
            let size = self.capacity_of(live, own);
            space = space.saturating_add(size);
            make_file(disk, &top, size, reuse, made)?;
            top.children.push(if pull { links::as_base(own) } else { Tree::new("backingStore") });
            let (nodes, _) = self.hand_images(live, &links::with_top(own, &links::as_base(&top)))?;
            let nodes = nodes.node_names();
            made.nodes.extend(nodes.iter().cloned());
            handed.push((disk.name.clone(), nodes));
        }
        let parts = parts(&backup, live, reuse)?;
        let mut actions = self.note_changes(guest, live, &backup, &parts)?;
        actions.extend(more);
        for part in &parts {
            let mut data = json!({
                "job-id": part.job,
                "device": part.top,
                "target": part.store,
                "auto-finalize": true,
                "auto-dismiss": false,
                "sync": if pull { "none" } else { "full" },
            });
            if let (Some((_, mark)), false, Some(data)) = (&part.mark, pull, data.as_object_mut()) {
                data.insert("sync".to_owned(), json!("incremental"));
                data.insert("bitmap".to_owned(), json!(mark));
            }
            actions.push(json!({"type": "blockdev-backup", "data": data}));
        }
        if let Some(server) = backup.server.as_ref().filter(|_| pull) {
            live.command("nbd-server-start", json!({"addr": address(server)?}))?;
            made.serving = true;
        }
        let exports: Vec<Json> = if pull { exports(&backup, &parts) } else { Vec::new() };
        live.session.works.begin(Doing::Backup);
        live.session.backup.put(Running {
            backup,
            reuse,
            parts: parts.clone(),
            amount: Amount::default(),
            fault: None,
            failed: false,
            cancelled: false,
            serving: made.serving,
            space,
        });
        for part in &parts {
            let nodes = handed.iter().find(|(disk, _)| *disk == part.disk);
            live.session.jobs.add(job_of(part, nodes.map(|(_, nodes)| nodes.clone()).unwrap_or_default()));
        }
        let outcome =
            self.write_status(guest).and_then(|()| marks::transaction(live, &actions)).and_then(|()| {
                exports.into_iter().try_for_each(|export| live.command("block-export-add", export).map(drop))
            });
        if let Err(cause) = outcome {
            for part in &parts {
                let _ = live.command("block-job-cancel", json!({"device": part.job, "force": true}));
                live.session.jobs.remove(&part.job);
            }
            live.session.backup.take();
            live.session.works.end(Some(cause.to_string()));
            self.save_status(guest);
            return Err(cause);
        }
        Ok(())
    }

    /// Bitmaps that tell what has changed since checkpoints.
    fn note_changes(&self, guest: &Guest, live: &Live, backup: &Backup, parts: &[Part]) -> Result<Vec<Json>> {
        let nodes = marks::known(live)?;
        let mut actions = Vec::new();
        for disk in backup.disks.iter().filter(|disk| disk.backup) {
            let part = parts.iter().find(|part| part.disk == disk.name);
            let (Some(name), Some(part)) = (&disk.incremental, part) else { continue };
            let Some((node, own)) = &part.mark else { continue };
            let found = guest.checkpoint(name)?;
            let noted = found.disks.iter().find(|noted| noted.name == disk.name);
            let mark = noted.and_then(|noted| noted.bitmap.as_deref()).unwrap_or(name);
            let chain = marks::links(live, &nodes, &disk.name);
            actions.extend(bitmap::backup(&nodes, &chain, mark, node, own).iter().map(Action::json));
        }
        Ok(actions)
    }
}

/// What the server offers.
fn exports(backup: &Backup, parts: &[Part]) -> Vec<Json> {
    let export = |disk: &BackupDisk| {
        let part = parts.iter().find(|part| part.disk == disk.name)?;
        let name = disk.export_name.clone().unwrap_or_else(|| disk.name.clone());
        let mut export = json!({
            "type": "nbd",
            "id": format!("libvirt-nbd-{}", part.store),
            "node-name": part.store,
            "writable": false,
            "name": name,
        });
        if part.mark.is_some()
            && let Some(export) = export.as_object_mut()
        {
            export.insert("bitmaps".to_owned(), json!([mark_name(disk)]));
        }
        Some(export)
    };
    backup.disks.iter().filter(|disk| disk.backup).filter_map(export).collect()
}

fn job_of(part: &Part, nodes: Vec<String>) -> BlockJob {
    BlockJob {
        name: part.job.clone(),
        disk: part.disk.clone(),
        kind: Kind::Backup,
        stage: Stage::Running,
        top: 0,
        base: None,
        delete: false,
        copy: None,
        nodes,
        shallow: false,
    }
}
