//! `capi`: the C functions that do nothing but check their arguments and ask a driver.
//!
//! A function of `protocol/c` is paired with the procedure that names it. Its parameters are matched one by one with the
//! procedure's arguments, what remains of them with the procedure's results. Where everything finds its place the function
//! is written out; where something is left over it is written by hand.

use super::Output;
use super::model::{Field, Kind, Model, Proc};
use super::words::ident;
use crate::cabi::PRIVATE;
use crate::cabi::table::{Check, Function, Header, Param, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// C pointer type of an object, kind in the procedure table, reference type.
const OBJECTS: [(&str, &str, &str); 13] = [
    ("virDomainPtr", "domain", "DomainRef"),
    ("virNetworkPtr", "network", "NetworkRef"),
    ("virNetworkPortPtr", "network_port", "NetworkPortRef"),
    ("virInterfacePtr", "interface", "InterfaceRef"),
    ("virStoragePoolPtr", "storage_pool", "StoragePoolRef"),
    ("virStorageVolPtr", "storage_vol", "StorageVolRef"),
    ("virNodeDevicePtr", "node_device", "NodeDeviceRef"),
    ("virSecretPtr", "secret", "SecretRef"),
    ("virNWFilterPtr", "nwfilter", "NwfilterRef"),
    ("virNWFilterBindingPtr", "nwfilter_binding", "NwfilterBindingRef"),
    ("virDomainSnapshotPtr", "domain_snapshot", "DomainSnapshotRef"),
    ("virDomainCheckpointPtr", "domain_checkpoint", "DomainCheckpointRef"),
    ("virConnectPtr", "", ""),
];

/// Functions that say the same as a procedure but do more around it; they are written by hand.
const BY_HAND: [&str; 25] = [
    "virDomainSetMetadata",
    "virNetworkSetMetadata",
    "virDomainOpenGraphicsFD",
    "virDomainCreate",
    "virDomainCreateWithFlags",
    "virDomainDestroy",
    "virDomainDestroyFlags",
    "virConnectGetType",
    "virNodeDeviceGetParent",
    "virDomainGetBlockJobInfo",
    "virDomainBlockPeek",
    "virDomainMemoryPeek",
    "virDomainGetJobStats",
    "virDomainGetEmulatorPinInfo",
    "virDomainGetMetadata",
    "virNetworkGetMetadata",
    "virConnectIsSecure",
    "virConnectIsEncrypted",
    "virDomainRename",
    "virNodeAllocPages",
    "virNodeGetFreePages",
    "virDomainMigrateFinish",
    "virDomainSendKey",
    "virConnectSetIdentity",
    "virDomainGetGuestVcpus",
];

fn object(kind: &str) -> Option<(&'static str, &'static str)> {
    OBJECTS.iter().find(|(c, _, _)| *c == kind).map(|(_, name, reference)| (*name, *reference))
}

fn integer(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "int" => "c_int",
        "unsigned int" => "c_uint",
        "long" => "c_long",
        "unsigned long" => "c_ulong",
        "long long" => "c_longlong",
        "unsigned long long" | "virDomainBlockJobCursor" => "c_ulonglong",
        "size_t" => "usize",
        _ => return None,
    })
}

fn domain(header: &str) -> i32 {
    match header {
        "libvirt-domain-snapshot" => 35,
        "libvirt-domain-checkpoint" => 69,
        "libvirt-network" => 19,
        "libvirt-storage" => 18,
        "libvirt-nodedev" => 22,
        "libvirt-nwfilter" => 33,
        "libvirt-secret" => 30,
        "libvirt-interface" => 26,
        "libvirt-stream" => 38,
        "libvirt-admin" => 62,
        "libvirt-qemu" | "libvirt-lxc" | "libvirt-common" => 0,
        _ => 20,
    }
}

