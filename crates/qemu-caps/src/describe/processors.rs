//! Processor models that guests can have, and the one most like the host's.

use super::domain::Host;
use crate::arch::{is_arm, is_x86};
use crate::cpu_model::{HostModel, Setting};
use crate::{Accel, Caps, Flag};
use conf_capabilities::domain::{Model, Processors, Words};
use cpu::decode::{Choice, Facts, decode};
use cpu::definition::PhysAddr;
use cpu::raw::Signature;
use cpu::{CpuDef, Database, Fallback, Family, Feature, HypervisorModel, Kind, Match, Mode, Policy};

/// All that guests can have.
pub(super) fn processors(
    caps: &Caps,
    accel: Accel,
    native: bool,
    host: &Host,
    without_deprecated: bool,
    database: &Database,
) -> Processors {
    let hardware = accel.is_hardware();
    let migratable = |name| Words::new().when(caps.has(Flag::CpuMigratable), "on").with("off").named(name).1;
    let maximum = Words::new().with("on").with("off").named("").1;
    let models = models(caps, accel, database);
    let mut host_model = host_model(caps, accel, host, database);
    if let (Some(model), Some(known)) = (&mut host_model, &caps.with(accel).host)
        && without_deprecated
    {
        for feature in &mut model.features {
            if known.deprecated.contains(&feature.name) {
                feature.policy = Some(Policy::Disable);
            }
        }
    }
    Processors {
        passthrough: (hardware && native).then(|| migratable("hostPassthroughMigratable")),
        maximum: caps.has(Flag::CpuMax).then_some(maximum),
        host_model: host_model.filter(|_| native || !hardware),
        custom: (!models.is_empty()).then_some(models),
    }
}

/// Models by their names, those that the table of the architecture has if there is one.
pub fn models(caps: &Caps, accel: Accel, database: &Database) -> Vec<Model> {
    let family = Family::of(&caps.arch);
    // ARM's table is for hosts only.
    let known = family.filter(|family| *family != Family::Arm);
    let known = known.map(|family| database.model_names(family)).unwrap_or_default();
    let mut models: Vec<Model> = caps
        .with(accel)
        .cpus
        .iter()
        .filter(|model| model.name != "host" && (known.is_empty() || known.contains(&model.name.as_str())))
        .map(|model| Model {
            name: model.name.clone(),
            usable: model.blockers.as_ref().map(Vec::is_empty),
            deprecated: model.deprecated,
            vendor: vendor(&caps.arch, &model.name, database),
            canonical: canonical(&caps.arch, &model.name, database),
            blockers: {
                let named =
                    |name: &String| match database.feature_or_alias(name).filter(|_| is_x86(&caps.arch)) {
                        Some(feature) => database.feature_name(feature).to_owned(),
                        None => name.clone(),
                    };
                let mut blockers: Vec<String> = model.blockers.iter().flatten().map(named).collect();
                blockers.sort();
                blockers.dedup();
                blockers
            },
        })
        .collect();
    models.sort_by(|a, b| a.name.cmp(&b.name));
    models
}

fn vendor(arch: &str, name: &str, database: &Database) -> String {
    let vendor = match arch {
        "x86_64" | "i686" => database.model(name).and_then(|model| model.vendor.clone()),
        "ppc64" | "ppc64le" => {
            database.power_models().iter().find(|model| model.name == name).map(|model| model.vendor.clone())
        }
        "s390x" | "s390" => (!["max", "host", "qemu"].contains(&name)).then(|| "IBM".to_owned()),
        _ => None,
    };
    vendor.unwrap_or_else(|| "unknown".to_owned())
}

/// The version that a model's name stands for.
fn canonical(arch: &str, name: &str, database: &Database) -> Option<String> {
    if !is_x86(arch) {
        return None;
    }
    let version = database.models().iter().find(|model| model.base.as_deref() == Some(name))?;
    Some(version.name.clone())
}

/// The model most like the host's processor, as the emulator would make it; `None` when no model fits.
pub fn host_model(caps: &Caps, accel: Accel, host: &Host, database: &Database) -> Option<CpuDef> {
    described(caps, accel, caps.with(accel).host.as_ref(), host, database)
}

