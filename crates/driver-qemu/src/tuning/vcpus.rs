//! Number of processors: those a guest may have, those it has.

use crate::guest::{Guest, Live};
use crate::{Driver, FROM, check_flags, error};
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::{Domain, bitmap};
use engine::JobKind;
use host::cgroup::Part;
use qemu_live::vcpus::{self, Vcpu};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use xml::Tree;

const MAXIMUM: u32 = 4;
const GUEST: u32 = 8;
const HOTPLUGGABLE: u32 = 16;

fn invalid(text: impl Into<String>) -> Error {
    error(ErrorCode::INVALID_ARG, text)
}

/// The processors of a definition that is not running, one entry each, those that are off too.
fn entries(domain: &Domain) -> Vec<Tree> {
    let listed: Vec<Tree> =
        domain.tree.child("vcpus").into_iter().flat_map(|list| list.children.iter().cloned()).collect();
    let online = domain.vcpus();
    (0..domain.vcpus_max())
        .map(|id| {
            let text = id.to_string();
            let stated = listed.iter().find(|vcpu| vcpu.is("id", &text)).cloned();
            stated.unwrap_or_else(|| {
                let on = id < online;
                let word = |set: bool| if set { "yes" } else { "no" };
                Tree::new("vcpu").with("id", text).with("enabled", word(on)).with("hotpluggable", word(!on))
            })
        })
        .collect()
}

/// Writes the processors of a definition: one by one where `listed`, otherwise only how many.
fn store(domain: &mut Domain, entries: Vec<Tree>, listed: bool) {
    let online = entries.iter().filter(|vcpu| vcpu.is("enabled", "yes")).count();
    let vcpu = domain.tree.child_or_new("vcpu");
    vcpu.text = Some(entries.len().to_string());
    if online == entries.len() {
        vcpu.unset("current");
    } else {
        vcpu.set("current", online.to_string());
    }
    domain.tree.remove("vcpus");
    if listed {
        let mut list = Tree::new("vcpus");
        list.children.extend(entries);
        domain.tree.children.push(list);
    }
}

fn switch(entry: &mut Tree, on: bool) {
    entry.set("enabled", if on { "yes" } else { "no" });
    if !on {
        entry.set("hotpluggable", "yes");
    }
}

impl Driver {
    pub(super) fn set_vcpus(&self, dom: &DomainRef, count: u32, flags: u32) -> Result<()> {
        check_flags(flags, 31, "qemuDomainSetVcpusFlags")?;
        let guest = self.find(dom)?;
        if flags & GUEST != 0 {
            return self.set_guest_vcpu_count(&guest, count);
        }
        let _job = guest.begin(JobKind::Modify, "set processors")?;
        let value = guest.value();
        let target = value.target(flags)?;
        if flags & MAXIMUM != 0 {
            if target.live {
                let text = "Flag 'VIR_DOMAIN_AFFECT_CONFIG' is required by flag 'VIR_DOMAIN_VCPU_MAXIMUM'";
                return Err(Error::invalid_arg(ErrorDomain::DOMAIN, "virDomainSetVcpusFlags", "flags", text));
            }
            return self.change_config(&guest, |domain| set_maximum(domain, count));
        }
        let most = |domain: &Domain, which: &str| {
            let most = domain.vcpus_max();
            if count > most {
                return Err(invalid(format!(
                    "requested vcpus is greater than max allowable vcpus for the {which} domain: {count} > {most}"
                )));
            }
            Ok(())
        };
        if let Some(live) = value.live.as_ref().filter(|_| target.live) {
            most(&live.domain, "live")?;
        }
        if let Some(config) = value.config.as_ref().filter(|_| target.config) {
            most(config, "persistent")?;
        }
        if target.live {
            let live = guest.live()?;
            let (plug, chosen) = vcpus::select(&live.vcpus, count)?;
            self.switch_vcpus(&guest, &chosen, plug)?;
        }
        if target.config {
            self.change_config(&guest, |domain| {
                set_count(domain, count, flags & HOTPLUGGABLE != 0);
                Ok(())
            })?;
        }
        Ok(())
    }

