//! Where a guest's threads run and what they may use: control groups, processors of the host.
//!
//! ```text
//! group (before the emulator) ─▶ enter (the process) ─▶ limits of the whole ─▶ one part for each processor and I/O thread
//! ```

use crate::guest::Asking;
use crate::start::Undo;
use crate::{Driver, FROM};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::{Domain, bitmap};
use host::cgroup::{Cgroup, CgroupError, Controller, DeviceLimit, Limit, Part};
use qemu_live::vcpus::{self, Vcpu};
use qmp::Monitor;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::collections::BTreeSet;
use xml::Tree;

/// A group's refusal in the interface's words.
pub(crate) fn refusal(cause: &CgroupError) -> Error {
    const GROUP: ErrorDomain = ErrorDomain::CGROUP;
    match cause {
        CgroupError::Missing(name) => {
            Error::operation_invalid(FROM, format!("cgroup {name} controller is not mounted"))
        }
        CgroupError::Range(text) => Error::new(ErrorCode::INVALID_ARG, GROUP, text.as_str()),
        CgroupError::Refused(text) => Error::operation_invalid(GROUP, text.as_str()),
        CgroupError::File { text, cause } => Error::system(GROUP, cause, text),
        CgroupError::Backend(_) => Error::new(ErrorCode::OPERATION_UNSUPPORTED, GROUP, cause.to_string()),
    }
}

/// The partition of the machine that a guest belongs to.
pub(crate) fn partition(domain: &Domain) -> Cow<'_, str> {
    domain
        .tree
        .at("resource/partition")
        .map_or(Cow::Borrowed("/machine"), |partition| partition.body().into())
}

/// Makes the groups of a guest that is to be started; none where the machine gives none.
pub(crate) fn group(domain: &Domain, id: i32, undo: &mut Undo) -> Option<Cgroup> {
    match Cgroup::create("qemu", id, &domain.name, &partition(domain)) {
        Ok(group) => {
            let made = group.clone();
            undo.later(move || made.remove());
            Some(group)
        }
        Err(cause) => {
            log::info!("guest '{}' runs without a control group of its own: {cause}", domain.name);
            None
        }
    }
}

/// Moves the emulator into its group; without that the group is of no use.
pub(crate) fn enter(group: Option<Cgroup>, pid: i32, name: &str) -> Option<Cgroup> {
    let group = group?;
    match group.enter(pid) {
        Ok(()) => Some(group),
        Err(cause) => {
            log::info!("guest '{name}' runs without a control group of its own: {cause}");
            group.remove();
            None
        }
    }
}

fn number<T: std::str::FromStr>(tree: &Tree, path: &str) -> Option<T> {
    tree.at(path)?.body().trim().parse().ok()
}

/// The limits of the whole guest that its definition states.
fn limits(domain: &Domain, group: &Cgroup) -> Result<(), CgroupError> {
    let tree = &domain.tree;
    for (path, limit) in [
        ("memtune/hard_limit", Limit::Hard),
        ("memtune/soft_limit", Limit::Soft),
        ("memtune/swap_hard_limit", Limit::Swap),
    ] {
        if let Some(kib) = number(tree, path) {
            group.set_memory(limit, kib)?;
        }
    }
    if let Some(weight) = number(tree, "blkiotune/weight") {
        group.set_io_weight(weight)?;
    }
    for device in tree.child("blkiotune").into_iter().flat_map(|tune| tune.all("device")) {
        let path = device.text_of("path").unwrap_or_default();
        for (name, limit) in DEVICE_LIMITS {
            if let Some(value) = number(device, name).filter(|value| *value != 0) {
                group.set_device(limit, path, value)?;
            }
        }
    }
    if let Some(shares) = number(tree, "cputune/shares") {
        group.set_shares(shares)?;
    }
    bandwidth(tree, "cputune/global_period", "cputune/global_quota", group, Part::Whole)
}

/// Elements of a device of `<blkiotune>` and what they limit.
pub(crate) const DEVICE_LIMITS: [(&str, DeviceLimit); 5] = [
    ("weight", DeviceLimit::Weight),
    ("read_iops_sec", DeviceLimit::ReadIops),
    ("write_iops_sec", DeviceLimit::WriteIops),
    ("read_bytes_sec", DeviceLimit::ReadBytes),
    ("write_bytes_sec", DeviceLimit::WriteBytes),
];

fn bandwidth(tree: &Tree, period: &str, quota: &str, group: &Cgroup, part: Part) -> Result<(), CgroupError> {
    if let Some(period) = number(tree, period).filter(|period| *period != 0) {
        group.set_period(part, period)?;
    }
    if let Some(quota) = number(tree, quota).filter(|quota| *quota != 0) {
        group.set_quota(part, quota)?;
    }
    Ok(())
}

/// Processors of the host that a part is pinned to; `None` where it may run on all.
pub(crate) fn pinned(domain: &Domain, part: Part) -> Option<BTreeSet<u32>> {
    let tune = domain.tree.child("cputune");
    let find = |name: &'static str, key: &'static str, number: u32| {
        tune?.all(name).find(|pin| pin.is(key, &number.to_string())).and_then(|pin| pin.attr("cpuset"))
    };
    let own = match part {
        Part::Whole => None,
        Part::Emulator => tune.and_then(|tune| tune.attr_at("emulatorpin", "cpuset")),
        Part::Vcpu(number) => find("vcpupin", "vcpu", number),
        Part::IoThread(number) => find("iothreadpin", "iothread", number),
    };
    own.or_else(|| domain.tree.attr_at("vcpu", "cpuset")).and_then(bitmap::parse)
}

