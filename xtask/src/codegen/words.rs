//! Names and types in Rust.

use super::model::{Field, Kind, Model};

/// `domain_get_info` → `DomainGetInfo`.
pub(crate) fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut chars = word.chars();
            chars
                .next()
                .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
        })
        .collect()
}

/// A field's name; words that Rust reserves get an underscore.
pub(crate) fn ident(name: &str) -> String {
    if matches!(name, "type" | "ref" | "match" | "move" | "fn" | "in") {
        format!("{name}_")
    } else {
        name.to_owned()
    }
}

/// The Rust type of an element.
pub(crate) fn element(name: &str) -> String {
    match name {
        "string" => "String".to_owned(),
        "uuid" => "Uuid".to_owned(),
        "param" => "TypedParam".to_owned(),
        "value" => "TypedValue".to_owned(),
        "domain" | "network" | "network_port" | "interface" | "storage_pool" | "storage_vol"
        | "node_device" | "secret" | "nwfilter" | "nwfilter_binding" | "domain_snapshot"
        | "domain_checkpoint" => camel(name) + "Ref",
        "i8" | "u8" | "i16" | "u16" | "i32" | "u32" | "i64" | "u64" | "f64" | "bool" => name.to_owned(),
        other => camel(other),
    }
}

/// The type of a field in a structure.
pub(crate) fn owned(kind: &Kind) -> String {
    match kind {
        Kind::Plain(name) => element(name),
        Kind::Optional(name) => format!("Option<{}>", element(name)),
        Kind::List(name, _) => format!("Vec<{}>", element(name)),
        Kind::Bytes(_) => "Vec<u8>".to_owned(),
        Kind::Array(name, count) => format!("[{}; {count}]", element(name)),
    }
}

/// The notation of `xdr::record!`.
pub(crate) fn record(kind: &Kind) -> String {
    match kind {
        Kind::List(name, limit) => format!("list {} {limit}", element(name)),
        Kind::Bytes(limit) => format!("bytes {limit}"),
        other => owned(other),
    }
}

fn copies(name: &str) -> bool {
    matches!(name, "i8" | "u8" | "i16" | "u16" | "i32" | "u32" | "i64" | "u64" | "f64" | "bool" | "uuid")
}

/// The type of a parameter of a driver method.
pub(crate) fn borrowed(kind: &Kind) -> String {
    match kind {
        Kind::Plain(name) if copies(name) => element(name),
        Kind::Plain(name) if name == "string" => "&str".to_owned(),
        Kind::Plain(name) => format!("&{}", element(name)),
        Kind::Optional(name) if copies(name) => format!("Option<{}>", element(name)),
        Kind::Optional(name) if name == "string" => "Option<&str>".to_owned(),
        Kind::Optional(name) => format!("Option<&{}>", element(name)),
        Kind::List(name, _) => format!("&[{}]", element(name)),
        Kind::Bytes(_) => "&[u8]".to_owned(),
        Kind::Array(name, count) => format!("&[{}; {count}]", element(name)),
    }
}

/// From a structure's field to the parameter.
pub(crate) fn lend(field: &Field) -> String {
    let name = format!("args.{}", ident(&field.name));
    match &field.kind {
        Kind::Plain(kind) if copies(kind) => name,
        Kind::Optional(kind) if copies(kind) => name,
        Kind::Optional(kind) if kind == "string" => format!("{name}.as_deref()"),
        Kind::Optional(_) => format!("{name}.as_ref()"),
        _ => format!("&{name}"),
    }
}

/// From the parameter to a structure's field.
pub(crate) fn own(field: &Field) -> String {
    let name = ident(&field.name);
    match &field.kind {
        Kind::Plain(kind) | Kind::Optional(kind) if copies(kind) => name,
        Kind::Plain(kind) if kind == "string" => format!("{name}: {name}.to_owned()"),
        Kind::Plain(_) => format!("{name}: {name}.clone()"),
        Kind::Optional(kind) if kind == "string" => format!("{name}: {name}.map(str::to_owned)"),
        Kind::Optional(_) => format!("{name}: {name}.cloned()"),
        Kind::List(..) | Kind::Bytes(_) => format!("{name}: {name}.to_vec()"),
        Kind::Array(..) => format!("{name}: *{name}"),
    }
}

/// The result type of a driver method, without streams.
pub(crate) fn result(name: &str, ret: &[Field]) -> String {
    match ret {
        [] => "()".to_owned(),
        [field] => owned(&field.kind),
        _ => format!("{}Ret", camel(name)),
    }
}

/// Names that a text needs imported: object references and base values, and shared structures.
pub(crate) fn imports(text: &str, model: &Model) -> String {
    let has = |name: &str| {
        text.match_indices(name).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + name.len()..].chars().next();
            let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            !part(before) && !part(after)
        })
    };
    let mut out = String::new();
    if has("Uuid") {
        out.push_str("use base::Uuid;\n");
    }
    let refs: Vec<&str> = [
        "DomainCheckpointRef",
        "DomainRef",
        "DomainSnapshotRef",
        "InterfaceRef",
        "NetworkPortRef",
        "NetworkRef",
        "NodeDeviceRef",
        "NwfilterBindingRef",
        "NwfilterRef",
        "SecretRef",
        "StoragePoolRef",
        "StorageVolRef",
    ]
    .into_iter()
    .filter(|name| has(name))
    .collect();
    if !refs.is_empty() {
        out.push_str(&format!("use base::object::{{{}}};\n", refs.join(", ")));
    }
    let params: Vec<&str> = ["TypedParam", "TypedValue"].into_iter().filter(|name| has(name)).collect();
    if !params.is_empty() {
        out.push_str(&format!("use base::param::{{{}}};\n", params.join(", ")));
    }
    let _ = model;
    out
}
