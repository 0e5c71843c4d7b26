//! How fast a guest writes to its memory.

use super::{Question, Record};
use crate::guest::Live;
use crate::{Driver, check_flags, error};
use base::object::DomainRef;
use base::{Error, ErrorCode, Result};
use engine::JobKind;
use serde_json::{Value as Json, json};

/// Ways to measure, by the flags that ask for them.
const MODES: [&str; 3] = ["page-sampling", "dirty-bitmap", "dirty-ring"];
const BITMAP: u32 = 1;
const RING: u32 = 2;

const QUESTION: Question = ("query-dirty-rate", Json::Null);

pub(super) fn questions(_: &Live, questions: &mut Vec<Question>) {
    questions.push(QUESTION);
}

pub(super) fn add(record: &mut Record<'_>) {
    let Some(answer) = record.ask(&QUESTION) else { return };
    let number = |name: &str| answer.get(name).and_then(Json::as_i64);
    let status = ["unstarted", "measuring", "measured"];
    let word = answer.get("status").and_then(Json::as_str).unwrap_or_default();
    record.put("dirtyrate.calc_status", status.iter().position(|known| *known == word).unwrap_or(0) as i32);
    record.put_some("dirtyrate.calc_start_time", number("start-time"));
    record.put_some("dirtyrate.calc_period", number("calc-time").map(|value| value as i32));
    if word == "measured" {
        record.put_some("dirtyrate.megabytes_per_second", number("dirty-rate"));
    }
    record.put_some("dirtyrate.calc_mode", answer.get("mode").and_then(Json::as_str));
    for vcpu in answer.get("vcpu-dirty-rate").and_then(Json::as_array).into_iter().flatten() {
        let part = |name: &str| vcpu.get(name).and_then(Json::as_i64);
        if let (Some(id), Some(rate)) = (part("id"), part("dirty-rate")) {
            record.put(format!("dirtyrate.vcpu.{id}.megabytes_per_second"), rate);
        }
    }
}

impl Driver {
    pub(crate) fn measure_dirty_rate(&self, dom: &DomainRef, seconds: i32, flags: u32) -> Result<()> {
        check_flags(flags, BITMAP | RING, "qemuDomainStartDirtyRateCalc")?;
        if !(1..=60).contains(&seconds) {
            let text = format!("seconds={seconds} is invalid, please choose value within [1, 60].");
            return Err(error(ErrorCode::CONFIG_UNSUPPORTED, text));
        }
        if flags & BITMAP != 0 && flags & RING != 0 {
            return Err(Error::invalid_arg(
                crate::FROM,
                "qemuDomainStartDirtyRateCalc",
                "flags",
                "Flags 'VIR_DOMAIN_DIRTYRATE_MODE_DIRTY_BITMAP' and 'VIR_DOMAIN_DIRTYRATE_MODE_DIRTY_RING' are mutually exclusive",
            ));
        }
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "measure dirty rate")?;
        let live = guest.live()?;
        let ring = live.domain.tree.at("features/kvm/dirty-ring").is_some_and(|ring| ring.is("state", "on"));
        if flags & RING != 0 && !ring {
            let text = "calculation mode 'dirty-ring' is not supported without dirty-ring feature";
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
        }
        let mode =
            MODES.get(if flags & RING != 0 { 2 } else { (flags & BITMAP) as usize }).unwrap_or(&MODES[0]);
        live.command("calc-dirty-rate", json!({"calc-time": seconds, "mode": mode})).map(drop)
    }
}
