//! Sources that hosts offer.

use crate::{Driver, backend, check_flags, command, error, internal};
use base::{Error, ErrorCode, Result};
use conf_storage::source::{Device, Host, Source, format_list};
use conf_storage::{Kind, gluster};

impl Driver {
    /// Looks for sources of a kind of pool; `spec` says where.
    pub(crate) fn sources(&self, kind: &str, spec: Option<&str>, flags: u32) -> Result<String> {
        let unknown = || internal(format!("unknown storage pool type {kind}"));
        let kind = Kind::parse(kind).ok_or_else(unknown)?;
        let found = match kind {
            Kind::Netfs => exports(spec, flags)?,
            Kind::Logical => {
                backend::check(kind)?;
                check_flags(flags, 0, "virStorageBackendLogicalFindPoolSources")?;
                groups()?
            }
            // Whether there is a backend does not matter where none could look.
            Kind::Dir | Kind::Fs | Kind::Disk => return Err(no_discovery(kind)),
            _ => {
                backend::check(kind)?;
                return Err(no_discovery(kind));
            }
        };
        Ok(format_list(kind, &found))
    }
}

fn no_discovery(kind: Kind) -> Error {
    error(ErrorCode::NO_SUPPORT, format!("pool type '{kind}' does not support source discovery"))
}

/// Folders and volumes that a host exports.
fn exports(spec: Option<&str>, flags: u32) -> Result<Vec<Source>> {
    check_flags(flags, 0, "virStorageBackendFileSystemNetFindPoolSources")?;
    let Some(spec) = spec else {
        return Err(error(ErrorCode::INVALID_ARG, "hostname must be specified for netfs sources"));
    };
    let source = Source::parse_document(spec, Kind::Netfs)?;
    let [host] = source.hosts.as_slice() else {
        return Err(Error::unsupported(crate::FROM, "Expected exactly 1 host for the storage pool"));
    };
    let mut found = Vec::new();
    match command::run_words(&["showmount", "--no-headers", "--exports", &host.name]) {
        Ok(said) => found.extend(said.lines().filter_map(|line| {
            let dir = line.split_whitespace().next().filter(|dir| dir.starts_with('/'))?;
            Some(Source {
                hosts: vec![Host { name: host.name.clone(), port: 0 }],
                dir: Some(dir.to_owned()),
                format: Some("nfs"),
                ..Source::default()
            })
        })),
        Err(cause) => log::debug!("{cause}"),
    }
    let remote = format!("--remote-host={}", host.name);
    match command::run_words(&["gluster", "--xml", "--log-file=/dev/null", "volume", "info", "all", &remote])
    {
        Ok(said) => found.extend(gluster::sources(&said, &host.name, Kind::Netfs)?),
        Err(cause) => log::debug!("{cause}"),
    }
    if found.is_empty() {
        let text = format!("no storage pools were found on host '{}'", host.name);
        return Err(error(ErrorCode::OPERATION_FAILED, text));
    }
    Ok(found)
}

/// Volume groups of this host.
fn groups() -> Result<Vec<Source>> {
    let mut found: Vec<Source> = Vec::new();
    for (group, device) in backend::group::groups()? {
        let device = Device { path: device, ..Device::default() };
        match found.iter_mut().find(|source| source.name.as_ref() == Some(&group)) {
            Some(source) => source.devices.push(device),
            None => found.push(Source {
                devices: vec![device],
                name: Some(group),
                format: Some("lvm2"),
                ..Source::default()
            }),
        }
    }
    Ok(found)
}
