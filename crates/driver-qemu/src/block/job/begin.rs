//! Pulls and commits.

use super::{BlockJob, Kind, Stage, check_idle, speed, unknown_node};
use crate::block::disk::{self, empty, images};
use crate::block::links;
use crate::guest::{Guest, Live};
use crate::{Driver, FROM, chain, check_flags, error};
use base::object::DomainRef;
use base::{Error, ErrorCode, Result};
use engine::JobKind;
use serde_json::{Value as Json, json};
use std::path::{Component, PathBuf};
use std::sync::Arc;
use xml::Tree;

/// Flags of a rebase.
pub(super) const SHALLOW: u32 = 1;
pub(super) const REUSE: u32 = 2;
pub(super) const RAW: u32 = 4;
pub(super) const COPY: u32 = 8;
const RELATIVE: u32 = 16;
pub(super) const DEVICE: u32 = 32;
pub(super) const BYTES: u32 = 64;

/// How a commit is made.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Commit {
    /// Bytes a second; 0 is as fast as it goes.
    pub(super) speed: u64,
    /// Images name their bases by relative paths.
    pub(super) by_relation: bool,
    /// Images that are not needed any more are removed.
    pub(super) delete: bool,
}

/// Names of the emulator's nodes.
pub(in crate::block) fn known_nodes(live: &Live) -> Result<Vec<String>> {
    let answer = live.command("query-named-block-nodes", json!({"flat": true}))?;
    let names = answer.as_array().map(Vec::as_slice).unwrap_or_default().iter();
    Ok(names.filter_map(|node| node.get("node-name")?.as_str().map(str::to_owned)).collect())
}

/// The node that reads an image.
pub(in crate::block) fn node_of(known: &[String], index: u32) -> Option<&str> {
    let (storage, format) = disk::nodes(index);
    let has = |name: &str| known.iter().find(|known| *known == name);
    has(&format).or_else(|| has(&storage)).map(String::as_str)
}

/// The path from one image to another as both lie, by the names that the images between them state. `None` when one of
/// them states a whole path.
fn relative(disk_element: &Tree, upper: u32, lower: u32) -> Option<String> {
    let mut path = PathBuf::new();
    let mut at = upper;
    while at != lower {
        let element = links::element(disk_element, at)?;
        let format = chain::format_of(element).unwrap_or("raw");
        let stated = chain::header(chain::local(element)?, format).ok()?.base?;
        let plain = !stated.starts_with('/') && !stated.contains(':');
        if !plain {
            return None;
        }
        path.pop();
        path.push(stated);
        at = links::below(disk_element, at)?;
    }
    // `a/../b` is `b` wherever it is read.
    let mut short = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if short.file_name().is_some() => {
                short.pop();
            }
            Component::CurDir => {}
            other => short.push(other),
        }
    }
    Some(short.display().to_string())
}

/// What an image that is based on another shall call it.
fn base_name(disk_element: &Tree, upper: u32, lower: u32, by_relation: bool) -> Result<Option<String>> {
    if by_relation {
        return relative(disk_element, upper, lower).map(Some).ok_or_else(|| {
            let text = format!("can't change relative backing path of disk '{}'", disk::target(disk_element));
            Error::operation_invalid(FROM, text)
        });
    }
    Ok(links::element(disk_element, lower).and_then(chain::local).map(str::to_owned))
}

/// The disk that a job is for.
pub(super) fn subject<'l>(live: &'l Live, path: &str) -> Result<&'l Tree> {
    let found = disk::wanted(&live.domain, path)?;
    if !disk::has_image(found) {
        return Err(empty(found));
    }
    if found.is("type", "vhostuser") || found.is("type", "vhostvdpa") {
        let kind = found.attr("type").unwrap_or_default();
        let text = format!("block jobs are not supported on {kind} disk '{}'", disk::target(found));
        return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
    }
    Ok(found)
}

