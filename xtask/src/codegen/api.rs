//! `api`: one driver trait per object family.

use super::Output;
use super::model::{Family, Model, Proc};
use super::words::{borrowed, camel, ident, imports, result};
use std::path::Path;

/// The driver trait of a family; `None` for families the server answers itself.
pub(crate) fn trait_name(family: &Family) -> Option<String> {
    match family.name.as_str() {
        "connection" | "event" => None,
        "qemu" => Some("QemuMonitor".to_owned()),
        "lxc" => Some("LxcNamespace".to_owned()),
        other => Some(camel(other)),
    }
}

/// The result type of the trait method.
pub(crate) fn outcome(proc: &Proc) -> String {
    let plain = result(&proc.name, &proc.ret);
    match (proc.stream.is_some(), plain.as_str()) {
        (false, _) => plain,
        (true, "()") => "Stream".to_owned(),
        (true, _) => format!("({plain}, Stream)"),
    }
}

/// Parameters as `name: Type, ...`.
pub(crate) fn parameters(proc: &Proc) -> String {
    proc.args.iter().map(|field| format!(", {}: {}", ident(&field.name), borrowed(&field.kind))).collect()
}

/// What a default body leaves unused.
fn unused(proc: &Proc) -> String {
    let names: String = proc.args.iter().map(|field| format!(", {}", ident(&field.name))).collect();
    if names.is_empty() { "cx".to_owned() } else { format!("(cx{names})") }
}

/// Types from `proto` that a family's methods mention.
pub(crate) fn wire_types(text: &str, model: &Model, program: &str, module: &str) -> String {
    let mut out = String::new();
    let word = |name: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == name);
    let mut names: Vec<String> = Vec::new();
    for p in model.programs.iter().filter(|p| p.name == program) {
        let inside = |name: &str| {
            let families = p.families.iter().filter(|f| super::api::module(&p.name, f) == module);
            let mut fields =
                families.flat_map(|f| &f.procs).filter(|proc| proc.ret.len() > 1).flat_map(|proc| &proc.ret);
            fields.any(|field| super::words::owned(&field.kind) == format!("Vec<{}>", camel(name)))
        };
        let shared: Vec<String> = p
            .structs
            .iter()
            .filter(|s| inside(&s.name) || word(&camel(&s.name)))
            .map(|s| camel(&s.name))
            .collect();
        if !shared.is_empty() {
            out.push_str(&format!(
                "pub use proto::generated::{program}_shared::{{{}}};\n",
                shared.join(", ")
            ));
        }
        for family in p.families.iter().filter(|f| super::api::module(&p.name, f) == module) {
            for proc in family.procs.iter().filter(|proc| proc.ret.len() > 1) {
                names.push(format!("{}Ret", camel(&proc.name)));
            }
        }
    }
    names.retain(|name| word(name));
    if !names.is_empty() {
        out.push_str(&format!("pub use proto::generated::{module}::{{{}}};\n", names.join(", ")));
    }
    if word("DomainGetSecurityLabelRet") && module != "remote_domain_info" {
        out.push_str("pub use proto::generated::remote_domain_info::DomainGetSecurityLabelRet;\n");
    }
    out
}

/// The module of a family in `proto`.
pub(crate) fn module(program: &str, family: &Family) -> String {
    if family.name == program { program.to_owned() } else { format!("{program}_{}", family.name) }
}

pub(crate) fn files(model: &Model) -> Vec<Output> {
    let folder = Path::new("crates/api/src/generated");
    let mut outputs = Vec::new();
    let mut index = String::from(
        "//! Driver traits by object family, events and constants.\n\npub mod consts;\npub mod event;\n",
    );
    for program in &model.programs {
        for family in &program.families {
            let Some(name) = trait_name(family) else { continue };
            let mut body = format!("/// {}.\npub trait {name}: Send + Sync {{\n", family.title);
            for proc in family.procs.iter().filter(|proc| !proc.server) {
                body.push_str(&format!(
                    "    /// `{}`{}.\n    fn {}(&self, cx: &Call{}) -> Result<{}> {{\n        let _ = {};\n        Err(unsupported({:?}, {}))\n    }}\n\n",
                    proc.c_name,
                    if proc.high { "; served by reserved workers too" } else { "" },
                    proc.name,
                    parameters(proc),
                    outcome(proc),
                    unused(proc),
                    proc.c_name,
                    proc.error_domain,
                ));
            }
            body.push_str("}\n");
            let stream = if body.contains("Stream>") || body.contains("Stream)") {
                "use crate::Stream;\n"
            } else {
                ""
            };
            let text = format!(
                "//! {}.\n\nuse crate::{{Call, unsupported}};\n{stream}use base::Result;\n{}{}\n{body}",
                family.title,
                imports(&body, model),
                wire_types(&body, model, &program.name, &module(&program.name, family)),
            );
            outputs.push((folder.join(format!("{}.rs", family.name)), text));
            index.push_str(&format!("pub mod {};\n", family.name));
        }
    }
    let names: Vec<String> = model
        .programs
        .iter()
        .flat_map(|p| p.families.iter())
        .filter_map(|f| trait_name(f).map(|name| format!("{}::{name}", f.name)))
        .collect();
    index.push_str(&format!("\npub use {{{}}};\n", names.join(", ")));
    index.push_str("\n/// A driver of nothing: every procedure is unsupported.\n#[derive(Debug, Clone, Copy)]\npub struct Nothing;\n");
    for name in &names {
        index.push_str(&format!("impl {name} for Nothing {{}}\n"));
    }
    outputs.push((folder.join("mod.rs"), index));
    outputs
}
