//! Waiting for devices to go: a guest is asked to release a device and does so when it likes.
//!
//! ```text
//! watch(alias) ─▶ device_del ─▶ wait ─┬─ DEVICE_DELETED            ─▶ Removed
//!                                     ├─ DEVICE_UNPLUG_GUEST_ERROR ─▶ Refused
//!                                     └─ time is over              ─▶ Pending: whoever hears of it later finishes it
//! ```

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a call waits for the guest.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is gone.
    Removed,
    /// The guest keeps it.
    Refused,
    /// Not known yet.
    Pending,
}

/// Devices of one guest whose removal somebody waits for.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    waiting: Mutex<HashMap<String, Outcome>>,
    changed: Condvar,
}

/// A device whose removal is waited for.
#[derive(Debug)]
pub(crate) struct Watch<'r> {
    removals: &'r Removals,
    alias: String,
}

impl Removals {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Outcome>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says beforehand that the device's end will be waited for.
    pub(crate) fn watch(&self, alias: &str) -> Watch<'_> {
        self.lock().insert(alias.to_owned(), Outcome::Pending);
        Watch { removals: self, alias: alias.to_owned() }
    }

    /// Something became of a device; false when nobody waits for it, so that the one who heard has to see to it.
    pub(crate) fn settle(&self, alias: &str, outcome: Outcome) -> bool {
        let waited = match self.lock().get_mut(alias) {
            Some(slot) => {
                *slot = outcome;
                true
            }
            None => false,
        };
        self.changed.notify_all();
        waited
    }

    /// The emulator has ended: nothing will be heard any more.
    pub(crate) fn give_up(&self) {
        for slot in self.lock().values_mut() {
            *slot = Outcome::Refused;
        }
        self.changed.notify_all();
    }
}

impl Watch<'_> {
    /// Waits for what becomes of the device.
    pub(crate) fn wait(self) -> Outcome {
        let end = Instant::now() + PATIENCE;
        let mut waiting = self.removals.lock();
        loop {
            let outcome = waiting.get(&self.alias).copied().unwrap_or(Outcome::Pending);
            let left = end.saturating_duration_since(Instant::now());
            if outcome != Outcome::Pending || left.is_zero() {
                // Under the same lock, so that what is heard from now on is nobody's but the hearer's.
                waiting.remove(&self.alias);
                return outcome;
            }
            let woken = self.removals.changed.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.removals.lock().remove(&self.alias);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heard_before_and_after_waiting() {
        let removals = Removals::default();
        assert!(!removals.settle("a", Outcome::Removed));
        let watch = removals.watch("a");
        assert!(removals.settle("a", Outcome::Removed));
        assert_eq!(watch.wait(), Outcome::Removed);
        assert!(!removals.settle("a", Outcome::Removed));
        std::thread::scope(|scope| {
            let watch = removals.watch("b");
            scope.spawn(|| removals.settle("b", Outcome::Refused));
            assert_eq!(watch.wait(), Outcome::Refused);
        });
    }
}
