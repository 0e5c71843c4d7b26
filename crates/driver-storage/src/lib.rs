//! Storage pools and volumes.
//!
//! ```text
//!             define                start
//!  (nothing) ────────▶ Defined, off ──────▶ Active       volumes are what was found at the last look
//!       ▲                 ▲   │ undefine      │  ▲
//!       └─────────────────┼───┘    stop       │  │ a daemon that comes back finds it by its state document
//!                         └───────────────────┘  │
//!  (nothing) ── create from a document ──────────┘       transient: gone when it stops
//! ```
//!
//! * [`pool`]: one pool: its current value, which readers take as it is, its job and the count of long work
//! * [`lifecycle`]: the arrows above; [`restore`] is what an earlier daemon left
//! * [`backend`]: what a kind of pool does on the host
//! * [`volumes`], [`making`], [`content`]: volumes: found, made, changed
//! * [`discover`]: sources a host offers
//! * [`serve`]: the procedures, each a few lines
//!
//! *Invariant:* long work (making, copying, wiping, moving contents) holds no job; it is counted, and a pool with work
//! under way neither stops nor changes.
//!
//! *Invariant:* stored before announced: a file is written before the event that tells of it is published.

mod backend;
mod command;
mod content;
mod describe;
mod discover;
mod lifecycle;
mod lookup;
mod making;
mod pool;
mod probe;
mod restore;
mod serve;
mod volumes;

use api::EventSink;
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
pub use conf_storage::SecretKey;
use engine::Registry;
use host::Layout;
use host::pidfile::PidFile;
use pool::Entry;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Errors of this driver.
pub(crate) const FROM: ErrorDomain = ErrorDomain::STORAGE;

/// Who knows secrets.
pub trait Passphrases: Send + Sync {
    /// The value of a secret.
    ///
    /// # Errors
    /// Code `NO_SECRET` when there is none, or it has no value.
    fn value(&self, key: &SecretKey) -> Result<Vec<u8>>;

    /// The secret that is for the volume with this path.
    fn of_volume(&self, path: &str) -> Option<Uuid>;
}

/// What the driver is made with.
pub struct Setup {
    /// Where its files lie.
    pub layout: Layout,
    /// Who hears of events.
    pub events: Arc<dyn EventSink>,
    /// Passphrases of encrypted volumes.
    pub passphrases: Box<dyn Passphrases>,
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
    passphrases: Box<dyn Passphrases>,
    pools: Registry<Entry>,
    /// The driver itself, for work that ends after the call that began it.
    me: Weak<Driver>,
    /// The pid file, as long as the driver runs.
    held: Mutex<Option<PidFile>>,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("layout", &self.layout).finish_non_exhaustive()
    }
}

impl Driver {
    /// Reads the stored definitions, finds active pools again and starts those that start by themselves.
    ///
    /// # Errors
    /// When its folders cannot be used.
    pub fn start(setup: Setup) -> Result<Arc<Driver>> {
        let layout = setup.layout;
        for folder in [config_dir(&layout), run_dir(&layout)] {
            host::store::folder(&folder, 0o755).map_err(|error| {
                Error::system(FROM, &error, format!("cannot create directory '{}'", folder.display()))
            })?;
        }
        let place = host::pidfile::acquire(&run_dir(&layout).join("driver.pid")).map_err(internal)?;
        let driver = Arc::new_cyclic(|me| Driver {
            events: setup.events,
            passphrases: setup.passphrases,
            pools: Registry::default(),
            me: me.clone(),
            layout,
            held: Mutex::new(Some(place)),
        });
        driver.load();
        driver.reconnect();
        driver.autostart();
        Ok(driver)
    }

    /// The daemon ends; pools stay as they are.
    pub fn stop(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether any pool is active.
    pub fn has_pools(&self) -> bool {
        self.pools.snapshot().values().any(|pool| pool.value().active)
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
}

fn config_dir(layout: &Layout) -> PathBuf {
    layout.config().join("storage")
}

fn run_dir(layout: &Layout) -> PathBuf {
    layout.run().join("storage")
}

/// An error with a detail of this driver.
pub(crate) fn error(code: ErrorCode, text: impl Into<String>) -> Error {
    Error::new(code, FROM, text)
}

/// A broken expectation of this driver.
pub(crate) fn internal(text: impl Into<String>) -> Error {
    Error::internal(FROM, text)
}

/// An operation that the state of an object forbids.
pub(crate) fn refused(text: impl Into<String>) -> Error {
    Error::operation_invalid(FROM, text)
}

/// A failed call of the system.
pub(crate) fn system(cause: &std::io::Error, text: impl std::fmt::Display) -> Error {
    Error::system(FROM, cause, text)
}

/// Refuses flags that a function does not know.
pub(crate) fn check_flags(flags: u32, known: u32, function: &str) -> Result<()> {
    if flags & !known == 0 { Ok(()) } else { Err(Error::unsupported_flags(FROM, function, flags & !known)) }
}
