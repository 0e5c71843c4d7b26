//! The processor of a guest that starts: what the host and the emulator make of its definition.
//!
//! ```text
//! definition ──compare with the host──▶ relative parts made absolute ──▶ a model the emulator offers ──▶ definition
//! ```

use super::setting::Setting;
use super::unsupported;
use crate::host_cpu::{Hardware, for_emulators, models};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use cpu::database::{Database, Family};
use cpu::{Comparison, CpuDef, Fallback, Feature, Kind, Match, Mode, Policy};
use xml::Tree;

/// The element as the processor tables see it.
fn read(tree: &Tree) -> CpuDef {
    let word = |name: &str| tree.attr(name);
    let model = tree.child("model");
    let feature = |feature: &Tree| {
        let name = feature.attr("name")?.to_owned();
        Some(Feature { name, policy: feature.attr("policy").and_then(Policy::parse) })
    };
    CpuDef {
        kind: Kind::Guest,
        mode: word("mode").and_then(Mode::parse),
        matching: word("match").and_then(Match::parse),
        check: word("check").map(str::to_owned),
        deprecated_features: word("deprecated_features").map(str::to_owned),
        model: model.map(|model| model.body().to_owned()).filter(|name| !name.is_empty()),
        fallback: model.and_then(|model| model.attr("fallback")).and_then(Fallback::parse),
        vendor: tree.text_of("vendor").map(str::to_owned),
        features: tree.all("feature").filter_map(feature).collect(),
        ..CpuDef::default()
    }
}

/// Puts what has become of it back into the element.
fn write(cpu: CpuDef, tree: &mut Tree) {
    if let Some(mode) = cpu.mode {
        tree.set("mode", mode.as_str());
        if mode == Mode::Custom {
            tree.set("match", cpu.matching.unwrap_or(Match::Exact).as_str());
        }
    }
    if let Some(name) = cpu.model {
        let model = tree.child_or_new("model");
        model.text = Some(name);
        model.set("fallback", cpu.fallback.unwrap_or(Fallback::Forbid).as_str());
    }
    tree.remove("vendor");
    if let Some(vendor) = cpu.vendor {
        tree.children.push(Tree::leaf("vendor", vendor));
    }
    tree.remove("feature");
    for feature in cpu.features {
        let policy = feature.policy.unwrap_or(Policy::Require).as_str();
        tree.children.push(Tree::new("feature").with("policy", policy).with("name", feature.name));
    }
}

fn refused(setting: &Setting<'_>, mode: &str) -> Error {
    let (arch, kind, host) = (&setting.arch, &setting.kind, &setting.caps.arch);
    unsupported(format!(
        "CPU mode '{mode}' for {arch} {kind} domain on {host} host is not supported by hypervisor"
    ))
}

/// The host must have what the guest needs.
fn compare(setting: &Setting<'_>, hardware: &Hardware, cpu: &CpuDef) -> Result<()> {
    let Some(host) = hardware.full(setting.caps, setting.accel()) else { return Ok(()) };
    let database = Database::builtin();
    let power = Family::of(&setting.arch) == Some(Family::Ppc64);
    let verdict = ::cpu::compare(database, &setting.arch, &host, cpu);
    match verdict.map_err(|fault| ::cpu::api::error(&fault))? {
        Comparison::Incompatible(why) => {
            // POWER's comparison does not say what is missing.
            let error = Error::new(ErrorCode::CPU_INCOMPATIBLE, ErrorDomain::CPU, why);
            Err(if power {
                let message = "the CPU is incompatible with host CPU".to_owned();
                Error::from_fields(base::error::Fields { message, ..error.into_fields() })
            } else {
                error
            })
        }
        Comparison::Identical | Comparison::Superset => Ok(()),
    }
}

