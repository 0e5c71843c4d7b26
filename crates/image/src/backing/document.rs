//! Names that are nodes of the emulator: `json:{"driver":"nbd","server":{…}}`.
//!
//! Members below others may be written with dots (`"file.server.0.host"`), and older emulators had other members than
//! newer ones; both are read.

use super::{Place, address, cookie, host, port, refused, socket, word};
use base::Result;
use serde_json::{Map, Value};
use xml::Tree;

type Object = Map<String, Value>;

/// Reads the document `text` of the name `name`.
///
/// # Errors
/// When it is no document, or one of a node that no definition can mean.
pub(super) fn parse(name: &str, text: &str) -> Result<Place> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| refused(format!("failed to parse json of backing image '{name}': {error}")))?;
    let Value::Object(object) = value else {
        return Err(refused(format!("JSON backing volume definition '{name}' is no object")));
    };
    let object = unfold(object)?;
    let Some(driver) = object.get("driver") else {
        return match object.get("file") {
            Some(Value::Object(file)) => node(name, file, true),
            _ => Err(refused(format!("JSON backing volume definition '{name}' lacks 'file' object"))),
        };
    };
    match driver {
        Value::String(_) => node(name, &object, true),
        _ => Err(refused(format!("JSON backing volume definition '{name}' lacks driver name"))),
    }
}

/// Puts members whose names have dots where they belong.
fn unfold(object: Object) -> Result<Object> {
    let mut out = Object::new();
    for (name, value) in object {
        let value = match value {
            Value::Object(inner) => Value::Object(unfold(inner)?),
            other => other,
        };
        place(&mut out, &name, value)?;
    }
    Ok(out)
}

fn place(object: &mut Object, name: &str, value: Value) -> Result<()> {
    let twice = || refused(format!("member '{name}' of a backing volume definition is said twice"));
    let Some((first, rest)) = name.split_once('.').filter(|(first, _)| !first.is_empty()) else {
        return match (object.get_mut(name), value) {
            (None, value) => {
                object.insert(name.to_owned(), value);
                Ok(())
            }
            (Some(Value::Object(known)), Value::Object(more)) => {
                more.into_iter().try_for_each(|(name, value)| place(known, &name, value))
            }
            _ => Err(twice()),
        };
    };
    match object.entry(first).or_insert_with(|| Value::Object(Object::new())) {
        Value::Object(inner) => place(inner, rest, value),
        _ => Err(twice()),
    }
}

fn node(name: &str, object: &Object, layers: bool) -> Result<Place> {
    let driver = text(object, "driver")
        .ok_or_else(|| refused(format!("JSON backing volume definition '{name}' lacks driver name")))?;
    if matches!(driver, "rbd" | "gluster" | "iscsi" | "nbd" | "sheepdog" | "ssh" | "nfs" | "vxhs")
        && let Some(spelled) = text(object, "filename")
    {
        return spelled_out(driver, spelled);
    }
    match driver {
        "raw" if layers => raw(name, object),
        "raw" => Err(refused(format!(
            "JSON backing volume definition '{name}' must not have format drivers nested"
        ))),
        "file" => Ok(Place::local("file", "file", needed(object, "filename", driver)?)),
        "host_device" | "host_cdrom" => Ok(Place::local("block", "dev", needed(object, "filename", driver)?)),
        "vvfat" => Ok(Place::local("dir", "dir", needed(object, "dir", driver)?)),
        "http" | "https" | "ftp" | "ftps" | "tftp" => curl(driver, object),
        "gluster" => gluster(object),
        "iscsi" => iscsi(object),
        "nbd" => nbd(object),
        "sheepdog" => {
            let mut place = Place::network("sheepdog", Some(needed(object, "vdi", driver)?));
            place.source.children.push(server(object.get("server").unwrap_or(&Value::Null), driver)?);
            Ok(place)
        }
        "ssh" => ssh(object),
        "rbd" => rbd(object),
        "vxhs" => {
            let mut place = Place::network("vxhs", Some(needed(object, "vdisk-id", driver)?));
            place.source.children.push(server(object.get("server").unwrap_or(&Value::Null), driver)?);
            Ok(place)
        }
        "nfs" => nfs(object),
        "nvme" => nvme(object),
        other => {
            Err(refused(format!("missing parser implementation for JSON backing volume driver '{other}'")))
        }
    }
}

/// A file name that is an address or a word of an older kind.
fn spelled_out(driver: &str, name: &str) -> Result<Place> {
    let place = if name.contains("://") {
        address::parse(name)?
    } else if let Some(rest) = name.strip_prefix("rbd:") {
        word::rbd(name, rest)?
    } else {
        word::parse(name)?
    };
    fits(driver, &place)?;
    Ok(place)
}

fn fits(driver: &str, place: &Place) -> Result<()> {
    let found = place.source.attr("protocol").unwrap_or_default();
    if found == driver {
        return Ok(());
    }
    Err(refused(format!("expected protocol '{driver}' but got '{found}' in URI JSON volume definition")))
}

