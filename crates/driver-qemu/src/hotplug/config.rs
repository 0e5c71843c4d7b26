//! Devices of stored definitions.

use super::fit::{Fitted, STORED};
use crate::{Driver, FROM, error};
use base::{Error, ErrorCode, Result};
use conf_domain::{Domain, ParseFlags};
use qemu_live::matching::{self, CHARACTER, kind_name};
use xml::Tree;

fn unsupported(verb: &str, device: &Tree) -> Error {
    let text = format!("persistent {verb} of device '{}' is not supported", kind_name(device));
    error(ErrorCode::OPERATION_UNSUPPORTED, text)
}

/// Kinds of devices that stored definitions can get or lose.
fn pluggable(kind: &str) -> bool {
    matches!(
        kind,
        "disk"
            | "interface"
            | "sound"
            | "hostdev"
            | "lease"
            | "controller"
            | "filesystem"
            | "rng"
            | "memory"
            | "redirdev"
            | "shmem"
            | "watchdog"
            | "input"
            | "vsock"
            | "iommu"
    ) || CHARACTER.contains(&kind)
}

/// Refuses a device that a definition has already.
fn check_new(domain: &Domain, given: &Tree) -> Result<()> {
    let invalid = |text: String| Err(Error::operation_invalid(FROM, text));
    let target = given.attr_at("target", "dev").unwrap_or_default();
    match given.name.as_str() {
        "disk" if domain.all("disk").any(|disk| disk.attr_at("target", "dev") == Some(target)) => {
            invalid(format!("target {target} already exists"))
        }
        "controller" => match given.attr("index") {
            Some(index)
                if domain
                    .all("controller")
                    .any(|c| c.attr("type") == given.attr("type") && c.is("index", index)) =>
            {
                invalid(format!("controller index='{index}' already exists"))
            }
            _ => Ok(()),
        },
        "lease" if matching::find(domain, given, given).is_some() => {
            invalid(matching::lease(given, "already exists"))
        }
        "filesystem" if matching::find(domain, given, given).is_some() => {
            invalid("Target already exists".to_owned())
        }
        "vsock" if domain.all("vsock").next().is_some() => {
            invalid("domain already has a vsock device".to_owned())
        }
        "console" if matches!(given.attr_at("target", "type"), None | Some("serial")) => {
            Err(error(ErrorCode::OPERATION_UNSUPPORTED, "attaching serial console is not supported"))
        }
        "iommu" if domain.all("iommu").next().is_some() => {
            invalid("domain already has an iommu device".to_owned())
        }
        _ => Ok(()),
    }
}

/// Where a new device goes: controllers without a number come before their like, all others come last.
fn place_of(domain: &Domain, given: &Tree) -> usize {
    let devices = domain.devices();
    let like = |other: &Tree| other.name == given.name && other.attr("type") == given.attr("type");
    let first = devices.iter().position(like).filter(|_| given.name == "controller");
    first.filter(|_| given.attr("index").is_none()).unwrap_or(devices.len())
}

/// Refuses a device whose like a definition has already, when there may be but one of them.
fn check_like(domain: &Domain, given: &Tree, completed: &Tree) -> Result<()> {
    let kind = given.name.as_str();
    if CHARACTER.contains(&kind) && matching::character(domain, completed).is_some() {
        return Err(Error::operation_invalid(FROM, "chardev already exists"));
    }
    let single = matches!(kind, "hostdev" | "rng" | "shmem" | "watchdog");
    if single && matching::find(domain, completed, given).is_some() {
        return Err(Error::operation_invalid(FROM, "device is already in the domain configuration"));
    }
    Ok(())
}

/// Memory of a definition with `kib` more of it.
pub(super) fn add_memory(domain: &mut Domain, kib: i64) {
    for name in ["memory", "currentMemory"] {
        let old = if name == "memory" { domain.memory_kib() } else { domain.current_memory_kib() };
        let element = domain.tree.child_or_new(name);
        element.text = Some(old.saturating_add_signed(kib).to_string());
    }
}

/// Size of a memory device in KiB.
pub(super) fn memory_size(device: &Tree) -> i64 {
    device.at("target/size").and_then(|size| size.body().trim().parse().ok()).unwrap_or(0)
}

/// Refuses a memory device for which there is no room.
pub(super) fn check_memory(domain: &Domain, device: &Tree) -> Result<()> {
    let most = domain.tree.child("maxMemory");
    let Some(most) = most.and_then(|most| most.body().trim().parse::<i64>().ok()) else { return Ok(()) };
    let size = memory_size(device);
    let now = i64::try_from(domain.memory_kib()).unwrap_or(i64::MAX);
    if now.saturating_add(size) > most {
        let text = format!(
            "Attaching memory device with size '{size}' would exceed domain's maxMemory config size '{most}'"
        );
        return Err(Error::unsupported(base::ErrorDomain::DOMAIN, text));
    }
    Ok(())
}

