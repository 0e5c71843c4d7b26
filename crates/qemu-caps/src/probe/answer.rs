//! What follows from an answer.

use super::question::Question;
use super::{Answer, Probe, ProbeError};
use crate::arch::Arch;
use crate::caps::{Caps, Gic, Sev, Sgx, SgxSection};
use crate::cpu_model::{CpuModel, HostModel, deprecated};
use crate::flag::{Flag, Source};
use crate::machine::{self, Machine};
use qapi::Schema;
use serde_json::Value;

/// What later questions and answers depend on, besides the capabilities.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The emulator runs without acceleration.
    pub(super) plain: bool,
    /// The host's processor is unknown to the emulator.
    pub(super) no_host: bool,
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn number(value: &Value, name: &str) -> Option<u64> {
    value.get(name)?.as_u64()
}

fn narrow(value: &Value, name: &str) -> Option<u32> {
    number(value, name)?.try_into().ok()
}

fn is(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn named<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    list(value).iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))
}

impl Caps {
    /// Sets the flags whose source a question answers. What is not seen is not taken away: another type may show it.
    fn see(&mut self, seen: impl Fn(Source) -> bool) {
        for flag in Flag::ALL {
            if seen(flag.source()) {
                self.flags.set(*flag, true);
            }
        }
    }
}

impl Probe {
    /// Takes an answer. Refusals matter for the questions that every emulator must answer.
    pub(super) fn take(&mut self, question: &Question, answer: Answer) -> Result<(), ProbeError> {
        let essential = match question {
            Question::Negotiate => "qmp_capabilities",
            Question::Version => "query-version",
            Question::Target => "query-target",
            Question::Schema => "query-qmp-schema",
            Question::Types => "qom-list-types",
            Question::Machines => "query-machines",
            _ => "",
        };
        match answer {
            Ok(value) => self.returned(question, &value),
            Err(text) if !essential.is_empty() => Err(ProbeError::Refused { command: essential, text }),
            Err(_) => {
                self.refused(question);
                Ok(())
            }
        }
    }

    fn refused(&mut self, question: &Question) {
        match question {
            Question::Sev => {
                self.caps.flags.set(Flag::SevGuest, false);
                self.caps.flags.set(Flag::SevSnpGuest, false);
            }
            Question::Sgx => self.caps.flags.set(Flag::SgxEpc, false),
            Question::Host => self.seen.no_host = true,
            _ => {}
        }
    }

    fn returned(&mut self, question: &Question, value: &Value) -> Result<(), ProbeError> {
        let caps = &mut self.caps;
        match question {
            Question::Negotiate => self.seen = Seen { plain: self.plain, no_host: false },
            Question::Version => {
                let qemu = value.get("qemu").ok_or(ProbeError::Malformed("query-version"))?;
                let part = |name| narrow(qemu, name).ok_or(ProbeError::Malformed("query-version"));
                caps.version = (part("major")?, part("minor")?, part("micro")?);
                caps.package = text(value, "package").unwrap_or_default();
                let (major, minor, micro) = caps.version;
                if caps.version < super::OLDEST {
                    return Err(ProbeError::TooOld(major, minor, micro));
                }
            }
            Question::Target => {
                let target = text(value, "arch").ok_or(ProbeError::Malformed("query-target"))?;
                caps.arch = Arch::of_emulator(&target).map_or(target.as_str(), |arch| arch.name).to_owned();
                let arch = caps.arch.clone();
                caps.see(|source| matches!(source, Source::Arch(of) if of == arch));
            }
            Question::Schema => {
                let schema = Schema::read(value);
                caps.see(|source| matches!(source, Source::Schema(path) if schema.has(path)));
            }
            Question::Kvm => {
                let kvm = is(value, "present") && is(value, "enabled");
                let hvf = self.hvf;
                caps.see(|source| source == Source::Kvm && kvm || source == Source::Hvf && hvf);
            }
            Question::Types => {
                caps.see(|source| match source {
                    Source::Type(types) => types.iter().any(|kind| named(value, kind).is_some()),
                    _ => false,
                });
                self.accel = self.caps.best();
            }
            Question::Device(kind, _) | Question::Object(kind, _) => properties(caps, kind, value),
            Question::Machines => {
                let preferred = machine::preferred(&caps.arch);
                caps.with_mut(self.accel).machines = Machine::read(value, preferred);
            }
            Question::Machine(name) => machine_properties(caps, name, value),
            Question::Board(name) => {
                machine_properties(caps, name.strip_suffix("-machine").unwrap_or(name), value);
            }
            Question::CpuDefinitions => {
                let models = CpuModel::read(value, &caps.arch);
                caps.see(|source| match source {
                    Source::CpuModel(name) => models.iter().any(|model| model.name == name),
                    _ => false,
                });
                caps.with_mut(self.accel).cpus = models;
            }
            Question::TpmModels => caps.see(|source| match source {
                Source::TpmModel(name) => list(value).iter().any(|model| model.as_str() == Some(name)),
                _ => false,
            }),
            Question::TpmTypes => caps.see(|source| match source {
                Source::TpmType(name) => list(value).iter().any(|kind| kind.as_str() == Some(name)),
                _ => false,
            }),
            Question::Options => caps.see(|source| match source {
                Source::Option(option, parameter) => has_option(value, option, parameter),
                _ => false,
            }),
            Question::MigrationCapabilities => caps.see(|source| match source {
                Source::Migration(name) => list(value)
                    .iter()
                    .any(|entry| entry.get("capability").and_then(Value::as_str) == Some(name)),
                _ => false,
            }),
            Question::Gic => caps.gic = list(value).iter().filter_map(gic).collect(),
            Question::Sev => caps.sev = sev(value),
            Question::Sgx => match sgx(value) {
                Some(found) => caps.sgx = Some(found),
                None => caps.flags.set(Flag::SgxEpc, false),
            },
            Question::Host => match HostModel::read(value) {
                Some(model) => caps.with_mut(self.accel).host = Some(model),
                None => self.seen.no_host = true,
            },
            Question::HostFull => {
                let host = &mut caps.with_mut(self.accel).host;
                if let (Some(host), Some(full)) = (host.as_mut(), HostModel::read(value)) {
                    host.widen(full);
                }
            }
            Question::HostDeprecated => {
                if let Some(host) = &mut caps.with_mut(self.accel).host {
                    host.deprecated = deprecated(value);
                }
            }
            Question::HyperV => caps.hyperv = hyperv(value),
        }
        Ok(())
    }
}