/// The same without what keeps a guest from being migrated, as far as the emulator tells.
pub fn movable_host_model(caps: &Caps, accel: Accel, host: &Host, database: &Database) -> Option<CpuDef> {
    let movable = caps.with(accel).host.clone().map(|mut told| {
        told.properties.retain(|property| property.migratable != Some(false));
        told
    });
    described(caps, accel, movable.as_ref(), host, database)
}

fn described(
    caps: &Caps,
    accel: Accel,
    told: Option<&HostModel>,
    host: &Host,
    database: &Database,
) -> Option<CpuDef> {
    let mut model = match told {
        Some(told) if is_x86(&caps.arch) => x86(caps, accel, told, database),
        Some(told) if caps.arch.starts_with("s390") => Some(spelled_out(told)),
        _ if is_arm(&caps.arch) || !accel.is_hardware() => None,
        _ => host.cpu.as_ref().map(|cpu| CpuDef {
            kind: Kind::Guest,
            mode: Some(Mode::HostModel),
            fallback: Some(Fallback::Allow),
            model: cpu.model.clone(),
            vendor: cpu.vendor.clone(),
            features: cpu
                .features
                .iter()
                .map(|feature| Feature { name: feature.name.clone(), policy: Some(Policy::Require) })
                .collect(),
            ..CpuDef::default()
        }),
    };
    if let Some(model) = model.as_mut().filter(|_| accel.is_hardware() && host.physical_bits > 0) {
        model.phys_addr =
            Some(PhysAddr { mode: "passthrough".to_owned(), bits: None, limit: Some(host.physical_bits) });
    }
    model
}

/// A model that names all its features.
fn spelled_out(told: &HostModel) -> CpuDef {
    let features = told.properties.iter().filter_map(|property| match property.value {
        Setting::Boolean(on) => {
            let policy = if on { Policy::Require } else { Policy::Disable };
            Some(Feature { name: property.name.clone(), policy: Some(policy) })
        }
        _ => None,
    });
    CpuDef {
        kind: Kind::Guest,
        mode: Some(Mode::HostModel),
        fallback: Some(Fallback::Forbid),
        model: Some(told.name.clone()),
        features: features.collect(),
        ..CpuDef::default()
    }
}

/// Facts of a processor by the properties that the emulator tells.
fn facts<'d>(told: &HostModel, database: &'d Database) -> Facts<'d> {
    let mut facts = Facts::default();
    let mut signature = Signature::default();
    for property in &told.properties {
        match &property.value {
            Setting::Boolean(true) => {
                if let Some(feature) = database.feature_or_alias(&property.name) {
                    facts.features.insert(feature);
                }
            }
            Setting::Boolean(false) => {}
            Setting::Number(number) => {
                let number = u32::try_from(*number).unwrap_or_default();
                match property.name.as_str() {
                    "family" => signature.family = number,
                    "model" => signature.model = number,
                    "stepping" => signature.stepping = number,
                    _ => {}
                }
            }
            Setting::Text(text) if property.name == "vendor" => {
                facts.vendor = database.vendor_of_string(text);
            }
            Setting::Text(_) => {}
        }
    }
    facts.signature = signature;
    facts.without_broken_tsx(database)
}

fn x86(caps: &Caps, accel: Accel, told: &HostModel, database: &Database) -> Option<CpuDef> {
    let mut cpu = CpuDef {
        kind: Kind::Guest,
        mode: Some(Mode::HostModel),
        matching: Some(Match::Exact),
        fallback: Some(Fallback::Forbid),
        ..CpuDef::default()
    };
    let offered = caps.with(accel).cpus.iter();
    let offered: Vec<HypervisorModel> = offered
        .map(|model| HypervisorModel {
            name: model.name.clone(),
            blockers: model.blockers.clone().unwrap_or_default(),
        })
        .collect();
    let choice = Choice { models: Some(&offered), ..Choice::default() };
    decode(database, &mut cpu, &facts(told, database), choice).ok()?;
    Some(cpu)
}
