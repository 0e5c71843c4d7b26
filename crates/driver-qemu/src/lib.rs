//! Guests under QEMU.
//!
//! ```text
//!             define                   start: Planned ─▶ Prepared ─▶ Spawned ─▶ Live
//!  (nothing) ────────▶ Defined, off ─────────────────────────────────────────▶ Running ⇄ Paused
//!       ▲                 ▲   │ undefine                                          │
//!       └─────────────────┼───┘          destroy, shutdown, crash, emulator gone │
//!                         └───────────────────────────────────────────────────────┘
//! ```
//!
//! * [`guest`]: one domain: its current value, which readers take as it is, and its job
//! * [`start`], [`stop`], [`events`]: the arrows above
//! * [`nic`]: network cards, on the host's side
//! * [`reconnect`]: guests that outlived an earlier daemon
//! * [`describe`]: what clients are told about the host and its guests
//! * [`emulators`]: what the installed emulators can do
//! * one file per family of procedures
//!
//! *Invariant:* stored before announced: a file is written before the event that tells of it is published.

mod absent;
mod addresses;
mod agent;
mod backup;
mod block;
mod chain;
mod checkpoint;
mod comparison;
mod config;
mod console;
mod describe;
mod descriptors;
mod emulators;
mod events;
mod graphics;
mod guest;
mod hooks;
mod host_info;
mod hotplug;
mod info;
mod labels;
mod lifecycle;
mod lookup;
mod migration_limits;
mod monitor;
mod nic;
mod opened;
mod pages;
mod peek;
mod perf;
mod placement;
mod pooled;
mod portable;
mod processor;
mod reconnect;
mod removal;
mod saving;
mod site;
mod snapshot;
mod start;
mod statistics;
mod status;
mod stop;
mod surroundings;
mod tuning;
mod work;

use api::{ConnectionId, EventSink, Hypervisor, Network, Storage};
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use emulators::Emulators;
use engine::Registry;
use guest::Guest;
use host::Layout;
use qmp::{Hub, Notice};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Errors of this driver.
pub(crate) const FROM: ErrorDomain = ErrorDomain::QEMU;

/// What the driver is made with.
pub struct Setup {
    /// Where its files lie.
    pub layout: Layout,
    /// Identity of the host, when it is configured.
    pub host_uuid: Option<Uuid>,
    /// Who hears of events.
    pub events: Arc<dyn EventSink>,
    /// Where guests are connected.
    pub networks: Arc<dyn Network>,
    /// Where volumes of pools are.
    pub storage: Arc<dyn Storage>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("layout", &self.layout).finish_non_exhaustive()
    }
}

/// The driver.
pub struct Driver {
    pub(crate) layout: Layout,
    pub(crate) host_uuid: Option<Uuid>,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) guests: Registry<Guest>,
    pub(crate) emulators: Arc<Emulators>,
    pub(crate) hub: Hub,
    /// Connects cards of guests.
    pub(crate) nics: Arc<nic::Nics>,
    /// Knows volumes of pools.
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) next_id: AtomicI32,
    /// What the host adds to definitions.
    pub(crate) sites: site::Sites,
    /// What processors of guests can do.
    pub(crate) processors: processor::Processors,
    /// Ports of displays in use.
    pub(crate) ports: Mutex<std::collections::BTreeSet<u32>>,
    pub(crate) notices: Sender<(Uuid, i32, Notice)>,
    /// The pid file, as long as the driver runs.
    held: Mutex<Option<host::pidfile::PidFile>>,
    stopping: AtomicBool,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("layout", &self.layout).finish_non_exhaustive()
    }
}

