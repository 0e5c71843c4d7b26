//! Memory, processors and the limits of domains.

use crate::info::{cut, pin};
use crate::world::Dom;
use crate::{Test, fail, invalid, known};
use api::domain_tuning::{
    DomainGetBlkioParametersRet, DomainGetEmulatorPinInfoRet, DomainGetInterfaceParametersRet,
    DomainGetIothreadInfoRet, DomainGetMemoryParametersRet, DomainGetNumaParametersRet,
    DomainGetSchedulerTypeRet, DomainGetVcpuPinInfoRet, DomainIothreadInfo,
};
use api::{Call, DomainTuning};
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::Tree;

/// No limit.
const UNLIMITED: u64 = 9_007_199_254_740_991;

/// Parameters of a subject with their values where nothing was set.
fn defaults(subject: &str) -> Vec<TypedParam> {
    let numbers = |names: &[&str], value: u64| -> Vec<TypedParam> {
        names.iter().map(|name| TypedParam::new(*name, value)).collect()
    };
    let unsigned = |names: &[&str]| -> Vec<TypedParam> {
        names.iter().map(|name| TypedParam::new(*name, 0u32)).collect()
    };
    match subject {
        "memory" => numbers(&["hard_limit", "soft_limit", "swap_hard_limit"], UNLIMITED),
        "numa" => vec![TypedParam::new("numa_mode", 0), TypedParam::new("numa_nodeset", "")],
        "blkio" => {
            let mut out = unsigned(&["weight"]);
            let texts = [
                "device_weight",
                "device_read_iops_sec",
                "device_write_iops_sec",
                "device_read_bytes_sec",
                "device_write_bytes_sec",
            ];
            out.extend(texts.iter().map(|name| TypedParam::new(*name, "")));
            out
        }
        _ => unsigned(&[
            "inbound.average",
            "inbound.peak",
            "inbound.burst",
            "inbound.floor",
            "outbound.average",
            "outbound.peak",
            "outbound.burst",
        ]),
    }
}

/// The parameters of a subject as they are.
pub(crate) fn current(dom: &Dom, subject: &str, defaults: Vec<TypedParam>) -> Vec<TypedParam> {
    let set = dom.settings.get(subject);
    let value = |param: TypedParam| {
        set.and_then(|list| list.iter().find(|known| known.field == param.field)).cloned().unwrap_or(param)
    };
    defaults.into_iter().map(value).collect()
}

/// Sets parameters of a subject; names and types must be those of `defaults`.
pub(crate) fn set(
    dom: &mut Dom,
    subject: &str,
    defaults: &[TypedParam],
    params: &[TypedParam],
) -> Result<()> {
    for param in params {
        let Some(known) = defaults.iter().find(|known| known.field == param.field) else {
            let text = format!("parameter '{}' not supported", param.field);
            return fail(ErrorCode::ARGUMENT_UNSUPPORTED, text);
        };
        if known.value.type_number() != param.value.type_number() {
            let text = format!(
                "invalid type '{}' for parameter '{}', expected '{}'",
                param.value.type_name(),
                param.field,
                known.value.type_name()
            );
            return fail(ErrorCode::INVALID_ARG, text);
        }
    }
    let list = dom.settings.entry(subject.to_owned()).or_default();
    for param in params {
        list.retain(|known| known.field != param.field);
        list.push(param.clone());
    }
    Ok(())
}

fn subject_of(dom: &Dom, device: &str) -> Result<String> {
    let named = |name: Option<&str>| name == Some(device);
    let found = dom
        .def
        .all("interface")
        .any(|i| named(i.attr_at("target", "dev")) || named(i.attr_at("mac", "address")));
    if found {
        return Ok(format!("interface {device}"));
    }
    fail(ErrorCode::INVALID_ARG, format!("can't find device {device}"))
}

/// A function that asks for the number of parameters gets that alone.
fn answer(params: Vec<TypedParam>, nparams: i32) -> (Vec<TypedParam>, i32) {
    let count = params.len() as i32;
    if nparams == 0 { (Vec::new(), count) } else { (params, count) }
}

fn iothreads(dom: &Dom) -> Vec<u32> {
    let ids = dom.def.tree.child("iothreadids");
    let listed = ids.into_iter().flat_map(|ids| ids.all("iothread"));
    listed.filter_map(|thread| thread.attr("id")?.parse().ok()).collect()
}

