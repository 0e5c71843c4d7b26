//! I/O threads: adding, removing, how they poll.

use super::params::{self, kind};
use super::pins::{iothread_ids, name_iothreads};
use crate::{Driver, FROM, check_flags, error};
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use engine::JobKind;
use host::cgroup::Part;
use serde_json::{Value as Json, json};
use xml::Tree;

/// Parameters: name, the emulator's property, type.
const KNOBS: [(&str, &str, i32); 5] = [
    ("poll_max_ns", "poll-max-ns", kind::ULLONG),
    ("poll_grow", "poll-grow", kind::UINT),
    ("poll_shrink", "poll-shrink", kind::UINT),
    ("thread_pool_min", "thread-pool-min", kind::INT),
    ("thread_pool_max", "thread-pool-max", kind::INT),
];

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::INVALID_ARG, ErrorDomain::DOMAIN, text)
}

/// Refuses a number that is in use already.
fn free(domain: &Domain, id: u32) -> Result<()> {
    if iothread_ids(domain).contains(&id) {
        return Err(invalid(format!("an IOThread is already using iothread_id '{id}'")));
    }
    Ok(())
}

/// Refuses a number that no thread has, or whose thread serves a device.
fn removable(domain: &Domain, id: u32) -> Result<()> {
    if !iothread_ids(domain).contains(&id) {
        return Err(invalid(format!("cannot find IOThread '{id}' in iothreadids list")));
    }
    let text = id.to_string();
    let serves = |device: &Tree| {
        let driver = device.child("driver");
        driver.is_some_and(|driver| {
            let mapped = driver.child("iothreads").into_iter().flat_map(|map| map.all("iothread"));
            driver.is("iothread", &text) || mapped.into_iter().any(|thread| thread.is("id", &text))
        })
    };
    if let Some(disk) = domain.all("disk").find(|disk| serves(disk)) {
        let name = disk.attr_at("target", "dev").unwrap_or_default();
        return Err(invalid(format!("cannot remove IOThread {id} since it is being used by disk '{name}'")));
    }
    if let Some(controller) = domain.all("controller").find(|controller| serves(controller)) {
        let index = controller.attr("index").unwrap_or_default();
        return Err(invalid(format!(
            "cannot remove IOThread '{id}' since it is being used by controller '{index}'"
        )));
    }
    Ok(())
}

/// The count as it stands beside the list.
fn count(domain: &mut Domain) {
    let count = domain.tree.child("iothreadids").map_or(0, |ids| ids.children.len());
    if count == 0 {
        domain.tree.remove("iothreadids");
        domain.tree.remove("iothreads");
    } else {
        domain.tree.child_or_new("iothreads").text = Some(count.to_string());
    }
}

fn add(domain: &mut Domain, id: u32) {
    name_iothreads(domain);
    let entry = Tree::new("iothread").with("id", id.to_string());
    domain.tree.child_or_new("iothreadids").children.push(entry);
    count(domain);
}

fn remove(domain: &mut Domain, id: u32) {
    name_iothreads(domain);
    let text = id.to_string();
    domain.tree.child_or_new("iothreadids").children.retain(|entry| !entry.is("id", &text));
    if let Some(tune) = domain.tree.child_mut("cputune") {
        tune.children.retain(|pin| pin.name != "iothreadpin" || !pin.is("iothread", &text));
        if tune.children.is_empty() {
            domain.tree.remove("cputune");
        }
    }
    count(domain);
}

fn int(list: &[TypedParam], name: &str) -> Option<i64> {
    match params::find(list, name)? {
        TypedValue::Int(value) => Some((*value).into()),
        _ => None,
    }
}

/// Refuses a pool whose least is more than its most.
fn check_pool(domain: &Domain, id: u32, list: &[TypedParam]) -> Result<()> {
    let text = id.to_string();
    let ids = domain.tree.child("iothreadids");
    let entry = ids.and_then(|ids| ids.all("iothread").find(|entry| entry.is("id", &text)));
    let stated = |name: &str| entry.and_then(|entry| entry.attr(name)?.parse::<i64>().ok()).unwrap_or(-1);
    let value = |name: &str| int(list, name).unwrap_or_else(|| stated(name));
    let (least, most) = (value("thread_pool_min"), value("thread_pool_max"));
    if list.iter().any(|param| param.field.starts_with("thread_pool_")) && least > most {
        let text = format!("thread_pool_min ({least}) can't be greater than thread_pool_max ({most})");
        return Err(Error::operation_invalid(FROM, text));
    }
    Ok(())
}

