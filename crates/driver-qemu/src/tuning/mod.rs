//! Settings of stored and running guests.
//!
//! ```text
//! check (flags, names, types) ─▶ which definitions ─▶ check against each ─▶ emulator or kernel ─▶ running definition,
//! status document ─▶ event ─▶ stored definition
//! ```
//!
//! A setting that the emulator or the kernel refuses changes neither definition.

mod blkio;
pub(crate) mod interface;
mod iothreads;
mod memory;
mod numa;
pub(crate) mod params;
pub(crate) mod pins;
mod scheduler;
mod vcpus;

pub(crate) use memory::has_balloon;

use crate::Driver;
use crate::guest::Guest;
use api::domain_tuning::{
    DomainGetBlkioParametersRet, DomainGetEmulatorPinInfoRet, DomainGetInterfaceParametersRet,
    DomainGetIothreadInfoRet, DomainGetMemoryParametersRet, DomainGetNumaParametersRet,
    DomainGetSchedulerTypeRet, DomainGetVcpuPinInfoRet,
};
use api::event::{DomainEventCallbackTunablePayload, Event};
use api::{Call, DomainTuning};
use base::Result;
use base::object::DomainRef;
use base::param::TypedParam;

/// The running definition only.
const LIVE: u32 = 1;

impl Driver {
    /// Tells that settings of a running guest have changed.
    pub(crate) fn tuned(&self, guest: &Guest, params: Vec<TypedParam>) {
        let payload = DomainEventCallbackTunablePayload { dom: guest.reference(), params };
        self.events.publish(Event::DomainTunable(payload));
    }
}

impl DomainTuning for Driver {
    fn domain_set_max_memory(&self, _cx: &Call, dom: &DomainRef, memory: u64) -> Result<()> {
        self.set_memory(dom, memory, 4)
    }

    fn domain_set_memory(&self, _cx: &Call, dom: &DomainRef, memory: u64) -> Result<()> {
        self.set_memory(dom, memory, LIVE)
    }

    fn domain_set_memory_flags(&self, _cx: &Call, dom: &DomainRef, memory: u64, flags: u32) -> Result<()> {
        self.set_memory(dom, memory, flags)
    }

    fn domain_set_memory_stats_period(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        period: i32,
        flags: u32,
    ) -> Result<()> {
        self.set_stats_period(dom, period, flags)
    }

    fn domain_set_memory_parameters(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        self.set_memory_parameters(dom, params, flags)
    }

    fn domain_get_memory_parameters(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetMemoryParametersRet> {
        self.memory_parameters(dom, nparams, flags)
    }

    fn domain_set_blkio_parameters(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        self.set_blkio_parameters(dom, params, flags)
    }

    fn domain_get_blkio_parameters(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetBlkioParametersRet> {
        self.blkio_parameters(dom, nparams, flags)
    }

    fn domain_set_numa_parameters(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        self.set_numa_parameters(dom, params, flags)
    }

    fn domain_get_numa_parameters(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetNumaParametersRet> {
        self.numa_parameters(dom, nparams, flags)
    }

    fn domain_get_scheduler_type(&self, _cx: &Call, dom: &DomainRef) -> Result<DomainGetSchedulerTypeRet> {
        let (type_, nparams) = self.scheduler_type(dom)?;
        Ok(DomainGetSchedulerTypeRet { type_, nparams })
    }

    fn domain_get_scheduler_parameters(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        nparams: i32,
    ) -> Result<Vec<TypedParam>> {
        self.scheduler(dom, nparams, 0)
    }

    fn domain_get_scheduler_parameters_flags(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        nparams: i32,
        flags: u32,
    ) -> Result<Vec<TypedParam>> {
        self.scheduler(dom, nparams, flags)
    }

    fn domain_set_scheduler_parameters(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        params: &[TypedParam],
    ) -> Result<()> {
        self.set_scheduler(dom, params, 0)
    }

    fn domain_set_scheduler_parameters_flags(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        self.set_scheduler(dom, params, flags)
    }

    fn domain_pin_vcpu(&self, _cx: &Call, dom: &DomainRef, vcpu: u32, cpumap: &[u8]) -> Result<()> {
        self.pin_vcpu(dom, vcpu, cpumap, LIVE)
    }

    fn domain_pin_vcpu_flags(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        vcpu: u32,
        cpumap: &[u8],
        flags: u32,
    ) -> Result<()> {
        self.pin_vcpu(dom, vcpu, cpumap, flags)
    }

    fn domain_get_vcpu_pin_info(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        ncpumaps: i32,
        maplen: i32,
        flags: u32,
    ) -> Result<DomainGetVcpuPinInfoRet> {
        self.vcpu_pins(dom, ncpumaps, maplen, flags)
    }

    fn domain_pin_emulator(&self, _cx: &Call, dom: &DomainRef, cpumap: &[u8], flags: u32) -> Result<()> {
        self.pin_emulator(dom, cpumap, flags)
    }

    fn domain_get_emulator_pin_info(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        maplen: i32,
        flags: u32,
    ) -> Result<DomainGetEmulatorPinInfoRet> {
        self.emulator_pin(dom, maplen, flags)
    }

    fn domain_get_iothread_info(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        flags: u32,
    ) -> Result<DomainGetIothreadInfoRet> {
        self.iothread_info(dom, flags)
    }

    fn domain_pin_iothread(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        iothreads_id: u32,
        cpumap: &[u8],
        flags: u32,
    ) -> Result<()> {
        self.pin_iothread(dom, iothreads_id, cpumap, flags)
    }

    fn domain_add_iothread(&self, _cx: &Call, dom: &DomainRef, iothread_id: u32, flags: u32) -> Result<()> {
        self.add_iothread(dom, iothread_id, flags)
    }

    fn domain_del_iothread(&self, _cx: &Call, dom: &DomainRef, iothread_id: u32, flags: u32) -> Result<()> {
        self.delete_iothread(dom, iothread_id, flags)
    }

    fn domain_set_iothread_params(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        iothread_id: u32,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        self.set_iothread(dom, iothread_id, params, flags)
    }

    fn domain_set_interface_parameters(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        device: &str,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        self.set_interface_parameters(dom, device, params, flags)
    }

    fn domain_get_interface_parameters(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        device: &str,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetInterfaceParametersRet> {
        self.interface_parameters(dom, device, nparams, flags)
    }

    fn domain_set_vcpus(&self, _cx: &Call, dom: &DomainRef, nvcpus: u32) -> Result<()> {
        self.set_vcpus(dom, nvcpus, LIVE)
    }

    fn domain_set_vcpus_flags(&self, _cx: &Call, dom: &DomainRef, nvcpus: u32, flags: u32) -> Result<()> {
        self.set_vcpus(dom, nvcpus, flags)
    }

    fn domain_set_vcpu(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        cpumap: &str,
        state: i32,
        flags: u32,
    ) -> Result<()> {
        self.set_vcpu_map(dom, cpumap, state, flags)
    }
}
