//! `proto`: wire types by family, and the table of procedures.

use super::Output;
use super::model::{Field, Kind, Model};
use super::words::{camel, element, ident, imports, record};
use std::path::Path;

fn structure(out: &mut String, doc: &str, name: &str, fields: &[Field]) {
    if fields.is_empty() {
        return;
    }
    out.push_str(&format!("    /// {doc}\n    {name} {{ "));
    for field in fields {
        out.push_str(&format!("{}: {{{}}}, ", ident(&field.name), record(&field.kind)));
    }
    out.push_str("}\n");
}

/// Shared structures that a family's fields mention.
fn shared(model: &Model, fields: &[&Field], out: &mut Vec<String>) {
    for field in fields {
        let (Kind::Plain(name) | Kind::Optional(name) | Kind::List(name, _) | Kind::Array(name, _)) =
            &field.kind
        else {
            continue;
        };
        if model.is_struct(name) && !out.contains(&element(name)) {
            out.push(element(name));
        }
    }
}

pub(crate) fn files(model: &Model) -> Vec<Output> {
    let folder = Path::new("crates/proto/src/generated");
    let mut outputs = Vec::new();
    let mut modules = Vec::new();
    for program in &model.programs {
        if !program.structs.is_empty() {
            let mut body = String::from("xdr::record! {\n");
            for s in &program.structs {
                structure(&mut body, &format!("`{}`", s.name), &camel(&s.name), &s.fields);
            }
            body.push_str("}\n");
            let name = format!("{}_shared", program.name);
            let text = format!("{}\n{body}", imports(&body, model));
            outputs.push((folder.join(format!("{name}.rs")), text));
            modules
                .push((name, format!("Structures that messages of the program `{}` contain.", program.name)));
        }
        for family in &program.families {
            let mut body = String::from("xdr::record! {\n");
            let mut mentioned = Vec::new();
            for proc in &family.procs {
                structure(
                    &mut body,
                    &format!("Arguments of `{}`.", proc.name),
                    &format!("{}Args", camel(&proc.name)),
                    &proc.args,
                );
                structure(
                    &mut body,
                    &format!("Results of `{}`.", proc.name),
                    &format!("{}Ret", camel(&proc.name)),
                    &proc.ret,
                );
                shared(model, &proc.args.iter().chain(&proc.ret).collect::<Vec<_>>(), &mut mentioned);
            }
            for event in &family.events {
                structure(
                    &mut body,
                    &format!("Message `{}`.", event.name),
                    &format!("{}Msg", camel(&event.name)),
                    &event.msg,
                );
                if let Some(payload) = super::events::own_payload(event) {
                    let name = format!("{}Payload", camel(&event.name));
                    structure(
                        &mut body,
                        &format!("What `{}` tells, whoever listens.", event.name),
                        &name,
                        payload,
                    );
                }
                shared(model, &event.msg.iter().collect::<Vec<_>>(), &mut mentioned);
            }
            body.push_str("}\n");
            if body.lines().count() == 2 {
                continue;
            }
            let mut uses = imports(&body, model);
            if !mentioned.is_empty() {
                uses.push_str(&format!(
                    "use super::{}_shared::{{{}}};\n",
                    program.name,
                    mentioned.join(", ")
                ));
            }
            // A list of another procedure's results crosses families.
            if body.contains("list DomainGetSecurityLabelRet") && family.name != "domain_info" {
                uses.push_str("use super::remote_domain_info::DomainGetSecurityLabelRet;\n");
            }
            let name = if family.name == program.name {
                program.name.clone()
            } else {
                format!("{}_{}", program.name, family.name)
            };
            outputs.push((folder.join(format!("{name}.rs")), format!("{uses}\n{body}")));
            modules.push((name, family.title.clone()));
        }
    }
    let mut text =
        String::from("//! Wire types, one module per object family, and the table of procedures.\n\n");
    for (name, title) in &modules {
        text.push_str(&format!("#[doc = {title:?}]\npub mod {name};\n"));
    }
    text.push_str("pub mod table;\npub mod types;\n");
    outputs.push((folder.join("mod.rs"), text));
    outputs.push((folder.join("table.rs"), table(model)));
    let types = types(&outputs);
    outputs.push((folder.join("types.rs"), types));
    outputs
}

