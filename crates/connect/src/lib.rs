//! From a URI to a connection: which driver, over which transport, to which socket.
//!
//! ```text
//! text ─▶ default, alias (`names`) ─▶ URI ─┬─ test:///… ───────▶ driver-test, inside the client
//!                                          └─ anything else ──▶ `target`: transport, socket, URI for the daemon
//!                                                                   └▶ `dial` ─▶ driver-remote
//! ```
//!
//! The C library and the Rust client stand on this room; neither knows which driver it got.

mod auth_file;
mod dial;
mod names;
pub mod target;

use api::credential::Answerer;
use api::{DriverSet, Session};
use auth_file::{Answers, AuthFile};
use base::{Error, ErrorCode, ErrorDomain, Result};
use driver_remote::Remote;
use std::path::Path;
use std::sync::Arc;
use target::{Surroundings, Target};
use uri::Uri;

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Options {{ read_only: {} }}", self.read_only)
    }
}

/// What is behind a connection.
pub struct Backend {
    /// The drivers.
    pub drivers: DriverSet,
    /// The connection itself.
    pub session: Arc<dyn Session>,
    /// The URI as the user would write it.
    pub uri: String,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backend({})", self.uri)
    }
}

/// How to open.
#[derive(Clone, Copy, Default)]
pub struct Options<'o> {
    /// The connection may only read.
    pub read_only: bool,
    /// The name is a URI, not an alias.
    pub no_aliases: bool,
    /// Who is asked to prove who the user is.
    pub answerer: Option<&'o dyn Answerer>,
}

fn no_connect(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::NO_CONNECT, ErrorDomain::NONE, detail)
}

/// A set in which one driver answers everything.
fn everything<D>(driver: &Arc<D>, uri: &str) -> DriverSet
where
    D: api::Hypervisor
        + api::Network
        + api::Interface
        + api::Storage
        + api::NodeDevice
        + api::Secret
        + api::Nwfilter
        + 'static,
{
    DriverSet {
        hypervisor: driver.clone(),
        network: driver.clone(),
        interface: driver.clone(),
        storage: driver.clone(),
        node_device: driver.clone(),
        secret: driver.clone(),
        nwfilter: driver.clone(),
        ..DriverSet::empty(uri)
    }
}

/// Opens a connection; without a name, or with an empty one, the user's or the machine's default.
///
/// # Errors
/// Code `NO_CONNECT` when no driver serves the URI, or what went wrong on the way.
pub fn open(name: Option<&str>, options: Options<'_>) -> Result<Backend> {
    let around = Surroundings::of_process();
    let Some(text) = names::resolve(name.filter(|name| !name.is_empty()), options.no_aliases, &around)?
    else {
        return probe(options, &around);
    };
    let uri = Uri::read(&text)?;
    let (driver, transport) = uri.driver_and_transport();
    let Some(driver) = driver else {
        return Err(no_connect(format!("URI '{text}' does not include a driver name")));
    };
    let local = uri.server.as_deref().is_none_or(str::is_empty);
    if driver == "test" && local && transport.is_none_or(|how| how.eq_ignore_ascii_case("unix")) {
        let answers = Answers { file: AuthFile::find(&uri, &around, "test")?, program: options.answerer };
        let test = driver_test::open(uri.path.as_deref().unwrap_or_default(), Some(&answers))?;
        let drivers = everything(&test, &text);
        return Ok(Backend { drivers, session: test, uri: text });
    }
    let target = target::resolve(&uri, options.read_only, &around)?;
    remote(&target, Some((text, &uri)), options, &around)
}

/// Connects to a daemon and opens the URI there.
fn remote(
    target: &Target,
    named: Option<(String, &Uri)>,
    options: Options<'_>,
    around: &Surroundings,
) -> Result<Backend> {
    let remote = dial::connect(target, around)?;
    let uri = named.as_ref().map_or(&Uri::default(), |(_, uri)| *uri).clone();
    let answers = Answers { file: AuthFile::find(&uri, around, "libvirt")?, program: options.answerer };
    remote.authenticate(target.auth.as_deref(), Some(&answers))?;
    remote.open_uri(target.uri.as_deref(), u32::from(options.read_only))?;
    let uri = match named {
        Some((text, _)) => text,
        None => remote.uri()?,
    };
    let remote = Arc::new(remote);
    Ok(Backend { drivers: everything(&remote, &uri), session: remote, uri })
}

/// No name was given anywhere: the daemon says what it serves.
fn probe(options: Options<'_>, around: &Surroundings) -> Result<Backend> {
    let target = target::default(options.read_only, around);
    remote(&target, None, options, around)
}

/// Opens the administration interface of a daemon; without a name the monolithic one's.
///
/// # Errors
/// When the URI names no daemon, or nobody listens there.
pub fn open_admin(name: Option<&str>) -> Result<(Arc<Remote>, String)> {
    let around = Surroundings::of_process();
    let text = names::resolve_admin(name.filter(|name| !name.is_empty()), &around)?;
    let uri = Uri::read(&text)?;
    let path = target::admin_socket(&uri, &around)?;
    Ok((Arc::new(Remote::connect(Path::new(&path))?), text))
}
