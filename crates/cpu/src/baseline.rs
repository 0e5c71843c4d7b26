//! The best model several processors share.

use crate::compare::{ModelFault, effective, power_name};
use crate::database::{Database, Family};
use crate::decode::{Choice, Facts, decode};
use crate::definition::{CpuDef, Fallback, Kind, Match, Mode};
use crate::feature_set::FeatureSet;
use crate::qmp::HypervisorModel;

/// What a baseline may use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits<'l> {
    /// Models the emulator offers; `None` allows all.
    pub models: Option<&'l [HypervisorModel]>,
    /// Features the emulator offers; `None` allows all.
    pub features: Option<&'l [String]>,
    /// Leave out what blocks migration.
    pub migratable: bool,
}

/// The most capable guest definition that runs on all of the processors.
///
/// # Errors
/// The list is empty, a model is unknown, or the processors have nothing in common.
pub fn baseline(
    database: &Database,
    arch: &str,
    cpus: &[CpuDef],
    limits: Limits<'_>,
) -> Result<CpuDef, ModelFault> {
    let first = cpus.first().ok_or_else(|| ModelFault::Internal("No CPUs given".into()))?;
    if let Some(at) = cpus.iter().position(|cpu| cpu.model.is_none()) {
        return Err(ModelFault::Internal(format!("no CPU model specified at index {at}")));
    }
    let mut result = CpuDef {
        kind: Kind::Guest,
        mode: Some(Mode::Custom),
        matching: Some(Match::Exact),
        ..CpuDef::default()
    };
    match Family::of(arch) {
        Some(Family::X86) => baseline_x86(database, first, cpus, limits, &mut result)?,
        Some(Family::Ppc64) => baseline_power(database, first, cpus, &mut result)?,
        Some(Family::Arm) => result.model = first.model.clone(),
        _ => {
            return Err(ModelFault::Unsupported(format!(
                "cannot compute baseline CPU of {arch} architecture"
            )));
        }
    }
    Ok(result)
}

fn baseline_x86(
    database: &Database,
    first: &CpuDef,
    cpus: &[CpuDef],
    limits: Limits<'_>,
    result: &mut CpuDef,
) -> Result<(), ModelFault> {
    let mut shared: Option<FeatureSet> = None;
    let mut vendor: Option<&str> = None;
    for cpu in cpus {
        let features = effective(database, cpu)?;
        let model_name = cpu.model.as_deref().unwrap_or_default();
        let of_model = database.model(model_name).and_then(|model| model.vendor.as_deref());
        if let (Some(own), Some(of_model)) = (cpu.vendor.as_deref(), of_model)
            && own != of_model
        {
            return Err(ModelFault::Unsupported(format!(
                "CPU vendor {of_model} of model {model_name} differs from vendor {own}"
            )));
        }
        if let Some(own) = cpu.vendor.as_deref().filter(|own| !database.has_vendor(own)) {
            return Err(ModelFault::UnknownVendor(own.to_owned()));
        }
        match (vendor, cpu.vendor.as_deref()) {
            (Some(before), Some(own)) if before != own => {
                return Err(ModelFault::Failed("CPU vendors do not match".into()));
            }
            (None, Some(own)) => vendor = Some(own),
            _ => {}
        }
        shared = Some(shared.map_or(features, |before| before.intersection(&features)));
    }
    let mut shared = shared.unwrap_or_default();
    if let Some(allowed) = limits.features {
        let allowed = allowed.iter().filter_map(|name| database.feature_or_alias(name)).collect();
        shared = shared.intersection(&allowed);
    }
    if shared.is_empty() {
        return Err(ModelFault::Failed("CPUs are incompatible".into()));
    }
    let same = cpus.iter().all(|cpu| cpu.model == first.model);
    let facts = Facts { vendor, features: shared, ..Facts::default() };
    let preferred = first.model.as_deref().filter(|_| same);
    decode(
        database,
        result,
        &facts,
        Choice { models: limits.models, preferred, migratable: limits.migratable, shared: true },
    )?;
    if cpus.iter().any(|cpu| cpu.vendor.is_none()) {
        result.vendor = None;
    }
    if same {
        result.fallback = Some(Fallback::Forbid);
    }
    Ok(())
}

fn baseline_power(
    database: &Database,
    first: &CpuDef,
    cpus: &[CpuDef],
    result: &mut CpuDef,
) -> Result<(), ModelFault> {
    let wanted = power_name(first.model.as_deref().unwrap_or_default());
    let model = database.power_models().iter().find(|model| model.name == wanted);
    let model = model.ok_or_else(|| ModelFault::UnknownModel(wanted.to_owned()))?;
    for cpu in cpus {
        if power_name(cpu.model.as_deref().unwrap_or_default()) != wanted {
            return Err(ModelFault::Failed("CPUs are incompatible".into()));
        }
        match cpu.vendor.as_deref() {
            None => {}
            Some(own) if own != model.vendor => {
                return Err(ModelFault::Failed(format!(
                    "CPU vendor {} of model {} differs from vendor {own}",
                    model.vendor, model.name
                )));
            }
            Some(_) => {}
        }
    }
    result.model = Some(model.name.clone());
    result.fallback = Some(Fallback::Forbid);
    Ok(())
}
