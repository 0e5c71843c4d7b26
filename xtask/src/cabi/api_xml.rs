//! The description of the interface that the generators of the Python and Perl bindings read.

use super::table::{Header, Param, Table};
use std::fmt::Write;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&apos;")
}

fn arguments(out: &mut String, params: &[Param]) {
    for param in params {
        let (name, kind) = (&param.name, escaped(&param.kind));
        let optional = if param.optional { "(optional) " } else { "" };
        let _ = writeln!(out, "      <arg name='{name}' type='{kind}' info='{optional}{name}'/>");
    }
}

fn exports(out: &mut String, header: &Header) {
    let mut line = |name: &str, kind: &str| {
        let _ = writeln!(out, "     <exports symbol='{name}' type='{kind}'/>");
    };
    header.macros.iter().for_each(|m| line(&m.name, "macro"));
    for group in &header.enums {
        group.members.iter().for_each(|(name, _, _)| line(name, "enum"));
        line(&group.name, "typedef");
    }
    header.opaques.iter().for_each(|(name, _)| line(name, "typedef"));
    header.structs.iter().for_each(|item| line(&item.name, "typedef"));
    header.aliases.iter().for_each(|alias| line(&alias.name, "typedef"));
    header.callbacks.iter().for_each(|callback| line(&callback.name, "functype"));
    header.data.iter().for_each(|data| line(&data.name, "variable"));
    header.functions.iter().for_each(|function| line(&function.name, "function"));
}

fn symbols(out: &mut String, header: &Header, table: &Table) {
    let file = &header.name;
    for item in &header.macros {
        let value = match item.value.strip_prefix('"') {
            Some(text) => format!("string='{}'", escaped(text.trim_end_matches('"'))),
            None => format!("raw='{}'", escaped(&item.value)),
        };
        let _ =
            writeln!(out, "    <macro name='{}' file='{file}' {value} version='{}'/>", item.name, item.since);
    }
    for group in &header.enums {
        for (name, value, since) in &group.members {
            let hex = match table.value(name) {
                Some(number) if value.parse::<i64>().is_ok() && number > 0 => {
                    let shift = if number.count_ones() == 1 {
                        format!(" value_bitshift='{}'", number.trailing_zeros())
                    } else {
                        String::new()
                    };
                    format!(" value_hex='{number:#x}'{shift}")
                }
                _ => String::new(),
            };
            let _ = writeln!(
                out,
                "    <enum name='{name}' file='{file}' value='{value}'{hex} type='{}' version='{since}'/>",
                group.name
            );
        }
        let _ = writeln!(out, "    <typedef name='{}' file='{file}' type='enum'/>", group.name);
    }
    for (name, since) in &header.opaques {
        let _ = writeln!(
            out,
            "    <struct name='{name}' file='{file}' type='struct _{name}' version='{since}'/>"
        );
    }
    for item in &header.structs {
        let name = &item.name;
        let _ = writeln!(
            out,
            "    <struct name='{name}' file='{file}' type='struct _{name}' version='{}'>",
            item.since
        );
        for field in &item.fields {
            if field.alternatives.is_empty() {
                let kind = match field.kind.split_once('[') {
                    Some((element, count)) => format!("{element} {}[{count}", field.name),
                    None => field.kind.clone(),
                };
                let _ =
                    writeln!(out, "      <field name='{}' type='{}' info=''/>", field.name, escaped(&kind));
                continue;
            }
            let _ =
                writeln!(out, "      <field name='{}' type='union' info=''>\n        <union>", field.name);
            for (kind, name) in &field.alternatives {
                let _ = writeln!(out, "          <field name='{name}' type='{}' info=''/>", escaped(kind));
            }
            out.push_str("        </union>\n      </field>\n");
        }
        out.push_str("    </struct>\n");
    }
    for alias in &header.aliases {
        let (name, target, since) = (&alias.name, escaped(&alias.target), &alias.since);
        let _ = writeln!(out, "    <typedef name='{name}' file='{file}' type='{target}' version='{since}'/>");
    }
    for data in &header.data {
        let _ = writeln!(
            out,
            "    <variable name='{}' file='{file}' type='{}' version='{}'/>",
            data.name,
            escaped(&data.kind),
            data.node
        );
    }
    // The part of the library that a function is in decides whether bindings wrap it.
    let module = |tag: &str| {
        match (tag, file.as_str()) {
            ("function", "libvirt-common") => "virtypedparam-public",
            ("function", "libvirt-event") => "virevent",
            ("function", "virterror") => "virerror",
            (_, file) => file,
        }
        .to_owned()
    };
    let mut call = |tag: &str, name: &str, since: &str, returns: &str, params: &[Param]| {
        let _ = writeln!(
            out,
            "    <{tag} name='{name}' file='{file}' module='{}' version='{since}'>",
            module(tag)
        );
        let _ =
            writeln!(out, "      <info><![CDATA[{name} of the public interface, since {since}.]]></info>");
        let info = if returns == "void" { "" } else { " info='the result'" };
        let _ = writeln!(out, "      <return type='{}'{info}/>", escaped(returns));
        arguments(out, params);
        let _ = writeln!(out, "    </{tag}>");
    };
    for item in &header.callbacks {
        call("functype", &item.name, &item.since, &item.returns, &item.params);
    }
    for item in &header.functions {
        call("function", &item.name, &item.since, &item.returns, &item.params);
    }
}

/// The document of a library.
pub(crate) fn document(table: &Table, library: &str) -> String {
    let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<api name='{library}'>\n  <files>\n");
    let headers: Vec<&Header> = table.headers.iter().filter(|header| header.library == library).collect();
    for header in &headers {
        let _ = writeln!(
            out,
            "    <file name='{0}'>\n     <summary>{0}</summary>\n     <description>{0}</description>",
            header.name
        );
        exports(&mut out, header);
        out.push_str("    </file>\n");
    }
    out.push_str("  </files>\n  <symbols>\n");
    for header in &headers {
        symbols(&mut out, header, table);
    }
    out.push_str("  </symbols>\n</api>\n");
    out
}
