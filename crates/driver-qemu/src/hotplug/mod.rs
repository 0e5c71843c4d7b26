//! Devices that come and go, change, or are told by the emulator.
//!
//! ```text
//!            ┌─ stored: fit, check ─▶ next definition ──────────────────────────────┐
//! document ──┤                                                                      ├─▶ store ─▶ event
//!            └─ running: fit, check ─▶ pieces ─▶ emulator ─▶ status document, event ┘
//! ```
//!
//! The stored definition is worked out first, so that what it refuses leaves the running guest as it is; it is stored
//! last, so that what the emulator refuses leaves the definition as it is.

mod attach;
mod config;
mod detach;
mod disk;
mod fit;
mod graphics;
mod hostdev;
mod media;
mod network;
pub(crate) mod pieces;
mod update;

use crate::guest::{Guest, Live, Target};
use crate::removal::Outcome;
use crate::{Driver, FROM, check_flags};
use api::consts::domain_event_defined_detail_type as defined;
use api::consts::domain_event_type as kind;
use api::event::{
    DomainEventCallbackDeviceRemovalFailedPayload, DomainEventMemoryDeviceSizeChangePayload,
    DomainEventTrayChangeMsg, Event,
};
use api::{Call, DomainDevice};
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::{Domain, domain::read_device};
use engine::JobKind;
use qemu_live::matching::{self, CHARACTER};
use serde_json::Value as Json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use xml::Tree;

/// The running definition only.
const LIVE: u32 = 1;
/// The guest may be forced to let go.
const FORCE: u32 = 4;

impl Driver {
    /// The place among the devices of the one a client describes.
    fn find_device(&self, domain: &Domain, given: &Tree) -> Result<Option<usize>> {
        let kind = given.name.as_str();
        if kind == "interface" {
            return matching::interface(domain, given).map(Some);
        }
        let wanted = self.described(domain, given);
        if CHARACTER.contains(&kind) {
            return Ok(matching::character(domain, &wanted));
        }
        Ok(matching::find(domain, &wanted, given))
    }

    /// Stores a definition whose devices have changed, and tells of it.
    fn keep(&self, guest: &Arc<Guest>, next: Domain) -> Result<()> {
        self.change_config(guest, |domain| {
            *domain = next;
            Ok(())
        })?;
        self.lifecycle(guest, kind::DEFINED, defined::UPDATED);
        Ok(())
    }

    fn attach(&self, guest: &Arc<Guest>, text: &str, target: Target) -> Result<()> {
        let given = read_device(text)?;
        let next = match guest.value().stored().filter(|_| target.config) {
            Some(stored) => Some(self.attach_stored(&stored, &given)?),
            None => None,
        };
        if target.live {
            self.attach_live(guest, &given)?;
        }
        next.map_or(Ok(()), |next| self.keep(guest, next))
    }

    fn detach(&self, guest: &Arc<Guest>, text: &str, target: Target) -> Result<()> {
        let given = read_device(text)?;
        let next = match guest.value().stored().filter(|_| target.config) {
            Some(stored) => Some(self.detach_stored(&stored, &given)?),
            None => None,
        };
        if target.live {
            self.detach_live(guest, &given)?;
        }
        next.map_or(Ok(()), |next| self.keep(guest, next))
    }

    fn update(&self, guest: &Arc<Guest>, text: &str, target: Target, force: bool) -> Result<()> {
        let given = read_device(text)?;
        let next = match guest.value().stored().filter(|_| target.config) {
            Some(stored) => Some(self.update_stored(&stored, &given)?),
            None => None,
        };
        if target.live {
            self.update_live(guest, &given, force)?;
        }
        next.map_or(Ok(()), |next| self.keep(guest, next))
    }

    fn detach_named(&self, guest: &Arc<Guest>, name: &str, target: Target) -> Result<()> {
        let place = |domain: &Domain| {
            let at = domain.devices().iter().position(|device| device.attr_at("alias", "name") == Some(name));
            at.ok_or_else(|| {
                let text = format!("no device found with alias {name}");
                Error::new(ErrorCode::DEVICE_MISSING, ErrorDomain::DOMAIN, text)
            })
        };
        let next = match guest.value().stored().filter(|_| target.config) {
            Some(stored) => Some(self.without(&stored, place(&stored)?)?),
            None => None,
        };
        if target.live {
            let live = guest.live()?;
            self.unplug(guest, &live, place(&live.domain)?)?;
        }
        next.map_or(Ok(()), |next| self.keep(guest, next))
    }

    /// What the emulator tells of devices.
    pub(crate) fn heard_of_devices(&self, guest: &Arc<Guest>, live: &Arc<Live>, event: &qmp::Event) {
        match event.name.as_str() {
            "BLOCK_WRITE_THRESHOLD" => return self.threshold_passed(guest, event),
            "JOB_STATUS_CHANGE" => return self.heard_of_jobs(guest, live, event),
            "DEVICE_TRAY_MOVED" => return self.tray_moved(guest, live, event),
            "VSERPORT_CHANGE" => {
                let alias = event.data.get("id").and_then(Json::as_str).unwrap_or_default();
                let open = event.data.get("open").and_then(Json::as_bool).unwrap_or(false);
                return self.port_changed(guest, live, alias, open);
            }
            "MEMORY_DEVICE_SIZE_CHANGE" => return self.memory_resized(guest, event),
            _ => {}
        }
        let Some(alias) = event.data.get("device").and_then(Json::as_str) else { return };
        let outcome = match event.name.as_str() {
            "DEVICE_DELETED" => Outcome::Removed,
            "DEVICE_UNPLUG_GUEST_ERROR" => Outcome::Refused,
            _ => return,
        };
        if live.session.removals.settle(alias, outcome) {
            return;
        }
        // Nobody waits any more.
        match outcome {
            Outcome::Removed => {
                let known =
                    live.domain.devices().iter().any(|device| device.attr_at("alias", "name") == Some(alias));
                if known && let Err(cause) = self.removed(guest, alias) {
                    log::error!("device '{alias}' of guest '{}' is gone: {cause}", guest.value().name);
                }
            }
            Outcome::Refused | Outcome::Pending => self.removal_failed(guest, alias),
        }
    }

