//! From features to a name: which model describes a processor best, and what has to be said beside it.

use crate::compare::ModelFault;
use crate::database::{Database, Model};
use crate::definition::{CpuDef, Feature, Kind, Mode, Policy};
use crate::feature_set::FeatureSet;
use crate::qmp::HypervisorModel;
use crate::raw::{RawCpu, Signature};
use std::cmp::Reverse;

/// What is known about the processor to name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'f> {
    /// Name of the vendor, when known.
    pub vendor: Option<&'f str>,
    /// Family, model and stepping; zero when unknown.
    pub signature: Signature,
    /// All its features.
    pub features: FeatureSet,
}

impl<'f> Facts<'f> {
    /// The facts of raw leaves and MSRs. TSX is left out on the processors whose TSX is broken.
    pub fn of_raw(database: &'f Database, raw: &RawCpu) -> Facts<'f> {
        let vendor = raw.vendor_string().and_then(|string| database.vendor_of_string(&string));
        Facts { vendor, signature: raw.signature(), features: raw.features(database) }
            .without_broken_tsx(database)
    }

    /// The same without TSX where the processor's TSX is known to be broken (Haswell).
    #[must_use]
    pub fn without_broken_tsx(mut self, database: &Database) -> Facts<'f> {
        let Signature { family, model, stepping } = self.signature;
        let broken = family == 6 && (matches!(model, 60 | 69 | 70) || model == 63 && stepping < 4);
        if broken && self.vendor == Some("Intel") {
            for feature in ["hle", "rtm"].iter().filter_map(|name| database.feature(name)) {
                self.features.remove(feature);
            }
        }
        self
    }
}

/// How to choose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'c> {
    /// Models the emulator offers; `None` allows all.
    pub models: Option<&'c [HypervisorModel]>,
    /// A model to take when it fits at all.
    pub preferred: Option<&'c str>,
    /// Leave out what blocks migration.
    pub migratable: bool,
    /// The features are what several processors share, so that a model with nothing to switch off goes first.
    pub shared: bool,
}

struct Candidate<'d> {
    model: &'d Model,
    extra: FeatureSet,
    missing: FeatureSet,
    removed: FeatureSet,
    fit: u8,
}

/// Fills in model, vendor and features of `cpu` (whose kind decides which models qualify).
///
/// # Errors
/// No model fits.
pub fn decode(
    database: &Database,
    cpu: &mut CpuDef,
    facts: &Facts<'_>,
    choice: Choice<'_>,
) -> Result<(), ModelFault> {
    let mut best: Option<Candidate<'_>> = None;
    for model in database.models().iter().rev() {
        let offered = choice.models.map(|models| models.iter().find(|own| own.name == model.name));
        if matches!(offered, Some(None)) {
            continue;
        }
        if facts.vendor.is_some() && model.vendor.is_some() && facts.vendor != model.vendor.as_deref() {
            continue;
        }
        let suitable = if cpu.kind == Kind::Host { model.decode_host } else { model.decode_guest };
        let preferred = choice.preferred == Some(model.name.as_str());
        if !suitable && !preferred {
            continue;
        }
        let blockers = offered.flatten().map(|own| own.blockers.as_slice()).unwrap_or_default();
        let blocked: FeatureSet =
            blockers.iter().filter_map(|name| database.feature_or_alias(name)).collect();
        let described = model.features.union(&blocked);
        let mut candidate = Candidate {
            model,
            extra: facts.features.minus(&described),
            missing: described.minus(&facts.features.minus(&blocked)),
            removed: FeatureSet::default(),
            fit: model.signature_match(facts.signature),
        };
        if cpu.kind == Kind::Guest {
            candidate.removed = model.removed.minus(&facts.features).minus(&candidate.missing);
        }
        if cpu.kind == Kind::Host && !candidate.missing.is_empty() {
            continue;
        }
        if preferred {
            best = Some(candidate);
            break;
        }
        if best.as_ref().is_none_or(|current| better(&candidate, current, choice.shared)) {
            best = Some(candidate);
        }
    }
    let best =
        best.ok_or_else(|| ModelFault::Internal("Cannot find suitable CPU model for given data".into()))?;
    let guest = cpu.kind == Kind::Guest;
    let mut extra = best.extra;
    if choice.migratable {
        extra = extra.intersection(&database.migratable());
    }
    let named = |set: &FeatureSet, policy: Option<Policy>| -> Vec<Feature> {
        set.iter().map(|index| Feature { name: database.feature_name(index).to_owned(), policy }).collect()
    };
    cpu.model = Some(best.model.name.clone());
    cpu.vendor = facts.vendor.map(str::to_owned);
    cpu.features = named(&extra, guest.then_some(Policy::Require));
    cpu.features.extend(named(&best.missing, Some(Policy::Disable)));
    cpu.features.extend(named(&best.removed, Some(Policy::Disable)));
    if guest && cpu.mode.is_none() {
        cpu.mode = Some(Mode::Custom);
    }
    Ok(())
}

/// Is the new candidate a better description? A model with the processor's own signature wins, then the one with
/// least to say beside it, where a feature to switch off counts twice. For features that several processors share any
/// switched-off feature weighs more than all extras.
fn better(new: &Candidate<'_>, current: &Candidate<'_>, shared: bool) -> bool {
    let rank = |candidate: &Candidate<'_>| {
        let off = candidate.missing.len() + candidate.removed.len();
        let weight = if shared { off } else { candidate.extra.len() + 2 * off };
        (Reverse(candidate.fit), weight, off, candidate.extra.len())
    };
    rank(new) < rank(current)
}
