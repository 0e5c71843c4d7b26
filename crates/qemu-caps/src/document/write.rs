//! Capabilities to text.

use super::Stamp;
use crate::caps::{Accelerated, Caps, Sev, Sgx};
use crate::cpu_model::{HostModel, Setting};
use crate::machine::Accel;
use xml::Writer;

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// The cache document of an emulator.
pub fn write(caps: &Caps, stamp: &Stamp) -> String {
    let mut w = Writer::new();
    w.element("qemuCaps").children(|w| {
        w.leaf("emulator", &caps.binary);
        w.leaf("qemuctime", stamp.emulator_changed);
        if stamp.modules_changed > 0 {
            w.leaf("qemumoddirmtime", stamp.modules_changed);
        }
        w.leaf("selfctime", stamp.self_changed);
        w.leaf("selfvers", stamp.self_version);
        for flag in caps.flags.iter() {
            w.element("flag").attr("name", flag.name()).empty();
        }
        w.leaf("version", caps.version_number());
        w.leaf("microcodeVersion", stamp.microcode);
        w.leaf_opt("hostCPUSignature", stamp.host_cpu.as_ref());
        w.element("package").text(&caps.package);
        w.leaf_opt("kernelVersion", stamp.kernel.as_ref());
        w.leaf("arch", &caps.arch);
        for accel in Accel::ALL {
            accelerated(w, accel, caps.with(accel));
        }
        for gic in &caps.gic {
            w.element("gic")
                .attr("version", gic.version)
                .attr("kernel", yes(gic.kernel))
                .attr("emulated", yes(gic.emulated))
                .empty();
        }
        if let Some(found) = &caps.sev {
            sev(w, found);
        }
        if let Some(found) = &caps.sgx {
            sgx(w, found);
        }
        if let Some(names) = &caps.hyperv {
            w.element("hypervCapabilities").attr("supported", yes(!names.is_empty())).children(|w| {
                for name in names {
                    w.element("cap").attr("name", name).empty();
                }
            });
        }
        if stamp.nesting {
            w.element("kvmSupportsNesting").empty();
        }
        if stamp.secure_guest {
            w.element("kvmSupportsSecureGuest").empty();
        }
    });
    w.finish()
}

fn accelerated(w: &mut Writer, accel: Accel, found: &Accelerated) {
    if let Some(model) = &found.host {
        host(w, accel, model);
    }
    for cpu in &found.cpus {
        let element = w
            .element("cpu")
            .attr("type", accel.name())
            .attr("name", &cpu.name)
            .attr_if(!cpu.kind.is_empty(), "typename", &cpu.kind)
            .attr_opt("usable", cpu.blockers.as_ref().map(|list| yes(list.is_empty())))
            .attr_if(cpu.deprecated, "deprecated", "yes");
        element.children(|w| {
            for name in cpu.blockers.iter().flatten() {
                w.element("blocker").attr("name", name).empty();
            }
        });
    }
    for machine in &found.machines {
        w.element("machine")
            .attr("type", accel.name())
            .attr("name", &machine.name)
            .attr_opt("alias", machine.alias.as_ref())
            .attr_if(machine.hotpluggable_cpus, "hotplugCpus", "yes")
            .attr("maxCpus", machine.max_cpus)
            .attr_if(machine.default, "default", "yes")
            .attr_opt("defaultCPU", machine.default_cpu.as_ref())
            .attr_if(machine.numa_mem, "numaMemSupported", "yes")
            .attr_opt("defaultRAMid", machine.default_ram.as_ref())
            .attr_if(machine.deprecated, "deprecated", "yes")
            .attr_opt("acpi", machine.acpi.map(yes))
            .empty();
    }
}

fn host(w: &mut Writer, accel: Accel, model: &HostModel) {
    let element = w
        .element("hostCPU")
        .attr("type", accel.name())
        .attr("model", &model.name)
        .attr("migratability", yes(model.migratability));
    element.children(|w| {
        for property in &model.properties {
            let element = w.element("property").attr("name", &property.name);
            let element = match &property.value {
                Setting::Boolean(value) => element.attr("type", "boolean").attr("value", value),
                Setting::Text(value) => element.attr("type", "string").attr("value", value),
                Setting::Number(value) => element.attr("type", "number").attr("value", value),
            };
            element.attr_opt("migratable", property.migratable.map(yes)).empty();
        }
        if !model.deprecated.is_empty() {
            w.element("deprecatedFeatures").children(|w| {
                for name in &model.deprecated {
                    w.element("property").attr("name", name).empty();
                }
            });
        }
    });
}

fn sev(w: &mut Writer, sev: &Sev) {
    w.element("sev").children(|w| {
        w.leaf("cbitpos", sev.cbitpos);
        w.leaf("reducedPhysBits", sev.reduced_phys_bits);
        w.leaf("pdh", &sev.pdh);
        w.leaf("certChain", &sev.cert_chain);
        w.leaf_opt("cpu0Id", sev.cpu0_id.as_ref());
    });
}

fn sgx(w: &mut Writer, sgx: &Sgx) {
    w.element("sgx").attr("supported", "yes").children(|w| {
        w.leaf("flc", yes(sgx.flc));
        w.leaf("sgx1", yes(sgx.sgx1));
        w.leaf("sgx2", yes(sgx.sgx2));
        w.element("section_size").attr("unit", "KiB").text(sgx.section_size);
        if !sgx.sections.is_empty() {
            w.element("sections").children(|w| {
                for section in &sgx.sections {
                    w.element("section")
                        .attr("node", section.node)
                        .attr("size", section.size)
                        .attr("unit", "KiB")
                        .empty();
                }
            });
        }
    });
}
