//! Images of disks: their sources, formats, and the images behind them.
//!
//! What an attribute of a source may hold, and for which type of storage it counts, stands in the table of values; here
//! is what several of them say together.

use super::secret;
use crate::fault::{invalid, missing, unsupported};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::collections::BTreeSet;
use xml::{Tree, Word};

/// Types of storage.
const TYPES: &[&str] =
    &["none", "file", "block", "dir", "network", "volume", "nvme", "vhostuser", "vhostvdpa"];

/// Reads an element that holds a `<source>` of its type, with all images behind it.
///
/// # Errors
/// In the reference's words.
pub(crate) fn read(holder: &mut Tree) -> Result<()> {
    let kind = Word::from(holder.attr("type").unwrap_or("file"));
    read_as(holder, &kind)
}

/// Reads an element that holds a `<source>` of a type of storage, with all images behind it.
///
/// # Errors
/// In the reference's words.
pub(crate) fn read_as(holder: &mut Tree, kind: &str) -> Result<()> {
    if let Some(encryption) = holder.child_mut("encryption") {
        secret::encryption(encryption)?;
    }
    if let Some(auth) = holder.child_mut("auth") {
        secret::auth(auth)?;
    }
    if let Some(source) = holder.child_mut("source") {
        self::source(source, kind)?;
    }
    let Some(behind) = holder.child_mut("backingStore") else { return Ok(()) };
    // An element without a type ends the chain.
    if behind.attr("type").is_none() {
        behind.attrs.retain(|_, _| false);
        behind.children.clear();
        return Ok(());
    }
    backing(behind)
}

fn backing(image: &mut Tree) -> Result<()> {
    if image.attr_at("format", "type").is_none_or(str::is_empty) {
        return Err(invalid("missing disk backing store format"));
    }
    if image.child("source").is_none() {
        return Err(invalid("missing disk backing store source"));
    }
    let kind = image.attr("type").unwrap_or_default();
    if !TYPES.contains(&kind) {
        return Err(invalid(format!("unknown storage source type '{kind}'")));
    }
    read(image)?;
    // It would not be printed, and the definition could not be read again.
    let nothing = |source: &Tree| source.attrs.is_empty() && source.children.is_empty();
    if image.child("source").is_none_or(nothing) {
        return Err(invalid("missing disk backing store source"));
    }
    Ok(())
}

fn source(source: &mut Tree, kind: &str) -> Result<()> {
    match kind {
        "network" => network(source)?,
        "volume" if source.attr("pool").is_none() != source.attr("volume").is_none() => {
            return Err(invalid("'pool' and 'volume' must be specified together for 'pool' type source"));
        }
        "nvme" => nvme(source)?,
        "vhostuser" => {
            if source.attr("type").is_none() {
                return Err(invalid("missing 'type' attribute for vhostuser disk source"));
            }
            if !source.is("type", "unix") {
                return Err(invalid("invalid 'type' attribute for vhostuser disk source"));
            }
            if source.attr("path").is_none() {
                return Err(invalid("missing 'path' attribute for vhostuser disk source"));
            }
        }
        "vhostvdpa" if source.attr("dev").is_none() => return Err(missing("source", "dev")),
        _ => {}
    }
    if let Some(encryption) = source.child_mut("encryption") {
        secret::encryption(encryption)?;
    }
    if let Some(auth) = source.child_mut("auth") {
        secret::auth(auth)?;
    }
    if let Some(reservations) = source.child("reservations") {
        self::reservations(reservations)?;
    }
    slices(source)?;
    secret::labels(source)?;
    match source.child_mut("dataStore") {
        Some(store) if store.attr_at("format", "type").is_none_or(str::is_empty) => {
            Err(invalid("missing data file store format"))
        }
        Some(store) if store.child("source").is_none() => Err(invalid("missing disk data file store source")),
        Some(store) => read(store),
        None => Ok(()),
    }
}

/// Sockets of reservations that the driver manages itself are known only to a running guest's own document.
pub(crate) fn forget_sockets(device: &mut Tree) {
    if device.name == "reservations" && device.is("managed", "yes") {
        device.remove("source");
    }
    device.children.iter_mut().for_each(forget_sockets);
}

/// Reservations that another process manages are reached through a socket.
fn reservations(reservations: &Tree) -> Result<()> {
    if reservations.is("managed", "yes") {
        return Ok(());
    }
    let unread = |text: String| Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::STORAGE, text));
    let get = |name: &str| reservations.attr_at("source", name);
    match (get("type"), get("path"), get("mode")) {
        (None, ..) => unread("missing connection type for <reservations/>".to_owned()),
        (_, None, _) => unread("missing path for <reservations/>".to_owned()),
        (.., None) => unread("missing connection mode for <reservations/>".to_owned()),
        (Some(kind), ..) if kind != "unix" => {
            unread(format!("unsupported connection type for <reservations/>: {kind}"))
        }
        (.., Some(mode)) if mode != "client" => {
            unread(format!("unsupported connection mode for <reservations/>: {mode}"))
        }
        _ => Ok(()),
    }
}

/// Takes out the socket of a process that the driver runs itself, which only its own documents hold.
pub(crate) fn hide_managed(holder: &mut Tree) {
    if let Some(source) = holder.child_mut("source") {
        if let Some(reservations) = source.child_mut("reservations").filter(|own| own.is("managed", "yes")) {
            reservations.remove("source");
        }
        if let Some(store) = source.child_mut("dataStore") {
            hide_managed(store);
        }
    }
    if let Some(behind) = holder.child_mut("backingStore") {
        hide_managed(behind);
    }
}