impl Test {
    fn set_vcpus(&self, dom: &DomainRef, count: u32, flags: u32) -> Result<()> {
        known(flags, 7, "testDomainSetVcpusFlags")?;
        if count < 1 {
            return fail(ErrorCode::INVALID_ARG, format!("argument out of range: {count}"));
        }
        let mut world = self.world();
        let dom = world.dom(dom)?;
        dom.each(flags & 3, |def| {
            if flags & 4 != 0 {
                def.tree.child_or_new("vcpu").text = Some(count.to_string());
                return Ok(());
            }
            if count > def.vcpus_max() {
                let text = format!("requested cpu amount exceeds maximum ({count} > {})", def.vcpus_max());
                return fail(ErrorCode::INVALID_ARG, text);
            }
            let max = def.vcpus_max();
            let element = def.tree.child_or_new("vcpu");
            if count == max {
                element.unset("current");
            } else {
                element.set("current", count.to_string());
            }
            Ok(())
        })
    }

    fn set_memory(&self, dom: &DomainRef, memory: u64, flags: u32) -> Result<()> {
        known(flags, 7, "testDomainSetMemoryFlags")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        if flags & 4 != 0 && dom.active() && flags & 2 == 0 {
            return invalid("cannot resize the maximum memory on an active domain");
        }
        dom.each(flags & 3, |def| {
            if flags & 4 == 0 && memory > def.memory_kib() {
                return fail(ErrorCode::INVALID_ARG, "cannot set memory higher than max memory");
            }
            let element = def.tree.child_or_new(if flags & 4 != 0 { "memory" } else { "currentMemory" });
            element.text = Some(memory.to_string());
            element.default_to("unit", "KiB");
            if flags & 4 != 0 && def.current_memory_kib() > memory {
                def.tree.child_or_new("currentMemory").text = Some(memory.to_string());
            }
            Ok(())
        })
    }

    fn scheduler(&self, dom: &DomainRef) -> Result<Vec<TypedParam>> {
        let mut world = self.world();
        Ok(vec![TypedParam::new("weight", world.dom(dom)?.scheduler_weight)])
    }

    fn set_scheduler(&self, dom: &DomainRef, params: &[TypedParam]) -> Result<()> {
        let mut world = self.world();
        let dom = world.dom(dom)?;
        for param in params {
            match (&param.field[..], &param.value) {
                ("weight", TypedValue::UInt(weight)) => dom.scheduler_weight = *weight,
                ("weight", other) => {
                    let text = format!(
                        "invalid type '{}' for parameter 'weight', expected 'uint'",
                        other.type_name()
                    );
                    return fail(ErrorCode::INVALID_ARG, text);
                }
                (name, _) => {
                    return fail(
                        ErrorCode::ARGUMENT_UNSUPPORTED,
                        format!("parameter '{name}' not supported"),
                    );
                }
            }
        }
        Ok(())
    }
}

impl DomainTuning for Test {
    fn domain_set_max_memory(&self, _: &Call, dom: &DomainRef, memory: u64) -> Result<()> {
        let flags = if self.world().dom(dom)?.active() { 6 } else { 4 };
        self.set_memory(dom, memory, flags)
    }

    fn domain_set_memory(&self, _: &Call, dom: &DomainRef, memory: u64) -> Result<()> {
        self.set_memory(dom, memory, 1)
    }

    fn domain_set_memory_flags(&self, _: &Call, dom: &DomainRef, memory: u64, flags: u32) -> Result<()> {
        self.set_memory(dom, memory, flags)
    }

    fn domain_set_memory_stats_period(
        &self,
        _: &Call,
        dom: &DomainRef,
        period: i32,
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testDomainSetMemoryStatsPeriod")?;
        let mut world = self.world();
        world.dom(dom)?.each(flags, |def| {
            let Some(balloon) = crate::config::device(def, "memballoon", |b| !b.is("model", "none")) else {
                let text = "No memory balloon device configured, can not set the collection period";
                return Err(Error::internal(ErrorDomain::TEST, text));
            };
            balloon.child_or_new("stats").set("period", period.to_string());
            Ok(())
        })
    }

    fn domain_set_vcpus(&self, _: &Call, dom: &DomainRef, nvcpus: u32) -> Result<()> {
        self.set_vcpus(dom, nvcpus, 1)
    }

    fn domain_set_vcpus_flags(&self, _: &Call, dom: &DomainRef, nvcpus: u32, flags: u32) -> Result<()> {
        self.set_vcpus(dom, nvcpus, flags)
    }

    fn domain_pin_vcpu(&self, cx: &Call, dom: &DomainRef, vcpu: u32, cpumap: &[u8]) -> Result<()> {
        self.domain_pin_vcpu_flags(cx, dom, vcpu, cpumap, 0)
    }

