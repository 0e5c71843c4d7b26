//! Virtual networks.
//!
//! ```text
//!             define                create
//!  (nothing) ────────▶ Defined, off ──────▶ Running      bridge, addresses, rules, server for names and addresses
//!       ▲                 ▲   │ undefine      │  ▲
//!       └─────────────────┼───┘    destroy    │  │ a daemon that comes back finds it by its status document
//!                         └───────────────────┘  │
//!  (nothing) ── create from a document ──────────┘       transient: gone when it stops
//! ```
//!
//! * [`network`]: one network: its current value, which readers take as it is, and its job
//! * [`lifecycle`]: the arrows above; [`bridge`] and [`server`] are what a running network has
//! * [`rules`]: the packet filter, kept as networks want it whoever changes it
//! * [`ports`]: guests that are connected
//! * [`restore`]: what an earlier daemon left
//! * [`serve`]: the procedures, each a few lines
//!
//! *Invariant:* stored before announced: a file is written before the event that tells of it is published.

mod bridge;
mod command;
mod describe;
mod firewalld;
mod hooks;
mod leases;
mod lifecycle;
mod network;
mod ports;
mod restore;
mod rules;
mod serve;
mod server;
mod update;

use api::EventSink;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_file::{SettingError, Settings};
use engine::Registry;
use firewall::Backend;
use firewalld::Presence;
use host::Layout;
use host::link::{Deletion, Links};
use host::pidfile::PidFile;
use network::Net;
use rules::Keeper;
use server::Servers;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Errors of this driver.
pub(crate) const FROM: ErrorDomain = ErrorDomain::NETWORK;

/// What the driver is made with.
pub struct Setup {
    /// Where its files lie.
    pub layout: Layout,
    /// Who hears of events.
    pub events: Arc<dyn EventSink>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("layout", &self.layout).finish_non_exhaustive()
    }
}

/// The driver.
pub struct Driver {
    layout: Layout,
    events: Arc<dyn EventSink>,
    networks: Registry<Net>,
    links: Links,
    rules: Keeper,
    servers: Servers,
    /// Bridges that the kernel has not taken away yet.
    leaving: Mutex<Vec<Deletion>>,
    zones: Presence,
    /// Networks start when a guest wants them.
    on_demand: bool,
    /// The pid file, as long as the driver runs.
    held: Mutex<Option<PidFile>>,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("layout", &self.layout).finish_non_exhaustive()
    }
}

impl Driver {
    /// Reads the stored definitions, finds running networks again, puts their rules in order and starts those that
    /// start by themselves.
    ///
    /// # Errors
    /// When its settings or folders cannot be used.
    pub fn start(setup: Setup) -> Result<Arc<Driver>> {
        let system = |error: &std::io::Error, text: &str| Error::system(FROM, error, text);
        let settings = settings(&setup.layout)?;
        let backend = backend(&setup.layout, &settings)?;
        let on_demand = settings.flag("start_on_demand").map_err(|error| syntax(&error))?.unwrap_or(false);
        let links = Links::open().map_err(|error| system(&error, "cannot ask the kernel for links"))?;
        let layout = setup.layout;
        let first = layout.privileged() && !config_dir(&layout).exists();
        for (folder, mode) in
            [(config_dir(&layout), 0o755), (run_dir(&layout), 0o755), (server_dir(&layout), 0o755)]
        {
            host::store::folder(&folder, mode).map_err(|error| {
                system(&error, &format!("cannot create directory '{}'", folder.display()))
            })?;
        }
        // Filters keep the leases they learn here; programs expect to find the file.
        let _ =
            std::fs::File::options().create(true).append(true).open(run_dir(&layout).join("nwfilter.leases"));
        let place = host::pidfile::acquire(&run_dir(&layout).join("driver.pid")).map_err(internal)?;
        let driver = Arc::new(Driver {
            events: setup.events,
            networks: Registry::default(),
            links,
            rules: Keeper::new(backend),
            servers: Servers::default(),
            leaving: Mutex::default(),
            zones: Presence::default(),
            on_demand,
            layout,
            held: Mutex::new(Some(place)),
        });
        if first {
            driver.ship_default();
        }
        driver.load();
        driver.reconnect();
        server::supervise(&driver);
        rules::watch(&driver);
        firewalld::listen(&driver);
        driver.autostart();
        Ok(driver)
    }

    /// The daemon ends; networks stay as they are.
    pub fn stop(&self) {
        self.servers.leave();
        self.await_gone();
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether any network runs.
    pub fn has_networks(&self) -> bool {
        self.networks.snapshot().values().any(|net| net.value().live.is_some())
    }

    pub(crate) fn config_dir(&self) -> PathBuf {
        config_dir(&self.layout)
    }

    pub(crate) fn autostart_dir(&self) -> PathBuf {
        self.config_dir().join("autostart")
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        run_dir(&self.layout)
    }

    /// Files of the servers.
    pub(crate) fn server_dir(&self) -> PathBuf {
        server_dir(&self.layout)
    }
}

fn config_dir(layout: &Layout) -> PathBuf {
    layout.config().join("qemu").join("networks")
}

fn run_dir(layout: &Layout) -> PathBuf {
    layout.run().join("network")
}

fn server_dir(layout: &Layout) -> PathBuf {
    layout.state().join("dnsmasq")
}

fn settings_file(layout: &Layout) -> PathBuf {
    layout.config().join("network.conf")
}

fn syntax(error: &SettingError) -> Error {
    Error::new(ErrorCode::CONF_SYNTAX, ErrorDomain::CONF, error.to_string())
}

/// What the administrator has set.
fn settings(layout: &Layout) -> Result<Settings> {
    let path = settings_file(layout);
    match std::fs::read_to_string(&path) {
        Ok(text) => Settings::parse(&shown(&path), &text).map_err(|error| syntax(&error)),
        Err(_) => Ok(Settings::default()),
    }
}

/// Who keeps the rules: what the configuration says, or the first that is there.
fn backend(layout: &Layout, settings: &Settings) -> Result<Backend> {
    let wanted = settings.text("firewall_backend").map_err(|error| syntax(&error))?;
    let there = |backend: Backend| match backend {
        Backend::Iptables => host::program::find("iptables").is_some(),
        Backend::Nftables => host::program::find("nft").is_some(),
        Backend::None => true,
    };
    if let Some(name) = wanted {
        let backend = Backend::parse(&name).ok_or_else(|| {
            internal(format!(
                "unrecognized firewall_backend = '{name}' set in network driver config file {}",
                shown(&settings_file(layout))
            ))
        })?;
        if !there(backend) {
            return Err(internal(format!("requested firewall_backend '{name}' is not available")));
        }
        return Ok(backend);
    }
    if !layout.privileged() {
        return Ok(Backend::None);
    }
    let found = [Backend::Iptables, Backend::Nftables].into_iter().find(|backend| there(*backend));
    Ok(found.unwrap_or_else(|| {
        log::warn!("neither iptables nor nft is installed: networks start without rules");
        Backend::None
    }))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// An error with a detail of this driver.
pub(crate) fn error(code: ErrorCode, text: impl Into<String>) -> Error {
    Error::new(code, FROM, text)
}

/// A broken expectation of this driver.
pub(crate) fn internal(text: impl Into<String>) -> Error {
    Error::internal(FROM, text)
}

/// Refuses flags that a function does not know.
pub(crate) fn check_flags(flags: u32, known: u32, function: &str) -> Result<()> {
    if flags & !known == 0 { Ok(()) } else { Err(Error::unsupported_flags(FROM, function, flags & !known)) }
}
