//! `libvirtd.conf`, as far as the daemon heeds it.

use conf_file::{SettingError, Settings};
use logging::{Filter, Output, SpecError, Target};
use rpc_server::Limits;
use rpc_server::workers::Sizes;

/// Settings in force.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    pub(crate) limits: Limits,
    pub(crate) max_queued_clients: u32,
    /// Mode of the read-write, read-only and admin sockets.
    pub(crate) modes: [u32; 3],
    pub(crate) group: Option<String>,
    pub(crate) socket_dir: Option<String>,
    /// Clients other than root and the daemon's user need an authority's word.
    pub(crate) ask_authority: bool,
    pub(crate) log_level: u8,
    pub(crate) log_filters: Vec<Filter>,
    pub(crate) log_outputs: Vec<Output>,
    pub(crate) host_uuid: Option<String>,
}

/// A setting that cannot be used.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

impl From<SettingError> for Refused {
    fn from(error: SettingError) -> Refused {
        Refused(error.to_string())
    }
}

impl From<SpecError> for Refused {
    fn from(error: SpecError) -> Refused {
        Refused(error.to_string())
    }
}

fn mode(settings: &Settings, name: &str, default: u32) -> Result<u32, Refused> {
    match settings.text(name)? {
        None => Ok(default),
        Some(text) => u32::from_str_radix(&text, 8)
            .ok()
            .filter(|mode| *mode <= 0o7777)
            .ok_or_else(|| Refused(format!("Failed to parse mode '{text}' of '{name}'"))),
    }
}

fn authority(settings: &Settings, name: &str, privileged: bool) -> Result<bool, Refused> {
    match settings.text(name)?.as_deref() {
        None => Ok(privileged),
        Some("none") => Ok(false),
        Some("polkit") => Ok(true),
        Some("sasl") => Err(Refused(format!("{name}: sasl is not supported on UNIX sockets yet"))),
        Some(other) => Err(Refused(format!("{name}: unsupported auth {other}"))),
    }
}

/// Reads the settings; `verbose` and the environment override what the file says of the log.
pub(crate) fn read(settings: &Settings, privileged: bool, verbose: bool) -> Result<Configuration, Refused> {
    let defaults = Limits::default();
    let workers = Sizes {
        min: settings.uint("min_workers", 0)?.unwrap_or(defaults.workers.min),
        max: settings.uint("max_workers", 1)?.unwrap_or(defaults.workers.max),
        priority: settings.uint("prio_workers", 0)?.unwrap_or(defaults.workers.priority),
    };
    let limits = Limits {
        max_clients: settings.uint("max_clients", 1)?.unwrap_or(defaults.max_clients),
        max_anonymous_clients: settings
            .uint("max_anonymous_clients", 0)?
            .unwrap_or(defaults.max_anonymous_clients),
        max_client_requests: settings.uint("max_client_requests", 1)?.unwrap_or(defaults.max_client_requests),
        workers,
        keepalive_interval: settings.int("keepalive_interval")?.unwrap_or(defaults.keepalive_interval),
        keepalive_count: settings.uint("keepalive_count", 0)?.unwrap_or(defaults.keepalive_count),
    };
    let ask_authority = authority(settings, "auth_unix_rw", privileged)?;
    authority(settings, "auth_unix_ro", privileged)?;
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let level = match variable("LIBVIRT_DEBUG") {
        Some(text) => text.parse().ok().filter(|level| (1..=4).contains(level)).unwrap_or(1),
        None => settings.uint("log_level", 0)?.map_or(3, |level| level.clamp(1, 4) as u8),
    };
    let level = if verbose { level.min(2) } else { level };
    let filters = match variable("LIBVIRT_LOG_FILTERS") {
        Some(text) => text,
        None => settings.text("log_filters")?.unwrap_or_default(),
    };
    let outputs = match variable("LIBVIRT_LOG_OUTPUTS") {
        Some(text) => text,
        None => settings.text("log_outputs")?.unwrap_or_default(),
    };
    let mut log_outputs = Output::parse_all(&outputs)?;
    if log_outputs.is_empty() {
        log_outputs.push(Output { level: 1, target: Target::Stderr });
    }
    Ok(Configuration {
        limits,
        max_queued_clients: settings.uint("max_queued_clients", 1)?.unwrap_or(1000),
        modes: [
            mode(settings, "unix_sock_rw_perms", if ask_authority { 0o777 } else { 0o700 })?,
            mode(settings, "unix_sock_ro_perms", 0o777)?,
            mode(settings, "unix_sock_admin_perms", 0o700)?,
        ],
        group: settings.text("unix_sock_group")?,
        socket_dir: settings.text("unix_sock_dir")?,
        ask_authority,
        log_level: level,
        log_filters: Filter::parse_all(&filters)?,
        log_outputs,
        host_uuid: settings.text("host_uuid")?,
    })
}