/// Only the slice of the storage counts.
fn slices(source: &mut Tree) -> Result<()> {
    let Some(slices) = source.child_mut("slices") else { return Ok(()) };
    slices.children.retain(|slice| slice.is("type", "storage"));
    let Some(slice) = slices.child_mut("slice") else { return Ok(()) };
    for name in ["offset", "size"] {
        match slice.attr(name).map(str::to_owned).as_deref() {
            None | Some("") => return Err(invalid("missing offset or size attribute of slice")),
            Some(text) => {
                let number: u64 = crate::values::decimal(text).ok_or_else(|| {
                    invalid(format!("malformed value '{text}' of '{name}' attribute of slice"))
                })?;
                slice.set(name, number.to_string());
            }
        }
    }
    Ok(())
}

fn nvme(source: &mut Tree) -> Result<()> {
    if source.attr("type").is_none() {
        return Err(invalid("missing 'type' attribute to disk source"));
    }
    source.default_to("managed", "yes");
    if source.attr("namespace").is_none() {
        return Err(missing("source", "namespace"));
    }
    match source.child_mut("address") {
        None => Err(invalid("NVMe disk source is missing address")),
        Some(address) => super::address::pci_source(address),
    }
}

fn network(source: &mut Tree) -> Result<()> {
    let protocol = source.word("protocol");
    match source.attr("name").map(str::to_owned) {
        None if protocol != "nbd" => return Err(invalid("missing name for disk source")),
        None => {}
        // Elsewhere an empty name is kept: a definition without one would not be read again.
        Some(name) if name.is_empty() && protocol == "nbd" => source.unset("name"),
        // The first part is the pool.
        Some(name)
            if matches!(protocol.as_str(), "gluster" | "rbd")
                && name.split_once('/').is_none_or(|(pool, _)| pool.is_empty()) =>
        {
            return Err(invalid(format!("can't split path '{name}' into pool name and image name")));
        }
        Some(_) => {}
    }
    hosts(source)?;
    cookies(source)?;
    if let Some(identity) = source.child("identity")
        && protocol == "ssh"
        && identity.attr("username").is_some()
        && identity.attr("keyfile").is_none()
        && identity.attr("agentsock").is_none()
    {
        return Err(invalid("element 'identity' requires either 'keyfile' or 'agentsock' attribute"));
    }
    if let Some(reconnect) = source.child_mut("reconnect") {
        reconnect.unset("enabled");
        reconnect.unset("timeout");
    }
    Ok(())
}

/// Reads the servers of a network's disk.
///
/// # Errors
/// When one is told in no way that its transport knows.
pub(crate) fn hosts(source: &mut Tree) -> Result<()> {
    for host in source.all_mut("host") {
        if host.is("transport", "unix") {
            if host.attr("socket").is_none() {
                return Err(invalid("missing socket for unix transport"));
            }
            host.unset("name");
            host.unset("port");
            continue;
        }
        let transport = host.attr("transport").unwrap_or("tcp").to_owned();
        if host.attr("socket").is_some() {
            return Err(invalid(format!("transport '{transport}' does not support socket attribute")));
        }
        if host.attr("name").is_none() {
            return Err(invalid("missing name for host"));
        }
        if let Some(text) = host.attr("port").map(str::to_owned) {
            match port(&text)? {
                0 => host.unset("port"),
                port => host.set("port", port.to_string()),
            }
        }
    }
    Ok(())
}

/// A port by its number. Names of services are not looked up.
fn port(text: &str) -> Result<u64> {
    let refused = |text: String| Error::new(ErrorCode::INVALID_ARG, ErrorDomain::NONE, text);
    let number = crate::values::decimal(text)
        .filter(|port| *port <= u64::from(u32::MAX))
        .ok_or_else(|| refused(format!("failed to parse port number '{text}'")))?;
    if number > 65535 {
        return Err(refused(format!("port '{text}' out of range")));
    }
    Ok(number)
}

/// Characters that a cookie's name cannot have, and those its value cannot.
const NOT_IN_NAME: &str = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f \"(),/:;<=>?@[\\]{}";
const NOT_IN_VALUE: &str = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f \",;\\";

fn cookies(source: &mut Tree) -> Result<()> {
    let unread = |text: String| Error::new(ErrorCode::XML_ERROR, ErrorDomain::STORAGE, text);
    let mut seen = BTreeSet::new();
    for cookie in source.child("cookies").into_iter().flat_map(|cookies| cookies.all("cookie")) {
        let name = cookie.attr("name").unwrap_or_default();
        if name.is_empty() {
            return Err(invalid("missing cookie name"));
        }
        let value = cookie.body();
        if value.is_empty() {
            return Err(invalid(format!("missing value for cookie '{name}'")));
        }
        if name.contains(|c| NOT_IN_NAME.contains(c)) {
            return Err(unread(format!("cookie name '{name}' contains invalid characters")));
        }
        let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        if inner.contains(|c| NOT_IN_VALUE.contains(c)) {
            return Err(unread(format!("value of cookie '{name}' contains invalid characters")));
        }
        if !seen.insert(name) {
            return Err(unread(format!("duplicate cookie '{name}'")));
        }
    }
    Ok(())
}

/// The secret that a protocol's `<auth>` needs.
///
/// # Errors
/// When it is another.
pub(crate) fn auth_of_protocol(disk: &Tree) -> Result<()> {
    let auth = disk.child("auth").or_else(|| disk.at("source/auth"));
    let Some(auth) = auth else { return Ok(()) };
    if disk.is("type", "network") {
        secret::auth_type(auth)?;
    }
    let kind = auth.attr_at("secret", "type").unwrap_or_default();
    let wanted = match disk.attr_at("source", "protocol") {
        Some("iscsi") => "iscsi",
        Some("rbd") => "ceph",
        _ => return Ok(()),
    };
    if kind != wanted {
        return Err(unsupported(format!("invalid secret type '{kind}'")));
    }
    Ok(())
}
