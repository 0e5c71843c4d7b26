//! `qemumonitorjson`, `qemumigparams`: what an emulator's answers mean, and its schema.

use super::{Verdict, whole};
use crate::manifest::Case;
use crate::{compare, emulator};
use qapi::{Found, Leniency};
use qemu_replies::migration::Parameters;
use qemu_replies::vcpus::{Topology, Vcpu};
use qemu_replies::{jobs, processor, vcpus};
use serde_json::Value;
use std::fmt::Write as _;
use xml::{Document, Writer};

/// Runs one case of `qemumonitorjson`.
pub(crate) fn monitor(case: &Case) -> Verdict {
    whole(interpreted(case))
}

/// Runs one case of `qemumigparams`.
pub(crate) fn migration(case: &Case) -> Verdict {
    whole(parameters(case))
}

/// What a reply in a file returned.
fn returned(case: &Case, fact: &str) -> Result<Value, String> {
    let reply: Value = serde_json::from_str(&case.read(fact)?).map_err(|error| error.to_string())?;
    reply.get("return").cloned().ok_or_else(|| "not a reply".to_owned())
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn interpreted(case: &Case) -> Result<(), String> {
    match case.text("operation").unwrap_or_default() {
        "vcpu-info" => {
            let most = case.value("max_vcpus").and_then(Value::as_u64).unwrap_or(0) as usize;
            let places = returned(case, "input")?;
            let found = vcpus::vcpus(Some(&places), &returned(case, "input_cpus")?, most).map_err(said)?;
            compare::as_is(&case.read("expected")?, &listing(&found))
        }
        "guest-cpu-data" => {
            let raw = processor::feature_words(&returned(case, "input")?).map_err(said)?;
            let mut writer = Writer::new();
            raw.write(&mut writer);
            compare::unwrapped(&case.read("expected")?, &writer.finish())
        }
        "query-jobs" => {
            let found = jobs::jobs(&returned(case, "input")?).map_err(said)?;
            let one = |job: &jobs::Job| {
                let error = job.error.as_deref().unwrap_or("<null>");
                format!("[job]\nid={}\ntype={}\nstatus={}\nerror={error}\n", job.id, job.kind, job.status)
            };
            let text = found.iter().map(one).collect::<Vec<_>>().join("\n");
            compare::as_is(&case.read("expected")?, &text)
        }
        "qapi-schema-query" => {
            let schema = emulator::schema(case)?;
            let found = schema.find(case.text("query").unwrap_or_default());
            let (there, entry) = (found.is_some(), matches!(found, Some(Found::Entry(_))));
            let expected = case.value("result").and_then(Value::as_i64) == Some(1);
            if (there, entry) == (expected, case.is("returns_object")) {
                Ok(())
            } else {
                Err(format!("found {there}, an entry {entry}"))
            }
        }
        "qapi-schema-validate" => {
            let schema = emulator::schema(case)?;
            let value = case.value("json").ok_or("the case has no value")?;
            let root = case.text("root").unwrap_or_default();
            match (schema.check(root, value, Leniency::default()), case.expect()) {
                (Ok(()), "success") | (Err(_), "fail") => Ok(()),
                (Ok(()), _) => Err("must be refused".to_owned()),
                (Err(mismatch), _) => Err(mismatch.to_string()),
            }
        }
        other => Err(format!("operation {other} is not known")),
    }
}

/// Processors as the class lists them.
fn listing(vcpus: &[Vcpu]) -> String {
    let word = |value: bool| if value { "yes" } else { "no" };
    let mut text = String::new();
    for (id, vcpu) in vcpus.iter().enumerate() {
        let place = vcpu.place.as_ref();
        let number = |value: Option<u32>| value.map(|value| value.to_string());
        let _ = writeln!(text, "[vcpu libvirt-id='{id}']");
        let _ = writeln!(text, "    online={}", word(vcpu.online));
        let _ = writeln!(text, "    hotpluggable={}", word(vcpu.hotpluggable));
        let mut line = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(text, "    {name}='{value}'");
            }
        };
        line("thread-id", number(vcpu.thread));
        line("enable-id", number(place.and_then(|place| place.order)));
        line("query-cpus-id", number(vcpu.index));
        line("type", place.map(|place| place.kind.clone()));
        line("alias", place.and_then(|place| place.alias.clone()));
        line("qom_path", place.and_then(|place| place.path.clone()));
        if let Some(place) = place {
            let Topology { socket, die, cluster, core, thread, node } = place.topology;
            let _ = write!(text, "    topology:");
            for (name, value) in [
                ("socket", socket),
                ("die", die),
                ("cluster_id", cluster),
                ("core", core),
                ("thread", thread),
                ("node", node),
                ("vcpus", Some(place.count)),
            ] {
                if let Some(value) = value {
                    let _ = write!(text, " {name}='{value}'");
                }
            }
            text.push('\n');
        }
    }
    text
}

fn parameters(case: &Case) -> Result<(), String> {
    let operation = case.text("operation").unwrap_or_default();
    let found = if operation == "xml-to-xml" {
        let text = case.read("input")?;
        let document = Document::parse(&text).map_err(said)?;
        let element = document.root().child("migParams").ok_or("no parameters")?;
        Parameters::from_xml(element).map_err(said)?
    } else {
        Parameters::read(&returned(case, "input")?)
    };
    let expected = case.read("expected")?;
    if operation == "reply-to-json" {
        if let Some(command) = case.text("schema_validation_command") {
            let schema = emulator::schema(case)?;
            let root = format!("{command}/arg-type");
            schema.check(&root, &found.json(), Leniency::default()).map_err(said)?;
        }
        return compare::as_is(&expected, &format!("{:#}\n", found.json()));
    }
    let mut writer = Writer::new();
    writer.element("test").children(|w| found.write(w));
    compare::unwrapped(&expected, &writer.finish())
}
