//! The processor a guest really got.
//!
//! A model is a promise; which features the emulator switched on besides, and which it could not, is known only from the
//! running one. The running definition says it in full, so that a later migration or restore can insist on the same.
//!
//! Asking takes the emulator several hundred commands. The same emulator with the same arguments about machine,
//! accelerator and processors answers the same, so the answers are kept.

use crate::describe::surroundings;
use crate::guest::MONITOR_WAIT;
use crate::{Driver, FROM};
use base::{Error, Result};
use conf_domain::Domain;
use cpu::{CpuDef, Database, FeatureSet};
use qemu_caps::Accel;
use qemu_caps::describe::processors::host_model;
use qemu_plan::argv::Line;
use qmp::Monitor;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use xml::{Document, Tree, Writer};

/// Properties of a processor at the most; an emulator that lists more is not believed.
const PROPERTIES: usize = 4096;

/// Kinds of guests whose answers are kept.
const KEPT: usize = 256;

/// Arguments that decide what a processor can do.
const DECISIVE: [&str; 4] = ["-machine", "-accel", "-cpu", "-smp"];

/// Features that are on and that are off.
#[derive(Debug, Clone)]
struct Features {
    enabled: FeatureSet,
    disabled: FeatureSet,
}

/// Answers of earlier guests.
#[derive(Debug, Default)]
pub(crate) struct Processors(Mutex<HashMap<String, Features>>);

impl Processors {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Features>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What guests with the same processors have in common; nothing when the emulator's file cannot be looked at.
pub(crate) fn kind(line: &Line) -> Option<String> {
    let changed = std::fs::metadata(&line.program).and_then(|metadata| metadata.modified()).ok()?;
    let mut kind = format!("{} {changed:?}", line.program);
    for pair in line.args.windows(2).filter(|pair| DECISIVE.contains(&pair[0].as_str())) {
        kind.push(' ');
        kind.push_str(&pair.join(" "));
    }
    Some(kind)
}

impl Driver {
    /// Writes into the definition of a running guest what its processors can do. `processors` is what the monitor
    /// answered to `query-cpus-fast`, `kind` what [`kind`] said of the command line.
    pub(crate) fn refresh_cpu(
        &self,
        monitor: &Monitor,
        domain: &mut Domain,
        processors: &Json,
        kind: Option<&str>,
    ) -> Result<()> {
        let x86 = matches!(domain.tree.attr_at("os/type", "arch"), Some("x86_64" | "i686"));
        let Some(element) = domain.tree.child("cpu").filter(|_| x86) else { return Ok(()) };
        let host = matches!(element.attr("mode"), Some("host-passthrough" | "maximum"));
        let first = processors.get(0).and_then(|processor| processor.get("qom-path")).and_then(Json::as_str);
        let Some(path) = first.filter(|_| !host) else { return Ok(()) };
        let database = Database::builtin();
        let known = kind.and_then(|kind| self.processors.lock().get(kind).cloned());
        let features = match known {
            Some(features) => features,
            None => {
                let Some(features) = features(monitor, database, path)? else { return Ok(()) };
                if let Some(kind) = kind {
                    let mut kept = self.processors.lock();
                    if kept.len() >= KEPT {
                        kept.clear();
                    }
                    kept.insert(kind.to_owned(), features.clone());
                }
                features
            }
        };
        let mut definition = definition(element)?;
        cpu::live::update_live(database, &mut definition, &features.enabled, &features.disabled)
            .map_err(|fault| cpu::api::error(&fault))?;
        definition.check = Some("full".into());
        // It runs with this model and no other.
        definition.fallback = Some(cpu::Fallback::Forbid);
        replace(domain, &definition)
    }

    /// The processor of a definition as this host would make it, where the definition leaves that to the host.
    pub(crate) fn update_cpu(&self, domain: &mut Domain) -> Result<()> {
        let Some(element) = domain.tree.child("cpu") else { return Ok(()) };
        let open = element.is("mode", "host-model") || element.is("match", "minimum");
        let Some(accel) = Accel::from_domain_type(domain.kind()).filter(|_| open) else { return Ok(()) };
        let caps = self.caps_for(domain)?;
        let database = Database::builtin();
        let Some(host) = host_model(&caps, accel, &surroundings(), database) else { return Ok(()) };
        let guest = definition(element)?;
        let updated = cpu::update::update(database, &caps.arch, &guest, &host)
            .map_err(|fault| cpu::api::error(&fault))?;
        replace(domain, &updated)
    }
}

/// Puts another processor into a definition. Its cells stay.
fn replace(domain: &mut Domain, definition: &CpuDef) -> Result<()> {
    let mut writer = Writer::new();
    definition.write(&mut writer);
    let text = writer.finish();
    let document = Document::parse(&text).map_err(|fault| Error::internal(FROM, fault.to_string()))?;
    let element = domain.tree.child_or_new("cpu");
    let numa = element.child("numa").cloned();
    *element = Tree::of(document.root());
    element.children.extend(numa);
    Ok(())
}

/// An element as a processor definition.
fn definition(element: &Tree) -> Result<CpuDef> {
    let mut writer = Writer::new();
    conf_domain::elements::write(element, &mut writer);
    let text = writer.finish();
    cpu::api::parse(&text)
}

/// Features that are on and that are off, by the processor's properties; `None` when the emulator does not tell.
fn features(monitor: &Monitor, database: &Database, path: &str) -> Result<Option<Features>> {
    let failed = |cause: &qmp::CommandError| crate::guest::failed("qom-list", cause);
    let listed = match monitor.command("qom-list", json!({ "path": path }), MONITOR_WAIT) {
        Ok(listed) => listed,
        Err(qmp::CommandError::Refused { .. }) => return Ok(None),
        Err(cause) => return Err(failed(&cause)),
    };
    let mut seen = FeatureSet::default();
    let names: Vec<(&str, usize)> = listed
        .as_array()
        .into_iter()
        .flatten()
        .filter(|property| property.get("type").and_then(Json::as_str) == Some("bool"))
        .filter_map(|property| {
            let name = property.get("name")?.as_str()?;
            let feature = database.feature_or_alias(name)?;
            // The same feature goes by several spellings.
            (!seen.contains(feature)).then(|| {
                seen.insert(feature);
                (name, feature)
            })
        })
        .take(PROPERTIES)
        .collect();
    let questions = names.iter().map(|(name, _)| ("qom-get", json!({ "path": path, "property": name })));
    let answers = monitor.batch(questions, MONITOR_WAIT).map_err(|cause| failed(&cause))?;
    let (mut enabled, mut disabled) = (FeatureSet::default(), FeatureSet::default());
    for ((_, feature), answer) in names.into_iter().zip(answers) {
        match answer {
            Ok(Json::Bool(true)) => enabled.insert(feature),
            Ok(Json::Bool(false)) => disabled.insert(feature),
            _ => {}
        }
    }
    Ok(Some(Features { enabled, disabled }))
}
