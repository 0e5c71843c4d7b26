//! Processors that the guest uses, and that it leaves alone though it has them.

use super::malformed;
use crate::guest::{Guest, Live};
use crate::{Driver, FROM, check_flags, error};
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, Result};
use conf_domain::bitmap;
use qga::answer::{self, GuestVcpu};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

const SET: &str = "guest-set-vcpus";

fn known(live: &Live) -> Result<Vec<GuestVcpu>> {
    Ok(answer::vcpus(&live.agent_command("guest-get-vcpus", &Json::Null)?))
}

/// Tells the guest which processors to use. It may take them in several steps.
fn set(live: &Live, mut wish: Vec<(u32, bool)>) -> Result<()> {
    while !wish.is_empty() {
        let list: Vec<Json> =
            wish.iter().map(|(id, online)| json!({"logical-id": id, "online": online})).collect();
        let answer = live.agent_command(SET, &json!({"vcpus": list}))?;
        let done =
            answer.as_u64().and_then(|done| usize::try_from(done).ok()).ok_or_else(|| malformed(SET))?;
        if done == 0 || done > wish.len() {
            return Err(Error::internal(FROM, "guest agent failed to set processors"));
        }
        wish.drain(..done);
    }
    Ok(())
}

impl Driver {
    /// How many processors the guest uses, or has.
    pub(crate) fn guest_vcpu_count(&self, guest: &Guest, all: bool) -> Result<i32> {
        let live = guest.live()?;
        let known = known(&live)?;
        Ok(if all { known.len() } else { known.iter().filter(|vcpu| vcpu.online).count() } as i32)
    }

    /// Lets the guest use so many of its processors.
    pub(crate) fn set_guest_vcpu_count(&self, guest: &Guest, count: u32) -> Result<()> {
        let live = guest.live()?;
        let enabled = live.domain.vcpus();
        if count > enabled {
            let text = format!(
                "requested vcpu count is greater than the count of enabled vcpus in the domain: {count} > {enabled}"
            );
            return Err(error(ErrorCode::INVALID_ARG, text));
        }
        let known = known(&live)?;
        let online = known.iter().filter(|vcpu| vcpu.online).count();
        let (on, many) = (count as usize > online, (count as usize).abs_diff(online));
        let chosen: Vec<(u32, bool)> = known
            .iter()
            .filter(|vcpu| vcpu.online != on && (on || vcpu.offlinable))
            .take(many)
            .map(|vcpu| (vcpu.id, on))
            .collect();
        if chosen.len() < many {
            let text =
                if on { "guest agent reports less cpu than requested" } else { "Cannot offline enough CPUs" };
            return Err(Error::internal(FROM, text));
        }
        set(&live, chosen)
    }

    pub(super) fn guest_vcpus(&self, dom: &DomainRef, flags: u32) -> Result<Vec<TypedParam>> {
        check_flags(flags, 0, "qemuDomainGetGuestVcpus")?;
        let live = self.find(dom)?.live()?;
        let known = known(&live)?;
        let map = |field: &str, keep: &dyn Fn(&GuestVcpu) -> bool| {
            let set: BTreeSet<u32> = known.iter().filter(|vcpu| keep(vcpu)).map(|vcpu| vcpu.id).collect();
            TypedParam { field: field.to_owned(), value: TypedValue::String(bitmap::format(&set)) }
        };
        Ok(vec![
            map("vcpus", &|_| true),
            map("online", &|vcpu| vcpu.online),
            map("offlinable", &|vcpu| vcpu.offlinable),
        ])
    }

    pub(super) fn set_guest_vcpus(&self, dom: &DomainRef, map: &str, state: i32, flags: u32) -> Result<()> {
        check_flags(flags, 0, "qemuDomainSetGuestVcpus")?;
        let invalid = |text: String| error(ErrorCode::INVALID_ARG, text);
        if !matches!(state, 0 | 1) {
            return Err(invalid("unsupported state value".to_owned()));
        }
        let wanted = bitmap::parse(map)
            .filter(|set| !set.is_empty())
            .ok_or_else(|| invalid(format!("Failed to parse bitmap '{map}'")))?;
        let live = self.find(dom)?.live()?;
        let known = known(&live)?;
        let on = state == 1;
        let mut wish = Vec::new();
        for id in wanted {
            let vcpu = known.iter().find(|vcpu| vcpu.id == id);
            let vcpu = vcpu.ok_or_else(|| invalid(format!("guest is missing vCPU '{id}'")))?;
            if !on && !vcpu.offlinable {
                return Err(invalid(format!("vCPU '{id}' can't be offlined")));
            }
            if vcpu.online != on {
                wish.push((id, on));
            }
        }
        set(&live, wish)
    }
}
