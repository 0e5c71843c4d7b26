//! Which processors of the host the parts of a guest run on.

use crate::guest::{Guest, Value};
use crate::placement::{iothreads, put_thread};
use crate::{Driver, FROM, check_flags, error};
use api::domain_tuning::{
    DomainGetEmulatorPinInfoRet, DomainGetIothreadInfoRet, DomainGetVcpuPinInfoRet, DomainIothreadInfo,
};
use base::object::DomainRef;
use base::param::TypedParam;
use base::{Error, ErrorCode, Result};
use conf_domain::{Domain, bitmap};
use engine::JobKind;
use host::cgroup::Part;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use xml::Tree;

/// Processors of a client's map: one bit each, the lowest first.
pub(crate) fn of_map(map: &[u8]) -> BTreeSet<u32> {
    let bits = map
        .iter()
        .zip(0u32..)
        .flat_map(|(byte, at)| (0..8).filter(move |bit| byte & (1 << bit) != 0).map(move |bit| at * 8 + bit));
    bits.collect()
}

/// A map of `length` bytes.
pub(crate) fn to_map(cpus: &BTreeSet<u32>, length: usize) -> Vec<u8> {
    let mut map = vec![0u8; length];
    for cpu in cpus {
        if let Some(byte) = map.get_mut(*cpu as usize / 8) {
            *byte |= 1 << (cpu % 8);
        }
    }
    map
}

/// Processors of the host that guests may run on.
pub(crate) fn host_cpus() -> BTreeSet<u32> {
    host::node::Tree::machine().online()
}

fn invalid(text: impl Into<String>) -> Error {
    error(ErrorCode::INVALID_ARG, text)
}

/// Where a part may run: where it is pinned to, or everywhere.
pub(crate) fn allowed(domain: &Domain, part: Part) -> BTreeSet<u32> {
    crate::placement::pinned(domain, part).unwrap_or_else(host_cpus)
}

fn state(domain: &mut Domain, part: Part, cpus: &BTreeSet<u32>) {
    let text = bitmap::format(cpus);
    let (name, key, number) = match part {
        Part::Vcpu(number) => ("vcpupin", Some("vcpu"), number),
        Part::IoThread(number) => ("iothreadpin", Some("iothread"), number),
        Part::Emulator | Part::Whole => ("emulatorpin", None, 0),
    };
    if key == Some("iothread") {
        name_iothreads(domain);
    }
    let tune = domain.tree.child_or_new("cputune");
    let number = number.to_string();
    let same = |pin: &Tree| pin.name == name && key.is_none_or(|key| pin.is(key, &number));
    match tune.children.iter_mut().find(|pin| same(pin)) {
        Some(pin) => pin.set("cpuset", text),
        None => {
            let mut pin = Tree::new(name);
            if let Some(key) = key {
                pin.set(key, number.clone());
            }
            tune.children.push(pin.with("cpuset", text));
        }
    }
    // Pins stand in the order of what they pin.
    let place = |pin: &Tree| key.and_then(|key| pin.attr(key)?.parse::<u32>().ok()).unwrap_or(0);
    let mut pins: Vec<Tree> = tune.all(name).cloned().collect();
    pins.sort_by_key(place);
    tune.remove(name);
    tune.children.extend(pins);
}

/// Numbers of the I/O threads a definition has.
pub(crate) fn iothread_ids(domain: &Domain) -> Vec<u32> {
    let listed: Vec<u32> = domain
        .tree
        .child("iothreadids")
        .into_iter()
        .flat_map(|ids| ids.all("iothread"))
        .filter_map(|thread| thread.attr("id")?.parse().ok())
        .collect();
    if !listed.is_empty() {
        return listed;
    }
    let count =
        domain.tree.text_of("iothreads").and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(0);
    (1..=count.min(1 << 14)).collect()
}

/// Lists the I/O threads of a definition by number, where only their count is stated.
pub(crate) fn name_iothreads(domain: &mut Domain) {
    let ids = iothread_ids(domain);
    let list = domain.tree.child_or_new("iothreadids");
    if list.children.is_empty() {
        list.children.extend(ids.iter().map(|id| Tree::new("iothread").with("id", id.to_string())));
    }
}

impl Driver {
    /// Pins a part of a guest whose job is held. `thread` is the running part's thread.
    fn pin(
        &self,
        guest: &Guest,
        part: Part,
        cpus: &BTreeSet<u32>,
        thread: Option<i32>,
        target: crate::guest::Target,
        event: &str,
    ) -> Result<()> {
        if target.live {
            let live = guest.live()?;
            if let Some(thread) = thread {
                put_thread(live.cgroup.as_ref(), part, thread, Some(cpus))?;
            }
            self.change_live(guest, |domain| {
                state(domain, part, cpus);
                Ok(())
            })?;
            self.tuned(guest, vec![TypedParam::new(format!("cputune.{event}"), bitmap::format(cpus))]);
        }
        if target.config {
            self.change_config(guest, |domain| {
                state(domain, part, cpus);
                Ok(())
            })?;
        }
        Ok(())
    }

