//! The processor a guest really got.
//!
//! A model is a promise; which features the emulator switched on besides, and which it could not, is known only from the
//! running one. The running definition says it in full, so that a later migration or restore can insist on the same.

use crate::guest::MONITOR_WAIT;
use crate::{Driver, FROM};
use base::{Error, Result};
use conf_domain::Domain;
use cpu::{CpuDef, Database, FeatureSet};
use qmp::Monitor;
use serde_json::{Value as Json, json};
use xml::{Document, Tree, Writer};

/// Properties of a processor at the most; an emulator that lists more is not believed.
const PROPERTIES: usize = 4096;

impl Driver {
    /// Writes into the definition of a running guest what its processors can do. `processors` is what the monitor
    /// answered to `query-cpus-fast`.
    pub(crate) fn refresh_cpu(
        &self,
        monitor: &Monitor,
        domain: &mut Domain,
        processors: &Json,
    ) -> Result<()> {
        let x86 = matches!(domain.tree.attr_at("os/type", "arch"), Some("x86_64" | "i686"));
        let Some(element) = domain.tree.child("cpu").filter(|_| x86) else { return Ok(()) };
        let host = matches!(element.attr("mode"), Some("host-passthrough" | "maximum"));
        let first = processors.get(0).and_then(|processor| processor.get("qom-path")).and_then(Json::as_str);
        let Some(path) = first.filter(|_| !host) else { return Ok(()) };
        let database = Database::builtin();
        let Some((enabled, disabled)) = features(monitor, database, path)? else { return Ok(()) };
        let mut definition = definition(element)?;
        cpu::live::update_live(database, &mut definition, &enabled, &disabled)
            .map_err(|fault| cpu::api::error(&fault))?;
        definition.check = Some("full".into());
        let mut writer = Writer::new();
        definition.write(&mut writer);
        let text = writer.finish();
        let document = Document::parse(&text).map_err(|fault| Error::internal(FROM, fault.to_string()))?;
        *domain.tree.child_or_new("cpu") = Tree::of(document.root());
        Ok(())
    }
}

/// An element as a processor definition.
fn definition(element: &Tree) -> Result<CpuDef> {
    let mut writer = Writer::new();
    conf_domain::elements::write(element, &mut writer);
    let text = writer.finish();
    cpu::api::parse(&text)
}

/// Features that are on and that are off, by the processor's properties; `None` when the emulator does not tell.
fn features(monitor: &Monitor, database: &Database, path: &str) -> Result<Option<(FeatureSet, FeatureSet)>> {
    let failed = |cause: &qmp::CommandError| crate::guest::failed("qom-list", cause);
    let listed = match monitor.command("qom-list", json!({ "path": path }), MONITOR_WAIT) {
        Ok(listed) => listed,
        Err(qmp::CommandError::Refused { .. }) => return Ok(None),
        Err(cause) => return Err(failed(&cause)),
    };
    let names: Vec<(&str, usize)> = listed
        .as_array()
        .into_iter()
        .flatten()
        .filter(|property| property.get("type").and_then(Json::as_str) == Some("bool"))
        .filter_map(|property| {
            let name = property.get("name")?.as_str()?;
            Some((name, database.feature_or_alias(name)?))
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
    // A feature goes by several names, of which one may be off only because it is an old spelling.
    let disabled = disabled.minus(&enabled);
    Ok(Some((enabled, disabled)))
}