/// A text of a document.
fn text<'v>(object: &'v Object, name: &str) -> Option<&'v str> {
    object.get(name).and_then(Value::as_str)
}

fn needed<'v>(object: &'v Object, name: &str, driver: &str) -> Result<&'v str> {
    text(object, name).ok_or_else(|| {
        refused(format!(
            "missing '{name}' field in JSON backing definition of a volume with driver '{driver}'"
        ))
    })
}

/// A number, also one in quotes.
fn number(object: &Object, name: &str) -> Option<u64> {
    match object.get(name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A truth value, also one in words.
fn truth(object: &Object, name: &str) -> Result<Option<bool>> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::Bool(set)) => Ok(Some(*set)),
        Some(Value::String(text)) if text == "on" => Ok(Some(true)),
        Some(Value::String(text)) if text == "off" => Ok(Some(false)),
        Some(other) => Err(refused(format!("malformed '{name}' value '{other}'"))),
    }
}

/// A raw image: that of the node below it, or a part of that.
fn raw(name: &str, object: &Object) -> Result<Place> {
    let Some(Value::Object(file)) = object.get("file") else {
        return Err(refused(format!("JSON backing volume definition '{name}' lacks 'file' object")));
    };
    let mut place = node(name, file, false)?;
    let bound = |member: &str| match object.get(member) {
        None => Ok(None),
        Some(_) => number(object, member).map(Some).ok_or_else(|| {
            refused(format!("malformed '{member}' of JSON backing volume definition '{name}'"))
        }),
    };
    let (offset, size) = (bound("offset")?, bound("size")?);
    if offset.is_some() || size.is_some() {
        let slice = Tree::new("slice")
            .with("type", "storage")
            .with("offset", offset.unwrap_or(0).to_string())
            .with("size", size.unwrap_or(0).to_string());
        place.source.children.push(Tree::new("slices").holding(slice));
    }
    Ok(place)
}

fn curl(driver: &str, object: &Object) -> Result<Place> {
    let url = text(object, "url").map_or_else(|| needed(object, "filename", driver), Ok)?;
    let mut place = address::parse(url)?;
    fits(driver, &place)?;
    let mut more = Vec::new();
    if let Some(verify) = truth(object, "sslverify")? {
        more.push(Tree::new("ssl").with("verify", if verify { "yes" } else { "no" }));
    }
    if let Some(cookies) = text(object, "cookie") {
        more.push(cookie::parse(cookies)?);
    }
    for (member, element, attr) in [("readahead", "readahead", "size"), ("timeout", "timeout", "seconds")] {
        let value = number(object, member).filter(|value| *value != 0);
        more.extend(value.map(|value| Tree::new(element).with(attr, value.to_string())));
    }
    place.source.children.extend(more);
    place.lossy |=
        ["username", "password-secret", "cookie-secret"].iter().any(|name| object.contains_key(*name));
    Ok(place)
}

/// A server in the notation of socket addresses, or that of the driver's older members.
fn server(value: &Value, driver: &str) -> Result<Tree> {
    let Value::Object(object) = value else {
        return Err(refused(format!("missing 'server' object in '{driver}' JSON backing volume definition")));
    };
    match text(object, "type") {
        Some("unix") => {
            let path = text(object, "socket").or_else(|| text(object, "path"));
            Ok(socket(path.ok_or_else(|| {
                refused("missing socket path for unix transport in JSON backing volume definition")
            })?))
        }
        None | Some("tcp" | "inet") => {
            let name = text(object, "host").ok_or_else(|| {
                refused("missing hostname for tcp backing server in JSON backing volume definition")
            })?;
            // Only ports in quotes count; a number was never one.
            Ok(host(name, text(object, "port").map(port).transpose()?))
        }
        Some(other) => {
            Err(refused(format!("backing store protocol transport '{other}' is not yet supported")))
        }
    }
}

/// A list, also one whose members have their places as names.
fn list(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(Value::Object(object)) => {
            (0..object.len()).map_while(|at| object.get(&at.to_string())).collect()
        }
        _ => Vec::new(),
    }
}

fn servers(object: &Object, driver: &str) -> Result<Vec<Tree>> {
    list(object.get("server")).into_iter().map(|value| server(value, driver)).collect()
}

fn gluster(object: &Object) -> Result<Place> {
    let (volume, path) = (needed(object, "volume", "gluster")?, needed(object, "path", "gluster")?);
    let mut place = Place::network("gluster", Some(&format!("{volume}/{path}")));
    let servers = servers(object, "gluster")?;
    if servers.is_empty() {
        return Err(refused("missing 'server' array in 'gluster' JSON backing volume definition"));
    }
    place.source.children.extend(servers);
    Ok(place)
}

