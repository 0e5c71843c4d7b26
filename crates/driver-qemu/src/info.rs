//! State, sizes and the like of a domain, and jobs and settings that are only read.

use crate::guest::Value;
use crate::{Driver, FROM, check_flags, not_running};
use api::domain_info::{
    DomainGetControlInfoRet, DomainGetInfoRet, DomainGetSecurityLabelListRet, DomainGetSecurityLabelRet,
    DomainGetStateRet, DomainStatsRecord,
};
use api::domain_job::{DomainGetJobInfoRet, DomainGetJobStatsRet};
use api::domain_tuning::DomainGetSchedulerTypeRet;
use api::{Call, DomainInfo, DomainJob, DomainTuning};
use base::object::DomainRef;
use base::{Error, Result};
use conf_domain::Domain;
use engine::JobKind;
use serde_json::json;
use std::sync::Arc;
use xml::Tree;

/// Nanoseconds of a clock tick.
const TICK: u64 = 10_000_000;

impl Value {
    /// The running definition, or else the stored one.
    pub(crate) fn current(&self) -> Result<Arc<Domain>> {
        match (&self.live, &self.config) {
            (Some(live), _) => Ok(Arc::new(live.domain.clone())),
            (None, Some(config)) => Ok(config.clone()),
            (None, None) => Err(not_running()),
        }
    }

    /// Nanoseconds of processor time that the emulator has used.
    pub(crate) fn cpu_time(&self) -> u64 {
        let times = self.live.as_ref().and_then(|live| host::process::times(live.process.pid()));
        times.map_or(0, |(user, system, _)| (user + system) * TICK)
    }
}

impl DomainInfo for Driver {
    fn domain_get_info(&self, _cx: &Call, dom: &DomainRef) -> Result<DomainGetInfoRet> {
        let value = self.find(dom)?.value();
        let domain = value.current()?;
        let vcpus = domain.vcpus();
        Ok(DomainGetInfoRet {
            state: value.state.0.clamp(0, 255) as u8,
            max_mem: domain.memory_kib(),
            memory: domain.current_memory_kib(),
            nr_virt_cpu: vcpus.min(u32::from(u16::MAX)) as u16,
            cpu_time: value.cpu_time(),
        })
    }

