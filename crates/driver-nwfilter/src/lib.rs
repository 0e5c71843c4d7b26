//! Network filters: what guests may send and get.
//!
//! ```text
//! /etc/libvirt/nwfilter/NAME.xml ──load──▶ Filters ──┐
//!                                                    ├─ plan ─▶ rules of each bound interface
//! /run/libvirt/nwfilter-binding/IF.xml ─▶ Bindings ──┘
//! ```
//!
//! * [`filters`]: definitions; a change of one changes the rules of all interfaces that use it, or of none
//! * [`bindings`]: filters on interfaces of guests
//! * [`rules`]: makes and removes rules, in as few processes as may be
//! * [`serve`]: the procedures
//!
//! *Invariant:* an interface has its old rules until its new ones are complete; when they cannot be made, the old ones stay.

mod bindings;
mod filters;
mod rules;
mod serve;

use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_nwfilter::Filter;
use host::Layout;
use host::link::Links;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Errors of this driver.
pub(crate) const FROM: ErrorDomain = ErrorDomain::NWFILTER;

type Shared<T> = RwLock<Arc<BTreeMap<String, Arc<T>>>>;

/// The driver. Its bindings are made through its procedures, by drivers of guests as well as by clients.
#[derive(Debug)]
pub struct Driver {
    definitions: PathBuf,
    states: PathBuf,
    filters: Shared<Filter>,
    bindings: Shared<conf_nwfilter::Binding>,
    links: Links,
    /// Held by whoever changes filters, bindings or rules.
    changing: Mutex<()>,
}

impl Driver {
    /// Reads filters and bindings, and puts the rules of bound interfaces in order.
    ///
    /// # Errors
    /// When its folders cannot be made or the kernel does not answer.
    pub fn start(layout: &Layout) -> Result<Arc<Driver>> {
        let definitions = layout.config().join("nwfilter");
        let states = layout.run().join("nwfilter-binding");
        for folder in [&definitions, &states] {
            host::store::folder(folder, 0o700).map_err(|error| {
                Error::system(FROM, &error, format!("cannot create config directory '{}'", folder.display()))
            })?;
        }
        let links =
            Links::open().map_err(|error| Error::system(FROM, &error, "cannot ask the kernel for links"))?;
        let driver = Driver {
            definitions,
            states,
            filters: RwLock::default(),
            bindings: RwLock::default(),
            links,
            changing: Mutex::default(),
        };
        driver.load_filters();
        driver.load_bindings();
        Ok(Arc::new(driver))
    }

    pub(crate) fn turn(&self) -> std::sync::MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is there now.
pub(crate) fn snapshot<T>(shared: &Shared<T>) -> Arc<BTreeMap<String, Arc<T>>> {
    shared.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Changes a set in one step.
pub(crate) fn change<T>(shared: &Shared<T>, change: impl FnOnce(&mut BTreeMap<String, Arc<T>>)) {
    let mut current = shared.write().unwrap_or_else(PoisonError::into_inner);
    let mut next = (**current).clone();
    change(&mut next);
    *current = Arc::new(next);
}

/// What precedes a stored document.
pub(crate) fn header(command: &str) -> String {
    format!(
        "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\nOVERWRITTEN AND LOST. \
         Changes to this xml configuration should be made using:\n  virsh {command}\nor other application using the \
         libvirt API.\n-->\n\n"
    )
}

/// An error with a detail of this driver.
pub(crate) fn error(code: ErrorCode, text: impl Into<String>) -> Error {
    Error::new(code, FROM, text)
}

/// Refuses flags that a function does not know.
pub(crate) fn check_flags(flags: u32, known: u32, function: &str) -> Result<()> {
    if flags & !known == 0 { Ok(()) } else { Err(Error::unsupported_flags(FROM, function, flags & !known)) }
}
