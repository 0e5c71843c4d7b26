//! Secrets: what guests and pools need to open what is locked.
//!
//! ```text
//!              define                     set value
//!  (nothing) ─────────▶ defined, no value ─────────▶ with a value ──▶ told to drivers; to clients unless private
//!       ▲                       │                         │
//!       └───────── undefine ────┴─────────────────────────┘
//! ```
//!
//! * [`Driver`]: start, stored definitions, what other drivers ask
//! * [`secret`]: one secret: its current definition and value
//! * [`store`]: `UUID.xml` and `UUID.base64`, readable by root alone
//! * [`serve`]: the procedures
//!
//! A secret that is ephemeral has neither file. A value that is not yet text of the file's kind is never in one.
//!
//! *Invariant:* stored before announced; a private value leaves by [`Driver::value`] only, which no procedure calls.

mod secret;
mod serve;
mod store;

pub use conf_secret::UsageKind;

use api::EventSink;
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use engine::Registry;
use host::Layout;
use secret::Held;
use std::path::PathBuf;
use std::sync::Arc;

/// Errors of this driver.
pub(crate) const FROM: ErrorDomain = ErrorDomain::SECRET;

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
    folder: PathBuf,
    events: Arc<dyn EventSink>,
    secrets: Registry<Held>,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// How a user of a secret names it.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'w> {
    /// By identity.
    Uuid(Uuid),
    /// By what it is for.
    Usage(UsageKind, &'w str),
}

impl Driver {
    /// Reads the stored secrets.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn start(setup: Setup) -> Result<Arc<Driver>> {
        let folder = setup.layout.config().join("secrets");
        host::store::folder(&folder, 0o700).map_err(|error| {
            Error::system(FROM, &error, format!("cannot create config directory '{}'", folder.display()))
        })?;
        let driver = Driver { folder, events: setup.events, secrets: Registry::default() };
        driver.load();
        Ok(Arc::new(driver))
    }

    /// The value of a secret, private or not, for the daemon's own use. It is for no client's eyes.
    ///
    /// # Errors
    /// Code `NO_SECRET` when there is no such secret or it has no value.
    pub fn value(&self, wanted: Wanted<'_>) -> Result<Vec<u8>> {
        let held = match wanted {
            Wanted::Uuid(uuid) => self.by_uuid(uuid)?,
            Wanted::Usage(kind, id) => self.by_usage(kind.number(), id)?,
        };
        held.value()
    }
}

/// An error with a detail of this driver.
pub(crate) fn error(code: ErrorCode, text: impl Into<String>) -> Error {
    Error::new(code, FROM, text)
}

/// Refuses flags that a function does not know.
pub(crate) fn check_flags(flags: u32, known: u32, function: &str) -> Result<()> {
    if flags & !known == 0 { Ok(()) } else { Err(Error::unsupported_flags(FROM, function, flags & !known)) }
}