    pub(super) fn pin_vcpu(&self, dom: &DomainRef, vcpu: u32, map: &[u8], flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainPinVcpuFlags")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "pin processor")?;
        let value = guest.value();
        let target = value.target(flags)?;
        let range = |domain: &Domain, which: &str| {
            if vcpu >= domain.vcpus_max() {
                let count = domain.vcpus_max();
                return Err(invalid(format!(
                    "vcpu {} is out of range of {which} cpu count {count}",
                    vcpu as i32
                )));
            }
            Ok(())
        };
        if let Some(live) = value.live.as_ref().filter(|_| target.live) {
            range(&live.domain, "live")?;
        }
        if let Some(config) = value.config.as_ref().filter(|_| target.config) {
            range(config, "persistent")?;
        }
        let cpus = of_map(map);
        if cpus.is_empty() {
            return Err(invalid("Empty cpu list for pinning"));
        }
        let thread = value.live.as_ref().and_then(|live| live.vcpus.get(vcpu as usize)?.thread);
        self.pin(&guest, Part::Vcpu(vcpu), &cpus, thread, target, &format!("vcpupin{vcpu}"))
    }

    pub(super) fn vcpu_pins(
        &self,
        dom: &DomainRef,
        most: i32,
        length: i32,
        flags: u32,
    ) -> Result<DomainGetVcpuPinInfoRet> {
        check_flags(flags, 3, "qemuDomainGetVcpuPinInfo")?;
        let domain = self.find(dom)?.value().definition(flags)?;
        let count = u32::try_from(most).unwrap_or(0).min(domain.vcpus_max());
        let length = usize::try_from(length).unwrap_or(0);
        if length.saturating_mul(count as usize) > 8 << 20 {
            return Err(invalid("the processor maps are too large"));
        }
        let maps = (0..count).flat_map(|vcpu| to_map(&allowed(&domain, Part::Vcpu(vcpu)), length));
        Ok(DomainGetVcpuPinInfoRet { cpumaps: maps.collect(), num: count as i32 })
    }

    pub(super) fn pin_emulator(&self, dom: &DomainRef, map: &[u8], flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainPinEmulator")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "pin emulator")?;
        let value = guest.value();
        let target = value.target(flags)?;
        let cpus = of_map(map);
        if cpus.is_empty() {
            return Err(invalid("Empty cpu list for pinning"));
        }
        let thread = value.live.as_ref().map(|live| live.process.pid());
        self.pin(&guest, Part::Emulator, &cpus, thread, target, "emulatorpin")
    }

    pub(super) fn emulator_pin(
        &self,
        dom: &DomainRef,
        length: i32,
        flags: u32,
    ) -> Result<DomainGetEmulatorPinInfoRet> {
        check_flags(flags, 3, "qemuDomainGetEmulatorPinInfo")?;
        let domain = self.find(dom)?.value().definition(flags)?;
        let length = usize::try_from(length).unwrap_or(0).min(1 << 16);
        Ok(DomainGetEmulatorPinInfoRet { cpumaps: to_map(&allowed(&domain, Part::Emulator), length), ret: 1 })
    }

    pub(super) fn pin_iothread(&self, dom: &DomainRef, id: u32, map: &[u8], flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainPinIOThread")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "pin I/O thread")?;
        let value = guest.value();
        let target = value.target(flags)?;
        let cpus = of_map(map);
        if cpus.is_empty() {
            return Err(invalid("Empty iothread cpumap list for pinning"));
        }
        let mut thread = None;
        if let Some(live) = value.live.as_ref().filter(|_| target.live) {
            let all = iothreads(&live.command("query-iothreads", Json::Null)?);
            let found = all.iter().find(|(known, _)| *known == id);
            thread = Some(found.ok_or_else(|| invalid(format!("iothread {id} not found")))?.1);
        }
        if let Some(config) = value.config.as_ref().filter(|_| target.config)
            && !iothread_ids(config).contains(&id)
        {
            return Err(invalid(format!("iothreadid {id} not found")));
        }
        self.pin(&guest, Part::IoThread(id), &cpus, thread, target, &format!("iothreadpin{id}"))
    }

    pub(super) fn iothread_info(&self, dom: &DomainRef, flags: u32) -> Result<DomainGetIothreadInfoRet> {
        check_flags(flags, 3, "qemuDomainGetIOThreadInfo")?;
        let value: std::sync::Arc<Value> = self.find(dom)?.value();
        let domain = value.definition(flags)?;
        let length = (host_cpus().last().map_or(0, |last| *last as usize) + 8) / 8;
        let one = |iothread_id: u32, cpus: &BTreeSet<u32>| DomainIothreadInfo {
            iothread_id,
            cpumap: to_map(cpus, length),
        };
        let info: Vec<DomainIothreadInfo> = match value.live.as_ref().filter(|_| flags & 3 != 2) {
            Some(live) => {
                let mut found = Vec::new();
                for (id, thread) in iothreads(&live.command("query-iothreads", Json::Null)?) {
                    let cpus = host::thread::affinity(thread).map_err(|cause| {
                        Error::system(FROM, &cause, format!("cannot get CPU affinity of process {thread}"))
                    })?;
                    found.push(one(id, &cpus));
                }
                found
            }
            None => iothread_ids(&domain)
                .into_iter()
                .map(|id| one(id, &allowed(&domain, Part::IoThread(id))))
                .collect(),
        };
        let ret = info.len() as u32;
        Ok(DomainGetIothreadInfoRet { info, ret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps() {
        let cpus = BTreeSet::from([0, 3, 9]);
        assert_eq!(to_map(&cpus, 2), [0b1001, 0b10]);
        assert_eq!(of_map(&[0b1001, 0b10]), cpus);
        assert_eq!(to_map(&cpus, 1), [0b1001]);
    }
}
