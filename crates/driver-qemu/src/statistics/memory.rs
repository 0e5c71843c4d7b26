//! Memory: what the guest has, what it says of its use, what the emulator takes.

use super::{Question, Record, ask};
use crate::guest::Live;
use crate::tuning::has_balloon;
use crate::{Driver, check_flags};
use api::domain_info::DomainMemoryStat;
use base::Result;
use base::object::DomainRef;
use serde_json::{Value as Json, json};

/// What a guest's balloon driver reports: field, tag of the interface, name among the statistics, whether it is in bytes.
const REPORTED: [(&str, i32, &str, bool); 11] = [
    ("stat-swap-in", 0, "swap_in", true),
    ("stat-swap-out", 1, "swap_out", true),
    ("stat-major-faults", 2, "major_fault", false),
    ("stat-minor-faults", 3, "minor_fault", false),
    ("stat-free-memory", 4, "unused", true),
    ("stat-total-memory", 5, "available", true),
    ("stat-available-memory", 8, "usable", true),
    ("last-update", 9, "last-update", false),
    ("stat-disk-caches", 10, "disk_caches", true),
    ("stat-htlb-pgalloc", 11, "hugetlb_pgalloc", false),
    ("stat-htlb-pgfail", 12, "hugetlb_pgfail", false),
];

const ACTUAL: i32 = 6;
const RSS: i32 = 7;

/// The number that stands for "not known".
const UNKNOWN: u64 = u64::MAX;

/// The question for what the guest reports, where it has a balloon.
fn about_guest(live: &Live) -> Option<Question> {
    let balloon = live.domain.all("memballoon").find(|balloon| !balloon.is("model", "none"));
    let alias = balloon?.attr_at("alias", "name")?;
    Some(("qom-get", json!({"path": format!("/machine/peripheral/{alias}"), "property": "guest-stats"})))
}

/// The question for what the balloon is set to.
fn about_balloon(live: &Live) -> Option<Question> {
    has_balloon(&live.domain).then_some(("query-balloon", Json::Null))
}

pub(super) fn questions(live: &Live, questions: &mut Vec<Question>) {
    questions.extend(about_balloon(live).into_iter().chain(about_guest(live)));
}

/// What the guest reports.
fn reported(answer: Option<&Json>) -> Vec<(i32, &'static str, u64)> {
    let Some(answer) = answer else { return Vec::new() };
    let one = |(field, tag, name, bytes): &(&str, i32, &'static str, bool)| {
        let place = if *field == "last-update" { answer.get(field) } else { answer.get("stats")?.get(field) };
        let value = place?.as_u64().filter(|value| *value != UNKNOWN)?;
        Some((*tag, *name, if *bytes { value / 1024 } else { value }))
    };
    REPORTED.iter().filter_map(one).collect()
}

/// What the balloon is set to, in KiB.
fn actual(live: &Live, answer: Option<&Json>) -> u64 {
    let bytes = answer.and_then(|answer| answer.get("actual")).and_then(Json::as_u64);
    bytes.map_or_else(|| live.domain.current_memory_kib(), |bytes| bytes / 1024)
}

pub(super) fn balloon(record: &mut Record<'_>) {
    let Some(live) = record.value.live.clone() else {
        record.put("balloon.current", record.domain.current_memory_kib());
        record.put("balloon.maximum", record.domain.memory_kib());
        return;
    };
    let balloon = about_balloon(&live).and_then(|question| record.ask(&question));
    let guest = about_guest(&live).and_then(|question| record.ask(&question));
    record.put("balloon.current", actual(&live, balloon.as_ref()));
    record.put("balloon.maximum", record.domain.memory_kib());
    for (_, name, value) in reported(guest.as_ref()) {
        record.put(format!("balloon.{name}"), value);
    }
    record.put_some("balloon.rss", host::process::resident_kib(live.process.pid()));
}

impl Driver {
    pub(crate) fn memory_stats(
        &self,
        dom: &DomainRef,
        most: u32,
        flags: u32,
    ) -> Result<Vec<DomainMemoryStat>> {
        check_flags(flags, 0, "qemuDomainMemoryStats")?;
        let live = self.find(dom)?.live()?;
        let balloon = about_balloon(&live).and_then(|question| ask(&live, &question));
        let guest = about_guest(&live).and_then(|question| ask(&live, &question));
        let mut stats = vec![DomainMemoryStat { tag: ACTUAL, val: actual(&live, balloon.as_ref()) }];
        stats.extend(reported(guest.as_ref()).into_iter().map(|(tag, _, val)| DomainMemoryStat { tag, val }));
        if let Some(val) = host::process::resident_kib(live.process.pid()) {
            stats.push(DomainMemoryStat { tag: RSS, val });
        }
        stats.truncate(most as usize);
        Ok(stats)
    }
}
