//! Processor time: of the guest, of its processors, of its I/O threads.

use super::{Question, Record, kernel};
use crate::guest::{Live, Value};
use crate::tuning::{params, pins};
use crate::{Driver, check_flags, error};
use api::domain_info::{DomainGetCpuStatsRet, DomainGetVcpusRet, VcpuInfo};
use base::object::DomainRef;
use base::param::TypedParam;
use base::{Error, ErrorCode, Result};
use host::cgroup::{Controller, Part};
use serde_json::{Value as Json, json};

impl Value {
    /// Nanoseconds of processor time a guest has used: all, in programs, in the kernel.
    pub(crate) fn processor_time(&self) -> Option<(u64, u64, u64)> {
        let live = self.live.as_ref()?;
        let counted = live
            .cgroup
            .as_ref()
            .filter(|group| group.has(Controller::CpuAccounting))
            .and_then(|group| group.cpu_time().ok());
        counted.or_else(|| {
            let (user, system, _) = host::process::times(live.process.pid())?;
            let nanoseconds = |ticks: u64| ticks.saturating_mul(10_000_000);
            Some((nanoseconds(user + system), nanoseconds(user), nanoseconds(system)))
        })
    }
}

pub(super) fn total(record: &mut Record<'_>) {
    let (time, user, system) = record.value.processor_time().unwrap_or_default();
    record.put("cpu.time", time);
    record.put("cpu.user", user);
    record.put("cpu.system", system);
    if let Some(live) = &record.value.live {
        let (success, fail) = kernel::halt_poll(record, live);
        record.put("cpu.cache.monitor.count", 0u32);
        record.put("cpu.haltpoll.success.time", success);
        record.put("cpu.haltpoll.fail.time", fail);
    }
}

pub(super) fn each(record: &mut Record<'_>) {
    record.put("vcpu.current", record.domain.vcpus());
    record.put("vcpu.maximum", record.domain.vcpus_max());
    let Some(live) = record.value.live.clone() else { return };
    for vcpu in live.vcpus.iter().filter(|vcpu| vcpu.online) {
        let id = vcpu.id;
        record.put(format!("vcpu.{id}.state"), 1i32);
        let usage = vcpu.thread.and_then(|thread| host::thread::usage(live.process.pid(), thread));
        if let Some(usage) = usage {
            record.put(format!("vcpu.{id}.time"), usage.time);
            record.put_some(format!("vcpu.{id}.wait"), usage.wait);
            record.put_some(format!("vcpu.{id}.delay"), usage.delay);
        }
        kernel::vcpu(record, &live, vcpu);
    }
}

const IOTHREADS: Question = ("query-iothreads", Json::Null);

fn has_iothreads(domain: &conf_domain::Domain) -> bool {
    domain.tree.text_of("iothreads").is_some_and(|count| count.trim() != "0")
}

pub(super) fn about_iothreads(live: &Live, questions: &mut Vec<Question>) {
    if has_iothreads(&live.domain) {
        questions.push(IOTHREADS);
    }
}

pub(super) fn iothreads(record: &mut Record<'_>) {
    if !has_iothreads(record.domain) {
        return;
    }
    let Some(answer) = record.ask(&IOTHREADS) else { return };
    let threads: Vec<&Json> = answer.as_array().into_iter().flatten().collect();
    if threads.is_empty() {
        return;
    }
    record.put("iothread.count", threads.len() as u32);
    for thread in threads {
        let id = thread.get("id").and_then(Json::as_str).and_then(|id| id.strip_prefix("iothread"));
        let Some(id) = id else { continue };
        let number = |name: &str| thread.get(name).and_then(Json::as_u64);
        record.put_some(format!("iothread.{id}.poll-max-ns"), number("poll-max-ns"));
        record.put_some(format!("iothread.{id}.poll-grow"), number("poll-grow").map(|value| value as u32));
        record
            .put_some(format!("iothread.{id}.poll-shrink"), number("poll-shrink").map(|value| value as u32));
    }
}

