//! Devices added to running guests.

use super::config::{add_memory, check_memory, memory_size};
use super::fit::{Fitted, RUNNING, check_bus, chosen_name};
use super::pieces::take_back;
use crate::guest::{Guest, Live};
use crate::nic::{Ends, Owner};
use crate::start::Undo;
use crate::{Driver, FROM, chain, error};
use api::event::{DomainEventCallbackDeviceAddedPayload, Event};
use base::{Error, ErrorCode, Result};
use conf_domain::Domain;
use qemu_live::matching::{self, CHARACTER, kind_name};
use qemu_plan::alias;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use xml::Tree;

fn unsupported(text: impl Into<String>) -> Error {
    error(ErrorCode::OPERATION_UNSUPPORTED, text)
}

/// Kinds of devices that running guests can get.
pub(super) fn pluggable(kind: &str) -> bool {
    matches!(
        kind,
        "disk"
            | "controller"
            | "lease"
            | "interface"
            | "hostdev"
            | "redirdev"
            | "rng"
            | "memory"
            | "shmem"
            | "watchdog"
            | "input"
            | "vsock"
            | "filesystem"
    ) || CHARACTER.contains(&kind)
}

/// Whether two controllers are the same one.
fn same_controller(one: &Tree, other: &Tree) -> bool {
    one.attr("type") == other.attr("type") && one.attr("index") == other.attr("index")
}

/// Refuses what the emulator cannot add while it runs.
fn check_kind(domain: &Domain, given: &Tree, device: &Tree) -> Result<()> {
    match device.name.as_str() {
        "disk" => {
            if device.is("device", "floppy") {
                return Err(unsupported("floppy device hotplug isn't supported"));
            }
            let bus = device.attr_at("target", "bus").unwrap_or_default();
            if !matches!(bus, "virtio" | "usb" | "scsi") {
                return Err(unsupported(format!("disk bus '{bus}' cannot be hotplugged.")));
            }
            if device.is("device", "cdrom") && bus == "virtio" {
                return Err(unsupported("disk device type 'cdrom' cannot be hotplugged"));
            }
            Ok(())
        }
        "controller" => {
            let kind = device.attr("type").unwrap_or_default();
            if !matches!(kind, "scsi" | "virtio-serial") {
                return Err(unsupported(format!("'{kind}' controller cannot be hot plugged.")));
            }
            Ok(())
        }
        "lease" if matching::find(domain, given, given).is_some() => {
            Err(Error::operation_invalid(FROM, matching::lease(given, "already exists")))
        }
        "watchdog" => {
            let model = device.attr("model").unwrap_or_default();
            if model != "i6300esb" {
                return Err(unsupported(format!("hotplug of watchdog model '{model}' is not supported")));
            }
            Ok(())
        }
        "shmem" => match device.attr_at("model", "type") {
            Some("ivshmem-plain" | "ivshmem-doorbell") => Ok(()),
            _ => {
                let model = device.attr_at("model", "type").unwrap_or("ivshmem");
                Err(unsupported(format!("live attach of shmem model '{model}' is not supported")))
            }
        },
        "input" => match device.attr("bus") {
            Some("usb" | "virtio") => Ok(()),
            bus => Err(unsupported(format!(
                "input device on bus '{}' cannot be hot plugged.",
                bus.unwrap_or_default()
            ))),
        },
        "vsock" if domain.all("vsock").next().is_some() => {
            Err(Error::operation_invalid(FROM, "the domain already has a vsock device"))
        }
        "filesystem" => {
            if device.attr_at("driver", "type") != Some("virtiofs") {
                return Err(unsupported("only virtiofs filesystems can be hotplugged"));
            }
            Ok(())
        }
        "hostdev" => super::hostdev::check(device),
        _ => Ok(()),
    }
}

