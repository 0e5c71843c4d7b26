//! Memory: the balloon, limits of the control group, how often the guest reports.

use super::params::{self, STRING_OKAY, kind};
use crate::guest::{Guest, Live};
use crate::placement::refusal;
use crate::{Driver, FROM, check_flags, error};
use api::domain_tuning::DomainGetMemoryParametersRet;
use base::object::DomainRef;
use base::param::TypedParam;
use base::{Error, ErrorCode, Result};
use conf_domain::Domain;
use engine::JobKind;
use host::cgroup::{Cgroup, CgroupError, Controller, Limit, UNLIMITED_KIB};
use serde_json::json;
use xml::Tree;

/// Parameters, in the order in which clients get them: name, element of the same, limit of the group.
const LIMITS: [(&str, Limit); 3] =
    [("hard_limit", Limit::Hard), ("soft_limit", Limit::Soft), ("swap_hard_limit", Limit::Swap)];

fn set_kib(tree: &mut Tree, name: &str, kib: u64) {
    let element = tree.child_or_new(name);
    element.set("unit", "KiB");
    element.text = Some(kib.to_string());
}

fn invalid(text: impl Into<String>) -> Error {
    error(ErrorCode::INVALID_ARG, text)
}

/// The group that limits memory.
fn group(live: &Live) -> Result<&Cgroup> {
    live.cgroup
        .as_ref()
        .filter(|group| group.has(Controller::Memory))
        .ok_or_else(|| Error::operation_invalid(FROM, "cgroup memory controller is not mounted"))
}

fn stated(domain: &Domain, name: &str) -> u64 {
    let text = domain.tree.child("memtune").and_then(|tune| tune.text_of(name));
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(UNLIMITED_KIB)
}

fn state(domain: &mut Domain, name: &str, kib: u64) {
    let tune = domain.tree.child_or_new("memtune");
    if kib >= UNLIMITED_KIB {
        tune.remove(name);
    } else {
        set_kib(tune, name, kib);
    }
    if tune.children.is_empty() {
        domain.tree.remove("memtune");
    }
}

/// A limit as the kernel keeps it; memory with swap is not limited where the kernel does not count swap.
fn limit_now(group: &Cgroup, limit: Limit) -> Result<u64> {
    match group.memory(limit) {
        Err(CgroupError::File { cause, .. })
            if limit == Limit::Swap && cause.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(UNLIMITED_KIB)
        }
        outcome => outcome.map_err(|cause| refusal(&cause)),
    }
}

/// Whether the guest has a balloon to be set.
pub(crate) fn has_balloon(domain: &Domain) -> bool {
    domain.all("memballoon").any(|balloon| !balloon.is("model", "none"))
}

impl Driver {
    /// The guest has come to another size.
    pub(crate) fn note_balloon(&self, guest: &Guest, kib: u64) {
        let noted = self.change_live(guest, |domain| {
            set_kib(&mut domain.tree, "currentMemory", kib);
            Ok(())
        });
        if let Err(cause) = noted {
            log::error!("{cause}");
        }
    }

    pub(super) fn set_memory(&self, dom: &DomainRef, kib: u64, flags: u32) -> Result<()> {
        check_flags(flags, 7, "qemuDomainSetMemoryFlags")?;
        const MAXIMUM: u32 = 4;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set memory")?;
        let target = guest.value().target(flags)?;
        if flags & MAXIMUM != 0 {
            if target.live {
                let text = "cannot resize the maximum memory on an active domain";
                return Err(Error::operation_invalid(FROM, text));
            }
            return self.change_config(&guest, |domain| {
                if domain.tree.at("cpu/numa/cell").is_some() {
                    let text =
                        "initial memory size of a domain with NUMA nodes cannot be modified with this API";
                    return Err(Error::operation_invalid(FROM, text));
                }
                let most = domain.tree.text_of("maxMemory").and_then(|text| text.parse::<u64>().ok());
                if most.is_some_and(|most| most < kib) {
                    let text = "cannot set initial memory size greater than the maximum memory size";
                    return Err(Error::operation_invalid(FROM, text));
                }
                set_kib(&mut domain.tree, "memory", kib);
                if domain.current_memory_kib() > kib {
                    set_kib(&mut domain.tree, "currentMemory", kib);
                }
                Ok(())
            });
        }
        let too_much = || invalid("cannot set memory higher than max memory");
        if target.config
            && let Some(config) = &guest.value().config
            && kib > config.memory_kib()
        {
            return Err(too_much());
        }
        if target.live {
            let live = guest.live()?;
            if kib > live.domain.memory_kib() {
                return Err(too_much());
            }
            // The new size is noted when the guest has come to it.
            if !has_balloon(&live.domain) {
                return Err(Error::operation_invalid(
                    FROM,
                    "Unable to change memory of active domain without the balloon device and guest OS balloon driver",
                ));
            }
            live.command("balloon", json!({"value": kib.saturating_mul(1024)}))?;
        }
        if target.config {
            self.change_config(&guest, |domain| {
                set_kib(&mut domain.tree, "currentMemory", kib);
                Ok(())
            })?;
        }
        Ok(())
    }

