//! Relative definitions made absolute, models renamed to what the emulator offers, features spelled out.

use crate::compare::{ModelFault, effective, power_name, with_policy};
use crate::database::{Database, Family};
use crate::decode::{Choice, Facts, decode};
use crate::definition::{CpuDef, Fallback, Feature, Kind, Match, Mode, Policy};
use crate::qmp::HypervisorModel;

/// Makes a guest definition independent of the host it is on: `host-model`, `match='minimum'` and optional
/// features are replaced by what the host has. Pass-through definitions stay.
///
/// # Errors
/// The host is not known well enough.
pub fn update(database: &Database, arch: &str, guest: &CpuDef, host: &CpuDef) -> Result<CpuDef, ModelFault> {
    let mode = guest.mode.unwrap_or(Mode::Custom);
    let relative = match mode {
        Mode::HostPassthrough | Mode::Maximum => false,
        Mode::HostModel => true,
        Mode::Custom => {
            guest.matching == Some(Match::Minimum)
                || guest.features.iter().any(|feature| feature.policy == Some(Policy::Optional))
        }
    };
    if !relative || Family::of(arch) != Some(Family::X86) {
        return Ok(guest.clone());
    }
    if host.model.is_none() {
        return Err(ModelFault::Unsupported("unknown host CPU model".into()));
    }
    let mut updated = guest.clone();
    let has = effective(database, host)?;
    if mode == Mode::HostModel || guest.matching == Some(Match::Minimum) {
        updated.mode = Some(Mode::Custom);
        updated.matching = Some(Match::Exact);
        updated.model.clone_from(&host.model);
        if mode == Mode::HostModel {
            updated.vendor.clone_from(&host.vendor);
        }
        // The host is what can be given to guests; only the invariant counter has to be asked for.
        let own = host.features.iter().filter(|feature| feature.name != "invtsc");
        updated.features = own
            .map(|feature| Feature {
                name: feature.name.clone(),
                policy: Some(feature.policy.unwrap_or(Policy::Require)),
            })
            .collect();
        for feature in &guest.features {
            updated.set_feature(&feature.name, feature.policy);
        }
    }
    for feature in &mut updated.features {
        if feature.policy == Some(Policy::Optional) {
            let present = database.feature(&feature.name).is_some_and(|index| has.contains(index));
            feature.policy = Some(if present { Policy::Require } else { Policy::Disable });
        }
    }
    Ok(updated)
}

/// Replaces a custom model the emulator does not offer by one it does, unless the definition forbids it.
/// `models` `None`: it offers all.
///
/// # Errors
/// `CPU model NAME is not supported by hypervisor`, or nothing fits.
pub fn translate(
    database: &Database,
    arch: &str,
    cpu: &CpuDef,
    models: Option<&[HypervisorModel]>,
) -> Result<CpuDef, ModelFault> {
    if matches!(cpu.mode, Some(Mode::HostModel | Mode::HostPassthrough | Mode::Maximum)) {
        return Ok(cpu.clone());
    }
    let Some(name) = cpu.model.as_deref() else { return Ok(cpu.clone()) };
    let offered = |name: &str| models.is_none_or(|models| models.iter().any(|own| own.name == name));
    if offered(name) {
        return Ok(cpu.clone());
    }
    let refused = || ModelFault::Unsupported(format!("CPU model {name} is not supported by hypervisor"));
    if cpu.fallback == Some(Fallback::Forbid) {
        return Err(refused());
    }
    let mut translated = cpu.clone();
    match Family::of(arch) {
        Some(Family::X86) => {
            let model = database.model(name).ok_or_else(|| ModelFault::UnknownModel(name.to_owned()))?;
            let facts = Facts {
                vendor: model.vendor.as_deref(),
                features: effective(database, cpu)?,
                signature: model.first_signature(),
            };
            translated.kind = Kind::Guest;
            decode(database, &mut translated, &facts, Choice { models, ..Choice::default() })?;
            translated.vendor.clone_from(&cpu.vendor);
            for feature in &cpu.features {
                translated.set_feature(&feature.name, Some(feature.policy.unwrap_or(Policy::Require)));
            }
        }
        Some(Family::Ppc64) => {
            let own = power_name(name);
            if !database.power_models().iter().any(|model| model.name == own) {
                return Err(ModelFault::UnknownModel(name.to_owned()));
            }
            if !offered(own) {
                return Err(refused());
            }
            translated.model = Some(own.to_owned());
        }
        _ => return Err(refused()),
    }
    Ok(translated)
}

/// Adds the model's own features to the list, as `require`; what the list says already stays. Sorted by name.
///
/// # Errors
/// The model or a feature is unknown.
pub fn expand_features(database: &Database, cpu: &mut CpuDef) -> Result<(), ModelFault> {
    if cpu.model.is_none() {
        return Ok(());
    }
    let on = effective(database, cpu)?;
    let guest = cpu.kind == Kind::Guest;
    let off = if guest { with_policy(database, cpu, Policy::Disable)? } else { Default::default() };
    let entry = |index: usize, policy: Policy| Feature {
        name: database.feature_name(index).to_owned(),
        policy: guest.then_some(policy),
    };
    let mut features: Vec<Feature> = on.iter().map(|index| entry(index, Policy::Require)).collect();
    features.extend(off.iter().map(|index| entry(index, Policy::Disable)));
    features.sort_by(|a, b| a.name.cmp(&b.name));
    cpu.features = features;
    Ok(())
}

/// Drops features that block migration.
pub fn keep_migratable(database: &Database, cpu: &mut CpuDef) {
    let migratable = database.migratable();
    cpu.features
        .retain(|feature| database.feature(&feature.name).is_none_or(|index| migratable.contains(index)));
}
