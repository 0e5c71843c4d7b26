//! Devices of the host.
//!
//! ```text
//! /sys ──scan──▶ entries ──describe──▶ devices ──┐
//! kernel or udev ──happenings──▶ one entry again ─┼──▶ Tree: current set of devices, events of what changed
//! mdevctl ──listing──▶ defined mediated devices ──┘
//! ```
//!
//! * [`tree`]: the set of devices that readers take as it is
//! * [`sysfs`], [`udev`], [`names`]: what kernel, udev and the lists of vendors tell
//! * [`describe`]: what a device is, a file per family
//! * [`watch`]: what happens while the daemon runs
//! * [`mediated`]: devices that mdevctl keeps; [`vport`]: virtual ports of host adapters
//! * [`assign`]: PCI functions that guests get
//! * [`serve`]: the procedures
//!
//! The tree is read by a thread of its own, for a large machine has thousands of devices; whoever asks waits for it.

mod assign;
mod describe;
mod mediated;
mod names;
mod serve;
mod sysfs;
mod tree;
mod udev;
mod vport;
mod watch;

use api::EventSink;
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use describe::Describer;
use host::Layout;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tree::Tree;

/// Errors of this driver.
pub(crate) const FROM: ErrorDomain = ErrorDomain::NODEDEV;

/// What the driver is made with.
pub struct Setup {
    /// Where files lie.
    pub layout: Layout,
    /// Who hears of events.
    pub events: Arc<dyn EventSink>,
    /// The host's identity, when the configuration states one.
    pub host_uuid: Option<Uuid>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("layout", &self.layout).finish_non_exhaustive()
    }
}

/// The driver.
pub struct Driver {
    root: PathBuf,
    events: Arc<dyn EventSink>,
    describer: Describer,
    tree: Tree,
    /// What mdevctl's files looked like when they were read last.
    listed: Mutex<Option<mediated::Fingerprint>>,
    leaving: AtomicBool,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Driver {
    /// Begins to read the tree of devices and to listen for changes.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(setup: Setup) -> Result<Arc<Driver>> {
        let driver = Arc::new(Driver::new(setup.layout.root(), setup.events, setup.host_uuid));
        watch::begin(&driver).map_err(|error| Error::system(FROM, &error, "cannot watch devices"))?;
        Ok(driver)
    }

    fn new(root: &Path, events: Arc<dyn EventSink>, host_uuid: Option<Uuid>) -> Driver {
        Driver {
            root: root.to_owned(),
            events,
            describer: Describer::new(root, host_uuid),
            tree: Tree::default(),
            listed: Mutex::default(),
            leaving: AtomicBool::new(false),
        }
    }

    /// The daemon ends.
    pub fn stop(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Reads the tree of devices for the first time.
    pub(crate) fn scan(&self) {
        let mut devices = vec![self.describer.computer()];
        for path in sysfs::all(&self.root) {
            devices.extend(self.describer.device(&path, &|_| None));
        }
        // Parents are known only now.
        self.tree.fill(devices);
        self.read_defined(true);
        self.tree.ready();
    }
}

/// An error with a detail of this driver.
pub(crate) fn error(code: ErrorCode, text: impl Into<String>) -> Error {
    Error::new(code, FROM, text)
}

/// A broken expectation of this driver.
pub(crate) fn internal(text: impl Into<String>) -> Error {
    Error::internal(FROM, text)
}

/// Something that is understood, but not supported.
pub(crate) fn unsupported(text: impl Into<String>) -> Error {
    Error::unsupported(FROM, text)
}

/// Refuses flags that a function does not know.
pub(crate) fn check_flags(flags: u32, known: u32, function: &str) -> Result<()> {
    if flags & !known == 0 { Ok(()) } else { Err(Error::unsupported_flags(FROM, function, flags & !known)) }
}