fn properties(caps: &mut Caps, kind: &str, value: &Value) {
    caps.see(|source| match source {
        Source::Property(kinds, property) => kinds.contains(&kind) && named(value, property).is_some(),
        Source::Default(kinds, property, default) => {
            let found = named(value, property).and_then(|property| property.get("default-value"));
            kinds.contains(&kind)
                && found.is_some_and(|found| match found {
                    Value::String(found) => found == default,
                    Value::Bool(found) => default.parse() == Ok(*found),
                    Value::Number(found) => found.as_i64().is_some_and(|found| default.parse() == Ok(found)),
                    _ => false,
                })
        }
        _ => false,
    });
}

fn machine_properties(caps: &mut Caps, name: &str, value: &Value) {
    caps.see(|source| match source {
        Source::Machine(of, property) => of == name && named(value, property).is_some(),
        _ => false,
    });
}

fn has_option(value: &Value, option: &str, parameter: &str) -> bool {
    let options = list(value);
    let found = options.iter().find(|entry| entry.get("option").and_then(Value::as_str) == Some(option));
    found.is_some_and(|found| {
        parameter.is_empty() || found.get("parameters").is_some_and(|list| named(list, parameter).is_some())
    })
}

fn gic(entry: &Value) -> Option<Gic> {
    Some(Gic {
        version: narrow(entry, "version")?,
        kernel: is(entry, "kernel"),
        emulated: is(entry, "emulated"),
    })
}

fn sev(value: &Value) -> Option<Sev> {
    Some(Sev {
        cbitpos: narrow(value, "cbitpos")?,
        reduced_phys_bits: narrow(value, "reduced-phys-bits")?,
        pdh: text(value, "pdh")?,
        cert_chain: text(value, "cert-chain")?,
        cpu0_id: text(value, "cpu0-id"),
    })
}

fn sgx(value: &Value) -> Option<Sgx> {
    if !is(value, "sgx") {
        return None;
    }
    let sections: Vec<SgxSection> = list(value.get("sections").unwrap_or(&Value::Null))
        .iter()
        .filter_map(|section| {
            Some(SgxSection { node: narrow(section, "node")?, size: number(section, "size")? / 1024 })
        })
        .collect();
    let sum = sections.iter().map(|section| section.size).sum();
    Some(Sgx {
        flc: is(value, "flc"),
        sgx1: is(value, "sgx1"),
        sgx2: is(value, "sgx2"),
        section_size: number(value, "section-size").map_or(sum, |size| size / 1024),
        sections,
    })
}

/// Enlightenments in the order of domain documents.
const HYPERV: &[&str] = &[
    "relaxed",
    "vapic",
    "spinlocks",
    "vpindex",
    "runtime",
    "synic",
    "stimer",
    "reset",
    "vendor_id",
    "frequencies",
    "reenlightenment",
    "tlbflush",
    "ipi",
    "evmcs",
    "avic",
    "emsr_bitmap",
    "xmm_input",
];

/// Enlightenments that are on when the host offers all it has; `None` when the emulator tells none at all.
fn hyperv(value: &Value) -> Option<Vec<String>> {
    let properties = value.get("model")?.get("props")?.as_object()?;
    let on = |name: &&&str| {
        let value = properties.get(&format!("hv-{}", name.replace('_', "-")));
        value.is_some_and(|value| *value != Value::Bool(false))
    };
    properties
        .keys()
        .any(|name| name.starts_with("hv-"))
        .then(|| HYPERV.iter().filter(on).map(|name| (*name).to_owned()).collect())
}