    fn removal_failed(&self, guest: &Guest, alias: &str) {
        self.events.publish(Event::DomainDeviceRemovalFailed(
            DomainEventCallbackDeviceRemovalFailedPayload {
                dom: guest.reference(),
                dev_alias: alias.to_owned(),
            },
        ));
    }

    /// The guest has taken more or less of a memory device.
    fn memory_resized(&self, guest: &Arc<Guest>, event: &qmp::Event) {
        let alias = event.data.get("id").and_then(Json::as_str).unwrap_or_default();
        let size = event.data.get("size").and_then(Json::as_u64).unwrap_or(0);
        let noted = self.change_live(guest, |domain| {
            let mut devices = domain.devices_mut().iter_mut().filter(|device| device.name == "memory");
            if let Some(device) = devices.find(|device| device.attr_at("alias", "name") == Some(alias)) {
                qemu_live::memory::note_size(device, size);
            }
            Ok(())
        });
        if let Err(cause) = noted {
            log::error!("{cause}");
        }
        self.events.publish(Event::DomainMemoryDeviceSizeChange(DomainEventMemoryDeviceSizeChangePayload {
            dom: guest.reference(),
            alias: alias.to_owned(),
            size,
        }));
    }

    /// A tray was opened or closed, by the guest or by us.
    fn tray_moved(&self, guest: &Arc<Guest>, live: &Live, event: &qmp::Event) {
        let open = event.data.get("tray-open").and_then(Json::as_bool).unwrap_or(false);
        let id = event.data.get("id").and_then(Json::as_str).unwrap_or_default();
        let named = |disk: &Tree| {
            let alias = disk.attr_at("alias", "name").unwrap_or_default();
            !alias.is_empty() && id.split('/').any(|part| part == alias)
        };
        let Some(alias) = live
            .domain
            .all("disk")
            .find(|disk| named(disk))
            .map(|disk| crate::block::disk::alias(disk).to_owned())
        else {
            return;
        };
        let noted = self.change_live(guest, |domain| {
            for disk in
                domain.devices_mut().iter_mut().filter(|device| device.name == "disk" && named(device))
            {
                let target = disk.child_or_new("target");
                if open { target.set("tray", "open") } else { target.unset("tray") }
            }
            Ok(())
        });
        if let Err(cause) = noted {
            log::error!("{cause}");
        }
        let reason = i32::from(!open);
        self.events.publish(Event::DomainTrayChange(DomainEventTrayChangeMsg {
            dom: guest.reference(),
            dev_alias: alias,
            reason,
        }));
        live.session.trays.fetch_add(1, Ordering::AcqRel);
    }
}

impl DomainDevice for Driver {
    fn domain_attach_device(&self, cx: &Call, dom: &DomainRef, xml: &str) -> Result<()> {
        self.domain_attach_device_flags(cx, dom, xml, LIVE)
    }

    fn domain_detach_device(&self, cx: &Call, dom: &DomainRef, xml: &str) -> Result<()> {
        self.domain_detach_device_flags(cx, dom, xml, LIVE)
    }

    fn domain_attach_device_flags(&self, _cx: &Call, dom: &DomainRef, xml: &str, flags: u32) -> Result<()> {
        let guest = self.find(dom)?;
        check_flags(flags, 3, "qemuDomainAttachDeviceLiveAndConfig")?;
        let _job = guest.begin(JobKind::Modify, "attach device")?;
        let target = guest.value().target(flags)?;
        self.attach(&guest, xml, target)
    }

    fn domain_detach_device_flags(&self, _cx: &Call, dom: &DomainRef, xml: &str, flags: u32) -> Result<()> {
        let guest = self.find(dom)?;
        check_flags(flags, 3, "qemuDomainDetachDeviceLiveAndConfig")?;
        let _job = guest.begin(JobKind::Modify, "detach device")?;
        let target = guest.value().target(flags)?;
        self.detach(&guest, xml, target)
    }

    fn domain_update_device_flags(&self, _cx: &Call, dom: &DomainRef, xml: &str, flags: u32) -> Result<()> {
        check_flags(flags, 3 | FORCE, "qemuDomainUpdateDeviceFlags")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "update device")?;
        let target = guest.value().target(flags)?;
        self.update(&guest, xml, target, flags & FORCE != 0)
    }

    fn domain_detach_device_alias(&self, _cx: &Call, dom: &DomainRef, alias: &str, flags: u32) -> Result<()> {
        let guest = self.find(dom)?;
        check_flags(flags, 3, "qemuDomainDetachDeviceAliasLiveAndConfig")?;
        let _job = guest.begin(JobKind::Modify, "detach device")?;
        let target = guest.value().target(flags)?;
        self.detach_named(&guest, alias, target)
    }
}

/// The error of something that should be there.
fn lost(what: &str) -> Error {
    Error::internal(FROM, format!("{what} is not part of the definition any more"))
}
