//! One case of the class, given the facts of its manifest line and a way to read files.

use cpu::baseline::{Limits, baseline};
use cpu::compare::{compare, has_feature, validate_features};
use cpu::decode::{Choice, Facts, decode};
use cpu::live::update_live;
use cpu::raw::RawCpu;
use cpu::update::{expand_features, translate, update};
use cpu::{Comparison, CpuDef, Database, Fallback, HypervisorModel, Kind, Match, Mode, Policy, qmp};
use serde_json::Value;
use std::collections::BTreeSet;
use xml::Document;

type Read<'r> = &'r dyn Fn(&str) -> Result<String, String>;

/// Runs the case; the error says what differs.
pub(crate) fn run(facts: &Value, read: Read<'_>) -> Result<(), String> {
    let text = |name: &str| facts.get(name).and_then(Value::as_str);
    let got = outcome(facts, read);
    if text("expect") != Some("success") {
        return match got {
            Ok(Outcome::Said(said)) if Some(said.as_str()) == text("result") => Ok(()),
            Ok(Outcome::Said(said) | Outcome::Text(said)) => Err(format!("succeeded: {said}")),
            Ok(Outcome::Same) => Err("succeeded".into()),
            Err(_) => Ok(()),
        };
    }
    match got? {
        Outcome::Same => Ok(()),
        Outcome::Text(got) => {
            let expected = read(text("expected").ok_or("no expected file")?)?.replace("\\\n", "");
            if got == expected { Ok(()) } else { Err(format!("expected:\n{expected}\ngot:\n{got}")) }
        }
        Outcome::Said(said) => match facts.get("result") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::String(expected)) if *expected == said => Ok(()),
            Some(Value::Bool(expected)) if expected.to_string() == said => Ok(()),
            Some(expected) => Err(format!("expected {expected}, got {said}")),
        },
    }
}

enum Outcome {
    Text(String),
    Said(String),
    Same,
}

fn outcome(facts: &Value, read: Read<'_>) -> Result<Outcome, String> {
    let database = Database::builtin();
    let text = |name: &str| facts.get(name).and_then(Value::as_str);
    let file = |name: &str| read(text(name).ok_or_else(|| format!("the case has no {name}"))?);
    let arch = text("arch").unwrap_or_default();
    let flaw = |fault: cpu::compare::ModelFault| fault.to_string();
    match text("operation").unwrap_or_default() {
        "compare" => {
            let (host, cpu) = (definition(&file("host")?)?, definition(&file("input")?)?);
            Ok(Outcome::Said(word(&compare(database, arch, &host, &cpu).map_err(flaw)?).into()))
        }
        "baseline" => {
            let mut cpus = Vec::new();
            match facts.get("input") {
                Some(Value::Array(files)) => {
                    for name in files.iter().filter_map(Value::as_str) {
                        cpus.push(definition(&read(name)?)?);
                    }
                }
                _ => cpus = list(&file("input")?)?,
            }
            let limits = Limits { migratable: text("mode") == Some("migratable"), ..Limits::default() };
            let mut result = baseline(database, arch, &cpus, limits).map_err(flaw)?;
            for cpu in cpus.iter().filter(|_| facts.get("also").is_some()) {
                let verdict = compare(database, arch, cpu, &result).map_err(flaw)?;
                if let Comparison::Incompatible(why) = verdict {
                    return Err(format!("an input does not satisfy the result: {why}"));
                }
            }
            if text("mode") == Some("expanded") {
                expand_features(database, &mut result).map_err(flaw)?;
            }
            Ok(Outcome::Text(result.to_xml()))
        }
        "update-for-migration" => {
            let (host, cpu) = (definition(&file("host")?)?, definition(&file("input")?)?);
            Ok(Outcome::Text(update(database, arch, &cpu, &host).map_err(flaw)?.to_xml()))
        }
        "guest-cpu" => {
            let (host, cpu) = (definition(&file("host")?)?, definition(&file("input")?)?);
            if let Comparison::Incompatible(why) = compare(database, arch, &host, &cpu).map_err(flaw)? {
                return Err(why);
            }
            let models: Option<Vec<HypervisorModel>> = facts
                .get("hypervisor_models")
                .and_then(Value::as_array)
                .map(|names| names.iter().filter_map(Value::as_str).map(HypervisorModel::named).collect());
            let updated = update(database, arch, &cpu, &host).map_err(flaw)?;
            Ok(Outcome::Text(translate(database, arch, &updated, models.as_deref()).map_err(flaw)?.to_xml()))
        }
        "has-feature" => {
            let cpu = definition(&file("input")?)?;
            let found = has_feature(database, &cpu, text("feature").unwrap_or_default()).map_err(flaw)?;
            Ok(Outcome::Said(found.to_string()))
        }
        "validate-features" => {
            let cpu = definition(&file("input")?)?;
            validate_features(database, arch, &cpu).map_err(flaw)?;
            Ok(Outcome::Same)
        }
        "cpuid-host" | "cpuid-guest" => {
            let raw = raw(&file("input")?)?;
            let host = text("operation") == Some("cpuid-host");
            let models = match text("qemu_json") {
                Some("models-required") if !host => replies(&file("json")?)?.1,
                _ => None,
            };
            let mut cpu = if host {
                CpuDef { arch: Some(arch.to_owned()), signature: Some(raw.signature()), ..CpuDef::default() }
            } else {
                guest()
            };
            let known = Facts::of_raw(database, &raw);
            let choice = Choice { models: models.as_deref(), ..Choice::default() };
            decode(database, &mut cpu, &known, choice).map_err(flaw)?;
            Ok(Outcome::Text(cpu.to_xml()))
        }
        "cpuid-signature" => Ok(Outcome::Text(spell(raw(&file("input")?)?.signature()))),
        "cpuid-json" | "cpuid-json-signature" => {
            let (expansion, models) = replies(&file("input")?)?;
            let known = qmp::expansion(database, &expansion).ok_or("not an expansion")?;
            if text("operation") == Some("cpuid-json-signature") {
                return Ok(Outcome::Text(spell(known.signature)));
            }
            let mut cpu = guest();
            let choice = Choice { models: models.as_deref(), ..Choice::default() };
            decode(database, &mut cpu, &known, choice).map_err(flaw)?;
            Ok(Outcome::Text(cpu.to_xml()))
        }
        "cpuid-update-live" => {
            let expected_text = file("expected")?;
            let mut expected = definition(&expected_text)?;
            let mut cpu = definition(&file("input")?)?;
            // A processor whose signature is no model's own may have another name in CPUID than for the emulator; in
            // the emulator's name the two can be compared.
            let name = expected.model.as_deref().unwrap_or_default();
            let offered = [HypervisorModel::named(name)];
            cpu.fallback = Some(Fallback::Allow);
            cpu = translate(database, arch, &cpu, Some(&offered)).map_err(flaw)?;
            let enabled = raw(&file("enabled")?)?.features(database);
            let disabled = raw(&file("disabled")?)?.features(database);
            update_live(database, &mut cpu, &enabled, &disabled).map_err(flaw)?;
            if cpu.model != expected.model {
                return Err(format!("model {:?}, expected {:?}", cpu.model, expected.model));
            }
            expand_features(database, &mut cpu).map_err(flaw)?;
            expand_features(database, &mut expected).map_err(flaw)?;
            let (got, wanted) = (required(&cpu), required(&expected));
            if got == wanted {
                return Ok(Outcome::Same);
            }
            let extra: Vec<_> = got.difference(&wanted).collect();
            let missing: Vec<_> = wanted.difference(&got).collect();
            Err(format!("extra {extra:?}, missing {missing:?}"))
        }
        other => Err(format!("operation {other} is not known")),
    }
}

