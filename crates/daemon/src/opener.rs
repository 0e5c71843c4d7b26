//! Which drivers stand behind a URI.

use crate::alone::Alone;
use api::{Call, DriverSet, ErrorCode, ErrorDomain, OpenRequest, Opener};
use base::{Error, Result};
use std::sync::{Arc, OnceLock};

/// Schemes of URIs that are served, and whose errors those are that tell of others' paths.
const SCHEMES: &[(&str, ErrorDomain)] = &[
    ("qemu", ErrorDomain::QEMU),
    ("interface", ErrorDomain::NONE),
    ("network", ErrorDomain::NETWORK),
    ("nodedev", ErrorDomain::NONE),
    ("nwfilter", ErrorDomain::NWFILTER),
    ("secret", ErrorDomain::NONE),
    ("storage", ErrorDomain::STORAGE),
];

/// The drivers of this daemon.
#[derive(Debug)]
pub(crate) struct Drivers {
    privileged: bool,
    running: OnceLock<Running>,
}

/// Drivers that have started.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) qemu: Arc<driver_qemu::Driver>,
    pub(crate) network: Arc<driver_network::Driver>,
    pub(crate) interface: Arc<driver_interface::Driver>,
    pub(crate) node_device: Arc<driver_nodedev::Driver>,
    /// Only the system's daemon filters.
    pub(crate) filter: Option<Arc<driver_nwfilter::Driver>>,
    pub(crate) secret: Arc<driver_secret::Driver>,
    pub(crate) storage: Arc<driver_storage::Driver>,
}

impl Running {
    /// Whether anything runs that the daemon looks after.
    pub(crate) fn busy(&self) -> bool {
        self.qemu.has_guests() || self.network.has_networks()
    }

    /// Puts the drivers of a URI's scheme in place: a hypervisor's has all, any other its own alone.
    fn fill(&self, scheme: &'static str, set: &mut DriverSet) {
        let all = scheme == "qemu";
        set.hypervisor = if all { self.qemu.clone() } else { Arc::new(Alone(scheme)) };
        if all || scheme == "network" {
            set.network = self.network.clone();
        }
        if all || scheme == "interface" {
            set.interface = self.interface.clone();
        }
        if all || scheme == "nodedev" {
            set.node_device = self.node_device.clone();
        }
        if let Some(filter) = self.filter.as_ref().filter(|_| all || scheme == "nwfilter") {
            set.nwfilter = filter.clone();
        }
        if all || scheme == "secret" {
            set.secret = self.secret.clone();
        }
        if all || scheme == "storage" {
            set.storage = self.storage.clone();
        }
    }

    /// The daemon ends; guests, networks and pools stay as they are.
    pub(crate) fn stop(&self) {
        self.qemu.stop();
        self.network.stop();
        self.node_device.stop();
        self.storage.stop();
    }
}

impl Drivers {
    pub(crate) fn new(privileged: bool) -> Drivers {
        Drivers { privileged, running: OnceLock::new() }
    }

    /// From now on connections reach these drivers.
    pub(crate) fn serve(&self, running: Running) {
        let _ = self.running.set(running);
    }
}

/// The parts of a URI that choose a driver.
struct Parts<'u> {
    scheme: &'u str,
    server: &'u str,
    path: &'u str,
}

fn parts(uri: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = uri.split_once(':')?;
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (server, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.find('/').map_or((rest, ""), |at| rest.split_at(at)),
        None => ("", rest),
    };
    Some(Parts { scheme, server, path })
}

impl Opener for Drivers {
    fn open(&self, _cx: &Call, request: OpenRequest<'_>) -> Result<DriverSet> {
        let (own, other) = if self.privileged { ("system", "session") } else { ("session", "system") };
        let default = format!("qemu:///{own}");
        let uri = request.uri.filter(|uri| !uri.is_empty()).unwrap_or(&default);
        let none = || Error::new(ErrorCode::NO_CONNECT, ErrorDomain::NONE, uri);
        let parts = parts(uri).filter(|parts| parts.server.is_empty()).ok_or_else(none)?;
        let scheme = *SCHEMES.iter().find(|(scheme, _)| *scheme == parts.scheme).ok_or_else(none)?;
        let (scheme, from) = scheme;
        let whose = if scheme == "qemu" { "QEMU" } else { scheme };
        let own_uri = format!("{}:///{own}", parts.scheme);
        match parts.path.strip_prefix('/') {
            Some(path) if path == own => {}
            // A privileged daemon is the session of its user as well.
            Some(path) if self.privileged && path == other && parts.scheme == "qemu" => {}
            _ if parts.path.is_empty() && parts.scheme == "qemu" => {
                return Err(Error::internal(from, format!("no QEMU URI path given, try {own_uri}")));
            }
            _ => {
                let text = format!("unexpected {whose} URI path '{}', try {own_uri}", parts.path);
                return Err(Error::internal(from, text));
            }
        }
        let running = self.running.get().ok_or_else(|| {
            Error::internal(from, format!("the {whose} driver is not ready yet; try again in a moment"))
        })?;
        let mut set = DriverSet::empty(own_uri);
        running.fill(scheme, &mut set);
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, privileged: bool, message: &str) {
        let drivers = Drivers::new(privileged);
        let request = OpenRequest { uri: Some(uri), read_only: false };
        let error = drivers.open(&Call::internal(), request).unwrap_err();
        assert!(error.message().contains(message), "{uri}: {error}");
    }

    #[test]
    fn uris() {
        check("qemu:///system", true, "not ready yet");
        check("qemu:///system?socket=/x", true, "not ready yet");
        check("", true, "not ready yet");
        check("qemu:///foo", true, "unexpected QEMU URI path '/foo', try qemu:///system");
        check("qemu:///system", false, "unexpected QEMU URI path '/system', try qemu:///session");
        check("qemu://", true, "no QEMU URI path given, try qemu:///system");
        check("network:///system", true, "not ready yet");
        check("network:///session", true, "unexpected network URI path '/session', try network:///system");
        check(
            "interface:///session",
            true,
            "unexpected interface URI path '/session', try interface:///system",
        );
        check("secret:///x", true, "unexpected secret URI path '/x', try secret:///system");
        check("foo:///", true, "no connection driver available for foo:///");
        check("garbage", true, "no connection driver available for garbage");
    }
}