/// Puts a thread where it may run: into its part of the groups, and onto its processors.
pub(crate) fn put_thread(
    group: Option<&Cgroup>,
    part: Part,
    thread: i32,
    cpus: Option<&BTreeSet<u32>>,
) -> Result<()> {
    if let Some(group) = group {
        if part != Part::Emulator {
            group.enter_thread(part, thread).map_err(|cause| refusal(&cause))?;
        }
        if let Some(cpus) = cpus
            && group.has(Controller::CpuSet)
        {
            group.set_cpus(part, &bitmap::format(cpus)).map_err(|cause| refusal(&cause))?;
        }
    }
    let Some(cpus) = cpus else { return Ok(()) };
    host::thread::set_affinity(thread, cpus)
        .map_err(|cause| Error::system(FROM, &cause, format!("cannot set CPU affinity on process {thread}")))
}

/// Threads of the emulator that do I/O: number and thread.
pub(crate) fn iothreads(answer: &Json) -> Vec<(u32, i32)> {
    let one = |entry: &Json| {
        let id = entry.get("id")?.as_str()?.strip_prefix("iothread")?.parse().ok()?;
        Some((id, i32::try_from(entry.get("thread-id")?.as_i64()?).ok()?))
    };
    answer.as_array().map(|list| list.iter().filter_map(one).collect()).unwrap_or_default()
}

impl Driver {
    /// Plugs the processors that are switched on but may be switched off, and puts every thread where it belongs.
    pub(crate) fn bring_processors(
        &self,
        monitor: &Monitor,
        domain: &mut Domain,
        pid: i32,
        group: Option<&Cgroup>,
    ) -> Result<Vec<Vcpu>> {
        use qemu_live::Monitor as _;
        let asking = Asking(monitor);
        let most = domain.vcpus_max();
        let mut found = vcpus::ask(&asking, most)?;
        let mut later: Vec<(u32, u32)> = domain
            .tree
            .child("vcpus")
            .into_iter()
            .flat_map(|list| list.all("vcpu"))
            .filter(|vcpu| vcpu.is("enabled", "yes") && vcpu.is("hotpluggable", "yes"))
            .filter_map(|vcpu| {
                let order = vcpu.attr("order").and_then(|order| order.parse().ok()).unwrap_or(u32::MAX);
                Some((order, vcpu.attr("id")?.parse().ok()?))
            })
            .collect();
        later.sort_unstable();
        let mut plugged = false;
        for (_, id) in later {
            let vcpu = found.iter().find(|vcpu| vcpu.id == id && !vcpu.online);
            if let Some(device) = vcpu.and_then(vcpus::device) {
                asking.command("device_add", device)?;
                plugged = true;
            }
        }
        if plugged {
            found = vcpus::ask(&asking, most)?;
        }
        vcpus::write(&mut domain.tree, &found);
        if let Some(group) = group {
            limits(domain, group).map_err(|cause| refusal(&cause))?;
            let tune = &domain.tree;
            if group.has(Controller::Cpu) {
                bandwidth(tune, "cputune/emulator_period", "cputune/emulator_quota", group, Part::Emulator)
                    .map_err(|cause| refusal(&cause))?;
            }
        }
        put_thread(group, Part::Emulator, pid, pinned(domain, Part::Emulator).as_ref())?;
        for vcpu in &found {
            if let Some(thread) = vcpu.thread {
                self.place_vcpu(domain, group, vcpu.id, thread)?;
            }
        }
        if domain.tree.child("iothreads").is_some() {
            for (id, thread) in iothreads(&asking.command("query-iothreads", Json::Null)?) {
                self.place_iothread(domain, group, id, thread)?;
            }
        }
        Ok(found)
    }

    /// Puts the thread of a processor where the definition wants it.
    pub(crate) fn place_vcpu(
        &self,
        domain: &Domain,
        group: Option<&Cgroup>,
        id: u32,
        thread: i32,
    ) -> Result<()> {
        let part = Part::Vcpu(id);
        put_thread(group, part, thread, pinned(domain, part).as_ref())?;
        match group.filter(|group| group.has(Controller::Cpu)) {
            Some(group) => bandwidth(&domain.tree, "cputune/period", "cputune/quota", group, part)
                .map_err(|cause| refusal(&cause)),
            None => Ok(()),
        }
    }

    /// Puts the thread of an I/O thread where the definition wants it.
    pub(crate) fn place_iothread(
        &self,
        domain: &Domain,
        group: Option<&Cgroup>,
        id: u32,
        thread: i32,
    ) -> Result<()> {
        let part = Part::IoThread(id);
        put_thread(group, part, thread, pinned(domain, part).as_ref())?;
        match group.filter(|group| group.has(Controller::Cpu)) {
            Some(group) => {
                bandwidth(&domain.tree, "cputune/iothread_period", "cputune/iothread_quota", group, part)
                    .map_err(|cause| refusal(&cause))
            }
            None => Ok(()),
        }
    }
}
