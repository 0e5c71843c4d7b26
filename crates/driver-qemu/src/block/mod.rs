//! Disks: sizes, counters, limits, jobs.

pub(crate) mod disk;
mod info;
pub(crate) mod job;
mod limits;
pub(crate) mod links;
pub(crate) mod overlay;

pub(crate) use info::capacity;
pub(crate) use overlay::create as create_overlay;

use crate::{Driver, check_flags};
use api::domain_block::{DomainGetBlockIoTuneRet, DomainGetBlockJobInfoRet};
use api::{Call, DomainBlock};
use base::Result;
use base::object::DomainRef;
use base::param::TypedParam;

impl DomainBlock for Driver {
    fn domain_block_resize(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        disk: &str,
        size: u64,
        flags: u32,
    ) -> Result<()> {
        self.resize(dom, disk, size, flags)
    }

    fn domain_block_job_abort(&self, _cx: &Call, dom: &DomainRef, path: &str, flags: u32) -> Result<()> {
        self.end_job(dom, path, flags)
    }

    fn domain_get_block_job_info(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        path: &str,
        flags: u32,
    ) -> Result<DomainGetBlockJobInfoRet> {
        self.job_info(dom, path, flags)
    }

    fn domain_block_job_set_speed(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        path: &str,
        bandwidth: u64,
        flags: u32,
    ) -> Result<()> {
        self.set_job_speed(dom, path, bandwidth, flags)
    }

    fn domain_block_pull(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        path: &str,
        bandwidth: u64,
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 64, "qemuDomainBlockPull")?;
        self.pull(dom, path, None, bandwidth, flags)
    }

    fn domain_block_rebase(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        path: &str,
        base: Option<&str>,
        bandwidth: u64,
        flags: u32,
    ) -> Result<()> {
        self.rebase(dom, path, base, bandwidth, flags)
    }

    fn domain_block_commit(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        disk: &str,
        base: Option<&str>,
        top: Option<&str>,
        bandwidth: u64,
        flags: u32,
    ) -> Result<()> {
        self.commit(dom, disk, base, top, bandwidth, flags)
    }

    fn domain_block_copy(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        path: &str,
        destxml: &str,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        self.copy(dom, path, destxml, params, flags)
    }

    fn domain_set_block_io_tune(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        disk: &str,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        self.set_limits(dom, disk, params, flags)
    }

    fn domain_get_block_io_tune(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        disk: Option<&str>,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetBlockIoTuneRet> {
        self.limits(dom, disk, nparams, flags)
    }

    fn domain_set_block_threshold(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        dev: &str,
        threshold: u64,
        flags: u32,
    ) -> Result<()> {
        self.set_threshold(dom, dev, threshold, flags)
    }

    fn domain_set_throttle_group(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        group: &str,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        self.set_throttle_group(dom, group, params, flags)
    }

    fn domain_del_throttle_group(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        group: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        self.delete_throttle_group(dom, group.unwrap_or_default(), flags)
    }
}
