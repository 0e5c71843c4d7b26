//! `rpc-server`: from a procedure number to the driver's method.

use super::Output;
use super::api::{module, trait_name};
use super::model::{Family, Model, Proc};
use super::words::{camel, ident, lend};
use std::path::Path;

fn driver(family: &Family) -> &str {
    match family.name.as_str() {
        name @ ("network" | "interface" | "storage" | "node_device" | "secret" | "nwfilter" | "admin") => {
            name
        }
        _ => "hypervisor",
    }
}

fn handler(family: &Family, proc: &Proc) -> String {
    let mut text =
        format!("fn {}(cx: &Call, drivers: &DriverSet, payload: &[u8]) -> Result<Reply> {{\n", proc.name);
    let name = camel(&proc.name);
    if proc.args.is_empty() {
        text.push_str("    nothing(payload)?;\n");
    } else {
        text.push_str(&format!("    let args: {name}Args = decode(payload)?;\n"));
    }
    let arguments: String = proc.args.iter().map(|field| format!(", {}", lend(field))).collect();
    let call = format!("drivers.{}.{}(cx{arguments})?", driver(family), proc.name);
    let (pattern, stream) = match (&proc.ret[..], proc.stream.is_some()) {
        ([], false) => ("", "None"),
        ([], true) => ("let stream = ", "Some(stream)"),
        (_, false) => ("let ret = ", "None"),
        (_, true) => ("let (ret, stream) = ", "Some(stream)"),
    };
    text.push_str(&format!("    {pattern}{call};\n"));
    match &proc.ret[..] {
        [] => text.push_str(&format!("    Ok(Reply::empty({stream}))\n}}\n")),
        [field] if field.name == "ret" => {
            text.push_str(&format!("    Ok(Reply::of(&{name}Ret {{ ret }}, {stream}))\n}}\n"));
        }
        [field] => text.push_str(&format!(
            "    Ok(Reply::of(&{name}Ret {{ {}: ret }}, {stream}))\n}}\n",
            ident(&field.name)
        )),
        _ => text.push_str(&format!("    Ok(Reply::of(&ret, {stream}))\n}}\n")),
    }
    text
}

pub(crate) fn files(model: &Model) -> Vec<Output> {
    let folder = Path::new("crates/rpc-server/src/generated");
    let mut outputs = Vec::new();
    let mut index = String::from(
        "//! Handlers of all procedures, by program and number.\n\nuse crate::dispatch::Handler;\n\n",
    );
    for program in &model.programs {
        let mut slots: Vec<(u32, String)> = Vec::new();
        for family in program.families.iter().filter(|f| trait_name(f).is_some()) {
            let module = module(&program.name, family);
            let mut body = String::new();
            for proc in family.procs.iter().filter(|proc| !proc.server) {
                body.push_str(&handler(family, proc).replacen("fn ", "pub(super) fn ", 1));
                body.push('\n');
                slots.push((proc.number, format!("{module}::{}", proc.name)));
            }
            if body.is_empty() {
                continue;
            }
            let types = if family.procs.iter().any(|p| !p.server && (!p.args.is_empty() || p.ret.len() == 1))
            {
                format!("use proto::generated::{module}::*;\n")
            } else {
                String::new()
            };
            let text = format!(
                "//! Handlers: {}.\n\nuse crate::dispatch::{{Reply{}{}}};\nuse api::{{Call, DriverSet}};\nuse base::Result;\n{types}\n{body}",
                family.title,
                if body.contains("decode(") { ", decode" } else { "" },
                if body.contains("nothing(") { ", nothing" } else { "" },
            );
            outputs.push((folder.join(format!("{module}.rs")), text));
            index.push_str(&format!("mod {module};\n"));
        }
        slots.sort();
        let last = slots.last().map_or(0, |slot| slot.0);
        index.push_str(&format!("\n/// Program `{}`: the handler at a procedure's number.\n#[rustfmt::skip]\npub(crate) static {}: &[Option<Handler>] = &[\n", program.name, program.name.to_uppercase()));
        for number in 0..=last {
            match slots.iter().find(|slot| slot.0 == number) {
                Some((_, path)) => index.push_str(&format!("    Some({path}),\n")),
                None => index.push_str("    None,\n"),
            }
        }
        index.push_str("];\n");
    }
    outputs.push((folder.join("mod.rs"), index));
    outputs
}