    fn domain_pin_vcpu_flags(
        &self,
        _: &Call,
        dom: &DomainRef,
        vcpu: u32,
        cpumap: &[u8],
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testDomainPinVcpuFlags")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        if !dom.active() && flags & 2 == 0 {
            return invalid("cannot pin vcpus on an inactive domain");
        }
        if vcpu >= dom.def.vcpus() {
            return fail(
                ErrorCode::INVALID_ARG,
                format!("requested vcpu '{vcpu}' is not present in the domain"),
            );
        }
        dom.pins.insert(vcpu, cpumap.to_vec());
        Ok(())
    }

    fn domain_get_vcpu_pin_info(
        &self,
        _: &Call,
        dom: &DomainRef,
        ncpumaps: i32,
        maplen: i32,
        flags: u32,
    ) -> Result<DomainGetVcpuPinInfoRet> {
        known(flags, 3, "testDomainGetVcpuPinInfo")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        let vcpus = dom.definition(flags)?.vcpus();
        let count = vcpus.min(u32::try_from(ncpumaps).unwrap_or(0));
        let cpumaps = (0..count).flat_map(|number| cut(&pin(dom, number), maplen)).collect();
        Ok(DomainGetVcpuPinInfoRet { cpumaps, num: count as i32 })
    }

    fn domain_pin_emulator(&self, _: &Call, dom: &DomainRef, cpumap: &[u8], flags: u32) -> Result<()> {
        known(flags, 3, "testDomainPinEmulator")?;
        self.world().dom(dom)?.emulator_pin = Some(cpumap.to_vec());
        Ok(())
    }

    fn domain_get_emulator_pin_info(
        &self,
        _: &Call,
        dom: &DomainRef,
        maplen: i32,
        flags: u32,
    ) -> Result<DomainGetEmulatorPinInfoRet> {
        known(flags, 3, "testDomainGetEmulatorPinInfo")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        let map = dom.emulator_pin.clone().unwrap_or_else(|| vec![0xff, 0xff]);
        Ok(DomainGetEmulatorPinInfoRet { cpumaps: cut(&map, maplen), ret: 1 })
    }

    fn domain_get_scheduler_type(&self, _: &Call, dom: &DomainRef) -> Result<DomainGetSchedulerTypeRet> {
        self.world().dom(dom)?;
        Ok(DomainGetSchedulerTypeRet { type_: "fair".to_owned(), nparams: 1 })
    }

    fn domain_get_scheduler_parameters(&self, _: &Call, dom: &DomainRef, _: i32) -> Result<Vec<TypedParam>> {
        self.scheduler(dom)
    }

    fn domain_get_scheduler_parameters_flags(
        &self,
        _: &Call,
        dom: &DomainRef,
        _: i32,
        flags: u32,
    ) -> Result<Vec<TypedParam>> {
        known(flags, 4, "testDomainGetSchedulerParametersFlags")?;
        self.scheduler(dom)
    }

    fn domain_set_scheduler_parameters(
        &self,
        _: &Call,
        dom: &DomainRef,
        params: &[TypedParam],
    ) -> Result<()> {
        self.set_scheduler(dom, params)
    }

    fn domain_set_scheduler_parameters_flags(
        &self,
        _: &Call,
        dom: &DomainRef,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        known(flags, 0, "testDomainSetSchedulerParametersFlags")?;
        self.set_scheduler(dom, params)
    }

    fn domain_get_memory_parameters(
        &self,
        _: &Call,
        dom: &DomainRef,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetMemoryParametersRet> {
        known(flags, 7, "testDomainGetMemoryParameters")?;
        let mut world = self.world();
        let (params, nparams) = answer(current(world.dom(dom)?, "memory", defaults("memory")), nparams);
        Ok(DomainGetMemoryParametersRet { params, nparams })
    }

    fn domain_set_memory_parameters(
        &self,
        _: &Call,
        dom: &DomainRef,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testDomainSetMemoryParameters")?;
        set(self.world().dom(dom)?, "memory", &defaults("memory"), params)
    }

    fn domain_get_numa_parameters(
        &self,
        _: &Call,
        dom: &DomainRef,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetNumaParametersRet> {
        known(flags, 7, "testDomainGetNumaParameters")?;
        let mut world = self.world();
        let (params, nparams) = answer(current(world.dom(dom)?, "numa", defaults("numa")), nparams);
        Ok(DomainGetNumaParametersRet { params, nparams })
    }

    fn domain_set_numa_parameters(
        &self,
        _: &Call,
        dom: &DomainRef,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testDomainSetNumaParameters")?;
        set(self.world().dom(dom)?, "numa", &defaults("numa"), params)
    }

    fn domain_get_blkio_parameters(
        &self,
        _: &Call,
        dom: &DomainRef,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetBlkioParametersRet> {
        known(flags, 7, "testDomainGetBlkioParameters")?;
        let mut world = self.world();
        let (params, nparams) = answer(current(world.dom(dom)?, "blkio", defaults("blkio")), nparams);
        Ok(DomainGetBlkioParametersRet { params, nparams })
    }

    fn domain_set_blkio_parameters(
        &self,
        _: &Call,
        dom: &DomainRef,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testDomainSetBlkioParameters")?;
        set(self.world().dom(dom)?, "blkio", &defaults("blkio"), params)
    }

    fn domain_get_interface_parameters(
        &self,
        _: &Call,
        dom: &DomainRef,
        device: &str,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetInterfaceParametersRet> {
        known(flags, 7, "testDomainGetInterfaceParameters")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        let subject = subject_of(dom, device)?;
        let (params, nparams) = answer(current(dom, &subject, defaults(&subject)), nparams);
        Ok(DomainGetInterfaceParametersRet { params, nparams })
    }

    fn domain_set_interface_parameters(
        &self,
        _: &Call,
        dom: &DomainRef,
        device: &str,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testDomainSetInterfaceParameters")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        let subject = subject_of(dom, device)?;
        set(dom, &subject, &defaults(&subject), params)
    }

    fn domain_get_iothread_info(
        &self,
        _: &Call,
        dom: &DomainRef,
        flags: u32,
    ) -> Result<DomainGetIothreadInfoRet> {
        known(flags, 3, "testDomainGetIOThreadInfo")?;
        let mut world = self.world();
        let threads = iothreads(world.dom(dom)?);
        let info: Vec<_> =
            threads.into_iter().map(|id| DomainIothreadInfo { iothread_id: id, cpumap: vec![3] }).collect();
        Ok(DomainGetIothreadInfoRet { ret: info.len() as u32, info })
    }

    fn domain_add_iothread(&self, _: &Call, dom: &DomainRef, id: u32, flags: u32) -> Result<()> {
        known(flags, 3, "testDomainAddIOThread")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        let mut ids = iothreads(dom);
        if ids.contains(&id) {
            let text = format!("an IOThread is already using iothread_id '{id}'");
            return fail(ErrorCode::INVALID_ARG, text);
        }
        ids.push(id);
        dom.each(flags, |def| {
            def.tree.child_or_new("iothreads").text = Some(ids.len().to_string());
            let list = def.tree.child_or_new("iothreadids");
            list.children.push(Tree::new("iothread").with("id", id.to_string()));
            def.sort();
            Ok(())
        })
    }

    fn domain_del_iothread(&self, _: &Call, dom: &DomainRef, id: u32, flags: u32) -> Result<()> {
        known(flags, 3, "testDomainDelIOThread")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        let mut ids = iothreads(dom);
        if !ids.contains(&id) {
            return fail(ErrorCode::INVALID_ARG, format!("cannot find IOThread '{id}' in iothreadids list"));
        }
        ids.retain(|known| *known != id);
        let wanted = id.to_string();
        dom.each(flags, |def| {
            def.tree.child_or_new("iothreads").text = Some(ids.len().to_string());
            let list = def.tree.child_or_new("iothreadids");
            list.children.retain(|thread| thread.attr("id") != Some(&wanted));
            if ids.is_empty() {
                def.tree.remove("iothreads");
                def.tree.remove("iothreadids");
            }
            Ok(())
        })
    }

    fn domain_pin_iothread(
        &self,
        _: &Call,
        dom: &DomainRef,
        id: u32,
        cpumap: &[u8],
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testDomainPinIOThread")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        if !iothreads(dom).contains(&id) {
            return fail(ErrorCode::INVALID_ARG, format!("iothreadid {id} not found"));
        }
        if cpumap.iter().all(|byte| *byte == 0) {
            return fail(ErrorCode::INVALID_ARG, "Empty iothread cpumap list for pinning");
        }
        Ok(())
    }

    fn domain_set_iothread_params(
        &self,
        _: &Call,
        dom: &DomainRef,
        id: u32,
        _: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testDomainSetIOThreadParams")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        if !iothreads(dom).contains(&id) {
            return fail(ErrorCode::INVALID_ARG, format!("cannot find IOThread '{id}' in iothreadids list"));
        }
        Ok(())
    }
}
