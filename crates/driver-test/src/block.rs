//! Limits of disks.

use crate::tuning::{current, set};
use crate::world::Dom;
use crate::{Test, fail, known};
use api::domain_block::DomainGetBlockIoTuneRet;
use api::event::{DomainEventCallbackTunablePayload, Event};
use api::{Call, DomainBlock};
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{ErrorCode, Result};

const RATES: [&str; 6] = [
    "total_bytes_sec",
    "read_bytes_sec",
    "write_bytes_sec",
    "total_iops_sec",
    "read_iops_sec",
    "write_iops_sec",
];

fn defaults() -> Vec<TypedParam> {
    let numbers = |suffix: &str| -> Vec<TypedParam> {
        RATES.iter().map(|name| TypedParam::new(format!("{name}{suffix}"), 0u64)).collect()
    };
    let mut out = numbers("");
    out.extend(numbers("_max"));
    out.push(TypedParam::new("size_iops_sec", 0u64));
    out.push(TypedParam::new("group_name", ""));
    out.extend(numbers("_max_length"));
    out
}

fn subject(dom: &Dom, disk: &str) -> Result<String> {
    if dom.def.all("disk").any(|known| known.attr_at("target", "dev") == Some(disk)) {
        return Ok(format!("disk {disk}"));
    }
    fail(ErrorCode::INVALID_ARG, format!("disk '{disk}' was not found in the domain config"))
}

fn number(params: &[TypedParam], name: &str) -> u64 {
    match params.iter().find(|param| param.field == name).map(|param| &param.value) {
        Some(TypedValue::ULLong(value)) => *value,
        _ => 0,
    }
}

/// Totals exclude their parts, and bursts are not below the lasting rate.
fn check(params: &[TypedParam]) -> Result<()> {
    for suffix in ["", "_max"] {
        for unit in ["bytes_sec", "iops_sec"] {
            let rate = |kind: &str| number(params, &format!("{kind}_{unit}{suffix}"));
            if rate("total") > 0 && (rate("read") > 0 || rate("write") > 0) {
                let what = if suffix.is_empty() { String::new() } else { "_max".to_owned() };
                let text = format!("total and read/write of {unit}{what} cannot be set at the same time");
                return fail(ErrorCode::INVALID_ARG, text);
            }
        }
    }
    for name in RATES {
        let (rate, max) = (number(params, name), number(params, &format!("{name}_max")));
        if rate > 0 && rate > max {
            return fail(ErrorCode::INVALID_ARG, format!("{name} cannot be set higher than {name}_max"));
        }
    }
    Ok(())
}

impl DomainBlock for Test {
    fn domain_set_block_io_tune(
        &self,
        _: &Call,
        dom: &DomainRef,
        disk: &str,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testDomainSetBlockIoTune")?;
        self.change(|world| {
            let found = world.dom(dom)?;
            let subject = subject(found, disk)?;
            let mut wanted = current(found, &subject, defaults());
            for param in params {
                if let Some(known) = wanted.iter_mut().find(|known| known.field == param.field) {
                    known.value = param.value.clone();
                }
            }
            check(&wanted)?;
            set(found, &subject, &defaults(), params)?;
            let mut told = vec![TypedParam::new("blkdeviotune.disk", disk)];
            told.extend(params.iter().map(|param| TypedParam {
                field: format!("blkdeviotune.{}", param.field),
                value: param.value.clone(),
            }));
            let dom = found.reference();
            world.events.push(Event::DomainTunable(DomainEventCallbackTunablePayload { dom, params: told }));
            Ok(())
        })
    }

    fn domain_get_block_io_tune(
        &self,
        _: &Call,
        dom: &DomainRef,
        disk: Option<&str>,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetBlockIoTuneRet> {
        known(flags, 7, "testDomainGetBlockIoTune")?;
        let mut world = self.world();
        let found = world.dom(dom)?;
        let count = defaults().len() as i32;
        if nparams == 0 {
            return Ok(DomainGetBlockIoTuneRet { params: Vec::new(), nparams: count });
        }
        let subject = subject(found, disk.unwrap_or_default())?;
        Ok(DomainGetBlockIoTuneRet { params: current(found, &subject, defaults()), nparams: count })
    }
}
