//! A definition corrected by what the emulator really switched on and off.

use crate::compare::{ModelFault, effective, with_policy};
use crate::database::Database;
use crate::definition::{CpuDef, Mode, Policy};
use crate::feature_set::FeatureSet;

/// Writes into `cpu` which features are on although it does not ask for them, and which are off although it does.
/// With `check='full'` any such difference is refused.
///
/// # Errors
/// The definition is unknown to the table, or differs and asked for a full check.
pub fn update_live(
    database: &Database,
    cpu: &mut CpuDef,
    enabled: &FeatureSet,
    disabled: &FeatureSet,
) -> Result<(), ModelFault> {
    let passthrough = matches!(cpu.mode, Some(Mode::HostPassthrough | Mode::Maximum));
    let expected = if cpu.model.is_some() { effective(database, cpu)? } else { FeatureSet::default() };
    let off = with_policy(database, cpu, Policy::Disable)?;
    let removed =
        cpu.model.as_deref().and_then(|name| database.model(name)).map(|m| m.removed).unwrap_or_default();
    let extra = enabled.minus(&expected);
    let missing = expected.intersection(disabled);
    if cpu.check.as_deref() == Some("full") && !(extra.is_empty() && missing.is_empty()) {
        let part = |label: &str, set: &FeatureSet| {
            (!set.is_empty()).then(|| format!("{label} features: {}", database.names(set).join(",")))
        };
        let parts: Vec<String> =
            [part("extra", &extra), part("missing", &missing)].into_iter().flatten().collect();
        return Err(ModelFault::Failed(format!(
            "guest CPU doesn't match specification: {}",
            parts.join(", ")
        )));
    }
    for index in extra.iter() {
        if passthrough || !off.contains(index) || enabled.contains(index) {
            cpu.set_feature(database.feature_name(index), Some(Policy::Require));
        }
    }
    for index in missing.iter() {
        cpu.set_feature(database.feature_name(index), Some(Policy::Disable));
    }
    for index in removed.minus(enabled).iter() {
        let name = database.feature_name(index);
        if cpu.feature(name).is_none() {
            cpu.set_feature(name, Some(Policy::Disable));
        }
    }
    Ok(())
}
