//! State, sizes and the like of a domain, and jobs and settings that are only read.

use crate::guest::Value;
use crate::tuning::params::STRING_OKAY;
use crate::{Driver, check_flags, not_running};
use api::domain_info::{
    DomainBlockStatsFlagsRet, DomainBlockStatsRet, DomainDiskError, DomainGetBlockInfoRet,
    DomainGetControlInfoRet, DomainGetCpuStatsRet, DomainGetDiskErrorsRet, DomainGetInfoRet,
    DomainGetSecurityLabelListRet, DomainGetSecurityLabelRet, DomainGetStateRet, DomainGetTimeRet,
    DomainGetVcpusRet, DomainInterface, DomainInterfaceStatsRet, DomainMemoryStat, DomainStatsRecord,
};
use api::{Call, DomainInfo};
use base::object::DomainRef;
use base::param::TypedParam;
use base::{ErrorCode, Result};
use conf_domain::Domain;
use std::sync::Arc;

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
        self.processor_time().map_or(0, |(all, ..)| all)
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
        let guest = self.find(dom)?;
        let value = guest.value();
        if flags & GUEST != 0 {
            return self.guest_vcpu_count(&guest, flags & MAXIMUM != 0);
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

    fn domain_get_hostname(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<String> {
        self.hostname(dom, flags)
    }

    fn domain_get_time(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<DomainGetTimeRet> {
        self.guest_time(dom, flags)
    }

    fn domain_set_time(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        seconds: i64,
        nseconds: u32,
        flags: u32,
    ) -> Result<()> {
        self.set_guest_time(dom, seconds, nseconds, flags)
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
        let value = self.find(dom)?.value();
        let Some(live) = &value.live else {
            return Ok(DomainGetSecurityLabelListRet { labels: Vec::new(), ret: 0 });
        };
        // One for each model that the host has: none, and the owner of the process.
        let owner = live.domain.tree.all("seclabel").find(|label| label.is("model", "dac"));
        let owner = owner.and_then(|label| label.text_of("label")).unwrap_or_default();
        let label = |text: &str| DomainGetSecurityLabelRet {
            label: if text.is_empty() {
                Vec::new()
            } else {
                text.bytes().map(|byte| byte as i8).chain([0]).collect()
            },
            enforcing: 0,
        };
        let labels = vec![label(""), label(owner)];
        let ret = labels.len() as i32;
        Ok(DomainGetSecurityLabelListRet { labels, ret })
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
    ) -> Result<Vec<DomainMemoryStat>> {
        self.memory_stats(dom, max_stats, flags)
    }

    fn domain_get_vcpus(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        maxinfo: i32,
        maplen: i32,
    ) -> Result<DomainGetVcpusRet> {
        self.vcpu_info(dom, maxinfo, maplen)
    }

    fn domain_get_cpu_stats(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        nparams: u32,
        start_cpu: i32,
        ncpus: u32,
        flags: u32,
    ) -> Result<DomainGetCpuStatsRet> {
        self.cpu_stats(dom, nparams, start_cpu, ncpus, flags)
    }

    fn domain_block_stats(&self, _cx: &Call, dom: &DomainRef, path: &str) -> Result<DomainBlockStatsRet> {
        self.block_stats(dom, path)
    }

    fn domain_block_stats_flags(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        path: &str,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainBlockStatsFlagsRet> {
        self.block_stats_flags(dom, path, nparams, flags)
    }

    fn domain_get_block_info(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        path: &str,
        flags: u32,
    ) -> Result<DomainGetBlockInfoRet> {
        self.block_info(dom, path, flags)
    }

    fn domain_block_peek(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        path: &str,
        offset: u64,
        size: u32,
        flags: u32,
    ) -> Result<Vec<u8>> {
        self.block_peek(dom, path, offset, size, flags)
    }

    fn domain_memory_peek(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        offset: u64,
        size: u32,
        flags: u32,
    ) -> Result<Vec<u8>> {
        self.memory_peek(dom, offset, size, flags)
    }

    fn domain_get_disk_errors(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        maxerrors: u32,
        flags: u32,
    ) -> Result<DomainGetDiskErrorsRet> {
        let (found, nerrors) = self.disk_errors(dom, maxerrors, flags)?;
        let errors = found.into_iter().map(|(disk, error)| DomainDiskError { disk, error }).collect();
        Ok(DomainGetDiskErrorsRet { errors, nerrors })
    }

    fn domain_interface_stats(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        device: &str,
    ) -> Result<DomainInterfaceStatsRet> {
        self.interface_stats(dom, device)
    }

    fn domain_interface_addresses(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        source: u32,
        flags: u32,
    ) -> Result<Vec<DomainInterface>> {
        self.interface_addresses(dom, source, flags)
    }

    fn domain_start_dirty_rate_calc(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        seconds: i32,
        flags: u32,
    ) -> Result<()> {
        self.measure_dirty_rate(dom, seconds, flags)
    }

    fn domain_get_perf_events(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<Vec<TypedParam>> {
        self.perf_events(dom, flags)
    }

    fn domain_set_perf_events(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        self.set_perf_events(dom, params, flags)
    }

    fn domain_get_launch_security_info(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        flags: u32,
    ) -> Result<Vec<TypedParam>> {
        let current = self.find(dom)?.value().current()?;
        // Guests whose memory is encrypted are not started yet; of others nobody asks what flags mean.
        if current.tree.child("launchSecurity").is_some() {
            check_flags(flags, STRING_OKAY, "qemuDomainGetLaunchSecurityInfo")?;
        }
        Ok(Vec::new())
    }

    fn domain_set_launch_security_state(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        _params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 0, "qemuDomainSetLaunchSecurityState")?;
        self.find(dom)?;
        let text = "setting a launch secret is only supported in SEV-enabled domains";
        Err(crate::error(ErrorCode::OPERATION_UNSUPPORTED, text))
    }
}