fn guest() -> CpuDef {
    CpuDef {
        kind: Kind::Guest,
        mode: Some(Mode::Custom),
        matching: Some(Match::Exact),
        fallback: Some(Fallback::Forbid),
        ..CpuDef::default()
    }
}

fn required(cpu: &CpuDef) -> BTreeSet<&str> {
    cpu.features.iter().filter(|f| f.policy == Some(Policy::Require)).map(|f| f.name.as_str()).collect()
}

fn word(comparison: &Comparison) -> &'static str {
    match comparison {
        Comparison::Incompatible(_) => "incompatible",
        Comparison::Identical => "identical",
        Comparison::Superset => "superset",
    }
}

fn spell(signature: cpu::raw::Signature) -> String {
    let line = |label: &str, value: u32| format!("{label:<9}{value:>4} (0x{value:02x})\n");
    let head = format!("{:06x}\n", signature.to_eax());
    head + &line("family:", signature.family)
        + &line("model:", signature.model)
        + &line("stepping:", signature.stepping)
}

fn definition(text: &str) -> Result<CpuDef, String> {
    let document = Document::parse(text).map_err(|fault| fault.to_string())?;
    CpuDef::from_xml(document.root(), None).map_err(|fault| format!("{fault:?}"))
}

fn list(text: &str) -> Result<Vec<CpuDef>, String> {
    let document = Document::parse(text).map_err(|fault| fault.to_string())?;
    let cpus = document.root().children("cpu").map(|node| CpuDef::from_xml(node, None));
    cpus.collect::<Result<_, _>>().map_err(|fault| format!("{fault:?}"))
}

fn raw(text: &str) -> Result<RawCpu, String> {
    let document = Document::parse(text).map_err(|fault| fault.to_string())?;
    Ok(RawCpu::from_xml(document.root()))
}

fn replies(text: &str) -> Result<(Value, Option<Vec<HypervisorModel>>), String> {
    let mut found = Vec::new();
    for reply in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let reply = reply.map_err(|fault| fault.to_string())?;
        found.push(reply.get("return").cloned().unwrap_or(Value::Null));
    }
    let models = found.get(1).map(qmp::definitions);
    Ok((found.into_iter().next().ok_or("no reply")?, models))
}