    pub(super) fn set_vcpu_map(&self, dom: &DomainRef, map: &str, state: i32, flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainSetVcpu")?;
        let guest = self.find(dom)?;
        if !(0..=1).contains(&state) {
            return Err(Error::invalid_arg(
                FROM,
                "qemuDomainSetVcpu",
                "state",
                "state in qemuDomainSetVcpu must be zero or one",
            ));
        }
        let parsed = bitmap::parse(map).ok_or_else(|| {
            Error::new(ErrorCode::INVALID_ARG, ErrorDomain::NONE, format!("Failed to parse bitmap '{map}'"))
        })?;
        if parsed.is_empty() {
            return Err(invalid("no vcpus selected for modification"));
        }
        let on = state == 1;
        let _job = guest.begin(JobKind::Modify, "set processor")?;
        let value = guest.value();
        let target = value.target(flags)?;
        if let Some(config) = value.config.as_ref().filter(|_| target.config) {
            check_stored(config, &parsed, on)?;
        }
        if target.live {
            let live = guest.live()?;
            let chosen = vcpus::select_map(&live.vcpus, &parsed, on)?;
            self.switch_vcpus(&guest, &chosen, on)?;
        }
        if target.config {
            self.change_config(&guest, |domain| {
                let mut entries = entries(domain);
                for entry in &mut entries {
                    entry.unset("order");
                    let id = entry.attr("id").and_then(|id| id.parse().ok());
                    if id.is_some_and(|id: u32| parsed.contains(&id)) {
                        switch(entry, on);
                        entry.set("hotpluggable", "yes");
                    }
                }
                store(domain, entries, true);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Plugs or unplugs entities, given by their first processors; what was done before a failure stays and is noted.
    fn switch_vcpus(&self, guest: &Guest, chosen: &[u32], plug: bool) -> Result<()> {
        let mut failed = None;
        for id in chosen {
            let live = guest.live()?;
            let outcome =
                if plug { self.plug_vcpu(guest, &live, *id) } else { self.unplug_vcpu(guest, &live, *id) };
            if let Err(cause) = outcome {
                failed = Some(cause);
                break;
            }
        }
        match failed {
            Some(cause) => Err(cause),
            None => Ok(()),
        }
    }

    fn plug_vcpu(&self, guest: &Guest, live: &Arc<Live>, id: u32) -> Result<()> {
        let vcpu = live.vcpus.get(id as usize).ok_or_else(|| Error::internal(FROM, "no such processor"))?;
        let device =
            vcpus::device(vcpu).ok_or_else(|| Error::internal(FROM, "the processor cannot be plugged"))?;
        live.command("device_add", device)?;
        let now = vcpus::ask(&*live.run, live.domain.vcpus_max())?;
        let before: BTreeSet<u32> =
            live.vcpus.iter().filter(|vcpu| vcpu.online).map(|vcpu| vcpu.id).collect();
        for vcpu in now.iter().filter(|vcpu| vcpu.online && !before.contains(&vcpu.id)) {
            if let Some(thread) = vcpu.thread {
                self.place_vcpu(&live.domain, live.cgroup.as_ref(), vcpu.id, thread)?;
            }
        }
        self.note_vcpus(guest, now)
    }

    fn unplug_vcpu(&self, guest: &Guest, live: &Arc<Live>, id: u32) -> Result<()> {
        let entity = live.vcpus.get(id as usize).and_then(|vcpu| vcpu.entity.as_ref());
        let alias = entity.and_then(|entity| entity.alias.clone());
        let alias = alias.ok_or_else(|| {
            error(ErrorCode::OPERATION_UNSUPPORTED, format!("vcpu '{id}' can't be unplugged"))
        })?;
        let watch = live.session.removals.watch(&alias);
        live.command("device_del", json!({ "id": alias }))?;
        match watch.wait() {
            crate::removal::Outcome::Removed => {}
            crate::removal::Outcome::Refused => {
                let text = "vcpu unplug request was rejected by the guest OS";
                return Err(error(ErrorCode::OPERATION_FAILED, text));
            }
            crate::removal::Outcome::Pending => {
                let text =
                    "vcpu unplug request timed out. Unplug result must be manually inspected in the domain";
                return Err(error(ErrorCode::OPERATION_TIMEOUT, text));
            }
        }
        let now = vcpus::ask(&*live.run, live.domain.vcpus_max())?;
        if let Some(group) = &live.cgroup {
            for vcpu in live.vcpus.iter().filter(|vcpu| vcpu.online) {
                if now.get(vcpu.id as usize).is_some_and(|now| !now.online) {
                    group.remove_part(Part::Vcpu(vcpu.id));
                }
            }
        }
        self.note_vcpus(guest, now)
    }

    /// Notes which processors a running guest has now.
    fn note_vcpus(&self, guest: &Guest, now: Vec<Vcpu>) -> Result<()> {
        let live = guest.live()?;
        let mut domain = live.domain.clone();
        vcpus::write(&mut domain.tree, &now);
        domain.sort();
        let next = Arc::new(Live { domain, vcpus: now, run: live.run.clone() });
        guest.change(|value| {
            if value.live.is_some() {
                value.live = Some(next);
            }
        });
        self.write_status(guest)
    }
}

fn set_maximum(domain: &mut Domain, count: u32) -> Result<()> {
    let topology = domain.tree.at("cpu/topology");
    if let Some(topology) = topology {
        let part = |name: &str| topology.attr(name).and_then(|text| text.parse::<u32>().ok()).unwrap_or(1);
        let product = ["sockets", "dies", "clusters", "cores", "threads"]
            .iter()
            .fold(1u32, |product, name| product.saturating_mul(part(name)));
        if product != count {
            return Err(invalid("CPU topology doesn't match the desired vcpu count"));
        }
    }
    let mut all = entries(domain);
    let listed = domain.tree.child("vcpus").is_some();
    let text = |id: u32| id.to_string();
    while (all.len() as u32) < count {
        let id = text(all.len() as u32);
        all.push(Tree::new("vcpu").with("id", id).with("enabled", "no").with("hotpluggable", "yes"));
    }
    all.truncate(count as usize);
    store(domain, all, listed);
    Ok(())
}

fn set_count(domain: &mut Domain, count: u32, hotpluggable: bool) {
    let mut all = entries(domain);
    let listed = domain.tree.child("vcpus").is_some() || hotpluggable;
    for entry in &mut all {
        // What was plugged in which order means nothing any more.
        entry.unset("order");
    }
    let mut online = all.iter().filter(|vcpu| vcpu.is("enabled", "yes")).count() as u32;
    for entry in all.iter_mut().filter(|vcpu| vcpu.is("enabled", "no")) {
        if online >= count {
            break;
        }
        switch(entry, true);
        entry.set("hotpluggable", if hotpluggable { "yes" } else { "no" });
        online += 1;
    }
    for entry in all.iter_mut().rev().filter(|vcpu| vcpu.is("enabled", "yes")) {
        if online <= count {
            break;
        }
        switch(entry, false);
        online -= 1;
    }
    store(domain, all, listed);
}

/// Refuses processors of a stored definition that cannot be switched.
fn check_stored(domain: &Domain, map: &BTreeSet<u32>, on: bool) -> Result<()> {
    let all = entries(domain);
    for id in map {
        match all.get(*id as usize) {
            None => return Err(invalid(format!("vcpu {id} is not present in persistent config"))),
            Some(_) if *id == 0 && !on => return Err(invalid("vcpu 0 can't be unplugged")),
            Some(_) => {}
        }
    }
    Ok(())
}