impl Driver {
    pub(crate) fn vcpu_info(&self, dom: &DomainRef, most: i32, length: i32) -> Result<DomainGetVcpusRet> {
        let live = self.find(dom)?.value().live.clone().ok_or_else(|| {
            let text = "cannot retrieve vcpu information for inactive domain";
            Error::operation_invalid(crate::FROM, text)
        })?;
        let length = usize::try_from(length).unwrap_or(0).min(1 << 16);
        let most = usize::try_from(most).unwrap_or(0);
        let (mut info, mut cpumaps) = (Vec::new(), Vec::new());
        for vcpu in live.vcpus.iter().filter(|vcpu| vcpu.online).take(most) {
            let usage = vcpu
                .thread
                .and_then(|thread| host::thread::usage(live.process.pid(), thread))
                .unwrap_or_default();
            info.push(VcpuInfo { number: vcpu.id, state: 1, cpu_time: usage.time, cpu: usage.cpu });
            if length > 0 {
                let cpus = vcpu.thread.and_then(|thread| host::thread::affinity(thread).ok());
                let cpus = cpus.unwrap_or_else(|| pins::allowed(&live.domain, Part::Vcpu(vcpu.id)));
                cpumaps.extend(pins::to_map(&cpus, length));
            }
        }
        Ok(DomainGetVcpusRet { info, cpumaps })
    }

    pub(crate) fn cpu_stats(
        &self,
        dom: &DomainRef,
        nparams: u32,
        start: i32,
        count: u32,
        flags: u32,
    ) -> Result<DomainGetCpuStatsRet> {
        check_flags(flags, params::STRING_OKAY, "qemuDomainGetCPUStats")?;
        let live = self.find(dom)?.live()?;
        let group = live.cgroup.as_ref().filter(|group| group.has(Controller::CpuAccounting));
        let group = group.ok_or_else(|| {
            Error::operation_invalid(crate::FROM, "cgroup CPUACCT controller is not mounted")
        })?;
        let refused = |cause| crate::placement::refusal(&cause);
        if start < 0 {
            if nparams == 0 {
                return Ok(DomainGetCpuStatsRet { params: Vec::new(), nparams: 3 });
            }
            let (time, user, system) = group.cpu_time().map_err(refused)?;
            let all = vec![
                TypedParam::new("cpu_time", time),
                TypedParam::new("user_time", user),
                TypedParam::new("system_time", system),
            ];
            let params = params::room(all, nparams as i32);
            return Ok(DomainGetCpuStatsRet { nparams: params.len() as i32, params });
        }
        if nparams == 0 && count == 0 {
            let present = host::node::Tree::machine().present();
            return Ok(DomainGetCpuStatsRet {
                params: Vec::new(),
                nparams: present.last().map_or(0, |last| *last as i32 + 1),
            });
        }
        if nparams == 0 {
            return Ok(DomainGetCpuStatsRet { params: Vec::new(), nparams: 2 });
        }
        let whole = group.cpu_time_each(Part::Whole).map_err(refused)?;
        let start = start as usize;
        if start >= whole.len() {
            let text = format!("start_cpu {start} larger than maximum of {}", whole.len().saturating_sub(1));
            return Err(error(ErrorCode::INVALID_ARG, text));
        }
        let mut of_vcpus = vec![0u64; whole.len()];
        for vcpu in live.vcpus.iter().filter(|vcpu| vcpu.online) {
            for (sum, time) in
                of_vcpus.iter_mut().zip(group.cpu_time_each(Part::Vcpu(vcpu.id)).map_err(refused)?)
            {
                *sum += time;
            }
        }
        let mut params = Vec::new();
        for (time, vcpu) in whole.iter().zip(&of_vcpus).skip(start).take(count as usize) {
            params.push(TypedParam::new("cpu_time", *time));
            if nparams > 1 {
                params.push(TypedParam::new("vcpu_time", *vcpu));
            }
        }
        Ok(DomainGetCpuStatsRet { nparams: nparams.min(2) as i32, params })
    }
}

/// Arguments that ask for statistics of some processors.
pub(super) fn question(live: &Live, ids: &[u32]) -> Json {
    let paths: Vec<String> = live
        .vcpus
        .iter()
        .filter(|vcpu| ids.contains(&vcpu.id))
        .filter_map(|vcpu| vcpu.entity.as_ref()?.path.clone())
        .collect();
    json!({"target": "vcpu", "vcpus": paths})
}