fn iscsi(object: &Object) -> Result<Place> {
    let transport = needed(object, "transport", "iscsi")?;
    if transport != "tcp" {
        return Err(refused(format!("only TCP transport is supported for iSCSI volumes, not '{transport}'")));
    }
    let portal = needed(object, "portal", "iscsi")?;
    let target = needed(object, "target", "iscsi")?;
    let lun = match object.get("lun") {
        None => 0,
        Some(_) => number(object, "lun").ok_or_else(|| refused("malformed 'lun' of iSCSI volume"))?,
    };
    let mut place = Place::network("iscsi", Some(&format!("{target}/{lun}")));
    // A colon inside brackets is part of the address.
    let (name, given) = match portal.rsplit_once(':') {
        Some((name, number)) if !number.contains(']') => (name, Some(port(number)?)),
        _ => (portal, None),
    };
    place.source.children.push(host(name, given));
    if let Some(name) = text(object, "initiator-name") {
        let iqn = Tree::new("iqn").with("name", name);
        place.source.children.push(Tree::new("initiator").holding(iqn));
    }
    place.lossy = object.contains_key("user") || object.contains_key("password-secret");
    Ok(place)
}

fn nbd(object: &Object) -> Result<Place> {
    let mut place = Place::network("nbd", text(object, "export"));
    let server = if let Some(path) = text(object, "path") {
        socket(path)
    } else if let Some(name) = text(object, "host") {
        host(name, text(object, "port").map(port).transpose()?)
    } else {
        server(object.get("server").unwrap_or(&Value::Null), "nbd")?
    };
    place.source.children.push(server);
    if let Some(delay) = number(object, "reconnect-delay").filter(|delay| *delay != 0) {
        place.source.children.push(Tree::new("reconnect").with("delay", delay.to_string()));
    }
    Ok(place)
}

fn ssh(object: &Object) -> Result<Place> {
    let mut place = Place::network("ssh", Some(needed(object, "path", "ssh")?));
    let server = match (object.get("server"), text(object, "host")) {
        (Some(value), _) => server(value, "ssh")?,
        (None, Some(name)) => host(name, text(object, "port").map(port).transpose()?),
        (None, None) => {
            return Err(refused("missing host/server or path of SSH JSON backing volume definition"));
        }
    };
    place.source.children.push(server);
    place.user = text(object, "user").map(str::to_owned);
    let mode = object.get("host-key-check").and_then(|check| check.get("mode")).and_then(Value::as_str);
    place.any_key = mode == Some("none") || text(object, "host_key_check") == Some("no");
    Ok(place)
}

fn rbd(object: &Object) -> Result<Place> {
    let (pool, image) = (needed(object, "pool", "rbd")?, needed(object, "image", "rbd")?);
    let name = match text(object, "namespace") {
        Some(space) => format!("{pool}/{space}/{image}"),
        None => format!("{pool}/{image}"),
    };
    let mut place = Place::network("rbd", Some(&name));
    let servers = servers(object, "rbd")?;
    let children = &mut place.source.children;
    children.extend(servers);
    children.extend(text(object, "snapshot").map(|name| Tree::new("snapshot").with("name", name)));
    children.extend(text(object, "conf").map(|path| Tree::new("config").with("file", path)));
    Ok(place)
}

fn nfs(object: &Object) -> Result<Place> {
    let mut place = Place::network("nfs", Some(needed(object, "path", "nfs")?));
    place.source.children.push(server(object.get("server").unwrap_or(&Value::Null), "nfs")?);
    let id = |name: &str| number(object, name).map(|id| format!("+{id}"));
    let mut identity = Tree::new("identity");
    for name in ["user", "group"] {
        if let Some(id) = id(name) {
            identity.set(name, id);
        }
    }
    if !identity.attrs.is_empty() {
        place.source.children.push(identity);
    }
    Ok(place)
}

/// A device by its place on the bus: `0000:01:00.0`.
fn nvme(object: &Object) -> Result<Place> {
    let device = needed(object, "device", "nvme")?;
    let strange = || refused(format!("malformed PCI address '{device}' of NVMe backing volume"));
    let hex = |text: &str, most: u32| {
        u32::from_str_radix(text, 16).ok().filter(|value| *value <= most).ok_or_else(strange)
    };
    let (rest, function) = device.rsplit_once('.').ok_or_else(strange)?;
    let (rest, slot) = rest.rsplit_once(':').ok_or_else(strange)?;
    let (domain, bus) = rest.rsplit_once(':').ok_or_else(strange)?;
    let address = Tree::new("address")
        .with("domain", format!("0x{:04x}", hex(domain, 0xffff_ffff)?))
        .with("bus", format!("0x{:02x}", hex(bus, 0xff)?))
        .with("slot", format!("0x{:02x}", hex(slot, 0x1f)?))
        .with("function", format!("0x{:x}", hex(function, 7)?));
    let namespace = number(object, "namespace").filter(|namespace| *namespace != 0);
    let namespace =
        namespace.ok_or_else(|| refused("missing or malformed 'namespace' field in nvme storage"))?;
    let source =
        Tree::new("source").with("type", "pci").with("namespace", namespace.to_string()).holding(address);
    Ok(Place::of("nvme", source))
}