    fn domain_get_state(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<DomainGetStateRet> {
        check_flags(flags, 0, "qemuDomainGetState")?;
        let (state, reason) = self.find(dom)?.value().state;
        Ok(DomainGetStateRet { state, reason })
    }

    fn domain_get_max_memory(&self, _cx: &Call, dom: &DomainRef) -> Result<u64> {
        Ok(self.find(dom)?.value().current()?.memory_kib())
    }

    fn domain_get_max_vcpus(&self, _cx: &Call, dom: &DomainRef) -> Result<i32> {
        Ok(self.find(dom)?.value().current()?.vcpus_max() as i32)
    }

    fn domain_get_vcpus_flags(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<i32> {
        check_flags(flags, 15, "qemuDomainGetVcpusFlags")?;
        const MAXIMUM: u32 = 4;
        const GUEST: u32 = 8;
        let value = self.find(dom)?.value();
        if flags & GUEST != 0 {
            value.live.as_ref().ok_or_else(not_running)?;
            return Err(crate::lifecycle::no_agent());
        }
        let domain = value.definition(flags)?;
        Ok(if flags & MAXIMUM != 0 { domain.vcpus_max() } else { domain.vcpus() } as i32)
    }

    fn domain_get_os_type(&self, _cx: &Call, dom: &DomainRef) -> Result<String> {
        let domain = self.find(dom)?.value().current()?;
        Ok(domain.tree.at("os/type").map(|kind| kind.body().to_owned()).unwrap_or_default())
    }

    fn domain_is_active(&self, _cx: &Call, dom: &DomainRef) -> Result<i32> {
        Ok(self.find(dom)?.value().live.is_some().into())
    }

    fn domain_is_persistent(&self, _cx: &Call, dom: &DomainRef) -> Result<i32> {
        Ok(self.find(dom)?.value().config.is_some().into())
    }

    fn domain_is_updated(&self, _cx: &Call, dom: &DomainRef) -> Result<i32> {
        self.find(dom)?;
        Ok(0)
    }

    fn domain_get_control_info(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        flags: u32,
    ) -> Result<DomainGetControlInfoRet> {
        check_flags(flags, 0, "qemuDomainGetControlInfo")?;
        let guest = self.find(dom)?;
        guest.live()?;
        // 0 idle, 1 a job runs; the time is in milliseconds.
        let held = guest.job();
        let time = held.as_ref().map_or(0, |(_, _, time)| time.as_millis() as u64);
        Ok(DomainGetControlInfoRet { state: held.is_some().into(), details: 0, state_time: time })
    }

    fn domain_get_security_label(&self, _cx: &Call, dom: &DomainRef) -> Result<DomainGetSecurityLabelRet> {
        self.find(dom)?;
        Ok(DomainGetSecurityLabelRet { label: Vec::new(), enforcing: 0 })
    }

    fn domain_get_security_label_list(
        &self,
        _cx: &Call,
        dom: &DomainRef,
    ) -> Result<DomainGetSecurityLabelListRet> {
        self.find(dom)?;
        Ok(DomainGetSecurityLabelListRet { labels: Vec::new(), ret: 0 })
    }

    fn domain_get_messages(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<Vec<String>> {
        check_flags(flags, 3, "qemuDomainGetMessages")?;
        let value = self.find(dom)?.value();
        let tainted = value.live.as_ref().map(|live| live.tainted.clone()).unwrap_or_default();
        let text = |taint: &&str| match *taint {
            "high-privileges" => "tainted: running with undesirable elevated privileges".to_owned(),
            other => format!("tainted: {other}"),
        };
        const DEPRECATION_ONLY: u32 = 1;
        Ok(if flags & 3 == DEPRECATION_ONLY { Vec::new() } else { tainted.iter().map(text).collect() })
    }

    fn connect_get_all_domain_stats(
        &self,
        _cx: &Call,
        doms: &[DomainRef],
        stats: u32,
        flags: u32,
    ) -> Result<Vec<DomainStatsRecord>> {
        self.all_stats(doms, stats, flags)
    }

    fn domain_memory_stats(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        max_stats: u32,
        flags: u32,
    ) -> Result<Vec<api::domain_info::DomainMemoryStat>> {
        check_flags(flags, 0, "qemuDomainMemoryStats")?;
        let guest = self.find(dom)?;
        let live = guest.live()?;
        let mut stats =
            vec![api::domain_info::DomainMemoryStat { tag: 6, val: live.domain.current_memory_kib() }];
        if let Some(resident) = host::process::resident_kib(live.process.pid()) {
            stats.push(api::domain_info::DomainMemoryStat { tag: 7, val: resident });
        }
        stats.truncate(max_stats as usize);
        Ok(stats)
    }
}

impl DomainJob for Driver {
    fn domain_has_managed_save_image(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<i32> {
        check_flags(flags, 0, "qemuDomainHasManagedSaveImage")?;
        self.find(dom)?;
        Ok(0)
    }

    fn domain_get_job_info(&self, _cx: &Call, dom: &DomainRef) -> Result<DomainGetJobInfoRet> {
        self.find(dom)?;
        Ok(DomainGetJobInfoRet {
            type_: 0,
            time_elapsed: 0,
            time_remaining: 0,
            data_total: 0,
            data_processed: 0,
            data_remaining: 0,
            mem_total: 0,
            mem_processed: 0,
            mem_remaining: 0,
            file_total: 0,
            file_processed: 0,
            file_remaining: 0,
        })
    }

    fn domain_get_job_stats(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<DomainGetJobStatsRet> {
        check_flags(flags, 3, "qemuDomainGetJobStats")?;
        self.find(dom)?;
        Ok(DomainGetJobStatsRet { type_: 0, params: Vec::new() })
    }

    fn domain_abort_job(&self, _cx: &Call, dom: &DomainRef) -> Result<()> {
        self.find(dom)?.live()?;
        Err(Error::operation_invalid(FROM, "no job is active on the domain"))
    }
}

/// Which definitions a change affects: the running one, the stored one.
fn affected(value: &Value, flags: u32) -> Result<(bool, bool)> {
    let active = value.live.is_some();
    let (live, config) = match flags & 3 {
        0 => (active, !active),
        bits => (bits & 1 != 0, bits & 2 != 0),
    };
    if live && !active {
        return Err(not_running());
    }
    if config && value.config.is_none() {
        return Err(Error::operation_invalid(FROM, "transient domains do not have any persistent config"));
    }
    Ok((live, config))
}

fn set_text(tree: &mut Tree, name: &str, text: u64) {
    let element = tree.child_or_new(name);
    element.set("unit", "KiB");
    element.text = Some(text.to_string());
}

impl Driver {
    fn set_memory(&self, dom: &DomainRef, kib: u64, flags: u32) -> Result<()> {
        check_flags(flags, 7, "qemuDomainSetMemoryFlags")?;
        const MAXIMUM: u32 = 4;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set memory")?;
        let (live, config) = affected(&guest.value(), flags)?;
        if flags & MAXIMUM != 0 {
            if live {
                return Err(Error::operation_invalid(
                    FROM,
                    "cannot resize the maximum memory on an active domain",
                ));
            }
            return self.change_config(&guest, |domain| {
                set_text(&mut domain.tree, "memory", kib);
                if domain.current_memory_kib() > kib {
                    set_text(&mut domain.tree, "currentMemory", kib);
                }
                Ok(())
            });
        }
        let too_much = || {
            Err(Error::invalid_arg(
                FROM,
                "qemuDomainSetMemoryFlags",
                "newmem",
                "cannot set memory higher than max memory",
            ))
        };
        if live {
            let running = guest.live()?;
            if kib > running.domain.memory_kib() {
                return too_much();
            }
            running.command("balloon", json!({"value": kib * 1024}))?;
        }
        if config {
            if guest.value().config.as_ref().is_some_and(|domain| kib > domain.memory_kib()) {
                return too_much();
            }
            self.change_config(&guest, |domain| {
                set_text(&mut domain.tree, "currentMemory", kib);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn set_vcpus(&self, dom: &DomainRef, count: u32, flags: u32) -> Result<()> {
        check_flags(flags, 31, "qemuDomainSetVcpusFlags")?;
        const MAXIMUM: u32 = 4;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set vcpus")?;
        let (live, _) = affected(&guest.value(), flags)?;
        if live {
            return Err(crate::error(
                base::ErrorCode::OPERATION_UNSUPPORTED,
                "changing processors of a running guest is not supported yet",
            ));
        }
        self.change_config(&guest, |domain| {
            let most = if flags & MAXIMUM != 0 { count } else { domain.vcpus_max() };
            let current = if flags & MAXIMUM != 0 { domain.vcpus().min(count) } else { count };
            if current > most {
                return Err(Error::invalid_arg(
                    FROM,
                    "qemuDomainSetVcpusFlags",
                    "nvcpus",
                    format!("requested vcpus is greater than max allowable vcpus for the persistent domain: {current} > {most}"),
                ));
            }
            let vcpu = domain.tree.child_or_new("vcpu");
            vcpu.text = Some(most.to_string());
            if current == most {
                vcpu.unset("current");
            } else {
                vcpu.set("current", current.to_string());
            }
            Ok(())
        })
    }
}

impl DomainTuning for Driver {
    fn domain_set_max_memory(&self, _cx: &Call, dom: &DomainRef, memory: u64) -> Result<()> {
        self.set_memory(dom, memory, 4)
    }

    fn domain_set_memory(&self, _cx: &Call, dom: &DomainRef, memory: u64) -> Result<()> {
        self.set_memory(dom, memory, 1)
    }

    fn domain_set_memory_flags(&self, _cx: &Call, dom: &DomainRef, memory: u64, flags: u32) -> Result<()> {
        self.set_memory(dom, memory, flags)
    }

    fn domain_set_vcpus(&self, _cx: &Call, dom: &DomainRef, nvcpus: u32) -> Result<()> {
        self.set_vcpus(dom, nvcpus, 1)
    }

    fn domain_set_vcpus_flags(&self, _cx: &Call, dom: &DomainRef, nvcpus: u32, flags: u32) -> Result<()> {
        self.set_vcpus(dom, nvcpus, flags)
    }

    fn domain_get_scheduler_type(&self, _cx: &Call, dom: &DomainRef) -> Result<DomainGetSchedulerTypeRet> {
        self.find(dom)?;
        Ok(DomainGetSchedulerTypeRet { type_: "posix".to_owned(), nparams: 0 })
    }
}
