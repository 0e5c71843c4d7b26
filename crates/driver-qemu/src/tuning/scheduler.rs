//! Processor time: shares, and quotas in a period.

use super::params::{self, STRING_OKAY, kind};
use crate::guest::Live;
use crate::placement::{iothreads, refusal};
use crate::{Driver, FROM, check_flags, error};
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, Result};
use conf_domain::Domain;
use engine::JobKind;
use host::cgroup::{Cgroup, CgroupError, Controller, Part};
use serde_json::Value as Json;

/// What a parameter limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Vcpus,
    Emulator,
    Whole,
    IoThreads,
}

/// Pairs of period and quota, in the order in which clients get them: prefix of the parameters, elements of `<cputune>`.
const PAIRS: [(Who, &str, &str, &str, &str); 4] = [
    (Who::Vcpus, "vcpu_period", "vcpu_quota", "period", "quota"),
    (Who::Emulator, "emulator_period", "emulator_quota", "emulator_period", "emulator_quota"),
    (Who::Whole, "global_period", "global_quota", "global_period", "global_quota"),
    (Who::IoThreads, "iothread_period", "iothread_quota", "iothread_period", "iothread_quota"),
];

/// Number of parameters.
pub(super) const COUNT: i32 = 9;

const PERIODS: (i64, i64) = (1000, 1_000_000);
const QUOTAS: (i64, i64) = (1000, 17_592_186_044_415);

fn group(live: &Live) -> Result<&Cgroup> {
    live.cgroup
        .as_ref()
        .filter(|group| group.has(Controller::Cpu))
        .ok_or_else(|| Error::operation_invalid(FROM, "cgroup CPU controller is not mounted"))
}

/// Parts of a running guest.
fn parts(live: &Live, who: Who) -> Result<Vec<Part>> {
    Ok(match who {
        Who::Vcpus => live.vcpus.iter().filter(|vcpu| vcpu.online).map(|vcpu| Part::Vcpu(vcpu.id)).collect(),
        Who::Emulator => vec![Part::Emulator],
        Who::Whole => vec![Part::Whole],
        Who::IoThreads => iothreads(&live.command("query-iothreads", Json::Null)?)
            .into_iter()
            .map(|(id, _)| Part::IoThread(id))
            .collect(),
    })
}

/// Applies a change to all parts, and takes it back from those that have it when one refuses.
fn on_all(parts: &[Part], set: impl Fn(Part) -> Result<(), CgroupError>, back: impl Fn(Part)) -> Result<()> {
    for (at, part) in parts.iter().enumerate() {
        if let Err(cause) = set(*part) {
            parts.iter().take(at).for_each(|part| back(*part));
            return Err(refusal(&cause));
        }
    }
    Ok(())
}

fn stated<T: std::str::FromStr + Default>(domain: &Domain, element: &str) -> T {
    let text = domain.tree.child("cputune").and_then(|tune| tune.text_of(element));
    text.and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}

/// A parameter's number and the element it is stored in.
fn element(name: &str) -> &str {
    let mut pairs = PAIRS.iter();
    let found = pairs.find_map(|(_, period, quota, period_element, quota_element)| match name {
        _ if name == *period => Some(*period_element),
        _ if name == *quota => Some(*quota_element),
        _ => None,
    });
    found.unwrap_or("shares")
}

fn state(domain: &mut Domain, param: &TypedParam) {
    let name = element(&param.field);
    let text = match &param.value {
        TypedValue::ULLong(value) => value.to_string(),
        TypedValue::LLong(value) => value.to_string(),
        _ => return,
    };
    let tune = domain.tree.child_or_new("cputune");
    if text == "0" && name != "shares" {
        tune.remove(name);
    } else {
        tune.child_or_new(name).text = Some(text);
    }
    if tune.children.is_empty() {
        domain.tree.remove("cputune");
    }
}

fn check(list: &[TypedParam]) -> Result<()> {
    for param in list {
        let (value, (low, high)) = match &param.value {
            TypedValue::ULLong(value) if param.field.ends_with("_period") => {
                (i64::try_from(*value).unwrap_or(i64::MAX), PERIODS)
            }
            TypedValue::LLong(value) => (*value, QUOTAS),
            _ => continue,
        };
        if value > 0 && value < low || value > high {
            let text = format!("value of '{}' is out of range [{low}, {high}]", param.field);
            return Err(error(ErrorCode::INVALID_ARG, text));
        }
    }
    Ok(())
}

