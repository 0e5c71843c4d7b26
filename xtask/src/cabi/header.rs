//! The C headers.

use super::table::{Enum, Header, Param, Struct, Table};
use std::fmt::Write;

/// Macros with parameters and other parts that the table has no notation for.
const PARTS: &[(&str, &str)] = &[
    ("libvirt-common", include_str!("parts/common.h")),
    ("libvirt-host", include_str!("parts/host.h")),
    ("libvirt-domain", include_str!("parts/domain.h")),
    ("libvirt-network", include_str!("parts/network.h")),
    ("libvirt-nodedev", include_str!("parts/nodedev.h")),
    ("libvirt-secret", include_str!("parts/secret.h")),
    ("libvirt-storage", include_str!("parts/storage.h")),
];

/// Headers that libvirt.h includes, in this order; they cannot be included alone.
const UMBRELLA: &[&str] = &[
    "libvirt-common",
    "libvirt-host",
    "libvirt-domain",
    "libvirt-domain-checkpoint",
    "libvirt-domain-snapshot",
    "libvirt-event",
    "libvirt-interface",
    "libvirt-network",
    "libvirt-nodedev",
    "libvirt-nwfilter",
    "libvirt-secret",
    "libvirt-storage",
    "libvirt-stream",
];

fn join(kind: &str, name: &str) -> String {
    if let Some((element, count)) = kind.split_once('[') {
        return format!("{element} {name}[{count}");
    }
    if kind.ends_with('*') { format!("{kind}{name}") } else { format!("{kind} {name}") }
}

/// A parameter list in C.
pub(crate) fn list(params: &[Param]) -> String {
    let list: Vec<String> = params.iter().map(|p| join(&p.kind, &p.name)).collect();
    if list.is_empty() { "void".to_owned() } else { list.join(", ") }
}

fn enumeration(out: &mut String, group: &Enum, table: &Table) {
    out.push_str("typedef enum {\n");
    for (name, value, since) in &group.members {
        let sentinel = name.ends_with("_LAST");
        if sentinel {
            out.push_str("# ifdef VIR_ENUM_SENTINELS\n");
        }
        // The member of another enumeration may stand further down.
        let number = table.value(name).map_or_else(|| value.clone(), |number| number.to_string());
        let _ = writeln!(out, "    {name} = {number}, /* since {since} */");
        if sentinel {
            out.push_str("# endif\n");
        }
    }
    let _ = writeln!(out, "}} {};\n", group.name);
}

fn structure(out: &mut String, item: &Struct) {
    let _ = writeln!(out, "typedef struct _{0} {0};\nstruct _{0} {{", item.name);
    for field in &item.fields {
        if field.alternatives.is_empty() {
            let _ = writeln!(out, "    {};", join(&field.kind, &field.name));
        } else {
            out.push_str("    union {\n");
            for (kind, name) in &field.alternatives {
                let _ = writeln!(out, "        {};", join(kind, name));
            }
            let _ = writeln!(out, "    }} {};", field.name);
        }
    }
    out.push_str("};\n\n");
}

/// The order in which structures can stand: what one contains by value or pointer stands before it.
fn body(header: &Header, table: &Table) -> String {
    let mut out = String::new();
    for (name, _) in &header.opaques {
        let _ = writeln!(out, "typedef struct _{name} {name};");
    }
    // A structure may be named before it is written out.
    for item in &header.structs {
        let _ = writeln!(out, "typedef struct _{0} {0};", item.name);
    }
    out.push('\n');
    for item in &header.macros {
        let _ = writeln!(out, "# define {} {}", item.name, item.value);
    }
    out.push('\n');
    if let Some((_, part)) = PARTS.iter().find(|(name, _)| *name == header.name) {
        out.push_str(part);
        out.push('\n');
    }
    for alias in header.aliases.iter().filter(|alias| alias.target.ends_with('*')) {
        let _ =
            writeln!(out, "typedef {} /* since {} */", join(&alias.target, &alias.name) + ";", alias.since);
    }
    out.push('\n');
    for group in &header.enums {
        enumeration(&mut out, group, table);
    }
    for alias in header.aliases.iter().filter(|alias| !alias.target.ends_with('*')) {
        let _ =
            writeln!(out, "typedef {} /* since {} */", join(&alias.target, &alias.name) + ";", alias.since);
    }
    for callback in header.callbacks.iter().filter(|callback| callback.name == "virConnectAuthCallbackPtr") {
        let _ =
            writeln!(out, "typedef {} (*{})({});\n", callback.returns, callback.name, list(&callback.params));
    }
    for item in &header.structs {
        structure(&mut out, item);
    }
    // A callback stands behind those that its parameters name.
    let mut waiting: Vec<_> =
        header.callbacks.iter().filter(|callback| callback.name != "virConnectAuthCallbackPtr").collect();
    while !waiting.is_empty() {
        let names: Vec<&str> = waiting.iter().map(|callback| callback.name.as_str()).collect();
        let blocked = |params: &[Param]| params.iter().any(|param| names.contains(&param.kind.as_str()));
        let (now, later): (Vec<&super::table::Callback>, Vec<_>) =
            waiting.iter().partition(|callback| !blocked(&callback.params));
        for callback in &now {
            let _ = writeln!(
                out,
                "typedef {} (*{})({});",
                callback.returns,
                callback.name,
                list(&callback.params)
            );
        }
        if now.is_empty() {
            break;
        }
        waiting = later;
    }
    out.push('\n');
    for item in &header.data {
        let _ = writeln!(out, "extern {};\n", join(&item.kind, &item.name));
    }
    for function in &header.functions {
        let _ = writeln!(
            out,
            "{};",
            join(&function.returns, &function.name) + "(" + &list(&function.params) + ")"
        );
    }
    out
}

/// File names and texts.
pub(crate) fn files(table: &Table) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for header in &table.headers {
        let guard = header.name.to_uppercase().replace('-', "_") + "_H";
        let mut text = format!(
            "/* {}.h: generated by `cargo xtask capi`. */\n#ifndef {guard}\n# define {guard}\n\n",
            header.name
        );
        if UMBRELLA.contains(&header.name.as_str()) {
            text.push_str("# ifndef __VIR_LIBVIRT_H_INCLUDES__\n#  error \"Don't include this file directly, only use libvirt/libvirt.h\"\n# endif\n\n");
        } else {
            text.push_str("# include <libvirt/libvirt.h>\n\n");
        }
        let _ = write!(
            text,
            "# ifdef __cplusplus\nextern \"C\" {{\n# endif\n\n{}\n# ifdef __cplusplus\n}}\n# endif\n\n#endif\n",
            body(header, table)
        );
        if header.name == "libvirt-admin" {
            text = text.replace("# include <libvirt/libvirt.h>\n", "# define __VIR_ADMIN_H_INCLUDES__\n# include <libvirt/libvirt.h>\n# undef __VIR_ADMIN_H_INCLUDES__\n");
        }
        out.push((format!("{}.h", header.name), text));
    }
    let mut text = "/* libvirt.h: generated by `cargo xtask capi`. */\n#ifndef LIBVIRT_H\n# define LIBVIRT_H\n\n# include <sys/types.h>\n\n# define __VIR_LIBVIRT_H_INCLUDES__\n".to_owned();
    for name in UMBRELLA {
        let _ = writeln!(text, "# include <libvirt/{name}.h>");
    }
    text.push_str("# undef __VIR_LIBVIRT_H_INCLUDES__\n# include <libvirt/virterror.h>\n\n#endif\n");
    out.push(("libvirt.h".to_owned(), text));
    out
}
