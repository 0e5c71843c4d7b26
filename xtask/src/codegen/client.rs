//! `driver-remote`: the driver whose implementation sends the procedure over a socket.

use super::Output;
use super::api::{module, outcome, parameters, trait_name};
use super::model::{Model, Proc};
use super::words::{camel, ident, imports, own};
use std::path::Path;

fn method(program: &str, proc: &Proc) -> String {
    let name = camel(&proc.name);
    let mut text = format!(
        "    fn {}(&self, cx: &Call{}) -> Result<{}> {{\n",
        proc.name,
        parameters(proc),
        outcome(proc)
    );
    let args = if proc.args.is_empty() {
        "&Void".to_owned()
    } else {
        let fields: Vec<String> = proc.args.iter().map(own).collect();
        format!("&{name}Args {{ {} }}", fields.join(", "))
    };
    let target = format!("&table::{}, {}", program.to_uppercase(), proc.number);
    let ret = match &proc.ret[..] {
        [] => "Void".to_owned(),
        _ => format!("{name}Ret"),
    };
    let unpack = match &proc.ret[..] {
        [field] => format!("ret.{}", ident(&field.name)),
        _ => "ret".to_owned(),
    };
    match (proc.stream, &proc.ret[..]) {
        (None, []) => text.push_str(&format!("        self.call_for::<_, Void>(cx, {target}, {args}).map(drop)\n")),
        (None, _) => text.push_str(&format!("        let ret: {ret} = self.call_for(cx, {target}, {args})?;\n        Ok({unpack})\n")),
        (Some(s), []) => text.push_str(&format!("        let (_, stream) = self.call_stream::<_, Void>(cx, {target}, {args}, {})?;\n        Ok(stream)\n", s.to_server)),
        (Some(s), _) => text.push_str(&format!("        let (ret, stream): ({ret}, _) = self.call_stream(cx, {target}, {args}, {})?;\n        Ok(({unpack}, stream))\n", s.to_server)),
    }
    text.push_str("    }\n");
    text
}

pub(crate) fn files(model: &Model) -> Vec<Output> {
    let folder = Path::new("crates/driver-remote/src/generated");
    let mut outputs = Vec::new();
    let mut index = String::from("//! The driver traits over the wire.\n\n");
    for program in &model.programs {
        for family in &program.families {
            let Some(name) = trait_name(family) else { continue };
            let module = module(&program.name, family);
            let mut body = format!("impl {name} for Remote {{\n");
            for (at, proc) in family.procs.iter().filter(|proc| !proc.server).enumerate() {
                if at > 0 {
                    body.push('\n');
                }
                body.push_str(&method(&program.name, proc));
            }
            body.push_str("}\n");
            let shared = super::api::wire_types(&body, model, &program.name, "").replace("pub use", "use");
            let text = format!(
                "//! {}.\n\nuse crate::{{Remote{}}};\nuse api::{{Call, {name}{}}};\nuse base::Result;\n{}use proto::generated::table;\n{shared}use proto::generated::{module}::*;\n\n{body}",
                family.title,
                if body.contains("Void") { ", Void" } else { "" },
                if body.contains("Stream>") || body.contains("Stream)") { ", Stream" } else { "" },
                imports(&body, model),
            );
            outputs.push((folder.join(format!("{module}.rs")), text));
            index.push_str(&format!("mod {module};\n"));
        }
    }
    outputs.push((folder.join("mod.rs"), index));
    outputs
}
