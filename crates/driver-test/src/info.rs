//! What domains say of themselves. Numbers that a real guest would have are made up from the clock.

use crate::host_side::signed;
use crate::world::{Dom, now};
use crate::{Test, fail, known};
use api::domain_info::{
    DomainBlockStatsRet, DomainDiskError, DomainGetBlockInfoRet, DomainGetControlInfoRet,
    DomainGetCpuStatsRet, DomainGetDiskErrorsRet, DomainGetInfoRet, DomainGetSecurityLabelRet,
    DomainGetStateRet, DomainGetTimeRet, DomainGetVcpusRet, DomainInterface, DomainInterfaceStatsRet,
    DomainMemoryStat, DomainStatsRecord, VcpuInfo,
};
use api::event::DomainIpAddr;
use api::{Call, DomainInfo};
use base::object::DomainRef;
use base::param::TypedParam;
use base::{Error, ErrorCode, ErrorDomain, Result};

/// Events of the processor that can be counted.
const PERF: [&str; 22] = [
    "cmt",
    "mbmt",
    "mbml",
    "cpu_cycles",
    "instructions",
    "cache_references",
    "cache_misses",
    "branch_instructions",
    "branch_misses",
    "bus_cycles",
    "stalled_cycles_frontend",
    "stalled_cycles_backend",
    "ref_cpu_cycles",
    "cpu_clock",
    "task_clock",
    "page_faults",
    "context_switches",
    "cpu_migrations",
    "page_faults_min",
    "page_faults_maj",
    "alignment_faults",
    "emulation_faults",
];

/// A number that grows: microseconds since 1970.
fn micros() -> u64 {
    let (seconds, micros) = now();
    seconds * 1_000_000 + micros
}

fn has_disk(dom: &Dom, path: &str) -> bool {
    dom.def.all("disk").any(|disk| {
        disk.attr_at("target", "dev") == Some(path) || disk.attr_at("source", "file") == Some(path)
    })
}

/// Processors of a virtual processor as a bitmap.
pub(crate) fn pin(dom: &Dom, vcpu: u32) -> Vec<u8> {
    dom.pins.get(&vcpu).cloned().unwrap_or_else(|| vec![0xff, 0xff])
}

/// A bitmap in as many bytes as there is room for.
pub(crate) fn cut(map: &[u8], length: i32) -> Vec<u8> {
    let length = usize::try_from(length).unwrap_or(0);
    map.iter().copied().chain(std::iter::repeat(0)).take(length).collect()
}

fn invalid_arg<T>(text: impl Into<String>) -> Result<T> {
    fail(ErrorCode::INVALID_ARG, text)
}

impl DomainInfo for Test {
    fn domain_get_info(&self, _: &Call, dom: &DomainRef) -> Result<DomainGetInfoRet> {
        let mut world = self.world();
        let dom = world.dom(dom)?;
        Ok(DomainGetInfoRet {
            state: dom.state as u8,
            max_mem: dom.def.memory_kib(),
            memory: dom.def.current_memory_kib(),
            nr_virt_cpu: dom.def.vcpus() as u16,
            cpu_time: micros() * 1000,
        })
    }

