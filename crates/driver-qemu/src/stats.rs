//! Statistics of all domains in one call.

use crate::guest::{Guest, Live};
use crate::{Driver, check_flags};
use api::consts::domain_stats_types as kinds;
use api::domain_info::DomainStatsRecord;
use base::Result;
use base::object::DomainRef;
use base::param::TypedParam;
use serde_json::Value as Json;
use std::sync::Arc;

/// Kinds that are served: state, processor, balloon, virtual processors, interfaces, disks.
const SERVED: u32 =
    kinds::STATE | kinds::CPU_TOTAL | kinds::BALLOON | kinds::VCPU | kinds::INTERFACE | kinds::BLOCK;

/// Filter bits of listing domains that this call takes too.
const FILTERS: u32 = 0xff;
const ENFORCE: u32 = 1 << 31;
const BACKING: u32 = 1 << 30;
const NOWAIT: u32 = 1 << 29;

impl Driver {
    pub(crate) fn all_stats(
        &self,
        doms: &[DomainRef],
        stats: u32,
        flags: u32,
    ) -> Result<Vec<DomainStatsRecord>> {
        check_flags(flags, FILTERS | ENFORCE | BACKING | NOWAIT, "qemuConnectGetAllDomainStats")?;
        if flags & ENFORCE != 0 && stats & !SERVED != 0 {
            return Err(crate::error(
                base::ErrorCode::ARGUMENT_UNSUPPORTED,
                format!("Stats types bits 0x{:x} are not supported by this daemon or QEMU", stats & !SERVED),
            ));
        }
        let wanted = if stats == 0 { SERVED } else { stats };
        let guests: Vec<Arc<Guest>> = if doms.is_empty() {
            self.guests.snapshot().values().cloned().collect()
        } else {
            doms.iter().filter_map(|dom| self.guests.by_uuid(dom.uuid)).collect()
        };
        let active = |guest: &&Arc<Guest>| {
            let live = guest.value().live.is_some();
            flags & 3 == 0 || flags & 1 != 0 && live || flags & 2 != 0 && !live
        };
        Ok(guests.iter().filter(active).map(|guest| record(guest, wanted)).collect())
    }
}

fn record(guest: &Guest, wanted: u32) -> DomainStatsRecord {
    let value = guest.value();
    let mut params: Vec<TypedParam> = Vec::new();
    let mut put = |param: TypedParam| params.push(param);
    if wanted & kinds::STATE != 0 {
        put(TypedParam::new("state.state", value.state.0));
        put(TypedParam::new("state.reason", value.state.1));
    }
    if let Some(live) = &value.live
        && wanted & kinds::CPU_TOTAL != 0
        && let Some((user, system, _)) = host::process::times(live.process.pid())
    {
        put(TypedParam::new("cpu.time", (user + system) * 10_000_000));
        put(TypedParam::new("cpu.user", user * 10_000_000));
        put(TypedParam::new("cpu.system", system * 10_000_000));
    }
    if let Ok(domain) = value.current() {
        if wanted & kinds::BALLOON != 0 {
            put(TypedParam::new("balloon.current", domain.current_memory_kib()));
            put(TypedParam::new("balloon.maximum", domain.memory_kib()));
            let resident =
                value.live.as_ref().and_then(|live| host::process::resident_kib(live.process.pid()));
            if let Some(resident) = resident {
                put(TypedParam::new("balloon.rss", resident));
            }
        }
        if wanted & kinds::VCPU != 0 {
            put(TypedParam::new("vcpu.current", domain.vcpus()));
            put(TypedParam::new("vcpu.maximum", domain.vcpus_max()));
            if let Some(live) = &value.live {
                for (index, thread) in live.vcpu_threads.iter().enumerate() {
                    put(TypedParam::new(format!("vcpu.{index}.state"), 1i32));
                    if let Some((user, system, _)) = host::process::times(*thread) {
                        put(TypedParam::new(format!("vcpu.{index}.time"), (user + system) * 10_000_000));
                    }
                }
            }
        }
        if let Some(live) = &value.live {
            if wanted & kinds::INTERFACE != 0 {
                interfaces(live, &mut params);
            }
            if wanted & kinds::BLOCK != 0 {
                disks(live, &mut params);
            }
        }
    }
    DomainStatsRecord { dom: guest.reference(), params }
}

fn interfaces(live: &Live, params: &mut Vec<TypedParam>) {
    let all: Vec<_> = live.domain.all("interface").collect();
    params.push(TypedParam::new("net.count", all.len() as u32));
    for (index, interface) in all.into_iter().enumerate() {
        let Some(name) = interface.attr_at("target", "dev") else { continue };
        params.push(TypedParam::new(format!("net.{index}.name"), name));
        let read = |file: &str| {
            let text = std::fs::read_to_string(format!("/sys/class/net/{name}/statistics/{file}")).ok()?;
            text.trim().parse::<u64>().ok()
        };
        // What the host receives the guest has sent.
        for (ours, theirs) in [("rx", "tx"), ("tx", "rx")] {
            for (what, file) in
                [("bytes", "bytes"), ("pkts", "packets"), ("errs", "errors"), ("drop", "dropped")]
            {
                if let Some(number) = read(&format!("{theirs}_{file}")) {
                    params.push(TypedParam::new(format!("net.{index}.{ours}.{what}"), number));
                }
            }
        }
    }
}

fn disks(live: &Live, params: &mut Vec<TypedParam>) {
    let all: Vec<_> = live.domain.all("disk").collect();
    params.push(TypedParam::new("block.count", all.len() as u32));
    let answer = live.command("query-blockstats", Json::Null).ok();
    for (index, disk) in all.into_iter().enumerate() {
        params.push(TypedParam::new(
            format!("block.{index}.name"),
            disk.attr_at("target", "dev").unwrap_or_default(),
        ));
        if let Some(path) = disk.attr_at("source", "file").or_else(|| disk.attr_at("source", "dev")) {
            params.push(TypedParam::new(format!("block.{index}.path"), path));
        }
        let alias = disk.attr_at("alias", "name").unwrap_or_default();
        let of_disk = |entry: &&Json| {
            let device = entry.get("qdev").and_then(Json::as_str).unwrap_or_default();
            device.split('/').any(|part| part == alias)
        };
        let found = answer.as_ref().and_then(Json::as_array).and_then(|list| list.iter().find(of_disk));
        let Some(stats) = found.and_then(|entry| entry.get("stats")) else { continue };
        for (name, field) in [
            ("rd.reqs", "rd_operations"),
            ("rd.bytes", "rd_bytes"),
            ("rd.times", "rd_total_time_ns"),
            ("wr.reqs", "wr_operations"),
            ("wr.bytes", "wr_bytes"),
            ("wr.times", "wr_total_time_ns"),
            ("fl.reqs", "flush_operations"),
            ("fl.times", "flush_total_time_ns"),
        ] {
            if let Some(number) = stats.get(field).and_then(Json::as_u64) {
                params.push(TypedParam::new(format!("block.{index}.{name}"), number));
            }
        }
    }
}
