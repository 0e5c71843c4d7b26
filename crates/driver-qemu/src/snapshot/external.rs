//! Snapshots in files of their own: images stay as they are, new ones on top of them take what changes.

use super::create::flag;
use super::prepare::element;
use crate::block::disk::{self, target};
use crate::block::{links, overlay};
use crate::checkpoint::marks;
use crate::guest::{Guest, Live};
use crate::saving::file::Part;
use crate::work::Doing;
use crate::{Driver, FROM, chain, portable};
use api::consts::domain_paused_reason as paused;
use base::{Error, Result};
use conf_domain::Domain;
use conf_snapshot::snapshot::Location;
use conf_snapshot::{Snapshot, SnapshotDisk};
use save_image::{Data, Format};
use serde_json::{Value as Json, json};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use xml::Tree;

/// A new image for a running disk.
struct New {
    target: String,
    /// The disk with its new top.
    disk: Tree,
    /// What takes the new image away again.
    nodes: Vec<String>,
    made: Option<String>,
}

/// Disks that get a new image.
fn parts(snapshot: &Snapshot) -> impl Iterator<Item = &SnapshotDisk> {
    snapshot.disks.iter().filter(|disk| disk.location == Some(Location::External))
}

/// Makes the file of a new image. Gives its path, unless it was there.
fn make(part: &SnapshotDisk, size: u64, base: &Tree, reuse: bool) -> Result<Option<String>> {
    let Some(path) = part.path().map(str::to_owned).filter(|_| !reuse && part.kind == "file") else {
        return Ok(None);
    };
    // It is made by us, so that only we can read it.
    let made = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    made.map_err(|cause| Error::system(FROM, &cause, format!("failed to create image file '{path}'")))?;
    let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    let _ = std::fs::set_permissions(&path, own);
    overlay::make(&element(part), size, Some(base))?;
    Ok(Some(path))
}

/// A disk whose new top is based on what it had.
fn with_overlay(old: &Tree, part: &SnapshotDisk, index: Option<u32>) -> Tree {
    let mut top = element(part);
    if let Some(index) = index {
        top.child_or_new("source").set("index", index.to_string());
    }
    top.remove("backingStore");
    top.children.push(links::as_base(old));
    links::with_top(old, &links::as_base(&top))
}

/// A stored disk with a new image; what that is based on is found again when it is started.
pub(super) fn stored(old: &Tree, part: &SnapshotDisk) -> Tree {
    let mut next = links::with_top(old, &links::as_base(&element(part)));
    next.remove("backingStore");
    next
}

/// The same, which states what the new image is based on.
fn stored_on(old: &Tree, part: &SnapshotDisk) -> Tree {
    let mut next = stored(old, part);
    let mut base = links::as_base(old);
    if old.child("backingStore").is_none() {
        base.remove("backingStore");
    }
    next.children.push(base);
    next
}

impl Driver {
    /// Takes a snapshot of a running guest, with or without its memory.
    pub(super) fn take_external(&self, guest: &Arc<Guest>, snapshot: &Snapshot, flags: u32) -> Result<()> {
        let with_memory = snapshot.memory == Some(Location::External);
        let frozen = flags & flag::QUIESCE != 0;
        if frozen {
            self.freeze_guest(guest)?;
        }
        let stay = flags & flag::HALT != 0 || (with_memory && flags & flag::LIVE == 0);
        let ran = if stay { self.hold_still(guest, paused::SNAPSHOT) } else { Ok(false) };
        let outcome = ran.and_then(|ran| {
            let done = self.take_parts(guest, snapshot, flags);
            // Whatever wrote the memory has stopped the guest.
            let again = ran || (with_memory && flags & flag::LIVE != 0);
            if again && (flags & flag::HALT == 0 || done.is_err()) {
                let resumed = if ran { self.go_on(guest) } else { self.go_on_quietly(guest) };
                return done.and(resumed);
            }
            done
        });
        if frozen {
            self.thaw_guest(guest);
        }
        outcome
    }

    fn take_parts(&self, guest: &Arc<Guest>, snapshot: &Snapshot, flags: u32) -> Result<()> {
        let file = snapshot.memory_file.as_deref().filter(|_| snapshot.memory == Some(Location::External));
        if let Some(path) = file {
            self.save_memory(guest, snapshot, Path::new(path))?;
        }
        self.take_disks(guest, snapshot, flags & flag::REUSE != 0).inspect_err(|_| {
            if let Some(path) = file {
                let _ = std::fs::remove_file(path);
            }
        })
    }

    /// Writes the memory of a guest to a file.
    fn save_memory(&self, guest: &Arc<Guest>, snapshot: &Snapshot, path: &Path) -> Result<()> {
        let definition = snapshot.definition()?;
        let data = Data {
            xml: portable::document(definition, true),
            cookie: snapshot.cookie.as_ref().map(conf_snapshot::SaveCookie::format),
        };
        let running = snapshot.state == Some(conf_snapshot::State::Running);
        let part = Part::begin(path, &data, running, Format::Raw)?;
        let outcome =
            self.write_state(guest, part.file.as_fd(), Doing::Snapshot).and_then(|()| part.finish(path));
        outcome.inspect_err(|_| drop(std::fs::remove_file(path)))
    }

