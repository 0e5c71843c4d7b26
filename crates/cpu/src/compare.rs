//! Does a host satisfy a processor definition?

use crate::database::{Database, Family};
use crate::definition::{CpuDef, Kind, Match, Mode, Policy};
use crate::feature_set::FeatureSet;
use thiserror::Error;

/// Outcome of a comparison, in the words of the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// The host lacks something, or has something it must not have; the text says what.
    Incompatible(String),
    /// The host is exactly this.
    Identical,
    /// The host has more.
    Superset,
}

/// A definition that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ModelFault {
    /// No model of this name.
    #[error("Unknown CPU model {0}")]
    UnknownModel(String),
    /// No feature of this name.
    #[error("Unknown CPU feature {0}")]
    UnknownFeature(String),
    /// No vendor of this name.
    #[error("Unknown CPU vendor {0}")]
    UnknownVendor(String),
    /// There is no model at all.
    #[error("no CPU model specified")]
    NoModel,
    /// The processors have nothing in common, or contradict each other.
    #[error("{0}")]
    Incompatible(String),
    /// The processors cannot be taken together.
    #[error("{0}")]
    Failed(String),
    /// The emulator or the table does not offer what is asked for.
    #[error("{0}")]
    Unsupported(String),
    /// Something is not there.
    #[error("{0}")]
    Internal(String),
}

/// Features a definition names with one policy. Hosts have no policies: every feature counts as required.
/// Names the table does not know are an error in hosts' lists and where `strict`.
pub(crate) fn with_policy(
    database: &Database,
    cpu: &CpuDef,
    policy: Policy,
) -> Result<FeatureSet, ModelFault> {
    let mut set = FeatureSet::default();
    for feature in &cpu.features {
        let own = match cpu.kind {
            Kind::Host => Policy::Require,
            Kind::Guest => feature.policy.unwrap_or(Policy::Require),
        };
        if own == policy {
            let index = database.feature(&feature.name);
            set.insert(index.ok_or_else(|| ModelFault::UnknownFeature(feature.name.clone()))?);
        }
    }
    Ok(set)
}

/// Everything a definition switches on: the model, plus required and forced features, minus disabled ones.
pub(crate) fn effective(database: &Database, cpu: &CpuDef) -> Result<FeatureSet, ModelFault> {
    let model = model_features(database, cpu)?;
    let on = with_policy(database, cpu, Policy::Require)?.union(&with_policy(database, cpu, Policy::Force)?);
    Ok(model.union(&on).minus(&with_policy(database, cpu, Policy::Disable)?).minus(&with_policy(
        database,
        cpu,
        Policy::Forbid,
    )?))
}

fn model_features(database: &Database, cpu: &CpuDef) -> Result<FeatureSet, ModelFault> {
    let name = cpu.model.as_deref().ok_or(ModelFault::NoModel)?;
    let model = database.model(name).ok_or_else(|| ModelFault::UnknownModel(name.to_owned()))?;
    Ok(model.features)
}

/// Has the processor this feature?
///
/// # Errors
/// The feature or the model is not in the table.
pub fn has_feature(database: &Database, cpu: &CpuDef, name: &str) -> Result<bool, ModelFault> {
    let index = database.feature(name).ok_or_else(|| ModelFault::UnknownFeature(name.to_owned()))?;
    Ok(effective(database, cpu)?.contains(index))
}

/// Are all features of the definition known to the architecture?
///
/// # Errors
/// The first unknown one.
pub fn validate_features(database: &Database, arch: &str, cpu: &CpuDef) -> Result<(), ModelFault> {
    let known = |name: &str| match Family::of(arch) {
        Some(Family::X86) => database.feature(name).is_some(),
        Some(Family::Arm) => database.arm_features().iter().any(|own| own == name),
        _ => true,
    };
    match cpu.features.iter().find(|feature| !known(&feature.name)) {
        Some(feature) => Err(ModelFault::Unsupported(format!("unknown CPU feature: {}", feature.name))),
        None => Ok(()),
    }
}

/// Compares a definition with a host of an architecture.
///
/// # Errors
/// A model, feature or vendor that is not in the table.
pub fn compare(
    database: &Database,
    arch: &str,
    host: &CpuDef,
    cpu: &CpuDef,
) -> Result<Comparison, ModelFault> {
    match Family::of(arch) {
        Some(Family::X86) => compare_x86(database, host, cpu),
        Some(Family::Ppc64) => compare_power(database, host, cpu),
        Some(Family::Arm | Family::Riscv | Family::Loongarch) => Ok(Comparison::Identical),
        Some(Family::S390) | None => {
            Err(ModelFault::Unsupported(format!("cannot compare CPUs of {arch} architecture")))
        }
    }
}

fn arch_mismatch(cpu: &CpuDef, family: Family) -> Option<Comparison> {
    let arch = cpu.arch.as_deref()?;
    (Family::of(arch) != Some(family))
        .then(|| Comparison::Incompatible(format!("CPU arch {arch} does not match host arch")))
}