/// Refuses devices of the host that are not there.
fn check_host(device: &Tree) -> Result<()> {
    if device.name == "vsock" && std::fs::metadata("/dev/vhost-vsock").is_err() {
        return Err(error(ErrorCode::CONFIG_UNSUPPORTED, "unable to open vhost-vsock device"));
    }
    if device.name == "memory"
        && let Some(path) = device.at("source/path").map(Tree::body)
        && let Err(cause) = std::fs::metadata(path)
    {
        let text = format!("Path '{path}' is not accessible");
        return Err(Error::system(base::ErrorDomain::CGROUP, &cause, text));
    }
    Ok(())
}

/// Things of the host that a new device holds, until the emulator has them.
#[derive(Default)]
struct Held {
    ends: Ends,
    undo: Undo,
}

impl Driver {
    /// Adds a device to a running guest whose job is held.
    pub(super) fn attach_live(&self, guest: &Arc<Guest>, given: &Tree) -> Result<()> {
        let live = guest.live()?;
        let known = &live.domain;
        check_bus(known, given)?;
        if given.name == "disk" && self.media_device(known, given).is_some() {
            return self.change_media(guest, given, false);
        }
        if given.name == "controller" {
            self.read_alone(known, given, RUNNING)?;
            let index = given.attr("index");
            let taken = index.is_some() && known.all("controller").any(|other| same_controller(other, given));
            if taken {
                check_kind(known, given, given)?;
                let text = format!(
                    "target {}:{} already exists",
                    given.attr("type").unwrap_or_default(),
                    index.unwrap_or_default()
                );
                return Err(error(ErrorCode::OPERATION_FAILED, text));
            }
        }
        if given.name == "memory" {
            check_memory(known, given)?;
        }
        if !pluggable(&given.name) {
            self.read_alone(known, given, RUNNING)?;
            let text = format!("live attach of device '{}' is not supported", kind_name(given));
            return Err(unsupported(text));
        }
        let fitted = self.fit_live(known, given)?;
        let device = fitted.device().clone();
        check_kind(known, given, &device)?;
        check_host(&device)?;
        if device.name == "lease" {
            return self.change_live(guest, |domain| {
                insert(domain, &fitted, device.clone());
                Ok(())
            });
        }
        self.plug(guest, &fitted, device, true)
    }

    /// Fits a device into a running definition; its buses stay as they are.
    fn fit_live(&self, known: &Domain, given: &Tree) -> Result<Fitted> {
        let mut given = given.clone();
        if chosen_name(&given).is_none() {
            given.remove("alias");
        }
        let fitted = self.fit(known, &given, RUNNING)?;
        let is_bridge = |c: &&Tree| c.is("type", "pci");
        let before = known.all("controller").filter(is_bridge).count();
        let after = fitted.domain.all("controller").filter(is_bridge).count();
        let own = usize::from(given.name == "controller" && given.is("type", "pci"));
        if after > before + own {
            return Err(Error::internal(base::ErrorDomain::DOMAIN, "No more available PCI slots"));
        }
        Ok(fitted)
    }

    /// Adds the controllers that a device needs and the guest does not have.
    fn add_controllers(&self, guest: &Arc<Guest>, fitted: &Fitted) -> Result<()> {
        let live = guest.live()?;
        for (at, controller) in fitted.domain.devices().iter().enumerate() {
            let new = controller.name == "controller"
                && at != fitted.at
                && !live.domain.all("controller").any(|other| same_controller(other, controller));
            if new {
                check_kind(&live.domain, controller, controller)?;
                let part = Fitted { domain: fitted.domain.clone(), at };
                self.plug(guest, &part, controller.clone(), false)?;
            }
        }
        Ok(())
    }

