//! Devices of running guests that change.

use super::fit::{Fitted, RUNNING};
use crate::guest::Guest;
use crate::{Driver, FROM, error};
use base::{Error, ErrorCode, Result};
use conf_domain::Domain;
use qemu_live::matching::{self, kind_name};
use serde_json::json;
use std::sync::Arc;
use xml::Tree;

pub(super) fn unsupported(text: impl Into<String>) -> Error {
    error(ErrorCode::OPERATION_UNSUPPORTED, text)
}

/// Parts of a disk that stay as they are: how messages call them, and their place.
const FIXED: [(&str, &str, &str); 28] = [
    ("device", "", "device"),
    ("bus", "target", "bus"),
    ("removable", "target", "removable"),
    ("geometry cylinders", "geometry", "cyls"),
    ("geometry heads", "geometry", "heads"),
    ("geometry sectors", "geometry", "secs"),
    ("geometry trans", "geometry", "trans"),
    ("blockio logical_block_size", "blockio", "logical_block_size"),
    ("blockio physical_block_size", "blockio", "physical_block_size"),
    ("blockio discard_granularity", "blockio", "discard_granularity"),
    ("cache", "driver", "cache"),
    ("error_policy", "driver", "error_policy"),
    ("rerror_policy", "driver", "rerror_policy"),
    ("io", "driver", "io"),
    ("ioeventfd", "driver", "ioeventfd"),
    ("event_idx", "driver", "event_idx"),
    ("copy_on_read", "driver", "copy_on_read"),
    ("discard", "driver", "discard"),
    ("iothread", "driver", "iothread"),
    ("detect_zeroes", "driver", "detect_zeroes"),
    ("queues", "driver", "queues"),
    ("queue_size", "driver", "queue_size"),
    ("rawio", "", "rawio"),
    ("sgio", "", "sgio"),
    ("snapshot", "", "snapshot"),
    ("bootIndex", "boot", "order"),
    ("alias", "alias", "name"),
    ("rotation_rate", "target", "rotation_rate"),
];

/// Elements of a disk that stay as they are.
const FIXED_ELEMENTS: [(&str, &str); 7] = [
    ("serial", "serial"),
    ("wwn", "wwn"),
    ("vendor", "vendor"),
    ("product", "product"),
    ("readonly", "readonly"),
    ("shareable", "shareable"),
    ("transient", "transient"),
];

fn part<'t>(device: &'t Tree, place: &str, name: &str) -> Option<&'t str> {
    if place.is_empty() { device.attr(name) } else { device.attr_at(place, name) }
}

/// Refuses changes of a disk other than of its medium.
fn check_disk(old: &Tree, new: &Tree) -> Result<()> {
    let refuse = |what: &str| Err(unsupported(format!("cannot modify field '{what}' of the disk")));
    for (what, place, name) in FIXED {
        // What another disk would choose by itself is not a wish.
        let stated = part(new, place, name).filter(|value| !(name == "snapshot" && *value == "no"));
        if stated.is_some() && stated != part(old, place, name) {
            return refuse(what);
        }
    }
    for (what, name) in FIXED_ELEMENTS {
        let (was, is) = (old.child(name), new.child(name));
        if is.is_some() && was.map(Tree::body) != is.map(Tree::body) {
            return refuse(what);
        }
    }
    Ok(())
}

fn same_medium(old: &Tree, new: &Tree) -> bool {
    let bare = |disk: &Tree| {
        let mut source = disk.child("source").cloned().unwrap_or_else(|| Tree::new("source"));
        source.unset("index");
        source.unset("startupPolicy");
        source
    };
    bare(old) == bare(new)
}

impl Driver {
    /// The running definition with a device in the place of another.
    pub(super) fn fit_instead(&self, known: &Domain, at: usize, given: &Tree) -> Result<Fitted> {
        let mut rest = known.clone();
        if at >= rest.devices().len() {
            return Err(super::lost("the device"));
        }
        let old = rest.devices_mut().remove(at);
        let mut given = given.clone();
        if given.child("address").is_none() {
            given.children.extend(old.child("address").cloned());
        }
        self.fit_at(&rest, at, &given, RUNNING)
    }

