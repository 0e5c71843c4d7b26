//! The host's processor as an emulator offers it: what `host-model` stands for.
//!
//! The emulator is asked to expand its model `host` (with acceleration) or `max` (without); the expansion is described by
//! the model that says most about it. An emulator that cannot be asked is taken to offer what the host has.

use crate::caps::CpuModel;
use cpu::database::{Database, Family};
use cpu::decode::{Choice, decode};
use cpu::{CpuDef, Feature, HypervisorModel, Kind, Match, Mode, Policy, qmp};
use serde_json::Value;

/// Processors a guest's definition is measured by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostCpus {
    /// What can be had with acceleration.
    pub kvm: Option<CpuDef>,
    /// What can be had without.
    pub tcg: Option<CpuDef>,
    /// The processor itself, whatever the emulator makes of it.
    pub probed: Option<CpuDef>,
}

/// Features of x86 processors that no emulator takes by name: they follow from others, belong to the host alone, or are
/// gone for good.
const NOT_FOR_EMULATORS: &[&str] = &["cmt", "mbm_total", "mbm_local", "osxsave", "ospke", "pconfig"];

/// Whether an emulator takes a feature by name.
pub(crate) fn for_emulators(arch: &str, feature: &str) -> bool {
    Family::of(arch) != Some(Family::X86) || !NOT_FOR_EMULATORS.contains(&feature)
}

/// Models of an emulator as the processor tables see them.
pub(crate) fn offered(models: &[CpuModel]) -> Vec<HypervisorModel> {
    let named = |model: &CpuModel| HypervisorModel {
        name: model.name.clone(),
        blockers: model.blockers.clone().unwrap_or_default(),
    };
    models.iter().map(named).collect()
}

fn guest() -> CpuDef {
    CpuDef { kind: Kind::Guest, mode: Some(Mode::Custom), matching: Some(Match::Exact), ..CpuDef::default() }
}

impl HostCpus {
    /// Reads the `return` member of an expansion of `host` or `max`.
    pub fn of_expansion(arch: &str, reply: &Value, models: &[CpuModel]) -> Option<CpuDef> {
        match Family::of(arch)? {
            Family::X86 => {
                let database = Database::builtin();
                let facts = qmp::expansion(database, reply)?;
                let models = offered(models);
                let mut cpu = guest();
                let choice = Choice { models: Some(&models), ..Choice::default() };
                decode(database, &mut cpu, &facts, choice).ok()?;
                cpu.features.retain(|feature| for_emulators(arch, &feature.name));
                Some(cpu)
            }
            Family::S390 => {
                let model = reply.get("model")?;
                let mut cpu = guest();
                cpu.model = Some(model.get("name")?.as_str()?.to_owned());
                let properties = model.get("props").and_then(Value::as_object);
                cpu.features = properties
                    .into_iter()
                    .flatten()
                    .filter_map(|(name, value)| {
                        let policy = if value.as_bool()? { Policy::Require } else { Policy::Disable };
                        Some(Feature { name: name.clone(), policy: Some(policy) })
                    })
                    .collect();
                Some(cpu)
            }
            _ => None,
        }
    }

    /// What an emulator that cannot be asked offers on a host.
    pub fn of_probed(arch: &str, host: &CpuDef) -> Option<CpuDef> {
        host.model.as_ref()?;
        let database = Database::builtin();
        let movable =
            |name: &str| database.feature(name).is_none_or(|feature| database.migratable().contains(feature));
        let usable = |feature: &&Feature| for_emulators(arch, &feature.name) && movable(&feature.name);
        let features = host.features.iter().filter(usable);
        let features =
            features.map(|feature| Feature { name: feature.name.clone(), policy: Some(Policy::Require) });
        Some(CpuDef {
            model: host.model.clone(),
            vendor: host.vendor.clone(),
            features: features.collect(),
            ..guest()
        })
    }

    /// What a kind of acceleration offers.
    pub fn of_kind(&self, kind: &str) -> Option<&CpuDef> {
        if kind == "kvm" { self.kvm.as_ref() } else { self.tcg.as_ref() }
    }

    /// Everything that is known to be there with a kind of acceleration: the emulator's view and the host's own features.
    pub(crate) fn full(&self, arch: &str, kind: &str) -> Option<CpuDef> {
        let Some(offered) = self.of_kind(kind) else { return self.probed.clone() };
        let mut full = offered.clone();
        let mut host = self.probed.clone().unwrap_or_default();
        // What does not fit into the tables adds nothing.
        let _ = cpu::update::expand_features(Database::builtin(), &mut host);
        for feature in host.features.iter().filter(|feature| for_emulators(arch, &feature.name)) {
            full.set_feature(&feature.name, Some(Policy::Require));
        }
        Some(full)
    }
}
