//! Memory nodes of the host a guest takes its memory from.

use super::params::{self, STRING_OKAY, kind};
use crate::guest::Live;
use crate::placement::{iothreads, refusal};
use crate::{Driver, FROM, check_flags, error};
use api::domain_tuning::DomainGetNumaParametersRet;
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, Result};
use conf_domain::{Domain, bitmap};
use engine::JobKind;
use host::cgroup::{Cgroup, Controller, Part};
use serde_json::Value as Json;

/// Modes by their number.
const MODES: [&str; 4] = ["strict", "preferred", "interleave", "restrictive"];

fn mode(domain: &Domain) -> usize {
    let word = domain.tree.attr_at("numatune/memory", "mode");
    word.and_then(|word| MODES.iter().position(|mode| *mode == word)).unwrap_or(0)
}

fn group(live: &Live) -> Result<&Cgroup> {
    live.cgroup
        .as_ref()
        .filter(|group| group.has(Controller::CpuSet))
        .ok_or_else(|| Error::operation_invalid(FROM, "cgroup cpuset controller is not mounted"))
}

impl Driver {
    pub(super) fn set_numa_parameters(&self, dom: &DomainRef, list: &[TypedParam], flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainSetNumaParameters")?;
        params::validate(list, &[("numa_mode", kind::INT), ("numa_nodeset", kind::STRING)])?;
        let guest = self.find(dom)?;
        let wanted = match params::find(list, "numa_mode") {
            Some(TypedValue::Int(number)) => {
                let known = usize::try_from(*number).ok().filter(|number| *number < MODES.len());
                Some(known.ok_or_else(|| {
                    error(ErrorCode::INVALID_ARG, format!("unsupported numatune mode: '{number}'"))
                })?)
            }
            _ => None,
        };
        let nodes = match params::string(list, "numa_nodeset") {
            Some(text) => {
                let nodes = bitmap::parse(text).filter(|nodes| !nodes.is_empty()).ok_or_else(|| {
                    Error::operation_invalid(FROM, format!("Invalid nodeset of 'numatune': {text}"))
                })?;
                Some(bitmap::format(&nodes))
            }
            None => None,
        };
        let _job = guest.begin(JobKind::Modify, "set memory nodes")?;
        let target = guest.value().target(flags)?;
        let state = |domain: &mut Domain| {
            let memory = domain.tree.child_or_new("numatune").child_or_new("memory");
            if let Some(wanted) = wanted {
                memory.set("mode", MODES[wanted]);
            }
            memory.default_to("mode", MODES[0]);
            if let Some(nodes) = &nodes {
                memory.set("nodeset", nodes.clone());
                memory.unset("placement");
            }
            Ok(())
        };
        if target.live {
            let live = guest.live()?;
            let group = group(&live)?;
            let now = mode(&live.domain);
            if wanted.is_some_and(|wanted| wanted != now) {
                let text = "can't change numatune mode for running domain";
                return Err(Error::operation_invalid(FROM, text));
            }
            if let Some(nodes) = &nodes {
                if !matches!(MODES[now], "strict" | "restrictive") {
                    let text = "change of nodeset for running domain requires strict numa mode";
                    return Err(Error::operation_invalid(FROM, text));
                }
                let mut parts = vec![Part::Whole, Part::Emulator];
                parts.extend(live.vcpus.iter().filter(|vcpu| vcpu.online).map(|vcpu| Part::Vcpu(vcpu.id)));
                let threads = iothreads(&live.command("query-iothreads", Json::Null)?);
                parts.extend(threads.into_iter().map(|(id, _)| Part::IoThread(id)));
                // A part may have no more than the whole: the whole gets both before, and only the new after.
                let before = group.mems(Part::Whole).map_err(|cause| refusal(&cause))?;
                let both = if before.is_empty() { nodes.clone() } else { format!("{before},{nodes}") };
                group.set_mems(Part::Whole, &both).map_err(|cause| refusal(&cause))?;
                for part in parts.into_iter().rev() {
                    group.set_mems(part, nodes).map_err(|cause| refusal(&cause))?;
                }
            }
            self.change_live(&guest, state)?;
        }
        if target.config {
            self.change_config(&guest, state)?;
        }
        Ok(())
    }

    pub(super) fn numa_parameters(
        &self,
        dom: &DomainRef,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetNumaParametersRet> {
        check_flags(flags, 3 | STRING_OKAY, "qemuDomainGetNumaParameters")?;
        let domain = self.find(dom)?.value().definition(flags)?;
        if nparams == 0 {
            return Ok(DomainGetNumaParametersRet { params: Vec::new(), nparams: 2 });
        }
        let nodes = domain.tree.attr_at("numatune/memory", "nodeset").unwrap_or_default();
        let found =
            vec![TypedParam::new("numa_mode", mode(&domain) as i32), TypedParam::new("numa_nodeset", nodes)];
        let params = params::room(found, nparams);
        Ok(DomainGetNumaParametersRet { nparams: params.len() as i32, params })
    }
}