fn vendor_mismatch(host: &CpuDef, cpu: &CpuDef) -> Option<Comparison> {
    let vendor = cpu.vendor.as_deref()?;
    (host.vendor.as_deref() != Some(vendor)).then(|| {
        Comparison::Incompatible(format!("host CPU vendor does not match required CPU vendor {vendor}"))
    })
}

fn compare_x86(database: &Database, host: &CpuDef, cpu: &CpuDef) -> Result<Comparison, ModelFault> {
    if cpu.kind == Kind::Guest && matches!(cpu.mode, Some(Mode::HostPassthrough | Mode::Maximum)) {
        return Ok(Comparison::Identical);
    }
    if let Some(mismatch) = arch_mismatch(cpu, Family::X86) {
        return Ok(mismatch);
    }
    if let Some(vendor) = cpu.vendor.as_deref().filter(|vendor| !database.has_vendor(vendor)) {
        return Err(ModelFault::UnknownVendor(vendor.to_owned()));
    }
    if let Some(mismatch) = vendor_mismatch(host, cpu) {
        return Ok(mismatch);
    }
    let has = effective(database, host)?;
    let force = with_policy(database, cpu, Policy::Force)?;
    let optional = with_policy(database, cpu, Policy::Optional)?;
    let disable = with_policy(database, cpu, Policy::Disable)?;
    let forbid = with_policy(database, cpu, Policy::Forbid)?;
    let explicit = with_policy(database, cpu, Policy::Require)?;
    let excluded = force.union(&optional).union(&disable).union(&forbid);
    let require = model_features(database, cpu)?.minus(&excluded).union(&explicit);
    let list = |set: &FeatureSet| database.names(set).join(", ");

    let forbidden = forbid.intersection(&has);
    if !forbidden.is_empty() {
        return Ok(Comparison::Incompatible(format!(
            "Host CPU provides forbidden features: {}",
            list(&forbidden)
        )));
    }
    let missing = require.minus(&has);
    if !missing.is_empty() {
        return Ok(Comparison::Incompatible(format!(
            "Host CPU does not provide required features: {}",
            list(&missing)
        )));
    }
    let extra = has.minus(&optional).minus(&require).minus(&disable).minus(&force);
    if extra.is_empty() {
        return Ok(Comparison::Identical);
    }
    if cpu.kind == Kind::Guest && cpu.matching == Some(Match::Strict) {
        return Ok(Comparison::Incompatible(format!(
            "Host CPU does not strictly match guest CPU: Extra features: {}",
            list(&extra)
        )));
    }
    Ok(Comparison::Superset)
}

/// The table's name of a ppc64 model: older documents carry revisions (`POWER7_v2.3`, `POWER7+_v2.1`).
pub(crate) fn power_name(name: &str) -> &str {
    name.split_once("_v").map_or(name, |(base, _)| base.trim_end_matches('+'))
}

fn power_known<'d>(database: &'d Database, name: &str) -> Result<&'d str, ModelFault> {
    let own = power_name(name);
    let found = database.power_models().iter().find(|model| model.name == own);
    found.map(|model| model.name.as_str()).ok_or_else(|| ModelFault::UnknownModel(name.to_owned()))
}

/// The generation of a compatibility mode (`power7`) or of a model (`POWER7`).
fn power_generation(name: &str) -> Option<u32> {
    name.strip_prefix("power").or_else(|| name.strip_prefix("POWER"))?.parse().ok()
}

fn compare_power(database: &Database, host: &CpuDef, cpu: &CpuDef) -> Result<Comparison, ModelFault> {
    if let Some(mismatch) = arch_mismatch(cpu, Family::Ppc64) {
        return Ok(mismatch);
    }
    if let Some(mismatch) = vendor_mismatch(host, cpu) {
        return Ok(mismatch);
    }
    let host_name = host.model.as_deref().ok_or(ModelFault::NoModel)?;
    let host_model = power_known(database, host_name)?;
    let incompatible = |wanted: &str| {
        Comparison::Incompatible(format!("host CPU model does not match required CPU model {wanted}"))
    };
    let mode = cpu.mode.filter(|_| cpu.kind == Kind::Guest);
    match (mode, cpu.model.as_deref()) {
        (Some(Mode::HostModel), Some(compat)) => {
            let generation = Some(compat).filter(|name| name.starts_with("power")).and_then(power_generation);
            let wanted = generation.ok_or_else(|| ModelFault::UnknownModel(compat.to_owned()))?;
            let host_generation = power_generation(host_model).unwrap_or_default();
            Ok(if wanted <= host_generation { Comparison::Identical } else { incompatible(compat) })
        }
        (Some(Mode::HostModel | Mode::HostPassthrough | Mode::Maximum), _) => Ok(Comparison::Identical),
        (_, None) => Err(ModelFault::NoModel),
        (_, Some(name)) => {
            let wanted = power_known(database, name)?;
            Ok(if wanted == host_model { Comparison::Identical } else { incompatible(wanted) })
        }
    }
}
