//! Processors compared with this host's, and what several have in common.

use crate::describe::{Asked, surroundings};
use crate::{Driver, FROM, check_flags, error};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::fault;
use cpu::api;
use cpu::baseline::Limits;
use cpu::definition::Topology;
use cpu::host::{Surroundings, host_cpu};
use cpu::raw::{RawCpu, Registers, Source};
use cpu::{CpuDef, Database, HypervisorModel, Kind};
use qemu_caps::cpu_model::Setting;
use qemu_caps::describe::processors::host_model;
use qemu_caps::{Accel, Caps};
use std::sync::OnceLock;
use xml::Document;

/// The register with the processor's immunities.
const ARCH_CAPABILITIES: u32 = 0x10a;

/// The processor of this host with all that is known around it; none where no model describes it.
pub(crate) fn described_host(tree: &host::node::Tree, node: &host::node::Node) -> Option<CpuDef> {
    let topology = Topology {
        sockets: node.sockets.saturating_mul(node.nodes),
        dies: 1,
        clusters: 1,
        cores: node.cores,
        threads: node.threads,
    };
    let around = Surroundings {
        arch: node.arch.clone(),
        topology: Some(topology),
        microcode: tree.microcode(),
        pages_kib: tree.page_sizes_kib(),
        ..Surroundings::default()
    };
    host_with(Database::builtin(), &around).ok()
}

/// The processor of this host as it tells itself; looked at once.
pub(crate) fn own_processor() -> Option<CpuDef> {
    static OWN: OnceLock<Option<CpuDef>> = OnceLock::new();
    OWN.get_or_init(|| this_host(Database::builtin()).ok()).clone()
}

/// The processor of this host.
fn this_host(database: &Database) -> Result<CpuDef> {
    let around = Surroundings { arch: std::env::consts::ARCH.to_owned(), ..Surroundings::default() };
    host_with(database, &around)
}

fn host_with(database: &Database, around: &Surroundings) -> Result<CpuDef> {
    let mut raw = RawCpu::default();
    for &(number, sub, leaf) in host::cpuid::features() {
        let registers = Registers { eax: leaf.eax, ebx: leaf.ebx, ecx: leaf.ecx, edx: leaf.edx };
        raw.set(Source::Leaf { number, sub }, registers);
    }
    if let Some((eax, edx)) = host::cpuid::register(ARCH_CAPABILITIES) {
        let registers = Registers { eax, edx, ..Registers::default() };
        raw.set(Source::Msr { index: ARCH_CAPABILITIES }, registers);
    }
    host_cpu(database, &raw, around).map_err(|fault| api::error(&fault))
}

/// Refuses what is no XML, in the words of the reference's parser.
fn well_formed(text: &str) -> Result<()> {
    match Document::parse(text) {
        Ok(_) => Ok(()),
        Err(cause) => Err(fault::malformed(text, &cause).in_domain(ErrorDomain::CPU)),
    }
}

/// Models that an emulator offers.
fn offered(caps: &Caps, accel: Accel) -> Vec<HypervisorModel> {
    let models = caps.with(accel).cpus.iter().map(|model| HypervisorModel {
        name: model.name.clone(),
        blockers: model.blockers.clone().unwrap_or_default(),
    });
    models.collect()
}

/// Features that an emulator can give to guests on this host; unknown where it does not tell.
fn features(caps: &Caps, accel: Accel, migratable: bool) -> Option<Vec<String>> {
    let told = caps.with(accel).host.as_ref()?;
    let on = told.properties.iter().filter(|property| {
        matches!(property.value, Setting::Boolean(true))
            && !(migratable && property.migratable == Some(false))
    });
    Some(on.map(|property| property.name.clone()).collect())
}

/// Refuses an empty list.
fn given(texts: &[String], function: &str) -> Result<()> {
    if texts.is_empty() {
        let text = format!("xmlCPUs in {function} must not be NULL");
        return Err(Error::invalid_arg(ErrorDomain::DOMAIN, function, "xmlCPUs", text));
    }
    Ok(())
}

fn silent(caps: &Caps, accel: Accel, what: &str) -> Error {
    let text =
        format!("QEMU '{}' does not support {what} for virttype '{}'", caps.binary, accel.domain_type());
    error(ErrorCode::OPERATION_UNSUPPORTED, text)
}

impl Driver {
    pub(crate) fn compare_processor(&self, text: &str, flags: u32) -> Result<i32> {
        check_flags(flags, 3, "qemuConnectCompareCPU")?;
        well_formed(text)?;
        let database = Database::builtin();
        let host = this_host(database)?;
        api::compare_cpu(database, std::env::consts::ARCH, &host, text, flags).map(|result| result as i32)
    }

    pub(crate) fn compare_with_emulator(&self, asked: Asked<'_>, text: &str, flags: u32) -> Result<i32> {
        check_flags(flags, 3, "qemuConnectCompareHypervisorCPU")?;
        let (caps, accel, _) = self.choose(asked)?;
        well_formed(text)?;
        let database = Database::builtin();
        let host = host_model(&caps, accel, &surroundings(), database)
            .ok_or_else(|| silent(&caps, accel, "reporting CPU model"))?;
        api::compare_cpu(database, &caps.arch, &host, text, flags).map(|result| result as i32)
    }

    pub(crate) fn baseline_processor(&self, texts: &[String], flags: u32) -> Result<String> {
        given(texts, "virConnectBaselineCPU")?;
        check_flags(flags, 3, "qemuConnectBaselineCPU")?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        texts.iter().try_for_each(|text| well_formed(text))?;
        let parsed: Vec<CpuDef> =
            texts.iter().map(|text| api::parse_as(text, Some(Kind::Host))).collect::<Result<_>>()?;
        let arch = parsed.first().and_then(|cpu| cpu.arch.clone());
        let arch = arch.ok_or_else(|| Error::internal(FROM, "Missing CPU architecture"))?;
        api::baseline_cpu(Database::builtin(), &arch, &texts, Some(Kind::Host), Limits::default(), flags)
    }

    pub(crate) fn baseline_with_emulator(
        &self,
        asked: Asked<'_>,
        texts: &[String],
        flags: u32,
    ) -> Result<String> {
        given(texts, "virConnectBaselineHypervisorCPU")?;
        check_flags(flags, 3, "qemuConnectBaselineHypervisorCPU")?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (caps, accel, _) = self.choose(asked)?;
        texts.iter().try_for_each(|text| well_formed(text))?;
        let models = offered(&caps, accel);
        if models.is_empty() {
            return Err(silent(&caps, accel, "any CPU models"));
        }
        let migratable = flags & api::BASELINE_MIGRATABLE != 0;
        let known = features(&caps, accel, migratable);
        let limits = Limits { models: Some(&models), features: known.as_deref(), migratable };
        let database = Database::builtin();
        let text = api::baseline_cpu(database, &caps.arch, &texts, None, limits, flags)?;
        let mut result = api::parse_as(&text, Some(Kind::Guest))?;
        result.fallback = Some(cpu::Fallback::Forbid);
        Ok(result.to_xml())
    }
}