/// Features that processors of the model's name once had and the emulator's have no longer must be said to be off.
fn without_removed(cpu: &mut CpuDef) {
    let database = Database::builtin();
    let Some(model) = cpu.model.as_deref().and_then(|name| database.model(name)) else { return };
    let mut names = database.names(&model.removed);
    names.sort_unstable();
    for name in names {
        if cpu.feature(name).is_none() {
            cpu.set_feature(name, Some(Policy::Disable));
        }
    }
}

/// Makes the processor's definition independent of the host.
///
/// # Errors
/// When the host or the emulator cannot give what is asked.
pub(super) fn for_start(domain: &mut Domain, setting: &Setting<'_>, hardware: &Hardware) -> Result<()> {
    let Some(tree) = domain.tree.child_mut("cpu") else { return Ok(()) };
    let Some(family) = Family::of(&setting.arch) else { return Ok(()) };
    if tree.attr("mode").is_none() && tree.child("model").is_none() {
        return Ok(());
    }
    let host = hardware.offered(setting.caps, setting.accel());
    let accelerated = setting.kind == "kvm";
    let mut cpu = read(tree);
    let mode = cpu.mode.unwrap_or(Mode::Custom);
    let relative = mode == Mode::HostModel;
    let offers_host = match family {
        Family::X86 | Family::S390 => host.is_some(),
        Family::Ppc64 => accelerated,
        _ => false,
    };
    if relative && !offers_host {
        return Err(refused(setting, mode.as_str()));
    }
    let checked = accelerated && cpu.check.as_deref() != Some("none");
    if checked && cpu.model.is_some() && matches!(family, Family::X86 | Family::Ppc64) {
        compare(setting, hardware, &cpu)?;
    }
    let database = Database::builtin();
    let flaw = |fault| ::cpu::api::error(&fault);
    match family {
        Family::X86 if !matches!(mode, Mode::HostPassthrough | Mode::Maximum) => {
            if let Some(host) = &host {
                cpu = ::cpu::update::update(database, &setting.arch, &cpu, host).map_err(flaw)?;
            }
            let models = models(&setting.caps.with(setting.accel()).cpus);
            let models = Some(models.as_slice()).filter(|models| !models.is_empty());
            cpu = ::cpu::update::translate(database, &setting.arch, &cpu, models).map_err(flaw)?;
            without_removed(&mut cpu);
        }
        Family::S390 if relative => {
            let Some(host) = &host else { return Ok(()) };
            let given = std::mem::take(&mut cpu.features);
            cpu.mode = Some(Mode::Custom);
            cpu.matching = Some(Match::Exact);
            cpu.model.clone_from(&host.model);
            cpu.features.clone_from(&host.features);
            for feature in given {
                cpu.set_feature(&feature.name, feature.policy);
            }
        }
        Family::Ppc64 if mode == Mode::Custom => {
            let models = models(&setting.caps.with(setting.accel()).cpus);
            let known = cpu.model.as_deref().is_some_and(|name| models.iter().any(|own| own.name == name));
            if !known && !models.is_empty() {
                let lower = cpu.model.as_deref().map(str::to_ascii_lowercase);
                // The emulator's list has POWER's models in small letters.
                if !models.iter().any(|own| Some(&own.name) == lower.as_ref()) {
                    cpu = ::cpu::update::translate(database, &setting.arch, &cpu, Some(&models))
                        .map_err(flaw)?;
                }
            }
        }
        _ => {}
    }
    let outdated = match cpu.deprecated_features.as_deref() {
        Some("on") => Some(Policy::Require),
        Some("off") => Some(Policy::Disable),
        _ => None,
    };
    let known = setting.caps.with(setting.accel()).host.iter().flat_map(|host| &host.deprecated);
    for name in known.filter(|_| outdated.is_some()) {
        cpu.set_feature(name, outdated);
    }
    cpu.features.retain(|feature| for_emulators(&setting.arch, &feature.name));
    if !matches!(mode, Mode::HostPassthrough | Mode::Maximum) || !tree.children.is_empty() {
        write(cpu, tree);
    }
    Ok(())
}