/// The Rust type of a parameter.
fn ffi(kind: &str) -> String {
    if object(kind).is_some() {
        return "*mut c_void".to_owned();
    }
    if let Some(name) = integer(kind) {
        return name.to_owned();
    }
    match kind {
        "const char *" => "*const c_char".to_owned(),
        "char *" => "*mut c_char".to_owned(),
        "char **" | "char ** const" => "*mut *mut c_char".to_owned(),
        "char ***" => "*mut *mut *mut c_char".to_owned(),
        "const char **" => "*const *const c_char".to_owned(),
        "unsigned char *" => "*mut u8".to_owned(),
        "const unsigned char *" => "*const u8".to_owned(),
        "virTypedParameterPtr" => "*mut VirTypedParameter".to_owned(),
        "virTypedParameterPtr *" => "*mut *mut VirTypedParameter".to_owned(),
        other => match other.strip_suffix('*').map(str::trim) {
            Some(inner) if integer(inner).is_some() => format!("*mut {}", ffi(inner)),
            Some(inner) if inner.ends_with('*') => format!("*mut {}", ffi(inner)),
            Some(inner) if object(inner).is_some() => "*mut *mut c_void".to_owned(),
            _ => format!("*mut {}", other.trim_end_matches("Ptr")),
        },
    }
}

/// The field of the set of drivers that has a family.
fn driver(family: &str) -> &'static str {
    match family {
        "network" => "network",
        "interface" => "interface",
        "storage" => "storage",
        "node_device" => "node_device",
        "secret" => "secret",
        "nwfilter" => "nwfilter",
        "admin" => "admin",
        _ => "hypervisor",
    }
}

struct Glue<'t> {
    table: &'t Table,
    header: &'t Header,
    function: &'t Function,
    proc: &'t Proc,
    family: &'t str,
}

/// What a function's body becomes.
struct Body {
    before: String,
    args: Vec<String>,
    /// Parameters that are left for results.
    left: Vec<Param>,
}