impl Driver {
    pub(super) fn set_scheduler(&self, dom: &DomainRef, list: &[TypedParam], flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainSetSchedulerParametersFlags")?;
        let mut known = vec![("cpu_shares", kind::ULLONG)];
        for (_, period, quota, ..) in PAIRS {
            known.extend([(period, kind::ULLONG), (quota, kind::LLONG)]);
        }
        params::validate(list, &known)?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set scheduler parameters")?;
        let target = guest.value().target(flags)?;
        if target.live {
            group(&*guest.live()?)?;
        }
        check(list)?;
        if target.live {
            let live = guest.live()?;
            let mut told = Vec::new();
            let mut failed = None;
            for param in list {
                match self.set_running(&live, param) {
                    Ok(Some(param)) => told.push(param),
                    Ok(None) => {}
                    Err(cause) => {
                        failed = Some(cause);
                        break;
                    }
                }
            }
            if !told.is_empty() {
                self.change_live(&guest, |domain| {
                    told.iter().for_each(|param| state(domain, param));
                    Ok(())
                })?;
                let named =
                    |param: TypedParam| TypedParam { field: format!("cputune.{}", param.field), ..param };
                self.tuned(&guest, told.into_iter().map(named).collect());
            }
            if let Some(cause) = failed {
                return Err(cause);
            }
        }
        if target.config {
            self.change_config(&guest, |domain| {
                list.iter().for_each(|param| state(domain, param));
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Sets one parameter of a running guest; gives it as it is now, or nothing when it changes nothing.
    fn set_running(&self, live: &Live, param: &TypedParam) -> Result<Option<TypedParam>> {
        let group = group(live)?;
        if let TypedValue::ULLong(shares) = &param.value
            && param.field == "cpu_shares"
        {
            group.set_shares(*shares).map_err(|cause| refusal(&cause))?;
            // The kernel may keep another number.
            let kept = group.shares().map_err(|cause| refusal(&cause))?;
            return Ok(Some(TypedParam::new("cpu_shares", kept)));
        }
        let pair = PAIRS.iter().find(|pair| pair.1 == param.field || pair.2 == param.field);
        let Some((who, _, _, period_element, quota_element)) = pair else { return Ok(None) };
        let parts = parts(live, *who)?;
        match &param.value {
            TypedValue::ULLong(0) | TypedValue::LLong(0) => return Ok(None),
            TypedValue::ULLong(period) => {
                let old: u64 = stated(&live.domain, period_element);
                on_all(
                    &parts,
                    |part| group.set_period(part, *period),
                    |part| drop(group.set_period(part, if old == 0 { 100_000 } else { old })),
                )?;
            }
            TypedValue::LLong(quota) => {
                let old: i64 = stated(&live.domain, quota_element);
                on_all(
                    &parts,
                    |part| group.set_quota(part, *quota),
                    |part| drop(group.set_quota(part, if old == 0 { -1 } else { old })),
                )?;
            }
            _ => return Ok(None),
        }
        Ok(Some(param.clone()))
    }

    pub(super) fn scheduler(&self, dom: &DomainRef, nparams: i32, flags: u32) -> Result<Vec<TypedParam>> {
        check_flags(flags, 3 | STRING_OKAY, "qemuDomainGetSchedulerParametersFlags")?;
        let value = self.find(dom)?.value();
        let domain = value.definition(flags)?;
        let live = value.live.as_ref().filter(|_| flags & 3 != 2);
        let mut found = Vec::new();
        match live {
            Some(live) => {
                let group = group(live)?;
                let now = |cause: &CgroupError| refusal(cause);
                found.push(TypedParam::new("cpu_shares", group.shares().map_err(|cause| now(&cause))?));
                for (who, period, quota, ..) in PAIRS {
                    let (span, most) = match parts(live, who)?.first() {
                        Some(part) => group.bandwidth(*part).map_err(|cause| now(&cause))?,
                        None => (0, 0),
                    };
                    found.extend([TypedParam::new(period, span), TypedParam::new(quota, most)]);
                }
            }
            None => {
                found.push(TypedParam::new("cpu_shares", stated::<u64>(&domain, "shares")));
                for (_, period, quota, period_element, quota_element) in PAIRS {
                    found.push(TypedParam::new(period, stated::<u64>(&domain, period_element)));
                    found.push(TypedParam::new(quota, stated::<i64>(&domain, quota_element)));
                }
            }
        }
        Ok(params::room(found, nparams))
    }

    pub(super) fn scheduler_type(&self, dom: &DomainRef) -> Result<(String, i32)> {
        let value = self.find(dom)?.value();
        if let Some(live) = &value.live {
            group(live)?;
        }
        Ok(("posix".to_owned(), COUNT))
    }
}
