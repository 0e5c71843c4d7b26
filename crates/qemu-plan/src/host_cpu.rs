//! The host's processor when a guest starts: what `host-model` stands for, and what a definition is measured by.

use crate::Caps;
use cpu::database::{Database, Family};
use cpu::{CpuDef, Feature, HypervisorModel, Kind, Match, Mode, Policy};
use qemu_caps::Accel;
use qemu_caps::cpu_model::CpuModel;
use qemu_caps::describe::{Host, processors};
use std::collections::BTreeSet;

/// What is known of the host's hardware when a guest starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hardware {
    /// NUMA nodes, where they are known.
    pub nodes: Option<BTreeSet<u32>>,
    /// The processor.
    pub cpu: Option<CpuDef>,
    /// Guests are measured by the processor itself, whatever the emulator tells of it.
    pub cpu_alone: bool,
}

/// Features of x86 processors that no emulator takes by name: they follow from others, belong to the host alone, or are
/// gone for good.
const NOT_FOR_EMULATORS: &[&str] = &["cmt", "mbm_total", "mbm_local", "osxsave", "ospke", "pconfig"];

/// Whether an emulator takes a feature by name.
pub(crate) fn for_emulators(arch: &str, feature: &str) -> bool {
    Family::of(arch) != Some(Family::X86) || !NOT_FOR_EMULATORS.contains(&feature)
}

/// Models of an emulator as the processor tables see them.
pub(crate) fn models(models: &[CpuModel]) -> Vec<HypervisorModel> {
    let named = |model: &CpuModel| HypervisorModel {
        name: model.name.clone(),
        blockers: model.blockers.clone().unwrap_or_default(),
    };
    models.iter().map(named).collect()
}

/// What a guest can be given that may be migrated, when the emulator has nothing to tell.
fn of_processor(arch: &str, cpu: &CpuDef) -> Option<CpuDef> {
    cpu.model.as_ref()?;
    let database = Database::builtin();
    let movable =
        |name: &str| database.feature(name).is_none_or(|feature| database.migratable().contains(feature));
    let usable = |feature: &&Feature| for_emulators(arch, &feature.name) && movable(&feature.name);
    let features = cpu.features.iter().filter(usable);
    let features =
        features.map(|feature| Feature { name: feature.name.clone(), policy: Some(Policy::Require) });
    Some(CpuDef {
        model: cpu.model.clone(),
        vendor: cpu.vendor.clone(),
        features: features.collect(),
        ..CpuDef::default()
    })
}

impl Hardware {
    /// What a guest with a kind of acceleration can be given.
    pub(crate) fn offered(&self, caps: &Caps, accel: Accel) -> Option<CpuDef> {
        let found = if self.cpu_alone {
            of_processor(&caps.arch, self.cpu.as_ref()?)
        } else {
            let host = Host { cpu: self.cpu.clone(), ..Host::default() };
            processors::movable_host_model(caps, accel, &host, Database::builtin())
        };
        let mut cpu = found?;
        cpu.features.retain(|feature| for_emulators(&caps.arch, &feature.name));
        Some(CpuDef {
            kind: Kind::Guest,
            mode: Some(Mode::Custom),
            matching: Some(Match::Exact),
            phys_addr: None,
            ..cpu
        })
    }

    /// Everything that is known to be there with a kind of acceleration: the emulator's view and the processor's own
    /// features.
    pub(crate) fn full(&self, caps: &Caps, accel: Accel) -> Option<CpuDef> {
        let Some(mut full) = self.offered(caps, accel) else { return self.cpu.clone() };
        let mut host = self.cpu.clone().unwrap_or_default();
        // What does not fit into the tables adds nothing.
        let _ = cpu::update::expand_features(Database::builtin(), &mut host);
        for feature in host.features.iter().filter(|feature| for_emulators(&caps.arch, &feature.name)) {
            full.set_feature(&feature.name, Some(Policy::Require));
        }
        Some(full)
    }
}