impl Glue<'_> {
    /// The parameter is an array whose length the next parameter tells.
    fn counted(&self, name: &str) -> Option<&Param> {
        let params = &self.function.params;
        let at = params.iter().position(|param| param.name == name)?;
        let array =
            |kind: &str| kind.ends_with('*') || matches!(kind, "virTypedParameterPtr" | "char ** const");
        let count = params.get(at + 1)?;
        let counts =
            integer(&count.kind).is_some() && (count.name.starts_with('n') || count.name.starts_with("max"));
        let pointed = params[at].kind == "virTypedParameterPtr" && count.kind == "int *";
        (array(&params[at].kind) && (counts || pointed)).then_some(count)
    }

    /// The count is checked before the array, or not at all: an array without elements need not be there.
    fn count_first(&self, check: &Check, count: &Param) -> bool {
        let checks = &self.function.checks;
        let own = checks.iter().position(|other| std::ptr::eq(other, check));
        let of_count = |other: &Check| matches!(other, Check::Arg(_, name) if name.trim_start_matches('*') == count.name);
        checks.iter().position(of_count).is_none_or(|at| own.is_some_and(|own| at < own))
    }

    fn check(&self, check: &Check) -> Option<String> {
        let flag = |name: &str| {
            let bits = name
                .split('|')
                .map(|name| self.table.value(name.trim()).unwrap_or(0) as u64)
                .fold(0, |a, b| a | b);
            format!("({bits:#x}, {:?})", name.replace('|', " | "))
        };
        Some(match check {
            Check::Object => return None,
            Check::Write => "e.writable()?;\n".to_owned(),
            Check::WriteIfFlags(bits) => {
                format!("if u64::from(flags) & {bits:#x} != 0 {{ e.writable()?; }}\n")
            }
            Check::Exclusive(a, b, arg) => {
                format!("e.exclusive(u64::from(flags), {}, {}, {arg:?})?;\n", flag(a), flag(b))
            }
            Check::Requires(a, b, arg) => {
                format!("e.requires(u64::from(flags), {}, {}, {arg:?})?;\n", flag(a), flag(b))
            }
            Check::Arg(how, name) => {
                let original = name.trim_start_matches('*');
                let plain = &ident(original);
                let value = if name.starts_with('*') { format!("get({plain})") } else { plain.clone() };
                match how.as_str() {
                    "nonnull" | "null" => {
                        match self.counted(original).filter(|count| self.count_first(check, count)) {
                            Some(count) if how == "nonnull" && count.kind == "int *" => {
                                format!("if get({}) > 0 {{ e.nonnull({plain}, {name:?})?; }}\n", count.name)
                            }
                            Some(count) if how == "nonnull" => {
                                format!("if {} > 0 {{ e.nonnull({plain}, {name:?})?; }}\n", count.name)
                            }
                            _ => format!("e.{how}({plain}, {name:?})?;\n"),
                        }
                    }
                    "nonempty" => format!("e.nonempty({plain}, {name:?})?;\n"),
                    other => format!("e.{other}(i128::from({value}), {name:?})?;\n")
                        .replace("i128::from(size)", "size as i128"),
                }
            }
        })
    }

    /// Consumes a parameter for an argument.
    fn argument(&self, field: &Field, left: &mut Vec<Param>, body: &mut Body) -> Option<()> {
        let name = ident(&field.name);
        if field.name == "need_results" {
            let at = left.iter().position(|param| param.kind.ends_with("**") || param.kind == "char ***")?;
            body.args.push(format!("!{}.is_null() as _", left[at].name));
            return Some(());
        }
        // Results filled into arrays of the caller: their size is asked for in advance.
        if let Kind::Plain(kind) = &field.kind {
            if matches!(field.name.as_str(), "maxnames" | "maxuuids" | "maxids") && kind == "i32" {
                let param = left.iter().find(|param| param.name == field.name)?;
                body.args.push(param.name.clone());
                return Some(());
            }
            if field.name == "nparams" && left.iter().any(|p| p.name == "nparams" && p.kind == "int *") {
                body.args.push("get(nparams) as _".to_owned());
                return Some(());
            }
        }
        let first = left.first()?.clone();
        let value = match &field.kind {
            Kind::Plain(kind) if kind == "string" && first.kind == "const char *" => {
                body.before.push_str(&format!("let {name}_ = memory::read({});\n", first.name));
                format!("&{name}_")
            }
            Kind::Optional(kind) if kind == "string" && first.kind == "const char *" => {
                body.before.push_str(&format!("let {name}_ = memory::read_optional({});\n", first.name));
                format!("{name}_.as_deref()")
            }
            Kind::Plain(kind) if kind == "uuid" && first.kind == "const unsigned char *" => {
                body.before.push_str(&format!("let {name}_ = memory::read_uuid({})?;\n", first.name));
                format!("{name}_")
            }
            Kind::Plain(kind) if object(&first.kind).is_some_and(|(known, _)| known == kind) => {
                let (_, reference) = object(&first.kind)?;
                body.before.push_str(&format!("let {name}_ = e.item::<{reference}>({})?;\n", first.name));
                format!("&{name}_.reference()")
            }
            Kind::Plain(kind) if matches!(kind.as_str(), "i32" | "u32" | "i64" | "u64") => {
                integer(&first.kind)?;
                format!("{} as _", first.name)
            }
            Kind::List(kind, _) if kind == "param" && first.kind == "virTypedParameterPtr" => {
                let count = left.get(1).filter(|count| integer(&count.kind).is_some())?.name.clone();
                body.before.push_str(&format!("let {name}_ = params::read({}, {count})?;\n", first.name));
                left.remove(0);
                format!("&{name}_")
            }
            Kind::List(kind, _) if kind == "string" && matches!(first.kind.as_str(), "const char **") => {
                let count = left.get(1).filter(|count| integer(&count.kind).is_some())?.name.clone();
                body.before
                    .push_str(&format!("let {name}_ = memory::read_list({}, {count})?;\n", first.name));
                left.remove(0);
                format!("&{name}_")
            }
            Kind::Bytes(_) if matches!(first.kind.as_str(), "unsigned char *" | "const unsigned char *") => {
                let count = left.get(1).filter(|count| integer(&count.kind).is_some())?.name.clone();
                left.remove(0);
                format!("memory::slice({}.cast_const(), {count})?", first.name).replace(
                    ".cast_const()",
                    if first.kind.starts_with("const") { "" } else { ".cast_const()" },
                )
            }
            _ => return None,
        };
        left.remove(0);
        body.args.push(value);
        Some(())
    }

    fn body(&self) -> Option<Body> {
        let own = |param: &Param| Param { name: ident(&param.name), ..param.clone() };
        let mut left: Vec<Param> = self.function.params.iter().map(own).collect();
        let mut body = Body { before: String::new(), args: Vec::new(), left: Vec::new() };
        let first = left.first()?.clone();
        let (_, reference) = object(&first.kind)?;
        let mut fields = &self.proc.args[..];
        if first.kind == "virConnectPtr" {
            body.before.push_str(&format!("let conn_ = e.conn({})?;\n", first.name));
        } else {
            body.before.push_str(&format!(
                "let object = e.item::<{reference}>({})?;\nlet conn_ = object.conn.get().clone();\n",
                first.name
            ));
            let (own, rest) = fields.split_first()?;
            body.args.push(match &own.kind {
                Kind::Plain(kind) if kind == "string" && reference == "NodeDeviceRef" => {
                    "&object.plain().name".to_owned()
                }
                Kind::Plain(kind) if object(&first.kind).is_some_and(|(known, _)| known == kind) => {
                    "&object.reference()".to_owned()
                }
                _ => return None,
            });
            fields = rest;
        }
        left.remove(0);
        for check in &self.function.checks {
            if let Some(text) = self.check(check) {
                body.before.push_str(&text);
            }
        }
        // Results that stand before arguments are set aside.
        let outs = |param: &Param| {
            (param.kind.ends_with("**") && !param.kind.starts_with("const"))
                || param.kind == "char ***"
                || param.kind == "char ** const"
        };
        let mut aside: Vec<Param> = Vec::new();
        for field in fields {
            while let Some(param) = left.first() {
                let fills = param.kind.ends_with('*')
                    && !param.kind.starts_with("const")
                    && !matches!(field.kind, Kind::Bytes(_) | Kind::List(..))
                    || outs(param)
                    || (param.kind == "virTypedParameterPtr"
                        && !matches!(&field.kind, Kind::List(kind, _) if kind == "param"))
                    || param.kind == "virTypedParameterPtr *"
                    || (param.kind.ends_with("InfoPtr"));
                let keeps = matches!(
                    field.name.as_str(),
                    "need_results" | "maxnames" | "maxuuids" | "maxids" | "nparams"
                );
                if !fills || keeps {
                    break;
                }
                aside.push(left.remove(0));
            }
            // Sizes of arrays that were set aside go with them.
            if matches!(field.name.as_str(), "maxnames" | "maxuuids" | "maxids") {
                self.argument(field, &mut left, &mut body)?;
                continue;
            }
            while left.first().is_some_and(|param| param.name.starts_with("max") && param.name != field.name)
            {
                aside.push(left.remove(0));
            }
            self.argument(field, &mut left, &mut body)?;
        }
        aside.append(&mut left);
        body.left = aside;
        Some(body)
    }

    /// How the results reach the caller.
    fn results(&self, left: &[Param]) -> Option<String> {
        let returns = self.function.returns.as_str();
        let ret = &self.proc.ret;
        let kinds: Vec<&str> = left.iter().map(|param| param.kind.as_str()).collect();
        let name = |at: usize| left[at].name.as_str();
        Some(match (&ret[..], returns, &kinds[..]) {
            ([], "int", []) => "Ok(0)".to_owned(),
            ([one], _, []) => match (&one.kind, returns) {
                (Kind::Plain(kind), _) if kind == "string" && returns == "char *" => {
                    "memory::text(&ret)".to_owned()
                }
                (Kind::Optional(kind), "char *") if kind == "string" => {
                    "memory::optional_text(ret.as_deref())".to_owned()
                }
                (Kind::Plain(kind), _) if object(returns).is_some_and(|(known, _)| known == kind) => {
                    "Ok(ret.wrap(&conn_))".to_owned()
                }
                (Kind::Plain(kind), _)
                    if matches!(kind.as_str(), "i32" | "u32" | "i64" | "u64")
                        && integer(returns).is_some() =>
                {
                    "Ok(ret as _)".to_owned()
                }
                _ => return None,
            },
            // Lists of objects.
            ([list, count], "int", [array]) if count.name == "ret" && array.ends_with("Ptr **") => {
                let Kind::List(kind, _) = &list.kind else { return None };
                object(array.trim_end_matches(" **")).filter(|(known, _)| known == kind)?;
                format!("give_objects(&conn_, ret.{}, ret.ret as c_int, {})", ident(&list.name), name(0))
            }
            // Names into an array of the caller.
            ([list], "int", ["char ** const" | "char **", "int"]) if matches!(&list.kind, Kind::List(kind, _) if kind == "string") =>
            {
                format!("memory::fill_names({}, {}, &ret)", name(0), name(1))
            }
            ([list], "int", ["int *", "int"]) if matches!(&list.kind, Kind::List(kind, _) if kind == "i32") =>
            {
                format!("Ok(memory::fill({}, {}, &ret) as c_int)", name(0), name(1))
            }
            // Typed parameters into an array of the caller, or how many there are.
            ([list, count], "int", ["virTypedParameterPtr", "int *"])
                if count.name == "nparams"
                    && matches!(&list.kind, Kind::List(kind, _) if kind == "param") =>
            {
                format!(
                    "if get({1}) == 0 {{ put({1}, ret.nparams); }} else {{ params::fill(&ret.params, {0}, {1})?; }}\nOk(0)",
                    name(0),
                    name(1)
                )
            }
            ([list], "int", ["virTypedParameterPtr", "int *"]) if matches!(&list.kind, Kind::List(kind, _) if kind == "param") =>
            {
                format!("params::fill(&ret, {}, {})?;\nOk(0)", name(0), name(1))
            }
            ([list], "int", ["virTypedParameterPtr *", "int *"]) if matches!(&list.kind, Kind::List(kind, _) if kind == "param") =>
            {
                format!("params::give(&ret, {}, {})?;\nOk(0)", name(0), name(1))
            }
            // A structure whose fields are the results.
            (fields, "int", [info]) if fields.len() > 1 && info.ends_with("Ptr") => {
                let record = info.trim_end_matches("Ptr");
                let item =
                    self.table.headers.iter().flat_map(|h| &h.structs).find(|item| item.name == record)?;
                if item.fields.len() != fields.len()
                    || item.fields.iter().any(|field| field.kind.contains('['))
                {
                    return None;
                }
                // By name where the names are the same, else in their order.
                let named =
                    |to: &str| fields.iter().find(|from| from.name.replace('_', "") == to.to_lowercase());
                let by_name = item.fields.iter().all(|to| named(&to.name).is_some());
                let sets: Vec<String> = item
                    .fields
                    .iter()
                    .zip(fields)
                    .map(|(to, from)| (to, if by_name { named(&to.name).unwrap_or(from) } else { from }))
                    .map(|(to, from)| format!("{}: ret.{} as _", ident(&to.name), ident(&from.name)))
                    .collect();
                format!("put({}, {record} {{ {} }});\nOk(0)", name(0), sets.join(", "))
            }
            // A number each.
            (fields, "int", outs) if fields.len() == outs.len() && !fields.is_empty() => {
                let mut text = String::new();
                for (at, (field, out)) in fields.iter().zip(outs).enumerate() {
                    let inner = out.strip_suffix(" *")?;
                    let Kind::Plain(kind) = &field.kind else { return None };
                    if integer(inner).is_none() || !matches!(kind.as_str(), "i32" | "u32" | "i64" | "u64") {
                        return None;
                    }
                    let value = if fields.len() == 1 {
                        "ret".to_owned()
                    } else {
                        format!("ret.{}", ident(&field.name))
                    };
                    text.push_str(&format!("put({}, {value} as _);\n", name(at)));
                }
                text + "Ok(0)"
            }
            _ => return None,
        })
    }

    fn failure(&self) -> &'static str {
        match self.function.returns.as_str() {
            "int" => "-1",
            "unsigned long" | "unsigned long long" => "0",
            _ => "std::ptr::null_mut()",
        }
    }

    fn text(&self) -> Option<String> {
        if self.proc.stream.is_some() || self.proc.server || BY_HAND.contains(&self.function.name.as_str()) {
            return None;
        }
        let body = self.body()?;
        let results = self.results(&body.left)?;
        let params: Vec<String> = self
            .function
            .params
            .iter()
            .map(|param| format!("{}: {}", ident(&param.name), ffi(&param.kind)))
            .collect();
        let name = &self.function.name;
        let symbol = if self.header.library == "libvirt" {
            "#[unsafe(no_mangle)]".to_owned()
        } else {
            format!("#[unsafe(export_name = {:?})]", format!("{PRIVATE}{name}"))
        };
        let call = format!(
            "conn_.drivers.{}.{}(&conn_.call(){})?",
            driver(self.family),
            self.proc.name,
            body.args.iter().map(|arg| format!(", {arg}")).collect::<String>()
        );
        let call =
            if self.proc.ret.is_empty() { format!("{call};\n") } else { format!("let ret = {call};\n") };
        Some(format!(
            "/// `{name}`\n{symbol}\npub extern \"C\" fn {name}({}) -> {} {{\nenter({name:?}, {}, {}, |e| {{\n{}{call}{results}\n}})\n}}\n\n",
            params.join(", "),
            ffi(&self.function.returns),
            domain(&self.header.name),
            self.failure(),
            body.before,
        ))
    }
}