fn state(domain: &mut Domain, id: u32, list: &[TypedParam]) {
    name_iothreads(domain);
    let text = id.to_string();
    let mut entries = domain.tree.child_or_new("iothreadids").all_mut("iothread");
    let Some(entry) = entries.find(|entry| entry.is("id", &text)) else { return };
    for param in list {
        let value = match &param.value {
            TypedValue::ULLong(value) => value.to_string(),
            TypedValue::UInt(value) => value.to_string(),
            TypedValue::Int(value) => value.to_string(),
            _ => continue,
        };
        match param.field.as_str() {
            "poll_max_ns" => entry.child_or_new("poll").set("max", value),
            "poll_grow" => entry.child_or_new("poll").set("grow", value),
            "poll_shrink" => entry.child_or_new("poll").set("shrink", value),
            name => entry.set(name, value),
        }
    }
}

impl Driver {
    pub(super) fn add_iothread(&self, dom: &DomainRef, id: u32, flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainAddIOThread")?;
        let guest = self.find(dom)?;
        if id == 0 {
            return Err(error(ErrorCode::INVALID_ARG, "invalid value of 0 for iothread_id"));
        }
        let _job = guest.begin(JobKind::Modify, "add I/O thread")?;
        let value = guest.value();
        let target = value.target(flags)?;
        if let Some(config) = value.config.as_ref().filter(|_| target.config) {
            free(config, id)?;
        }
        if target.live {
            let live = guest.live()?;
            free(&live.domain, id)?;
            let alias = format!("iothread{id}");
            live.command("object-add", json!({"qom-type": "iothread", "id": alias}))?;
            let mut domain = live.domain.clone();
            add(&mut domain, id);
            let placed = live.command("query-iothreads", Json::Null).and_then(|answer| {
                let all = crate::placement::iothreads(&answer);
                let thread = all.into_iter().find(|(known, _)| *known == id).map(|(_, thread)| thread);
                let text = "cannot find the thread of the new IOThread";
                let thread = thread.ok_or_else(|| Error::internal(FROM, text))?;
                self.place_iothread(&domain, live.cgroup.as_ref(), id, thread)
            });
            if let Err(cause) = placed {
                let _ = live.command("object-del", json!({"id": alias}));
                return Err(cause);
            }
            self.change_live(&guest, |now| {
                *now = domain;
                Ok(())
            })?;
        }
        if target.config {
            self.change_config(&guest, |domain| {
                add(domain, id);
                Ok(())
            })?;
        }
        Ok(())
    }

    pub(super) fn delete_iothread(&self, dom: &DomainRef, id: u32, flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainDelIOThread")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "remove I/O thread")?;
        let value = guest.value();
        let target = value.target(flags)?;
        if let Some(config) = value.config.as_ref().filter(|_| target.config) {
            removable(config, id)?;
        }
        if target.live {
            let live = guest.live()?;
            removable(&live.domain, id)?;
            live.command("object-del", json!({"id": format!("iothread{id}")}))?;
            if let Some(group) = &live.cgroup {
                group.remove_part(Part::IoThread(id));
            }
            self.change_live(&guest, |domain| {
                remove(domain, id);
                Ok(())
            })?;
        }
        if target.config {
            self.change_config(&guest, |domain| {
                remove(domain, id);
                Ok(())
            })?;
        }
        Ok(())
    }

    pub(super) fn set_iothread(
        &self,
        dom: &DomainRef,
        id: u32,
        list: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 3, "qemuDomainSetIOThreadParams")?;
        let guest = self.find(dom)?;
        if id == 0 {
            return Err(error(ErrorCode::INVALID_ARG, "invalid value of 0 for iothread_id"));
        }
        params::validate(list, &KNOBS.map(|(name, _, kind)| (name, kind)))?;
        let _job = guest.begin(JobKind::Modify, "set I/O thread")?;
        let value = guest.value();
        let target = value.target(flags)?;
        let known = |domain: &Domain| {
            if iothread_ids(domain).contains(&id) {
                return check_pool(domain, id, list);
            }
            Err(error(ErrorCode::INVALID_ARG, format!("cannot find IOThread '{id}' in iothreadids")))
        };
        if let Some(config) = value.config.as_ref().filter(|_| target.config) {
            known(config)?;
        }
        if target.live {
            let live = guest.live()?;
            known(&live.domain)?;
            for (name, property, _) in KNOBS {
                let value = match params::find(list, name) {
                    Some(TypedValue::ULLong(value)) => json!(value),
                    Some(TypedValue::UInt(value)) => json!(value),
                    Some(TypedValue::Int(value)) => json!(value),
                    _ => continue,
                };
                let path = format!("/objects/iothread{id}");
                live.command("qom-set", json!({"path": path, "property": property, "value": value}))?;
            }
            self.change_live(&guest, |domain| {
                state(domain, id, list);
                Ok(())
            })?;
        }
        if target.config {
            self.change_config(&guest, |domain| {
                state(domain, id, list);
                Ok(())
            })?;
        }
        Ok(())
    }
}
