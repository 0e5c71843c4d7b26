//! Names whose parts are separated by colons, as the emulator had them before addresses.

use super::{Place, host, port, refused, socket};
use base::Result;
use xml::Tree;

/// Reads such a name.
///
/// # Errors
/// When it is malformed, or of no protocol that has such names.
pub(super) fn parse(text: &str) -> Result<Place> {
    let (protocol, rest) = text.split_once(':').unwrap_or((text, ""));
    match protocol {
        "nbd" => nbd(text, rest),
        "rbd" => rbd(text, rest),
        "sheepdog" => sheepdog(text, rest),
        other => {
            let known = super::protocol::known(other)?;
            Err(refused(format!("backing store parser is not implemented for protocol {known}")))
        }
    }
}

/// A host with its port behind a colon; addresses may stand in brackets.
fn split_host(text: &str) -> (&str, Option<&str>) {
    if let Some((name, rest)) = text.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        return (name, rest.strip_prefix(':'));
    }
    text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)))
}

fn nbd(text: &str, rest: &str) -> Result<Place> {
    let (server, export) =
        rest.split_once(":exportname=").map_or((rest, None), |(server, name)| (server, Some(name)));
    let mut place = Place::network("nbd", export.filter(|name| !name.is_empty()));
    let server = if let Some(path) = server.strip_prefix("unix:") {
        socket(path)
    } else {
        let (name, number) = split_host(server);
        let number = number.filter(|_| !name.is_empty());
        let number = number
            .ok_or_else(|| refused(format!("missing remote information in '{text}' for protocol nbd")))?;
        host(name, Some(port(number)?))
    };
    place.source.children.push(server);
    Ok(place)
}

fn sheepdog(text: &str, rest: &str) -> Result<Place> {
    let parts: Vec<&str> = rest.split(':').collect();
    match parts.as_slice() {
        [name] if !name.is_empty() => Ok(Place::network("sheepdog", Some(name))),
        [server, number, name] => {
            let mut place = Place::network("sheepdog", Some(name));
            place.source.children.push(host(server, Some(port(number)?)));
            Ok(place)
        }
        _ => Err(refused(format!("malformed sheepdog string '{text}'"))),
    }
}

/// Splits at separators that no backslash stands before.
fn split(text: &str, separators: &[char]) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if separators.contains(&letter) {
            parts.push(String::new());
            continue;
        }
        let part = parts.last_mut();
        match (letter, part) {
            ('\\', Some(part)) => {
                // What is escaped stays so until the part itself is split.
                part.push('\\');
                part.extend(letters.next());
            }
            (letter, Some(part)) => part.push(letter),
            (_, None) => {}
        }
    }
    parts
}

fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        out.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    out
}

/// Reads `pool/image@snapshot:option=value:…`, also as a document of the emulator may hold it.
///
/// # Errors
/// When a port is no number, or nothing is named.
pub(super) fn rbd(text: &str, rest: &str) -> Result<Place> {
    let mut parts = split(rest, &[':']).into_iter();
    let image = plain(&parts.next().unwrap_or_default());
    if image.is_empty() {
        return Err(refused(format!("malformed rbd string '{text}'")));
    }
    let (name, snapshot) =
        image.split_once('@').map_or((image.as_str(), None), |(name, snapshot)| (name, Some(snapshot)));
    let mut place = Place::network("rbd", Some(name));
    let mut config = None;
    for option in parts {
        let option = plain(&option);
        match option.split_once('=') {
            // Servers are separated by what is escaped in the name.
            Some(("mon_host", servers)) => {
                for server in servers.split([';', ',']).filter(|server| !server.is_empty()) {
                    let (name, number) = split_host(server);
                    place.source.children.push(host(name, number.map(port).transpose()?));
                }
            }
            Some(("conf", path)) => config = Some(path.to_owned()),
            _ => {}
        }
    }
    let children = &mut place.source.children;
    children.extend(snapshot.map(|name| Tree::new("snapshot").with("name", name)));
    children.extend(config.map(|path| Tree::new("config").with("file", path)));
    Ok(place)
}