fn rust_field(kind: &str) -> String {
    match kind {
        "unsigned char" => "u8".to_owned(),
        "unsigned short" => "u16".to_owned(),
        other => ffi(other),
    }
}

/// Structures of plain numbers and texts.
fn structures(table: &Table) -> (String, String) {
    let mut text = String::new();
    let mut sizes = String::new();
    for item in table.headers.iter().flat_map(|header| &header.structs) {
        let plain =
            |kind: &str| integer(kind).is_some() || matches!(kind, "unsigned char" | "unsigned short");
        if item.fields.iter().any(|field| !plain(&field.kind)) {
            continue;
        }
        let name = &item.name;
        text.push_str(&format!("/// `struct _{name}`\n#[allow(missing_docs, reason = \"the names are the documentation\")]\n#[repr(C)]\n#[derive(Clone, Copy, Debug, Default)]\npub struct {name} {{\n"));
        for field in &item.fields {
            text.push_str(&format!("pub {}: {},\n", ident(&field.name), rust_field(&field.kind)));
        }
        text.push_str("}\n\n");
        sizes.push_str(&format!("assert_eq!(size_of::<{name}>(), {});\n", item.size));
    }
    (text, sizes)
}

pub(crate) fn files(model: &Model, table: &Table) -> Vec<Output> {
    let folder = Path::new("crates/capi/src/generated");
    let mut procs: BTreeMap<&str, (&str, &Proc)> = BTreeMap::new();
    for program in &model.programs {
        for family in &program.families {
            for proc in &family.procs {
                procs.insert(&proc.c_name, (&family.name, proc));
            }
        }
    }
    let mut parts: BTreeMap<String, String> = BTreeMap::new();
    let mut by_hand: BTreeSet<&str> = BTreeSet::new();
    for (header, function) in table.functions() {
        let found = procs.get(function.name.as_str());
        let text = found.and_then(|(family, proc)| {
            let text = Glue { table, header, function, proc, family }.text()?;
            Some((format!("{}_{family}", header.library.replace('-', "_")), text))
        });
        match text {
            Some((part, text)) => parts.entry(part).or_default().push_str(&text),
            None => drop(by_hand.insert(&function.name)),
        }
    }
    let mut outputs = Vec::new();
    let mut index = String::from("//! Functions that only check and ask.\n\n");
    let (text, sizes) = structures(table);
    outputs.push((
        folder.join("structures.rs"),
        format!("//! Structures of plain numbers.\n\n#![allow(non_camel_case_types, non_snake_case, reason = \"the names are those of C\")]\n\nuse std::ffi::{{c_int, c_long, c_longlong, c_uint, c_ulong, c_ulonglong}};\n\n{text}#[cfg(test)]\nmod tests {{\nuse super::*;\n\n#[test]\nfn sizes() {{\n{sizes}}}\n}}\n").replace("c_long, c_longlong", "c_longlong"),
    ));
    index.push_str("pub mod structures;\n");
    let imports = [
        ("c_char", "c_char"),
        ("c_int", "c_int"),
        ("c_long", "c_long"),
        ("c_longlong", "c_longlong"),
        ("c_uint", "c_uint"),
        ("c_ulong", "c_ulong"),
        ("c_ulonglong", "c_ulonglong"),
        ("c_void", "c_void"),
    ];
    for (part, text) in parts {
        let has = |word: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word);
        let ffi: Vec<&str> = imports.iter().filter(|(word, _)| has(word)).map(|(_, name)| *name).collect();
        let refs: Vec<&str> =
            OBJECTS.iter().map(|(_, _, r)| *r).filter(|r| !r.is_empty() && has(r)).collect();
        let mut head = format!(
            "//! Part `{part}`.\n\n#![allow(non_snake_case, clippy::unnecessary_cast, clippy::cast_lossless, reason = \"the names and numbers are those of C\")]\n\nuse crate::entry::enter;\n"
        );
        let mem: Vec<&str> = ["get", "put"]
            .into_iter()
            .filter(|w| [" ", "(", "\n"].iter().any(|before| text.contains(&format!("{before}{w}("))))
            .collect();
        if has("memory") && mem.is_empty() {
            head.push_str("use crate::memory;\n");
        } else if !mem.is_empty() {
            let own = if has("memory") { "self, " } else { "" };
            head.push_str(&format!("use crate::memory::{{{own}{}}};\n", mem.join(", ")));
        }
        if has("params") && text.contains("params::") {
            head.push_str("use crate::params;\n");
        }
        if has("VirTypedParameter") {
            head.push_str("use crate::params::VirTypedParameter;\n");
        }
        if has("give_objects") {
            head.push_str("use crate::lists::give_objects;\n");
        }
        if text.contains(".wrap(") {
            head.push_str("use crate::object::Wrap;\n");
        }
        let structs: Vec<&str> = table
            .headers
            .iter()
            .flat_map(|h| &h.structs)
            .map(|s| s.name.as_str())
            .filter(|name| has(name))
            .collect();
        if !structs.is_empty() {
            head.push_str(&format!("use crate::generated::structures::{{{}}};\n", structs.join(", ")));
        }
        if !refs.is_empty() {
            head.push_str(&format!("use base::object::{{{}}};\n", refs.join(", ")));
        }
        head.push_str(&format!("use std::ffi::{{{}}};\n\n", ffi.join(", ")));
        outputs.push((folder.join(format!("{part}.rs")), head + &text));
        index.push_str(&format!("pub mod {part};\n"));
    }
    index.push_str(
        "\n/// Functions that are written by hand.\n#[cfg(test)]\npub(crate) const BY_HAND: &[&str] = &[\n",
    );
    for name in by_hand {
        index.push_str(&format!("{name:?},\n"));
    }
    index.push_str("];\n");
    outputs.push((folder.join("mod.rs"), index));
    outputs
}
