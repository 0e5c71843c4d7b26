//! Devices taken from running guests.
//!
//! ```text
//! find ─▶ check ─▶ device_del ─▶ wait ─┬─ gone    ─▶ back ends, status document, event
//!                                      ├─ refused ─▶ event, error
//!                                      └─ neither ─▶ success; the events' thread does the rest when the guest lets go
//! ```

use super::attach::pluggable;
use super::config::{add_memory, memory_size};
use super::pieces::take_back;
use crate::block::disk;
use crate::guest::{Guest, Live};
use crate::nic::Owner;
use crate::removal::Outcome;
use crate::{Driver, FROM, error};
use api::event::{DomainEventDeviceRemovedMsg, Event};
use base::{Error, ErrorCode, Result};
use qemu_live::matching::{self, kind_name};
use serde_json::json;
use std::sync::Arc;
use xml::Tree;

fn unsupported(text: impl Into<String>) -> Error {
    error(ErrorCode::OPERATION_UNSUPPORTED, text)
}

/// Refuses, before it is looked for, what no running guest gives back.
fn check_kind(given: &Tree) -> Result<()> {
    if !pluggable(&given.name) {
        return Err(unsupported(format!("live detach of device '{}' is not supported", kind_name(given))));
    }
    match given.name.as_str() {
        "controller" if !given.is("type", "scsi") => {
            let kind = given.attr("type").unwrap_or_default();
            Err(unsupported(format!("'{kind}' controller cannot be hot unplugged.")))
        }
        "hostdev" if given.is("mode", "capabilities") => Err(error(
            ErrorCode::CONFIG_UNSUPPORTED,
            "hot unplug is not supported for hostdev mode 'capabilities'",
        )),
        _ => Ok(()),
    }
}

/// Refuses devices that are there to stay.
fn check_device(live: &Live, device: &Tree) -> Result<()> {
    match device.name.as_str() {
        "disk" => {
            crate::block::job::check_idle(live, crate::block::disk::target(device))?;
            let kind = device.attr("device").unwrap_or("disk");
            if !matches!(kind, "disk" | "lun") {
                return Err(unsupported(format!("disk device type '{kind}' cannot be detached")));
            }
            match device.attr_at("target", "bus") {
                Some("virtio" | "usb" | "scsi") => Ok(()),
                _ => Err(unsupported("This type of disk cannot be hot unplugged")),
            }
        }
        "controller" => {
            let index = device.attr("index");
            let used = live.domain.devices().iter().any(|other| {
                let on_it = other.child("address").is_some_and(|address| address.is("type", "drive"));
                let scsi = other.attr_at("target", "bus") == Some("scsi") || other.is("type", "scsi");
                other.name != "controller" && on_it && scsi && other.attr_at("address", "controller") == index
            });
            if used {
                return Err(error(ErrorCode::OPERATION_FAILED, "device cannot be detached: device is busy"));
            }
            Ok(())
        }
        "filesystem" if device.attr_at("driver", "type") != Some("virtiofs") => {
            Err(unsupported("only virtiofs filesystems can be hotplugged"))
        }
        "watchdog" if !device.is("model", "i6300esb") => {
            let model = device.attr("model").unwrap_or_default();
            Err(unsupported(format!("hot unplug of watchdog of model {model} is not supported")))
        }
        "input" if !matches!(device.attr("bus"), Some("usb" | "virtio")) => {
            let bus = device.attr("bus").unwrap_or_default();
            Err(unsupported(format!("input device on bus '{bus}' cannot be detached")))
        }
        _ => Ok(()),
    }
}

/// Nodes of the images of a disk, from the top on: a format's node before the storage's that it reads.
pub(super) fn nodes(disk_element: &Tree) -> Vec<String> {
    let mut all = Vec::new();
    for (_, index) in disk::images(disk_element) {
        let (storage, format) = disk::nodes(index);
        all.extend([format, storage]);
    }
    all
}

impl Driver {
    /// Takes a device that a client describes from a running guest whose job is held.
    pub(super) fn detach_live(&self, guest: &Arc<Guest>, given: &Tree) -> Result<()> {
        let live = guest.live()?;
        check_kind(given)?;
        let at = self.find_device(&live.domain, given)?.ok_or_else(|| matching::missing_live(given))?;
        self.unplug(guest, &live, at)
    }

    /// Takes the device at a place among the others.
    pub(super) fn unplug(&self, guest: &Arc<Guest>, live: &Arc<Live>, at: usize) -> Result<()> {
        let device = live.domain.devices().get(at).cloned().ok_or_else(|| super::lost("the device"))?;
        check_kind(&device)?;
        check_device(live, &device)?;
        if device.name == "lease" {
            return self.change_live(guest, |domain| {
                domain.devices_mut().retain(|other| *other != device);
                Ok(())
            });
        }
        let alias = device.attr_at("alias", "name").unwrap_or_default().to_owned();
        if alias.is_empty() {
            return Err(error(ErrorCode::OPERATION_FAILED, "device has no alias to be detached by"));
        }
        if device.attr_at("target", "type") == Some("guestfwd") {
            // It has no part in the guest.
            return self.removed(guest, &alias);
        }
        let watch = live.session.removals.watch(&alias);
        live.command("device_del", json!({"id": alias}))?;
        match watch.wait() {
            Outcome::Removed => self.removed(guest, &alias),
            Outcome::Refused => {
                self.removal_failed(guest, &alias);
                Err(Error::operation_failed(FROM, "guest rejected device removal"))
            }
            Outcome::Pending => Ok(()),
        }
    }

    /// A device has gone: its back ends go too, and the definition is without it.
    pub(super) fn removed(&self, guest: &Arc<Guest>, alias: &str) -> Result<()> {
        let live = guest.live()?;
        let named = |device: &Tree| device.attr_at("alias", "name") == Some(alias);
        let Some(device) = live.domain.devices().iter().find(|device| named(device)).cloned() else {
            return Ok(());
        };
        take_back(&live, &self.leftovers(&live, &live.domain, alias));
        if device.name == "interface" {
            self.nics.disconnect(&Owner::of(&live.domain), std::iter::once(&device));
        }
        if device.name == "disk" {
            drop_nodes(&live, &device);
            if device.child("transient").is_some()
                && let Some(path) = crate::chain::local(&device).filter(|path| path.contains(".TRANSIENT-"))
                && let Err(cause) = std::fs::remove_file(path)
            {
                log::warn!("{path}: {cause}");
            }
        }
        self.change_live(guest, |domain| {
            domain.devices_mut().retain(|device| !named(device));
            if device.name == "memory" {
                add_memory(domain, -memory_size(&device));
            }
            Ok(())
        })?;
        self.events.publish(Event::DomainDeviceRemoved(DomainEventDeviceRemovedMsg {
            dom: guest.reference(),
            dev_alias: alias.to_owned(),
        }));
        Ok(())
    }
}

/// Removes the block nodes of a disk that nothing uses any more.
pub(super) fn drop_nodes(live: &Live, disk_element: &Tree) {
    for node in nodes(disk_element) {
        // An image may be without one of its two nodes.
        if let Err(cause) = live.command("blockdev-del", json!({"node-name": node})) {
            log::debug!("{cause}");
        }
    }
}