/// Every type of the wire, for what tries them all: the names are those that the generated modules declare.
fn types(outputs: &[Output]) -> String {
    let mut text = String::from(
        "//! Every wire type, by name: what it is made of, and its codec without its type.\n\nuse crate::row::WireType;\n\n/// All of them, in the order of the modules.\n#[rustfmt::skip]\npub static TYPES: &[WireType] = &[\n",
    );
    for (path, body) in outputs {
        let Some(module) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let declared = body.split_once("xdr::record! {\n").map_or("", |(_, declared)| declared);
        for line in declared.lines().map(str::trim_start).filter(|line| !line.starts_with("///")) {
            if let Some((name, _)) = line.split_once(" {") {
                text.push_str(&format!("    WireType::of::<super::{module}::{name}>({name:?}),\n"));
            }
        }
    }
    text.push_str("];\n");
    text
}

fn table(model: &Model) -> String {
    let mut text = String::from(
        "//! Every procedure of every program, in number order.\n\nuse crate::row::{Condition, EventRow, Procedure, Program, Rule, Stream};\n",
    );
    for program in &model.programs {
        let upper = program.name.to_uppercase();
        text.push_str(&format!(
            "\n/// Program `{}`.\npub static {upper}: Program = Program {{ name: {:?}, number: 0x{:08x}, version: {}, procedures: {upper}_PROCEDURES, events: {upper}_EVENTS }};\n",
            program.name, program.name, program.number, program.version
        ));
        let mut procs: Vec<_> =
            program.families.iter().flat_map(|f| f.procs.iter().map(move |p| (f, p))).collect();
        procs.sort_by_key(|(_, proc)| proc.number);
        text.push_str(&format!("\n#[rustfmt::skip]\nstatic {upper}_PROCEDURES: &[Procedure] = &[\n"));
        for (family, p) in procs {
            let stream = match p.stream {
                None => "None".to_owned(),
                Some(s) => format!("Some(Stream {{ to_server: {}, sparse: {} }})", s.to_server, s.sparse),
            };
            let rules: Vec<String> = p
                .acl
                .iter()
                .map(|rule| {
                    let condition = match rule.condition.as_deref() {
                        None => "Condition::Always".to_owned(),
                        Some(c) if c.starts_with("if flags&") => format!("Condition::IfFlags({})", &c[9..]),
                        Some(c) if c.starts_with("unless flags&") => {
                            format!("Condition::UnlessFlags({})", &c[13..])
                        }
                        Some(c) => format!("Condition::IfField({:?})", c.trim_start_matches("if ")),
                    };
                    format!(
                        "Rule {{ object: {:?}, permission: {:?}, filter: {}, condition: {condition} }}",
                        rule.object, rule.permission, rule.filter
                    )
                })
                .collect();
            text.push_str(&format!(
                "    Procedure {{ number: {}, name: {:?}, c_name: {:?}, family: {:?}, high: {}, write: {}, server: {}, error_domain: {}, stream: {stream}, rules: &[{}] }},\n",
                p.number, p.name, p.c_name, family.name, p.high, p.write, p.server, p.error_domain, rules.join(", ")
            ));
        }
        text.push_str("];\n");
        let mut events: Vec<_> = program.families.iter().flat_map(|f| &f.events).collect();
        events.sort_by_key(|event| event.number);
        text.push_str(&format!("\n#[rustfmt::skip]\nstatic {upper}_EVENTS: &[EventRow] = &[\n"));
        for e in events {
            text.push_str(&format!(
                "    EventRow {{ number: {}, name: {:?}, object: {:?}, id: {} }},\n",
                e.number, e.name, e.object, e.id
            ));
        }
        text.push_str("];\n");
    }
    text
}