impl Driver {
    /// Reads the stored definitions, finds running guests again and starts those that start by themselves.
    ///
    /// # Errors
    /// When the driver's folders cannot be made.
    pub fn start(setup: Setup) -> Result<Arc<Driver>> {
        let system = |error: &std::io::Error, text: &str| Error::system(FROM, error, text);
        let (notices, received) = channel();
        let driver = Arc::new(Driver {
            emulators: Arc::new(Emulators::new(&setup.layout)),
            layout: setup.layout,
            host_uuid: setup.host_uuid,
            events: setup.events,
            guests: Registry::default(),
            hub: Hub::start().map_err(|error| system(&error, "cannot watch monitors"))?,
            nics: Arc::new(nic::Nics::new(setup.networks)?),
            storage: setup.storage,
            next_id: AtomicI32::new(1),
            sites: site::Sites::default(),
            processors: processor::Processors::default(),
            ports: Mutex::default(),
            notices,
            held: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        for (folder, mode) in [
            (driver.config_dir(), 0o700),
            (driver.run_dir(), 0o755),
            (driver.state_dir(), 0o751),
            (driver.log_dir(), 0o700),
            (driver.run_dir().join("channel"), 0o755),
            (driver.run_dir().join("dbus"), 0o770),
            (driver.run_dir().join("passt"), 0o755),
            (driver.run_dir().join("rdp"), 0o755),
            (driver.run_dir().join("slirp"), 0o755),
            (driver.state_dir().join("checkpoint"), 0o755),
            (driver.state_dir().join("dump"), 0o755),
            (driver.state_dir().join("nvram"), 0o755),
            (driver.state_dir().join("ram"), 0o755),
            (driver.state_dir().join("save"), 0o755),
            (driver.state_dir().join("snapshot"), 0o755),
        ] {
            host::store::folder(&folder, mode).map_err(|error| {
                system(&error, &format!("cannot create directory '{}'", folder.display()))
            })?;
        }
        driver.hold()?;
        driver.emulators.probe_all();
        driver.load();
        let watcher = driver.clone();
        std::thread::Builder::new()
            .name("qemu-events".to_owned())
            .spawn(move || events::run(&watcher, &received))
            .map_err(|error| system(&error, "cannot start a thread"))?;
        driver.reconnect();
        let completer = driver.clone();
        std::thread::Builder::new()
            .name("definitions".to_owned())
            .spawn(move || completer.complete_loaded())
            .map_err(|error| system(&error, "cannot start a thread"))?;
        let starter = driver.clone();
        std::thread::Builder::new()
            .name("autostart".to_owned())
            .spawn(move || starter.autostart())
            .map_err(|error| system(&error, "cannot start a thread"))?;
        Ok(driver)
    }

    /// Keeps other daemons away from these guests.
    fn hold(&self) -> Result<()> {
        let held = host::pidfile::acquire(&self.run_dir().join("driver.pid"))
            .map_err(|text| error(ErrorCode::OPERATION_FAILED, text))?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(())
    }

    /// The daemon ends; guests stay as they are.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Whether any guest runs.
    pub fn has_guests(&self) -> bool {
        self.guests.snapshot().values().any(|guest| guest.value().live.is_some())
    }

    pub(crate) fn config_dir(&self) -> std::path::PathBuf {
        self.layout.config().join("qemu")
    }

    pub(crate) fn autostart_dir(&self) -> std::path::PathBuf {
        self.config_dir().join("autostart")
    }

    pub(crate) fn run_dir(&self) -> std::path::PathBuf {
        self.layout.run().join("qemu")
    }

    pub(crate) fn state_dir(&self) -> std::path::PathBuf {
        self.layout.state().join("qemu")
    }

    pub(crate) fn log_dir(&self) -> std::path::PathBuf {
        self.layout.logs().join("qemu")
    }
}

impl Hypervisor for Driver {
    fn supports_feature(&self, feature: i32) -> bool {
        // XML_MIGRATABLE and FD_PASSING are the ones this driver has so far.
        matches!(feature, 8 | 9 | 11 | 16)
    }

    fn connection_closed(&self, connection: ConnectionId) {
        for guest in self.guests.snapshot().values() {
            guest.descriptors.forget(connection);
            let bound = guest.value().live.as_ref().is_some_and(|live| live.bound_to == Some(connection));
            if bound && let Err(error) = self.destroy(guest, "autodestroy") {
                log::error!("guest '{}' whose client is gone stays: {error}", guest.value().name);
            }
        }
    }
}

/// "Requested operation is not valid: domain is not running".
pub(crate) fn not_running() -> Error {
    Error::operation_invalid(ErrorDomain::DOMAIN, "domain is not running")
}

/// An error with a detail of this driver.
pub(crate) fn error(code: ErrorCode, text: impl Into<String>) -> Error {
    Error::new(code, FROM, text)
}

/// Refuses flags that a function does not know.
pub(crate) fn check_flags(flags: u32, known: u32, function: &str) -> Result<()> {
    if flags & !known == 0 { Ok(()) } else { Err(Error::unsupported_flags(FROM, function, flags & !known)) }
}
