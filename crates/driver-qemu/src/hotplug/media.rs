//! Media of drives: another one, or none.
//!
//! ```text
//! new image's nodes ─▶ open the tray ─▶ take the medium out ─▶ put the new one in ─▶ close the tray ─▶ old image's nodes go
//! ```

use super::pieces::take_back;
use crate::block::disk::{self, qom_name, target};
use crate::guest::{Guest, Live};
use crate::{Driver, FROM, chain};
use base::{Error, Result};
use conf_domain::Domain;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use xml::Tree;

/// How long a guest may take to unlock a tray it was asked to.
const PATIENCE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(100);

/// The part of a disk that is its medium.
const MEDIUM: [&str; 3] = ["source", "backingStore", "auth"];

/// A drive with another medium.
fn with_medium(old: &Tree, new: &Tree) -> Tree {
    let mut drive = old.clone();
    for name in MEDIUM {
        drive.remove(name);
        drive.children.extend(new.child(name).cloned());
    }
    if disk::has_image(new) {
        drive.set("type", new.attr("type").unwrap_or("file"));
        if let Some(format) = new.attr_at("driver", "type") {
            let format = format.to_owned();
            drive.child_or_new("driver").set("type", format);
        }
    }
    drive
}

/// Whether the drive's tray stands open; `None` of a drive without one.
fn is_open(live: &Live, drive: &Tree) -> Result<Option<bool>> {
    let answer = live.command("query-block", Json::Null)?;
    let entries = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let entry = entries.iter().find(|entry| disk::is_about(entry, drive));
    Ok(entry.and_then(|entry| entry.get("tray_open")).and_then(Json::as_bool))
}

/// Opens the tray, or waits for the guest to let it open.
fn open_tray(live: &Live, drive: &Tree, force: bool) -> Result<()> {
    live.command("blockdev-open-tray", json!({"id": qom_name(drive), "force": force}))?;
    let end = Instant::now() + PATIENCE;
    // A guest that has locked the tray is asked to open it.
    while is_open(live, drive)? == Some(false) && drive.is("device", "cdrom") {
        if Instant::now() >= end {
            return Err(Error::operation_failed(FROM, "timed out waiting to open tray"));
        }
        std::thread::sleep(STEP);
    }
    Ok(())
}

/// Waits until clients have been told of the tray's moves.
fn told(live: &Live, moves: u32) {
    let end = Instant::now() + PATIENCE;
    while live.session.trays.load(Ordering::Acquire) < moves && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Driver {
    /// The drive whose medium a document of a disk is about.
    pub(super) fn media_device(&self, known: &Domain, given: &Tree) -> Option<usize> {
        if !matches!(given.attr("device"), Some("cdrom" | "floppy")) {
            return None;
        }
        known.devices().iter().position(|device| {
            device.name == "disk"
                && device.attr("device") == given.attr("device")
                && target(device) == target(given)
                && given
                    .attr_at("target", "bus")
                    .is_none_or(|bus| device.attr_at("target", "bus") == Some(bus))
        })
    }

    /// Changes the medium of a drive.
    pub(super) fn change_media(&self, guest: &Arc<Guest>, given: &Tree, force: bool) -> Result<()> {
        let live = guest.live()?;
        let found = self.media_device(&live.domain, given).ok_or_else(|| {
            Error::internal(FROM, format!("No device with bus '{}' and target '{}'. cdrom and floppy device hotplug isn't supported by libvirt", given.attr_at("target", "bus").unwrap_or_default(), target(given)))
        })?;
        let old = live.domain.devices().get(found).cloned().unwrap_or_default();
        let described = self.fit_instead(&live.domain, found, given)?.device().clone();
        let mut new = with_medium(&old, &described);
        self.follow_volume(&mut new)?;
        chain::of_disk(&mut new)?;
        let node = self.next_node(&live);
        // An empty drive takes a number too.
        new.child_or_new("source");
        let next = disk::number(&mut new, node);
        live.session.nodes.fetch_max(next, Ordering::AcqRel);
        let handed = self.hand_images(&live, &new)?;
        let (handed, top) = handed;
        let changed = swap(&live, &old, top.as_deref(), force);
        if let Err(cause) = changed {
            take_back(&live, &handed.back);
            return Err(cause);
        }
        super::detach::drop_nodes(&live, &old);
        let alias = disk::alias(&old).to_owned();
        self.change_live(guest, |domain| {
            for device in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
                if disk::alias(device) == alias {
                    *device = with_medium(device, &new);
                }
            }
            Ok(())
        })
    }
}

/// Takes the medium out of a drive and puts another one in.
fn swap(live: &Live, drive: &Tree, node: Option<&str>, force: bool) -> Result<()> {
    let id = qom_name(drive);
    let before = live.session.trays.load(Ordering::Acquire);
    let moves = match is_open(live, drive)?.filter(|_| drive.is("device", "cdrom")) {
        Some(false) => 2,
        Some(true) => 1,
        None => 0,
    };
    open_tray(live, drive, force)?;
    if disk::has_image(drive) {
        live.command("blockdev-remove-medium", json!({"id": id}))?;
    }
    if let Some(node) = node {
        live.command("blockdev-insert-medium", json!({"id": id, "node-name": node}))?;
    }
    live.command("blockdev-close-tray", json!({"id": id}))?;
    told(live, before.saturating_add(moves));
    Ok(())
}
