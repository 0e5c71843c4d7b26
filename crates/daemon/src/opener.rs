//! Which drivers stand behind a URI.

use api::{Call, DriverSet, ErrorCode, ErrorDomain, OpenRequest, Opener};
use base::{Error, Result};
use driver_qemu::Driver;
use std::sync::{Arc, OnceLock};

/// The drivers of this daemon.
#[derive(Debug)]
pub(crate) struct Drivers {
    privileged: bool,
    qemu: OnceLock<Arc<Driver>>,
}

impl Drivers {
    pub(crate) fn new(privileged: bool) -> Drivers {
        Drivers { privileged, qemu: OnceLock::new() }
    }

    /// From now on connections reach this driver.
    pub(crate) fn serve(&self, qemu: Arc<Driver>) {
        let _ = self.qemu.set(qemu);
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
        let own = if self.privileged { "qemu:///system" } else { "qemu:///session" };
        let uri = request.uri.filter(|uri| !uri.is_empty()).unwrap_or(own);
        let none = || Error::new(ErrorCode::NO_CONNECT, ErrorDomain::NONE, uri);
        let parts = parts(uri).ok_or_else(none)?;
        if parts.scheme != "qemu" {
            return Err(none());
        }
        let refuse = |text: String| Err(Error::internal(ErrorDomain::QEMU, text));
        if !parts.server.is_empty() {
            return Err(none());
        }
        match (parts.path, self.privileged) {
            ("/system", true) | ("/session", false) => {}
            ("", _) => return refuse(format!("no QEMU URI path given, try {own}")),
            ("/session", true) => {}
            (path, _) => return refuse(format!("unexpected QEMU URI path '{path}', try {own}")),
        }
        let driver = self.qemu.get().ok_or_else(|| {
            Error::internal(ErrorDomain::QEMU, "the QEMU driver is not ready yet; try again in a moment")
        })?;
        let mut set = DriverSet::empty(own);
        set.hypervisor = driver.clone();
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
        check("foo:///", true, "no connection driver available for foo:///");
        check("garbage", true, "no connection driver available for garbage");
    }
}
