//! Limits of disks, groups of them, and marks on their images.

use super::disk;
use crate::guest::{Guest, exclusive};
use crate::tuning::params::{self, STRING_OKAY, kind};
use crate::{Driver, check_flags, error};
use api::domain_block::DomainGetBlockIoTuneRet;
use api::event::{DomainEventBlockThresholdPayload, Event};
use base::object::DomainRef;
use base::param::TypedParam;
use base::{ErrorCode, Result};
use conf_domain::Domain;
use engine::JobKind;
use qemu_live::throttle::{FIELDS, GROUP, Throttle};
use serde_json::{Value as Json, json};
use xml::Tree;

fn known() -> Vec<(&'static str, i32)> {
    let mut known: Vec<(&str, i32)> = FIELDS.iter().map(|field| (field.name, kind::ULLONG)).collect();
    known.push((GROUP, kind::STRING));
    known
}

/// The limits other disks of a group have.
fn of_group(domain: &Domain, group: &str, except: &str) -> Option<Throttle> {
    let others = domain.all("disk").filter(|other| disk::target(other) != except);
    others.map(Throttle::of).find(|limits| limits.group.as_deref() == Some(group) && !group.is_empty())
}

/// Writes limits into a disk and into all others of its group.
fn state(domain: &mut Domain, target: &str, limits: &Throttle) {
    for device in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
        let same_group = limits.group.as_deref().is_some_and(|group| !group.is_empty())
            && Throttle::of(device).group == limits.group;
        if disk::target(device) == target || same_group {
            limits.write(device);
        }
    }
}