    fn domain_get_state(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<DomainGetStateRet> {
        known(flags, 0, "testDomainGetState")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        Ok(DomainGetStateRet { state: dom.state, reason: dom.reason })
    }

    fn domain_get_control_info(
        &self,
        _: &Call,
        dom: &DomainRef,
        flags: u32,
    ) -> Result<DomainGetControlInfoRet> {
        known(flags, 0, "testDomainGetControlInfo")?;
        self.world().running(dom)?;
        Ok(DomainGetControlInfoRet { state: 0, details: 0, state_time: 0 })
    }

    fn domain_get_max_memory(&self, _: &Call, dom: &DomainRef) -> Result<u64> {
        Ok(self.world().dom(dom)?.def.memory_kib())
    }

    fn domain_get_max_vcpus(&self, cx: &Call, dom: &DomainRef) -> Result<i32> {
        self.domain_get_vcpus_flags(cx, dom, 5)
    }

    fn domain_get_vcpus_flags(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<i32> {
        known(flags, 0xf, "testDomainGetVcpusFlags")?;
        let mut world = self.world();
        let def = world.dom(dom)?.definition(flags & 3)?;
        Ok(if flags & 4 != 0 { def.vcpus_max() } else { def.vcpus() } as i32)
    }

    fn domain_get_os_type(&self, _: &Call, dom: &DomainRef) -> Result<String> {
        let mut world = self.world();
        Ok(world.dom(dom)?.def.tree.at("os/type").map_or("linux", |kind| kind.body()).to_owned())
    }

    fn domain_get_vcpus(
        &self,
        _: &Call,
        dom: &DomainRef,
        maxinfo: i32,
        maplen: i32,
    ) -> Result<DomainGetVcpusRet> {
        let mut world = self.world();
        let dom = world.dom(dom)?;
        if !dom.active() {
            return crate::invalid("cannot list vcpus for an inactive domain");
        }
        let count = dom.def.vcpus().min(u32::try_from(maxinfo).unwrap_or(0));
        let time = micros() / 10;
        let info = (0..count).map(|number| VcpuInfo { number, state: 1, cpu_time: time, cpu: 15 }).collect();
        let cpumaps = (0..count).flat_map(|number| cut(&pin(dom, number), maplen)).collect();
        Ok(DomainGetVcpusRet { info, cpumaps })
    }

    fn domain_block_stats(&self, _: &Call, dom: &DomainRef, path: &str) -> Result<DomainBlockStatsRet> {
        let mut world = self.world();
        let dom = world.running(dom)?;
        if !has_disk(dom, path) {
            return invalid_arg(format!("invalid path: {path}"));
        }
        let time = micros() as i64 / 10;
        let (rd_req, rd_bytes, wr_req, wr_bytes) = (time, time / 2, time / 3, time / 4);
        Ok(DomainBlockStatsRet { rd_req, rd_bytes, wr_req, wr_bytes, errs: time / 200_000 })
    }

    fn domain_interface_stats(
        &self,
        _: &Call,
        dom: &DomainRef,
        device: &str,
    ) -> Result<DomainInterfaceStatsRet> {
        let mut world = self.world();
        let dom = world.running(dom)?;
        let named = |name: Option<&str>| name == Some(device);
        let found = dom.def.all("interface").any(|interface| {
            named(interface.attr_at("target", "dev")) || named(interface.attr_at("mac", "address"))
        });
        if !found {
            let text = format!("invalid argument: '{device}' is not a known interface");
            return Err(Error::new(
                ErrorCode::INVALID_ARG,
                ErrorDomain::DOMAIN,
                text.replace("invalid argument: ", ""),
            ));
        }
        let time = micros() as i64 / 10;
        Ok(DomainInterfaceStatsRet {
            rx_bytes: time,
            rx_packets: time / 100,
            rx_errs: time / 200_000,
            rx_drop: time / 100_000,
            tx_bytes: time / 2,
            tx_packets: time / 200,
            tx_errs: time / 200_000,
            tx_drop: time / 300_000,
        })
    }

    fn domain_memory_peek(
        &self,
        _: &Call,
        dom: &DomainRef,
        offset: u64,
        size: u32,
        flags: u32,
    ) -> Result<Vec<u8>> {
        known(flags, 3, "testDomainMemoryPeek")?;
        self.world().running(dom)?;
        Ok((0..u64::from(size)).map(|at| (offset + at) as u8).collect())
    }

    fn domain_get_security_label(&self, _: &Call, dom: &DomainRef) -> Result<DomainGetSecurityLabelRet> {
        self.world().running(dom)?;
        Ok(DomainGetSecurityLabelRet { label: signed("libvirt-test"), enforcing: 1 })
    }

    fn domain_is_active(&self, _: &Call, dom: &DomainRef) -> Result<i32> {
        Ok(i32::from(self.world().dom(dom)?.active()))
    }

    fn domain_is_persistent(&self, _: &Call, dom: &DomainRef) -> Result<i32> {
        Ok(i32::from(self.world().dom(dom)?.persistent))
    }

    fn domain_is_updated(&self, _: &Call, dom: &DomainRef) -> Result<i32> {
        self.world().dom(dom)?;
        Ok(0)
    }

    fn domain_memory_stats(
        &self,
        _: &Call,
        dom: &DomainRef,
        max_stats: u32,
        flags: u32,
    ) -> Result<Vec<DomainMemoryStat>> {
        known(flags, 0, "testDomainMemoryStats")?;
        let mut world = self.world();
        let dom = world.running(dom)?;
        let balloon = dom.def.all("memballoon").any(|balloon| balloon.is("model", "virtio"));
        let (current, max) = (dom.def.current_memory_kib(), dom.def.memory_kib());
        let mut stats = vec![
            (6, current),
            (5, max),
            (4, current / 2),
            (8, current / 2),
            (7, current / 2),
            (0, 0),
            (1, 0),
            (2, 0),
            (3, 0),
            (9, 627_319_920),
        ];
        if !balloon {
            stats.clear();
        }
        let count = max_stats as usize;
        Ok(stats.into_iter().take(count).map(|(tag, val)| DomainMemoryStat { tag, val }).collect())
    }

    fn domain_get_block_info(
        &self,
        _: &Call,
        dom: &DomainRef,
        path: &str,
        flags: u32,
    ) -> Result<DomainGetBlockInfoRet> {
        known(flags, 0, "testDomainGetBlockInfo")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        if !has_disk(dom, path) {
            let text = format!("invalid path {path} not assigned to domain");
            return invalid_arg(text);
        }
        let full = 1 << 40;
        Ok(if dom.active() {
            DomainGetBlockInfoRet { allocation: full, capacity: 1_099_506_450_432, physical: full }
        } else {
            DomainGetBlockInfoRet { allocation: full, capacity: full, physical: full }
        })
    }

    fn domain_get_cpu_stats(
        &self,
        _: &Call,
        dom: &DomainRef,
        nparams: u32,
        start_cpu: i32,
        ncpus: u32,
        flags: u32,
    ) -> Result<DomainGetCpuStatsRet> {
        known(flags, 4, "testDomainGetCPUStats")?;
        let mut world = self.world();
        let dom = world.running(dom)?;
        if start_cpu == -1 {
            let params = [
                ("cpu_time", 48_772_617_035),
                ("user_time", 5_540_000_000),
                ("system_time", 6_460_000_000u64),
            ];
            let params: Vec<TypedParam> = params
                .iter()
                .take(nparams as usize)
                .map(|(name, value)| TypedParam::new(*name, *value))
                .collect();
            let count = if nparams == 0 { 3 } else { params.len() as i32 };
            return Ok(DomainGetCpuStatsRet { params, nparams: count });
        }
        let total = dom.def.vcpus_max().max(2).min(dom.def.vcpus().max(1));
        if nparams == 0 && ncpus == 0 {
            return Ok(DomainGetCpuStatsRet { params: Vec::new(), nparams: total as i32 });
        }
        if nparams == 0 {
            return Ok(DomainGetCpuStatsRet { params: Vec::new(), nparams: 2 });
        }
        let start = u32::try_from(start_cpu).unwrap_or(0);
        if start >= total {
            let text = format!("start_cpu {start_cpu} larger than maximum of {}", total - 1);
            return Err(Error::new(ErrorCode::INVALID_ARG, ErrorDomain::TEST, text));
        }
        let mut params = Vec::new();
        for cpu in start..(start + ncpus).min(total) {
            let values = [
                ("cpu_time", 24_386_308_517 + u64::from(cpu)),
                ("vcpu_time", 23_151_740_627 + u64::from(cpu)),
            ];
            params.extend(
                values.iter().take(nparams as usize).map(|(name, value)| TypedParam::new(*name, *value)),
            );
        }
        Ok(DomainGetCpuStatsRet { params, nparams: nparams.min(2) as i32 })
    }

    fn domain_get_disk_errors(
        &self,
        _: &Call,
        dom: &DomainRef,
        maxerrors: u32,
        flags: u32,
    ) -> Result<DomainGetDiskErrorsRet> {
        known(flags, 0, "testDomainGetDiskErrors")?;
        let mut world = self.world();
        let dom = world.running(dom)?;
        let disks: Vec<String> =
            dom.def.all("disk").filter_map(|disk| disk.attr_at("target", "dev").map(str::to_owned)).collect();
        let count = disks.len() as i32;
        let errors = disks.into_iter().take(maxerrors as usize).enumerate();
        let errors = errors.map(|(at, disk)| DomainDiskError { disk, error: at as i32 % 2 + 1 });
        Ok(DomainGetDiskErrorsRet { errors: errors.collect(), nerrors: count })
    }

    fn domain_get_hostname(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<String> {
        known(flags, 3, "testDomainGetHostname")?;
        Ok(format!("{}host", self.world().running(dom)?.def.name))
    }

    fn domain_get_time(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<DomainGetTimeRet> {
        known(flags, 0, "testDomainGetTime")?;
        let mut world = self.world();
        if world.running(dom)?.state != crate::world::RUNNING {
            return crate::invalid("domain is not running");
        }
        Ok(DomainGetTimeRet { seconds: 627_319_920, nseconds: 0 })
    }

    fn domain_set_time(&self, _: &Call, dom: &DomainRef, _: i64, _: u32, flags: u32) -> Result<()> {
        known(flags, 1, "testDomainSetTime")?;
        self.world().running(dom).map(drop)
    }

    fn connect_get_all_domain_stats(
        &self,
        _: &Call,
        doms: &[DomainRef],
        stats: u32,
        flags: u32,
    ) -> Result<Vec<DomainStatsRecord>> {
        let enforce = flags & (1 << 31) != 0;
        if enforce && stats & !1 != 0 {
            let text = format!("Stats types bits 0x{:x} are not supported by this daemon", stats & !1);
            return fail(ErrorCode::ARGUMENT_UNSUPPORTED, text);
        }
        let mut world = self.world();
        let picked: Vec<DomainRef> = if doms.is_empty() {
            let wanted = |dom: &&Dom| {
                (flags & 3 == 0 || (flags & 1 != 0) == dom.active() || flags & 3 == 3)
                    && (flags & 12 == 0 || (flags & 4 != 0) == dom.persistent || flags & 12 == 12)
            };
            world.domains.iter().filter(wanted).map(Dom::reference).collect()
        } else {
            doms.to_vec()
        };
        let mut records = Vec::new();
        for dom in picked {
            let Ok(found) = world.dom(&dom) else { continue };
            let mut params = Vec::new();
            if stats == 0 || stats & 1 != 0 {
                params.push(TypedParam::new("state.state", found.state));
                params.push(TypedParam::new("state.reason", found.reason));
            }
            records.push(DomainStatsRecord { dom: found.reference(), params });
        }
        Ok(records)
    }

    fn domain_interface_addresses(
        &self,
        _: &Call,
        dom: &DomainRef,
        source: u32,
        flags: u32,
    ) -> Result<Vec<DomainInterface>> {
        known(flags, 0, "testDomainInterfaceAddresses")?;
        let mut world = self.world();
        let dom = world.running(dom)?;
        if source > 2 {
            return fail(ErrorCode::ARGUMENT_UNSUPPORTED, format!("Unknown IP address data source {source}"));
        }
        let mut out = Vec::new();
        for (at, interface) in dom.def.all("interface").enumerate() {
            let name = interface.attr_at("target", "dev").unwrap_or_default().to_owned();
            let network = interface.is("type", "network");
            let addr =
                if network { format!("192.168.122.{}", at + 1) } else { format!("192.168.0.{}", at + 1) };
            let addrs = vec![DomainIpAddr { type_: 0, addr, prefix: 24 }];
            out.push(DomainInterface {
                name,
                hwaddr: interface.attr_at("mac", "address").map(str::to_owned),
                addrs,
            });
        }
        Ok(out)
    }

    fn domain_get_perf_events(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<Vec<TypedParam>> {
        known(flags, 7, "testDomainGetPerfEvents")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        Ok(PERF
            .iter()
            .map(|name| TypedParam::new(*name, dom.perf.get(*name).copied().unwrap_or(false)))
            .collect())
    }

    fn domain_set_perf_events(
        &self,
        _: &Call,
        dom: &DomainRef,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testDomainSetPerfEvents")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        for param in params {
            if !PERF.contains(&param.field.as_str()) {
                return fail(
                    ErrorCode::ARGUMENT_UNSUPPORTED,
                    format!("parameter '{}' not supported", param.field),
                );
            }
            if let base::param::TypedValue::Boolean(on) = param.value {
                dom.perf.insert(param.field.clone(), on);
            }
        }
        Ok(())
    }

    fn domain_get_launch_security_info(
        &self,
        _: &Call,
        dom: &DomainRef,
        flags: u32,
    ) -> Result<Vec<TypedParam>> {
        known(flags, 3, "testDomainGetLaunchSecurityInfo")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        if dom.def.tree.child("launchSecurity").is_none() {
            return Ok(Vec::new());
        }
        Ok(vec![TypedParam::new(
            "sev-measurement",
            "LMnv8i8N2QejezMPkscShF0cyPYCslgUoCxGWRqQuyt0Q0aUjVkH/T6NcmkwZkWp",
        )])
    }

    fn domain_get_messages(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<Vec<String>> {
        known(flags, 3, "testDomainGetMessages")?;
        let mut world = self.world();
        world.dom(dom)?;
        Ok(Vec::new())
    }
}
