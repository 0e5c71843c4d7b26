//! Snapshots inside images: by the emulator while it runs, by its tool for images while it does not.

use crate::block::disk::{self, target};
use crate::block::job::conclude;
use crate::guest::{Guest, Live};
use crate::{Driver, FROM, chain};
use base::{Error, Result};
use conf_domain::Domain;
use conf_snapshot::Snapshot;
use conf_snapshot::snapshot::Location;
use host::process::Command;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

/// How often the emulator is asked how far a job is.
const STEP: Duration = Duration::from_millis(20);
/// How long the tool may take for one image.
const TOOL: Duration = Duration::from_secs(600);

/// Targets of the disks whose state lies in their images.
fn parts(snapshot: &Snapshot) -> impl Iterator<Item = &str> {
    let inside = snapshot.disks.iter().filter(|disk| disk.location == Some(Location::Internal));
    inside.map(|disk| disk.name.as_str())
}

/// Nodes of the images of disks.
fn nodes<'s>(domain: &Domain, targets: impl Iterator<Item = &'s str>) -> Vec<String> {
    let node = |name: &str| {
        let found = domain.all("disk").find(|disk| target(disk) == name)?;
        let (_, index) = disk::images(found).into_iter().next()?;
        Some(disk::nodes(index).1)
    };
    targets.filter_map(node).collect()
}

/// Waits for the end of a job that no disk has.
fn wait(live: &Live, name: &str, what: &str) -> Result<()> {
    loop {
        let answer = live.command("query-jobs", Json::Null)?;
        let jobs = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let job = jobs.iter().find(|job| job.get("id").and_then(Json::as_str) == Some(name));
        match job.and_then(|job| job.get("status")?.as_str()) {
            Some("concluded") => {
                return match conclude(live, name) {
                    None => Ok(()),
                    Some(fault) => Err(Error::operation_failed(FROM, format!("{what}: {fault}"))),
                };
            }
            None | Some("null") => return Ok(()),
            Some(_) => std::thread::sleep(STEP),
        }
    }
}

/// Runs the tool for images.
fn tool(arguments: &[&str]) -> Result<()> {
    let failed = |text: String| Error::internal(FROM, text);
    let program = host::program::find("qemu-img")
        .ok_or_else(|| failed("unable to find kvm-img or qemu-img".to_owned()))?;
    let line = format!("{} {}", program.display(), arguments.join(" "));
    let done = Command::new(program, arguments)
        .run(TOOL)
        .map_err(|cause| Error::system(FROM, &cause, format!("Child process ({line})")))?;
    if done.status == Some(0) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.err);
    let status = done.status.unwrap_or(-1);
    Err(failed(format!("Child process ({line}) unexpected exit status {status}: {said}")))
}

/// Lets the tool do something with each image; what was done is undone by `undo` when one fails.
fn each(definition: &Domain, snapshot: &Snapshot, action: &str, undo: Option<&str>) -> Result<()> {
    let name = &snapshot.moment.name;
    let mut done: Vec<String> = Vec::new();
    for part in parts(snapshot) {
        let found = definition.all("disk").find(|disk| target(disk) == part);
        let Some(path) = found.and_then(chain::local) else { continue };
        if let Err(cause) = tool(&["snapshot", action, name, path]) {
            if let Some(undo) = undo {
                for path in &done {
                    let _ = tool(&["snapshot", undo, name, path]);
                }
            }
            return Err(cause);
        }
        done.push(path.to_owned());
    }
    Ok(())
}

impl Driver {
    pub(super) fn save_internal(&self, guest: &Arc<Guest>, snapshot: &Snapshot) -> Result<()> {
        let live = guest.live()?;
        let name = &snapshot.moment.name;
        let nodes = nodes(&live.domain, parts(snapshot));
        let job = format!("internal-snapshot-save-{name}");
        let arguments = json!({"job-id": job, "tag": name, "vmstate": nodes.first(), "devices": nodes});
        live.command("snapshot-save", arguments)?;
        wait(&live, &job, "internal snapshot save job failed")
    }