impl Driver {
    pub(in crate::block) fn pull(
        &self,
        dom: &DomainRef,
        path: &str,
        base: Option<&str>,
        bandwidth: u64,
        flags: u32,
    ) -> Result<()> {
        if flags & RELATIVE != 0 && base.is_none() {
            let text = "flag VIR_DOMAIN_BLOCK_REBASE_RELATIVE is valid only with non-null base";
            return Err(error(ErrorCode::INVALID_ARG, text));
        }
        let speed = speed(bandwidth, flags & BYTES != 0)?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "block pull")?;
        let live = guest.live()?;
        let subject = subject(&live, path)?;
        let target = disk::target(subject).to_owned();
        check_idle(&live, &target)?;
        let top = images(subject).first().map_or(0, |(_, index)| *index);
        let base = base.map(|name| links::find(subject, Some(top), name)).transpose()?;
        let known = known_nodes(&live)?;
        let device = self.top_node(&live, subject).ok_or_else(|| unknown_node(&target))?;
        let node = node_of(&known, top).unwrap_or(&device);
        let name = format!("pull-{}-{node}", disk::alias(subject));
        let mut arguments = json!({
            "job-id": name,
            "device": device,
            "speed": speed,
            "auto-finalize": true,
            "auto-dismiss": false,
        });
        if let Some(base) = base {
            let node = node_of(&known, base).ok_or_else(|| unknown_node(&target))?;
            put(&mut arguments, "base-node", json!(node));
            if let Some(path) = base_name(subject, top, base, flags & RELATIVE != 0)? {
                put(&mut arguments, "backing-file", json!(path));
            }
        }
        let job = BlockJob {
            name,
            disk: target,
            kind: Kind::Pull,
            stage: Stage::Running,
            top,
            base,
            delete: false,
            copy: None,
            nodes: Vec::new(),
            shallow: false,
        };
        self.start_job(&guest, &live, job, "block-stream", arguments)
    }

    pub(in crate::block) fn commit(
        &self,
        dom: &DomainRef,
        path: &str,
        base: Option<&str>,
        top: Option<&str>,
        bandwidth: u64,
        flags: u32,
    ) -> Result<()> {
        const DELETE: u32 = 2;
        const ACTIVE: u32 = 4;
        const RELATIVE: u32 = 8;
        const BYTES: u32 = 16;
        check_flags(flags, SHALLOW | DELETE | ACTIVE | RELATIVE | BYTES, "qemuDomainBlockCommit")?;
        let speed = speed(bandwidth, flags & BYTES != 0)?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "block commit")?;
        let live = guest.live()?;
        let subject = subject(&live, path)?;
        let target = disk::target(subject).to_owned();
        check_idle(&live, &target)?;
        let first = images(subject).first().map_or(0, |(_, index)| *index);
        // A name of the disk itself means its top.
        let top = match top.filter(|name| *name != target) {
            Some(name) => links::find(subject, None, name)?,
            None => first,
        };
        let invalid = |text: String| Err(error(ErrorCode::INVALID_ARG, text));
        if top == first && flags & ACTIVE == 0 {
            return invalid(format!("commit of '{target}' active layer requires active flag"));
        }
        if top != first && flags & ACTIVE != 0 {
            let shown = links::element(subject, top).and_then(chain::local).unwrap_or_default();
            return invalid(format!("active commit requested but '{shown}' is not active"));
        }
        let base = match base {
            Some(name) => links::find(subject, Some(top), name)?,
            None if flags & SHALLOW != 0 => match links::below(subject, top) {
                Some(below) => below,
                None => links::last(subject, top)?,
            },
            None => links::last(subject, top)?,
        };
        if flags & SHALLOW != 0 && links::below(subject, top) != Some(base) {
            let shown = |index| links::element(subject, index).and_then(chain::local).unwrap_or_default();
            let (base, top) = (shown(base), shown(top));
            return invalid(format!(
                "base '{base}' is not immediately below '{top}' in chain for '{target}'"
            ));
        }
        let how = Commit { speed, by_relation: flags & RELATIVE != 0, delete: flags & DELETE != 0 };
        self.start_commit(&guest, &live, subject, (top, base), how).map(drop)
    }

    /// Begins to commit what lies between two images, upper and lower. Gives the name of the job.
    pub(super) fn start_commit(
        &self,
        guest: &Arc<Guest>,
        live: &Live,
        subject: &Tree,
        (top, base): (u32, u32),
        how: Commit,
    ) -> Result<String> {
        let target = disk::target(subject).to_owned();
        let known = known_nodes(live)?;
        let node = |index: u32| node_of(&known, index).ok_or_else(|| unknown_node(&target));
        let device = self.top_node(live, subject).ok_or_else(|| unknown_node(&target))?;
        let active = images(subject).first().is_some_and(|(_, index)| *index == top);
        let name = format!("commit-{}-{}", disk::alias(subject), node(top)?);
        let mut arguments = json!({
            "job-id": name,
            "device": device,
            "speed": how.speed,
            "top-node": node(top)?,
            "base-node": node(base)?,
            "auto-finalize": true,
            "auto-dismiss": false,
        });
        if let Some(above) = links::parent(subject, top).filter(|_| !active)
            && let Some(path) = base_name(subject, above, base, how.by_relation)?
        {
            put(&mut arguments, "backing-file", json!(path));
        }
        let job = BlockJob {
            name: name.clone(),
            disk: target.clone(),
            kind: if active { Kind::ActiveCommit } else { Kind::Commit },
            stage: Stage::Running,
            top,
            base: Some(base),
            delete: how.delete,
            copy: None,
            nodes: Vec::new(),
            shallow: false,
        };
        let element = links::element(subject, base).cloned();
        self.start_job(guest, live, job, "block-commit", arguments)?;
        if active && let Some(element) = element {
            self.note_mirror(guest, &target, &element, "active-commit")?;
        }
        Ok(name)
    }

    /// Begins a job; it is known before the emulator can tell of it.
    pub(super) fn start_job(
        &self,
        guest: &Arc<Guest>,
        live: &Live,
        job: BlockJob,
        command: &str,
        arguments: Json,
    ) -> Result<()> {
        let name = job.name.clone();
        live.session.jobs.add(job);
        // Known to a later daemon before the emulator begins.
        self.write_status(guest).inspect_err(|_| live.session.jobs.remove(&name))?;
        if let Err(cause) = live.command(command, arguments) {
            live.session.jobs.remove(&name);
            self.save_status(guest);
            return Err(cause);
        }
        Ok(())
    }

    /// Notes in the running definition what a job writes to.
    pub(super) fn note_mirror(
        &self,
        guest: &Arc<Guest>,
        target: &str,
        image: &Tree,
        kind: &str,
    ) -> Result<()> {
        let ready = |live: &Live| live.session.jobs.of_disk(target).map(|job| job.stage == Stage::Ready);
        let live = guest.live()?;
        let Some(ready) = ready(&live) else { return Ok(()) };
        let mut mirror = Tree::new("mirror").with("type", image.attr("type").unwrap_or("file"));
        mirror.set("job", kind);
        if ready {
            mirror.set("ready", "yes");
        }
        let format = chain::format_of(image).unwrap_or("raw").to_owned();
        mirror.children.push(Tree::new("format").with("type", format));
        if let Some(mut source) = image.child("source").cloned() {
            if let Some(index) = image.attr("index") {
                source.set("index", index);
            }
            mirror.children.push(source);
        }
        if kind == "copy" {
            mirror.children.extend(image.child("backingStore").cloned());
        }
        self.change_live(guest, |domain| {
            let mut disks = domain.devices_mut().iter_mut().filter(|device| device.name == "disk");
            if let Some(disk) = disks.find(|disk| disk::target(disk) == target) {
                disk.remove("mirror");
                disk.children.push(mirror);
            }
            Ok(())
        })
    }
}

pub(super) fn put(arguments: &mut Json, name: &str, value: Json) {
    if let Some(map) = arguments.as_object_mut() {
        map.insert(name.to_owned(), value);
    }
}