    /// Changes a device of a running guest whose job is held.
    pub(super) fn update_live(&self, guest: &Arc<Guest>, given: &Tree, force: bool) -> Result<()> {
        let live = guest.live()?;
        let known = &live.domain;
        match given.name.as_str() {
            "disk" => self.update_disk(guest, given, force),
            "interface" => self.update_interface(guest, given),
            "graphics" => self.update_graphics(guest, given),
            "memory" => self.update_memory(guest, given),
            _ => {
                // A device that could not be is refused for that before.
                self.read_alone(known, given, RUNNING)?;
                if given.name == "watchdog" {
                    // All of them do the same.
                    self.fit(known, given, RUNNING)?;
                }
                let text = format!("live update of device '{}' is not supported", kind_name(given));
                Err(error(ErrorCode::CONFIG_UNSUPPORTED, text))
            }
        }
    }

    fn update_disk(&self, guest: &Arc<Guest>, given: &Tree, force: bool) -> Result<()> {
        let live = guest.live()?;
        let target = given.attr_at("target", "dev").unwrap_or_default();
        let at = matching::find(&live.domain, given, given)
            .ok_or_else(|| Error::internal(FROM, format!("disk '{target}' not found")))?;
        let old = live.domain.devices().get(at).cloned().unwrap_or_default();
        check_disk(&old, given)?;
        if same_medium(&old, given) {
            let policy = given.attr_at("source", "startupPolicy").map(str::to_owned);
            return self.change_live(guest, |domain| {
                let disk = domain.devices_mut().iter_mut().find(|device| **device == old);
                if let Some(source) = disk.and_then(|disk| disk.child_mut("source")) {
                    source.unset("startupPolicy");
                    if let Some(policy) = policy {
                        source.set("startupPolicy", policy);
                    }
                }
                Ok(())
            });
        }
        if !matches!(old.attr("device"), Some("cdrom" | "floppy")) {
            return Err(error(
                ErrorCode::CONFIG_UNSUPPORTED,
                "disk source can be changed only in removable drives",
            ));
        }
        self.change_media(guest, given, force)
    }

    /// Memory that the guest takes bit by bit can be asked for more or less of.
    fn update_memory(&self, guest: &Arc<Guest>, given: &Tree) -> Result<()> {
        let live = guest.live()?;
        let fixed = |memory: &Tree| {
            let mut memory = memory.clone();
            for name in ["alias", "address"] {
                memory.remove(name);
            }
            if let Some(target) = memory.child_mut("target") {
                for name in ["requested", "current", "block"] {
                    target.remove(name);
                }
            }
            memory
        };
        let wanted = fixed(&self.described(&live.domain, given));
        let name = given.attr_at("alias", "name");
        let found = live.domain.all("memory").find(|memory| match name {
            Some(name) => memory.attr_at("alias", "name") == Some(name),
            None => fixed(memory) == wanted,
        });
        let Some(old) = found.cloned() else {
            let text = "memory device not present in the domain configuration";
            return Err(error(ErrorCode::DEVICE_MISSING, text));
        };
        if !old.is("model", "virtio-mem") {
            return Err(unsupported(format!(
                "cannot modify memory of model '{}'",
                old.attr("model").unwrap_or_default()
            )));
        }
        let requested = given.at("target/requested").cloned();
        let described = self.described(&live.domain, given);
        let requested = described.at("target/requested").cloned().or(requested);
        let kib: u64 = requested.as_ref().and_then(|size| size.body().trim().parse().ok()).unwrap_or(0);
        let alias = old.attr_at("alias", "name").unwrap_or_default();
        let arguments = json!({
            "path": format!("/machine/peripheral/{alias}"),
            "property": "requested-size",
            "value": kib.saturating_mul(1024),
        });
        live.command("qom-set", arguments)?;
        self.change_live(guest, |domain| {
            let device = domain.devices_mut().iter_mut().find(|device| **device == old);
            if let Some(target) = device.and_then(|device| device.child_mut("target")) {
                target.remove("requested");
                target.children.extend(requested);
            }
            Ok(())
        })
    }
}