    /// Brings a guest that stands still, and was started for this, to a state in its images.
    pub(super) fn load_internal(&self, guest: &Arc<Guest>, snapshot: &Snapshot) -> Result<()> {
        let live = guest.live()?;
        let name = &snapshot.moment.name;
        let nodes = nodes(&live.domain, parts(snapshot));
        let job = format!("internal-snapshot-load-{name}");
        let arguments = json!({"job-id": job, "tag": name, "vmstate": nodes.first(), "devices": nodes});
        live.command("snapshot-load", arguments)?;
        wait(&live, &job, "internal snapshot load job failed")
    }

    pub(super) fn take_internal_offline(&self, snapshot: &Snapshot) -> Result<()> {
        each(snapshot.definition()?, snapshot, "-c", Some("-d"))
    }

    pub(super) fn load_internal_offline(&self, snapshot: &Snapshot) -> Result<()> {
        each(snapshot.definition()?, snapshot, "-a", None)
    }

    /// Removes the state from the images.
    pub(super) fn drop_internal(&self, guest: &Arc<Guest>, snapshot: &Snapshot) -> Result<()> {
        let Some(live) = guest.value().live.clone() else {
            let outcome = each(snapshot.definition()?, snapshot, "-d", None);
            // An image that has lost it already is as it should be.
            return outcome.or_else(|cause| {
                log::warn!("snapshot '{}': {cause}", snapshot.moment.name);
                Ok(())
            });
        };
        let name = &snapshot.moment.name;
        let nodes = nodes(&live.domain, parts(snapshot));
        if nodes.is_empty() {
            return Ok(());
        }
        let job = format!("internal-snapshot-delete-{name}");
        live.command("snapshot-delete", json!({"job-id": job, "tag": name, "devices": nodes}))?;
        wait(&live, &job, "internal snapshot delete job failed")
    }
}

impl Driver {
    /// Commits an overlay of a guest that is off into its base, and lets those above it lead to the base.
    pub(super) fn merge_offline(
        &self,
        guest: &Arc<Guest>,
        part: &conf_snapshot::SnapshotDisk,
        base: &xml::Tree,
    ) -> Result<()> {
        let overlay = part.path().unwrap_or_default().to_owned();
        let (lower, format) =
            (chain::local(base).unwrap_or_default(), chain::format_of(base).unwrap_or("raw"));
        let config = guest.value().stored().ok_or_else(crate::not_running)?;
        let found = config.all("disk").find(|disk| target(disk) == part.name).cloned();
        let mut disk = found.unwrap_or_default();
        let is_top = chain::local(&disk) == Some(overlay.as_str());
        disk.remove("backingStore");
        chain::of_disk(&mut disk)?;
        tool(&["commit", "-q", "-f", part.format().unwrap_or("qcow2"), "-b", lower, &overlay])?;
        if is_top {
            self.change_config(guest, |domain| {
                for disk in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
                    if target(disk) == part.name {
                        let mut next =
                            crate::block::links::with_top(disk, &crate::block::links::as_base(base));
                        next.remove("backingStore");
                        *disk = crate::block::links::without_numbers(&next);
                    }
                }
                Ok(())
            })?;
        } else {
            let images = disk::images(&disk);
            let at = images.iter().position(|(element, _)| chain::local(element) == Some(overlay.as_str()));
            let above = at.and_then(|at| images.get(at.checked_sub(1)?)).and_then(|(element, _)| {
                Some((
                    chain::local(element)?.to_owned(),
                    chain::format_of(element).unwrap_or("qcow2").to_owned(),
                ))
            });
            if let Some((path, own)) = above {
                tool(&["rebase", "-u", "-f", &own, "-b", lower, "-F", format, &path])?;
            }
        }
        if let Err(cause) = std::fs::remove_file(&overlay) {
            log::warn!("{overlay}: {cause}");
        }
        Ok(())
    }
}