impl Driver {
    /// A stored definition with one more device.
    pub(super) fn attach_stored(&self, domain: &Domain, given: &Tree) -> Result<Domain> {
        self.read_alone(domain, given, STORED)?;
        super::fit::check_bus(domain, given)?;
        if !pluggable(&given.name) {
            return Err(unsupported("attach", given));
        }
        if given.name == "memory" {
            check_memory(domain, given)?;
        }
        check_new(domain, given)?;
        let Fitted { domain: mut next, at } = self.fit_at(domain, place_of(domain, given), given, STORED)?;
        let completed = next.devices().get(at).cloned().unwrap_or_default();
        check_like(domain, given, &completed)?;
        if given.name == "memory" {
            add_memory(&mut next, memory_size(&completed));
        }
        Ok(next)
    }

    /// A stored definition with one device less.
    pub(super) fn detach_stored(&self, domain: &Domain, given: &Tree) -> Result<Domain> {
        self.read_alone(domain, given, ParseFlags { skip_validate: true, ..STORED })?;
        if !pluggable(&given.name) {
            return Err(unsupported("detach", given));
        }
        let at = self.find_device(domain, given)?.ok_or_else(|| matching::missing_stored(given))?;
        self.without(domain, at)
    }

    /// A stored definition without the device at a place.
    pub(super) fn without(&self, domain: &Domain, at: usize) -> Result<Domain> {
        let mut next = domain.clone();
        let gone = next.devices().get(at).cloned().ok_or_else(|| super::lost("the device"))?;
        if !pluggable(&gone.name) {
            return Err(unsupported("detach", &gone));
        }
        if gone.name == "console" && gone.attr_at("target", "type") == Some("serial") {
            return Err(Error::operation_invalid(FROM, "detaching serial console is not supported"));
        }
        next.devices_mut().remove(at);
        if gone.name == "memory" {
            add_memory(&mut next, -memory_size(&gone));
        }
        Ok(next)
    }

    /// A stored definition in which a device is another.
    pub(super) fn update_stored(&self, domain: &Domain, given: &Tree) -> Result<Domain> {
        self.read_alone(domain, given, STORED)?;
        match given.name.as_str() {
            "disk" => {
                let target = given.attr_at("target", "dev").unwrap_or_default();
                let at = matching::find(domain, given, given).ok_or_else(|| {
                    error(ErrorCode::INVALID_ARG, format!("target {target} doesn't exist."))
                })?;
                self.replace(domain, at, given)
            }
            "interface" => {
                let at = matching::interface(domain, &without_chosen_name(given))?;
                self.replace(domain, at, given)
            }
            "graphics" => {
                let kind = given.attr("type").unwrap_or_default();
                let at = matching::find(domain, given, given).ok_or_else(|| {
                    let text = format!("cannot find existing graphics type '{kind}' device to modify");
                    error(ErrorCode::DEVICE_MISSING, text)
                })?;
                self.replace(domain, at, given)
            }
            "memory" => {
                let at = self.find_device(domain, given)?.ok_or_else(|| matching::missing_stored(given))?;
                self.replace(domain, at, given)
            }
            _ => Err(unsupported("update", given)),
        }
    }

    /// Puts a device in the place of another.
    fn replace(&self, domain: &Domain, at: usize, given: &Tree) -> Result<Domain> {
        let mut rest = domain.clone();
        let old = rest.devices_mut().remove(at);
        let mut given = given.clone();
        if given.child("address").is_none()
            && let Some(address) = old.child("address")
            && given.name != "graphics"
            && (given.name != "disk"
                || given.attr_at("target", "bus").is_none_or(|bus| old.attr_at("target", "bus") == Some(bus)))
        {
            given.children.push(address.clone());
        }
        if given.name == "disk"
            && given.attr_at("target", "bus").is_none()
            && let Some(bus) = old.attr_at("target", "bus")
        {
            let bus = bus.to_owned();
            given.child_or_new("target").set("bus", bus);
        }
        Ok(self.fit_at(&rest, at, &given, STORED)?.domain)
    }
}

/// In a stored definition a device gets the name that the client states; it is not looked for by it.
fn without_chosen_name(given: &Tree) -> Tree {
    let mut given = given.clone();
    given.remove("alias");
    given
}
