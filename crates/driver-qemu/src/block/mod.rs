//! Disks: sizes, counters, limits, jobs.

pub(crate) mod disk;
mod info;
mod limits;
mod overlay;

pub(crate) use info::capacity;
pub(crate) use overlay::create as create_overlay;

use crate::Driver;
use api::domain_block::DomainGetBlockIoTuneRet;
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