    /// Gives running disks new images, all of them at once.
    pub(super) fn take_disks(&self, guest: &Arc<Guest>, snapshot: &Snapshot, reuse: bool) -> Result<()> {
        let live = guest.live()?;
        let mut all: Vec<New> = Vec::new();
        let outcome = parts(snapshot)
            .try_for_each(|part| self.add_image(&live, part, reuse).map(|new| all.extend(new)))
            .and_then(|()| self.switch(&live, &all));
        if let Err(cause) = outcome {
            for new in all.iter().rev() {
                for node in new.nodes.iter().rev() {
                    let _ = live.command("blockdev-del", json!({"node-name": node}));
                }
                if let Some(path) = &new.made {
                    let _ = std::fs::remove_file(path);
                }
            }
            return Err(cause);
        }
        self.change_live(guest, |domain| {
            for disk in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
                if let Some(new) = all.iter().find(|new| new.target == target(disk)) {
                    *disk = new.disk.clone();
                }
            }
            Ok(())
        })?;
        self.store_images(guest, snapshot, &live.domain)
    }

    /// Makes a new image and its nodes.
    fn add_image(&self, live: &Live, part: &SnapshotDisk, reuse: bool) -> Result<Option<New>> {
        let Some(old) = live.domain.all("disk").find(|disk| target(disk) == part.name) else {
            return Ok(None);
        };
        crate::block::job::check_idle(live, &part.name)?;
        let size = self.capacity_of(live, old);
        let made = make(part, size, old, reuse)?;
        let index = self.next_node(live);
        live.session.nodes.fetch_max(index + 1, Ordering::AcqRel);
        let disk = with_overlay(old, part, Some(index));
        // The emulator connects it with what it is based on when it is switched to.
        let mut alone = disk.clone();
        alone.remove("backingStore");
        alone.children.push(Tree::new("backingStore"));
        match self.hand_images(live, &alone) {
            Ok((handed, _)) => {
                Ok(Some(New { target: part.name.clone(), disk, nodes: handed.node_names(), made }))
            }
            Err(cause) => {
                if let Some(path) = made {
                    let _ = std::fs::remove_file(path);
                }
                Err(cause)
            }
        }
    }

    fn switch(&self, live: &Live, all: &[New]) -> Result<()> {
        let known = marks::known(live)?;
        let mut actions: Vec<Json> = Vec::new();
        for new in all {
            let old = live.domain.all("disk").find(|disk| target(disk) == new.target);
            let node = old.and_then(|old| self.top_node(live, old));
            let (_, index) = disk::images(&new.disk).into_iter().next().unwrap_or((&new.disk, 0));
            let (storage, format) = disk::nodes(index);
            let overlay = if new.nodes.contains(&format) { format } else { storage };
            let marks = node.as_deref().map(|node| marks::carry(&known, node, &overlay));
            let data = json!({"node": node, "overlay": overlay});
            actions.push(json!({"type": "blockdev-snapshot", "data": data}));
            actions.extend(marks.unwrap_or_default());
        }
        live.command("transaction", json!({"actions": actions})).map(drop)
    }

    /// The stored definition follows where it has the same disks.
    fn store_images(&self, guest: &Arc<Guest>, snapshot: &Snapshot, before: &Domain) -> Result<()> {
        if guest.value().config.is_none() {
            return Ok(());
        }
        let active = guest.value().live.is_some();
        self.change_config(guest, |domain| {
            for disk in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
                let name = target(disk).to_owned();
                let ran = before.all("disk").find(|old| target(old) == name);
                let same = ran.is_some_and(|ran| chain::local(ran) == chain::local(disk));
                if let Some(part) = parts(snapshot).find(|part| part.name == name).filter(|_| same) {
                    *disk = if active { stored_on(disk, part) } else { stored(disk, part) };
                }
            }
            Ok(())
        })
    }

    /// Takes a snapshot of a guest that is off.
    pub(super) fn take_external_offline(
        &self,
        guest: &Arc<Guest>,
        snapshot: &Snapshot,
        flags: u32,
    ) -> Result<()> {
        let definition = guest.value().stored().ok_or_else(crate::not_running)?;
        let mut made: Vec<String> = Vec::new();
        let outcome = parts(snapshot).try_for_each(|part| {
            let Some(old) = definition.all("disk").find(|disk| target(disk) == part.name) else {
                return Ok(());
            };
            made.extend(self.make_image(part, old, flags & flag::REUSE != 0)?);
            Ok(())
        });
        let outcome = outcome.and_then(|()| self.store_images(guest, snapshot, &definition));
        outcome.inspect_err(|_| made.iter().for_each(|path| drop(std::fs::remove_file(path))))
    }

    /// Makes a new image on top of a disk that is not in use.
    pub(super) fn make_image(&self, part: &SnapshotDisk, old: &Tree, reuse: bool) -> Result<Option<String>> {
        let path = chain::local(old).unwrap_or_default();
        let format = chain::format_of(old).unwrap_or("raw");
        let extent = host::image::extent(Path::new(path)).unwrap_or_default();
        make(part, crate::block::capacity(path, format, extent), old, reuse)
    }
}

/// Whether a disk's chain has an image.
pub(super) fn has_image_of(disk: &Tree, path: &str) -> bool {
    disk::images(disk).iter().any(|(element, _)| chain::local(element) == Some(path))
}
