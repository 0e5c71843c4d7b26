//! Which URI a name stands for: the argument, an alias, or a default.

use crate::target::Surroundings;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_file::{File, Value};

fn conf(text: String) -> Error {
    Error::new(ErrorCode::CONF_SYNTAX, ErrorDomain::NONE, text)
}

/// The client's configuration: the user's own, else the machine's.
fn configuration(around: &Surroundings, name: &str) -> Result<File> {
    let path = around.config().join(name);
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(File::default()) };
    File::parse(&path.to_string_lossy(), &text).map_err(|error| conf(error.to_string()))
}

fn text_setting(file: &File, name: &str) -> Result<Option<String>> {
    match file.get(name) {
        None => Ok(None),
        Some((Value::Text(text), _)) => Ok(Some(text.clone())),
        Some(_) => Err(conf(format!("expected a string for '{name}' config parameter"))),
    }
}

/// The URI behind an alias; aliases are entries `name=URI`.
fn alias(file: &File, name: &str) -> Result<Option<String>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.chars().all(plain) {
        return Ok(None);
    }
    let Some((value, _)) = file.get("uri_aliases") else { return Ok(None) };
    let Value::List(items) = value else {
        return Err(conf("Expected a list for 'uri_aliases' config parameter".to_owned()));
    };
    for item in items {
        let Value::Text(entry) = item else {
            return Err(conf("Expected a string for 'uri_aliases' config parameter list entry".to_owned()));
        };
        let Some((known, target)) = entry.split_once('=') else {
            return Err(conf(format!(
                "Malformed 'uri_aliases' config entry '{entry}', expected 'alias=uri://host/path'"
            )));
        };
        if !known.chars().all(plain) {
            return Err(conf(format!(
                "Malformed 'uri_aliases' config entry '{entry}', aliases may only contain 'a-Z, 0-9, _, -'"
            )));
        }
        if known == name {
            return Ok(Some(target.to_owned()));
        }
    }
    Ok(None)
}

/// The URI to open; `None` when nobody has said any.
pub(crate) fn resolve(name: Option<&str>, no_aliases: bool, around: &Surroundings) -> Result<Option<String>> {
    let file = configuration(around, "libvirt.conf")?;
    let name = match name {
        Some(name) => Some(name.to_owned()),
        None => match around.variable("LIBVIRT_DEFAULT_URI") {
            Some(uri) => Some(uri),
            None => text_setting(&file, "uri_default")?,
        },
    };
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
    let target = if no_aliases { None } else { alias(&file, &name)? };
    Ok(Some(target.unwrap_or(name)))
}

/// The URI of the administration interface to open.
pub(crate) fn resolve_admin(name: Option<&str>, around: &Surroundings) -> Result<String> {
    let file = configuration(around, "libvirt-admin.conf")?;
    let name = match name {
        Some(name) => Some(name.to_owned()),
        None => match around.variable("LIBVIRT_ADMIN_DEFAULT_URI") {
            Some(uri) => Some(uri),
            None => text_setting(&file, "uri_default")?,
        },
    };
    let kind = if around.privileged { "system" } else { "session" };
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(format!("libvirtd:///{kind}")) };
    Ok(alias(&file, &name)?.unwrap_or(name))
}
