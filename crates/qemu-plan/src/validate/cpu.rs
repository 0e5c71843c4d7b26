//! Processors: caches, address bits, vectors, numbers that can be plugged.

use crate::complete::setting::{Board, Setting};
use crate::complete::unsupported;
use base::Result;
use conf_domain::Domain;
use xml::Tree;

pub(super) fn check(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    if let Some(cpu) = domain.tree.child("cpu") {
        cache(cpu, setting)?;
        address_bits(cpu, setting)?;
        vectors(cpu, setting)?;
    }
    let topology = domain.tree.at("cpu/topology").map(|topology| {
        let part = |name: &str| topology.attr(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
        ["sockets", "dies", "clusters", "cores", "threads"].iter().map(|name| part(name)).product::<u64>()
    });
    if topology.is_some_and(|count| count != u64::from(domain.vcpus_max())) {
        return Err(unsupported("CPU topology doesn't match maximum vcpu count"));
    }
    let first =
        domain.tree.child("vcpus").and_then(|vcpus| vcpus.all("vcpu").find(|vcpu| vcpu.is("id", "0")));
    if first.is_some_and(|vcpu| vcpu.is("enabled", "no")) {
        return Err(unsupported("vcpu 0 can't be offline"));
    }
    let threads =
        domain.tree.attr_at("cpu/topology", "threads").and_then(|threads| threads.parse::<u32>().ok());
    if setting.board == Board::Pseries
        && let Some(step) = threads.filter(|step| *step > 1)
        && !(domain.vcpus().is_multiple_of(step) && domain.vcpus_max().is_multiple_of(step))
    {
        return Err(unsupported(format!(
            "vCPUs count must be a multiple of the vCPU hotplug granularity ({step})"
        )));
    }
    Ok(())
}

fn native(cpu: &Tree) -> bool {
    matches!(cpu.attr("mode"), Some("host-passthrough" | "maximum"))
}

fn cache(cpu: &Tree, setting: &Setting<'_>) -> Result<()> {
    let Some(cache) = cpu.child("cache") else { return Ok(()) };
    if !setting.is_x86() {
        return Err(unsupported(format!(
            "CPU cache specification is not supported for '{}' architecture",
            setting.arch
        )));
    }
    let mode = cache.attr("mode").unwrap_or_default();
    match mode {
        "emulate" if cache.attr("level") != Some("3") => {
            Err(unsupported(format!("CPU cache mode '{mode}' can only be used with level='3'")))
        }
        "passthrough" if !native(cpu) => Err(unsupported(format!(
            "CPU cache mode '{mode}' can only be used with 'host-passthrough' / 'maximum' CPUs"
        ))),
        "passthrough" | "disable" if cache.attr("level").is_some() => {
            Err(unsupported(format!("unsupported CPU cache level for mode '{mode}'")))
        }
        _ => Ok(()),
    }
}

fn address_bits(cpu: &Tree, setting: &Setting<'_>) -> Result<()> {
    let Some(bits) = cpu.child("maxphysaddr") else { return Ok(()) };
    if !setting.is_x86() {
        return Err(unsupported(format!(
            "CPU maximum physical address bits specification is not supported for '{}' architecture",
            setting.arch
        )));
    }
    if let Some(mode @ "passthrough") = bits.attr("mode")
        && bits.attr("bits").is_some()
    {
        return Err(unsupported(format!(
            "CPU maximum physical address bits number specification cannot be used with mode='{mode}'"
        )));
    }
    Ok(())
}

/// Lengths of ARM's vectors mean nothing when there are no vectors.
fn vectors(cpu: &Tree, setting: &Setting<'_>) -> Result<()> {
    if !setting.is_arm() {
        return Ok(());
    }
    let off = cpu.all("feature").any(|feature| feature.is("name", "sve") && feature.is("policy", "disable"));
    let length = cpu.all("feature").any(|feature| {
        feature.is("policy", "require")
            && feature
                .attr("name")
                .and_then(|name| name.strip_prefix("sve"))
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|c| c.is_ascii_digit()))
    });
    if off && length {
        return Err(unsupported("SVE disabled, but SVE vector lengths provided"));
    }
    Ok(())
}

/// What the host and the emulator must know.
pub(super) fn start(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    let Some(cpu) = domain.tree.child("cpu") else { return Ok(()) };
    if let Some(mode @ "passthrough") = cpu.attr_at("maxphysaddr", "mode")
        && !native(cpu)
    {
        return Err(unsupported(format!(
            "CPU maximum physical address bits mode '{mode}' can only be used with 'host-passthrough' / 'maximum' CPUs"
        )));
    }
    if cpu.is("mode", "host-passthrough") && setting.kind == "qemu" {
        return Err(unsupported(format!(
            "CPU mode 'host-passthrough' for {} {} domain on {} host is not supported by hypervisor",
            setting.arch, setting.kind, setting.arch
        )));
    }
    if setting.is_arm() {
        let known = ::cpu::database::Database::builtin().arm_features();
        let strange = cpu
            .all("feature")
            .filter_map(|feature| feature.attr("name"))
            .find(|name| !known.iter().any(|known| known == name));
        if let Some(name) = strange {
            return Err(unsupported(format!("unknown CPU feature: {name}")));
        }
    }
    Ok(())
}