impl Driver {
    pub(super) fn set_limits(
        &self,
        dom: &DomainRef,
        name: &str,
        list: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 3, "qemuDomainSetBlockIoTune")?;
        exclusive(flags)?;
        params::validate(list, &known())?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set disk limits")?;
        let value = guest.value();
        let target = value.target(flags)?;
        let wish = Throttle::parse(list)?;
        let after = |domain: &Domain| -> Result<(String, Throttle)> {
            let element = disk::wanted(domain, name)?;
            let target = disk::target(element).to_owned();
            if wish.only_group()
                && let Some(group) = &wish.limits.group
                && let Some(shared) = of_group(domain, group, &target)
            {
                return Ok((target, shared));
            }
            Ok((target, wish.over(&Throttle::of(element))))
        };
        if target.live {
            let live = guest.live()?;
            let element = disk::wanted(&live.domain, name)?;
            if element.child("source").is_none() && element.is("device", "cdrom") {
                let text = format!("cannot set parameters for empty disk '{}'", disk::target(element));
                return Err(error(ErrorCode::OPERATION_INVALID, text));
            }
            let (found, limits) = after(&live.domain)?;
            limits.check_running()?;
            live.command("block_set_io_throttle", limits.command(&disk::qom_name(element)))?;
            self.change_live(&guest, |domain| {
                state(domain, &found, &limits);
                Ok(())
            })?;
            let mut told = vec![TypedParam::new("blkdeviotune.disk", found.as_str())];
            let named = |param: &TypedParam| TypedParam {
                field: format!("blkdeviotune.{}", param.field),
                value: param.value.clone(),
            };
            told.extend(list.iter().map(named));
            self.tuned(&guest, told);
        }
        if target.config {
            self.change_config(&guest, |domain| {
                let (found, limits) = after(domain)?;
                state(domain, &found, &limits);
                Ok(())
            })?;
        }
        Ok(())
    }

    pub(super) fn limits(
        &self,
        dom: &DomainRef,
        name: Option<&str>,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetBlockIoTuneRet> {
        check_flags(flags, 3 | STRING_OKAY, "qemuDomainGetBlockIoTune")?;
        let value = self.find(dom)?.value();
        let domain = value.definition(flags)?;
        if nparams == 0 {
            return Ok(DomainGetBlockIoTuneRet { params: Vec::new(), nparams: FIELDS.len() as i32 + 1 });
        }
        let element = disk::wanted(&domain, name.unwrap_or_default())?;
        let limits = match value.live.as_ref().filter(|_| flags & 3 != 2) {
            Some(live) => {
                let answer = live.command("query-block", Json::Null)?;
                let entry =
                    answer.as_array().into_iter().flatten().find(|entry| disk::is_about(entry, element));
                entry.and_then(|entry| entry.get("inserted")).map(Throttle::of_answer).unwrap_or_default()
            }
            None => Throttle::of(element),
        };
        let params = params::room(limits.params(), nparams);
        Ok(DomainGetBlockIoTuneRet { nparams: params.len() as i32, params })
    }

    pub(super) fn set_throttle_group(
        &self,
        dom: &DomainRef,
        group: &str,
        list: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 3, "qemuDomainSetThrottleGroup")?;
        params::validate(list, &known())?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set throttle group")?;
        let target = guest.value().target(flags)?;
        let wish = Throttle::parse(list)?;
        let group_of = |domain: &Domain| {
            let groups = domain.tree.child("throttlegroups");
            groups.and_then(|groups| {
                groups.all("throttlegroup").find(|entry| entry.text_of(GROUP) == Some(group)).cloned()
            })
        };
        let after = |domain: &Domain| {
            let old = group_of(domain).map(as_disk).map(|disk| Throttle::of(&disk)).unwrap_or_default();
            Throttle { group: Some(group.to_owned()), ..wish.over(&old) }
        };
        let state = |domain: &mut Domain| {
            let limits = after(domain);
            let mut holder = Tree::new("disk");
            limits.write(&mut holder);
            let Some(mut entry) = holder.child("iotune").cloned() else { return Ok(()) };
            entry.name = "throttlegroup".into();
            let groups = domain.tree.child_or_new("throttlegroups");
            groups.children.retain(|entry| entry.text_of(GROUP) != Some(group));
            groups.children.push(entry);
            Ok(())
        };
        if target.live {
            let live = guest.live()?;
            let limits = after(&live.domain);
            limits.check_running()?;
            let id = format!("throttle-{group}");
            let arguments = limits.group_limits();
            if group_of(&live.domain).is_some() {
                let path = format!("/objects/{id}");
                live.command("qom-set", json!({"path": path, "property": "limits", "value": arguments}))?;
            } else {
                live.command(
                    "object-add",
                    json!({"qom-type": "throttle-group", "id": id, "limits": arguments}),
                )?;
            }
            self.change_live(&guest, state)?;
            self.tuned(
                &guest,
                list.iter()
                    .map(|param| TypedParam {
                        field: format!("blkdeviotune.{}", param.field),
                        value: param.value.clone(),
                    })
                    .collect(),
            );
        }
        if target.config {
            self.change_config(&guest, state)?;
        }
        Ok(())
    }

    pub(super) fn delete_throttle_group(&self, dom: &DomainRef, group: &str, flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainDelThrottleGroup")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "delete throttle group")?;
        let value = guest.value();
        let target = value.target(flags)?;
        let check = |domain: &Domain| {
            let uses = |element: &Tree| {
                let filters = element.child("throttlefilters");
                filters.is_some_and(|filters| {
                    filters.all("throttlefilter").any(|filter| filter.is("group", group))
                })
            };
            let known = domain.tree.child("throttlegroups").is_some_and(|groups| {
                groups.all("throttlegroup").any(|entry| entry.text_of(GROUP) == Some(group))
            });
            if !known {
                return Err(error(
                    ErrorCode::INVALID_ARG,
                    format!("throttlegroup '{group}' was not found in the domain config"),
                ));
            }
            if domain.all("disk").any(uses) {
                return Err(error(
                    ErrorCode::OPERATION_INVALID,
                    format!("throttle group '{group}' is still being used"),
                ));
            }
            Ok(())
        };
        let state = |domain: &mut Domain| {
            if let Some(groups) = domain.tree.child_mut("throttlegroups") {
                groups.children.retain(|entry| entry.text_of(GROUP) != Some(group));
                if groups.children.is_empty() {
                    domain.tree.remove("throttlegroups");
                }
            }
            Ok(())
        };
        if let Some(config) = value.config.as_ref().filter(|_| target.config) {
            check(config)?;
        }
        if target.live {
            let live = guest.live()?;
            check(&live.domain)?;
            live.command("object-del", json!({"id": format!("throttle-{group}")}))?;
            self.change_live(&guest, state)?;
        }
        if target.config {
            self.change_config(&guest, state)?;
        }
        Ok(())
    }

    pub(super) fn set_threshold(
        &self,
        dom: &DomainRef,
        name: &str,
        threshold: u64,
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 0, "qemuDomainSetBlockThreshold")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set block threshold")?;
        let live = guest.live()?;
        let (device, index) = disk::split_index(name);
        let unknown = || error(ErrorCode::INVALID_ARG, format!("failed to find disk '{name}'"));
        let element = disk::find(&live.domain, device).ok_or_else(unknown)?;
        let images = disk::images(element);
        // 0 is the top image whatever its number.
        let image = match index {
            None | Some(0) => images.first(),
            Some(index) => images.iter().find(|(_, number)| *number == index),
        };
        let (_, number) = image.ok_or_else(unknown)?;
        let (storage, _) = disk::nodes(*number);
        live.command(
            "block-set-write-threshold",
            json!({"node-name": storage, "write-threshold": threshold}),
        )?;
        let mut indexed = live.session.indexed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if index.is_some() {
            indexed.insert(*number);
        } else {
            indexed.remove(number);
        }
        Ok(())
    }

    /// An image was written to beyond its mark.
    pub(crate) fn threshold_passed(&self, guest: &Guest, event: &qmp::Event) {
        let number = |name: &str| event.data.get(name).and_then(Json::as_u64).unwrap_or(0);
        let node = event.data.get("node-name").and_then(Json::as_str).unwrap_or_default();
        let (Ok(live), Some(index)) = (guest.live(), disk::index_of_node(node)) else { return };
        for element in live.domain.all("disk") {
            let images = disk::images(element);
            let Some(at) = images.iter().position(|(_, number)| *number == index) else { continue };
            let top = at == 0;
            let by_number = live
                .session
                .indexed
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .contains(&index);
            let target = disk::target(element);
            let dev = if top && !by_number { target.to_owned() } else { format!("{target}[{index}]") };
            let path = images.get(at).and_then(|(image, _)| crate::chain::local(image)).map(str::to_owned);
            self.events.publish(Event::DomainBlockThreshold(DomainEventBlockThresholdPayload {
                dom: guest.reference(),
                dev,
                path,
                threshold: number("write-threshold"),
                excess: number("amount-exceeded"),
            }));
        }
    }
}

/// A group's element read like a disk's limits.
fn as_disk(entry: Tree) -> Tree {
    Tree::new("disk").holding(Tree { name: "iotune".into(), ..entry })
}
