//! The sockets clients come in by: those the service manager made, else our own.
//!
//! One daemon answers under the monolithic name and under the names of all modular daemons whose work it does.

use crate::settings::Configuration;
use rpc_server::Service;
use rpc_server::client::Entry;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Modular daemons whose sockets are served.
const MODULAR: &[&str] = &[
    "virtqemud",
    "virtnetworkd",
    "virtstoraged",
    "virtnodedevd",
    "virtsecretd",
    "virtnwfilterd",
    "virtinterfaced",
];

/// Sockets with the files that are removed at the end.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) services: Vec<Service>,
    pub(crate) files: Vec<PathBuf>,
}

/// Names of the sockets a program serves, with what their clients may do.
fn names(program: &str, privileged: bool) -> Vec<(String, Entry)> {
    let bases: Vec<&str> = match program {
        "libvirtd" | "ferrovirtd" => std::iter::once("libvirt").chain(MODULAR.iter().copied()).collect(),
        other => vec![other],
    };
    let mut names = Vec::new();
    for base in bases {
        let plain = Entry { read_only: false, admin: false, ask_authority: false };
        names.push((format!("{base}-sock"), plain));
        if privileged {
            names.push((format!("{base}-sock-ro"), Entry { read_only: true, ..plain }));
        }
        names.push((format!("{base}-admin-sock"), Entry { admin: true, ..plain }));
    }
    names
}

/// Opens the sockets in `dir`.
pub(crate) fn open(
    dir: &Path,
    program: &str,
    privileged: bool,
    conf: &Configuration,
) -> Result<Sockets, String> {
    let mut sockets = Sockets::default();
    let group = match &conf.group {
        Some(name) => Some(group_number(name).ok_or_else(|| format!("Failed to find group '{name}'"))?),
        None => None,
    };
    for (name, mut entry) in names(program, privileged) {
        entry.ask_authority = conf.ask_authority && !entry.read_only && !entry.admin;
        let kind = if entry.admin { 2 } else { usize::from(entry.read_only) };
        let path = dir.join(&name);
        let listener = listen(&path, conf.modes[kind], conf.max_queued_clients)
            .map_err(|error| format!("Failed to bind socket to '{}': {error}", path.display()))?;
        if let Some(group) = group.filter(|_| !entry.admin) {
            let group = rustix::fs::Gid::from_raw(group);
            rustix::fs::chown(&path, None, Some(group))
                .map_err(|error| format!("Cannot change group of '{}': {error}", path.display()))?;
        }
        sockets.services.push(Service { listener, entry });
        sockets.files.push(path);
    }
    Ok(sockets)
}

/// Takes sockets that the service manager made; their units' names tell what they are for.
pub(crate) fn adopt(handed: Vec<(String, UnixListener)>, conf: &Configuration) -> Sockets {
    let service = |(name, listener): (String, UnixListener)| {
        let admin = name.contains("-admin");
        let read_only = name.contains("-ro");
        let ask_authority = conf.ask_authority && !read_only && !admin;
        Service { listener, entry: Entry { read_only, admin, ask_authority } }
    };
    Sockets { services: handed.into_iter().map(service).collect(), files: Vec::new() }
}

/// How long a socket that somebody holds may still turn out to be abandoned.
const ABANDONED: Duration = Duration::from_secs(2);

/// Binds a socket, replacing one that nobody serves any more.
fn listen(path: &Path, mode: u32, backlog: u32) -> io::Result<UnixListener> {
    if path.exists() {
        // A daemon that was killed may have left a child between its fork and its new program: it holds the socket
        // for a moment longer.
        let begin = Instant::now();
        while UnixStream::connect(path).is_ok() {
            if begin.elapsed() > ABANDONED {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "Address already in use"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        std::fs::remove_file(path)?;
    }
    // Nobody may connect before the mode is right.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o777));
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = listener?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    rustix::net::listen(listener.as_fd(), backlog.min(i32::MAX as u32) as i32)?;
    Ok(listener)
}

fn group_number(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let text = std::fs::read_to_string("/etc/group").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}