    /// Plugs a device that fits. Clients are not told of one that comes because another needs it.
    fn plug(&self, guest: &Arc<Guest>, fitted: &Fitted, mut device: Tree, told: bool) -> Result<()> {
        let live = guest.live()?;
        let name = match chosen_name(&device) {
            Some(name) => name.to_owned(),
            None => alias::of_new(&live.domain, &device),
        };
        device.child_or_new("alias").set("name", name.clone());
        let mut held = Held::default();
        let node = self.prepare_device(&live, &mut device, &name, &mut held)?;
        if CHARACTER.contains(&device.name.as_str()) && matching::character(&live.domain, &device).is_some() {
            return Err(Error::operation_invalid(FROM, "chardev already exists"));
        }
        if told {
            self.add_controllers(guest, fitted)?;
        }
        let live = guest.live()?;
        let mut with = live.domain.clone();
        insert(&mut with, fitted, device.clone());
        let with = self.with_places_beside(&with, &name)?;
        let handed = self.hand_over(&live, &with, &name, node, &held.ends)?;
        if device.name == "disk" {
            let filters = device.child("throttlefilters").map_or(0, |filters| filters.children.len());
            live.session.nodes.fetch_max(node + filters as u32, Ordering::AcqRel);
        }
        let places = match device.name.as_str() {
            "memory" => live.command("query-memory-devices", Json::Null).unwrap_or_default(),
            _ => Json::Null,
        };
        let noted = self.change_live(guest, |domain| {
            insert(domain, fitted, device.clone());
            let own = |other: &&mut Tree| other.attr_at("alias", "name") == Some(name.as_str());
            if let Some(device) = domain.devices_mut().iter_mut().find(own) {
                for (_, path) in &handed.terminals {
                    device.child_or_new("source").set("path", path.clone());
                }
            }
            if device.name == "memory" {
                add_memory(domain, memory_size(&device));
                qemu_live::memory::note(domain.devices_mut().iter_mut(), &places);
            }
            Ok(())
        });
        if let Err(cause) = noted {
            take_back(&live, &handed.back);
            return Err(cause);
        }
        held.undo.forget();
        if device.name == "watchdog"
            && let Some(action) = device.attr("action")
        {
            // A dump is made by the daemon while the guest stands still.
            let action = if action == "dump" { "pause" } else { action };
            live.command("set-action", json!({ "watchdog": action }))?;
        }
        // A memory device is told by the name of what holds its memory.
        let announced = if device.name == "memory" { format!("mem{name}") } else { name };
        if told {
            self.events.publish(Event::DomainDeviceAdded(DomainEventCallbackDeviceAddedPayload {
                dom: guest.reference(),
                dev_alias: announced,
            }));
        }
        Ok(())
    }

    /// Makes what a device needs of the host. Gives the number of the next block node.
    fn prepare_device(&self, live: &Live, device: &mut Tree, name: &str, held: &mut Held) -> Result<u32> {
        crate::console::settle(device);
        match device.name.as_str() {
            "disk" => {
                self.follow_volume(device)?;
                chain::of_disk(device)?;
                let next = crate::block::disk::number(device, self.next_node(live));
                super::disk::make_overlay(&live.domain, device, next)
            }
            "interface" => {
                let owner = Owner::of(&live.domain);
                held.ends = self.nics.connect(&owner, device, &mut held.undo)?.unwrap_or_default();
                Ok(0)
            }
            "channel" if device.is("type", "unix") => {
                if device.attr_at("source", "path").is_none() {
                    let folder = self.start_of(live).channel_dir;
                    let file = device.attr_at("target", "name").unwrap_or(name).replace('/', "_");
                    let source = device.child_or_new("source");
                    source.set("mode", "bind");
                    source.set("path", format!("{folder}/{file}"));
                }
                Ok(0)
            }
            "hostdev" => super::hostdev::prepare(device).map(|()| 0),
            _ => Ok(0),
        }
    }

    /// The number of the next block node of a guest.
    pub(crate) fn next_node(&self, live: &Live) -> u32 {
        let counted = live.session.nodes.load(Ordering::Acquire);
        counted.max(super::disk::counted(&live.domain) + 1)
    }
}

/// Puts a device where it stands among those of its kind.
pub(super) fn insert(domain: &mut Domain, fitted: &Fitted, device: Tree) {
    let ordinal = fitted.ordinal();
    let kind = device.name.clone();
    let devices = domain.devices_mut();
    let mut places = devices.iter().enumerate().filter(|(_, other)| other.name == kind).map(|(at, _)| at);
    match places.nth(ordinal) {
        Some(at) => devices.insert(at, device),
        None => devices.push(device),
    }
    domain.sort();
}