    pub(super) fn set_stats_period(&self, dom: &DomainRef, period: i32, flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainSetMemoryStatsPeriod")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set memory statistics period")?;
        let target = guest.value().target(flags)?;
        let period = u32::try_from(period).map_err(|_| {
            Error::invalid_arg(
                base::ErrorDomain::DOMAIN,
                "virDomainSetMemoryStatsPeriod",
                "period",
                "period in virDomainSetMemoryStatsPeriod must be greater than or equal to zero",
            )
        })?;
        let state = |domain: &mut Domain| {
            let mut balloons = domain.devices_mut().iter_mut().filter(|device| device.name == "memballoon");
            let balloon = balloons.find(|balloon| !balloon.is("model", "none")).ok_or_else(no_balloon)?;
            balloon.remove("stats");
            if period != 0 {
                balloon.children.push(Tree::new("stats").with("period", period.to_string()));
            }
            Ok(())
        };
        if target.live {
            let live = guest.live()?;
            let balloon = live.domain.all("memballoon").find(|balloon| !balloon.is("model", "none"));
            let alias = balloon.ok_or_else(no_balloon)?.attr_at("alias", "name").unwrap_or("balloon0");
            let arguments = json!({
                "path": format!("/machine/peripheral/{alias}"),
                "property": "guest-stats-polling-interval",
                "value": period,
            });
            live.command("qom-set", arguments).map_err(|cause| {
                Error::operation_invalid(
                    FROM,
                    format!("unable to set balloon driver collection period: {cause}"),
                )
            })?;
            self.change_live(&guest, state)?;
        }
        if target.config {
            self.change_config(&guest, state)?;
        }
        Ok(())
    }

    pub(super) fn set_memory_parameters(
        &self,
        dom: &DomainRef,
        list: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 3, "qemuDomainSetMemoryParameters")?;
        params::validate(list, &LIMITS.map(|(name, _)| (name, kind::ULLONG)))?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set memory parameters")?;
        let target = guest.value().target(flags)?;
        let after =
            |domain: &Domain, name: &str| params::ulong(list, name).unwrap_or_else(|| stated(domain, name));
        let check = |domain: &Domain| {
            let (swap, hard) = (after(domain, "swap_hard_limit"), after(domain, "hard_limit"));
            if swap < hard {
                return Err(invalid(
                    "memory hard_limit tunable value must be lower than or equal to swap_hard_limit",
                ));
            }
            Ok(())
        };
        let state = |domain: &mut Domain| {
            for (name, _) in LIMITS {
                if let Some(kib) = params::ulong(list, name) {
                    state(domain, name, kib);
                }
            }
            Ok(())
        };
        if target.config
            && let Some(config) = &guest.value().config
        {
            check(config)?;
        }
        if target.live {
            let live = guest.live()?;
            let group = group(&live)?;
            check(&live.domain)?;
            let set = |name: &str, limit: Limit| match params::ulong(list, name) {
                Some(kib) => group.set_memory(limit, kib).map_err(|cause| refusal(&cause)),
                None => Ok(()),
            };
            // The kernel insists that memory with swap is never less than memory: whichever grows goes first.
            let growing = params::ulong(list, "swap_hard_limit")
                .is_some_and(|kib| limit_now(group, Limit::Swap).is_ok_and(|now| kib >= now));
            if growing {
                set("swap_hard_limit", Limit::Swap)?;
            }
            set("hard_limit", Limit::Hard)?;
            if !growing {
                set("swap_hard_limit", Limit::Swap)?;
            }
            set("soft_limit", Limit::Soft)?;
            self.change_live(&guest, state)?;
        }
        if target.config {
            self.change_config(&guest, state)?;
        }
        Ok(())
    }

    pub(super) fn memory_parameters(
        &self,
        dom: &DomainRef,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetMemoryParametersRet> {
        check_flags(flags, 3 | STRING_OKAY, "qemuDomainGetMemoryParameters")?;
        let value = self.find(dom)?.value();
        let domain = value.definition(flags)?;
        let target = value.target(flags)?;
        if nparams == 0 {
            return Ok(DomainGetMemoryParametersRet { params: Vec::new(), nparams: LIMITS.len() as i32 });
        }
        let live = value.live.as_ref().filter(|_| target.live);
        let group = live.map(|live| group(live)).transpose()?;
        let mut found = Vec::new();
        for (name, limit) in LIMITS {
            let kib = group.map_or_else(|| Ok(stated(&domain, name)), |group| limit_now(group, limit))?;
            found.push(TypedParam::new(name, kib));
        }
        let params = params::room(found, nparams);
        Ok(DomainGetMemoryParametersRet { nparams: params.len() as i32, params })
    }
}

fn no_balloon() -> Error {
    Error::operation_invalid(FROM, "No memory balloon device configured, can not set the collection period")
}
