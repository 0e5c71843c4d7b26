//! What happens to devices while the daemon runs.

use crate::tree::Known;
use crate::{Driver, tree};
use api::event::{Event, NodeDeviceEventLifecyclePayload, NodeDeviceEventUpdatePayload};
use base::object::NodeDeviceRef;
use host::uevent::{Happening, Listener};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the listener looks whether the daemon ends.
const GLANCE: Duration = Duration::from_millis(500);

/// Numbers of `virNodeDeviceEventLifecycleType`.
pub(crate) mod lifecycle {
    pub(crate) const CREATED: i32 = 0;
    pub(crate) const DELETED: i32 = 1;
    pub(crate) const DEFINED: i32 = 2;
    pub(crate) const UNDEFINED: i32 = 3;
}

/// Reads the tree and then follows its changes, in a thread that lives as long as the driver.
pub(crate) fn begin(driver: &Arc<Driver>) -> io::Result<()> {
    // Listening begins before reading, so that nothing is missed between them.
    let listener = match Listener::open() {
        Ok(listener) => Some(listener),
        Err(error) => {
            log::warn!("changes of devices go unnoticed: {error}");
            None
        }
    };
    let driver: Weak<Driver> = Arc::downgrade(driver);
    let body = move || {
        match driver.upgrade() {
            Some(driver) => driver.scan(),
            None => return,
        }
        let Some(listener) = listener else { return };
        loop {
            let happening = listener.next(GLANCE);
            let Some(driver) = driver.upgrade() else { return };
            if driver.leaving.load(Ordering::Acquire) {
                return;
            }
            if let Some(happening) = happening {
                driver.happened(&happening);
            }
        }
    };
    std::thread::Builder::new().name("node-devices".to_owned()).spawn(body).map(drop)
}

impl Driver {
    /// Takes over what happened to one device.
    pub(crate) fn happened(&self, happening: &Happening) {
        let path = format!("/sys{}", happening.path);
        match happening.action.as_str() {
            "remove" => self.gone(&path),
            "move" => {
                let old = happening.properties.iter().find(|(key, _)| key == "DEVPATH_OLD");
                if let Some((_, old)) = old {
                    self.gone(&format!("/sys{old}"));
                }
                self.look(&path);
            }
            "add" | "change" | "bind" | "unbind" | "online" | "offline" => self.look(&path),
            _ => {}
        }
    }

    /// Looks at a folder again.
    fn look(&self, path: &str) {
        let before = self.tree.at(path);
        let Some(device) = self.describer.device(path, &|path| self.tree.at(path)) else {
            if before.is_some() {
                self.gone(path);
            }
            return;
        };
        let name = device.name.clone();
        // Its name may be made of what has changed.
        if before.is_some_and(|before| before != name) {
            self.gone(path);
        }
        let news = self.tree.change(|known| {
            let found = Known::of_kernel(device);
            let merged = match known.get(&name) {
                Some(defined) if defined.persistent && name != tree::ROOT => {
                    crate::mediated::merged(defined, &found)
                }
                _ => found,
            };
            let old = known.insert(name.clone(), merged.clone());
            match old {
                Some(old) if old.active => (old != merged).then_some(None),
                _ => Some(Some(lifecycle::CREATED)),
            }
        });
        match news {
            Some(Some(event)) => self.announce(&name, event),
            Some(None) => self.changed(&name),
            None => {}
        }
    }

    /// A folder is no more.
    fn gone(&self, path: &str) {
        let Some(name) = self.tree.at(path) else { return };
        self.tree.change(|known| match known.get(&name) {
            // What is defined stays, as a device that is not there.
            Some(found) if found.persistent => {
                let stopped = crate::mediated::stopped(found);
                known.insert(name.clone(), stopped);
            }
            _ => drop(known.remove(&name)),
        });
        self.announce(&name, lifecycle::DELETED);
    }

    /// Tells what happened to a device.
    pub(crate) fn announce(&self, name: &str, event: i32) {
        let dev = NodeDeviceRef { name: name.to_owned() };
        self.events.publish(Event::NodeDeviceLifecycle(NodeDeviceEventLifecyclePayload {
            dev,
            event,
            detail: 0,
        }));
    }

    /// Tells that a device is not what it was.
    pub(crate) fn changed(&self, name: &str) {
        let dev = NodeDeviceRef { name: name.to_owned() };
        self.events.publish(Event::NodeDeviceUpdate(NodeDeviceEventUpdatePayload { dev }));
    }
}
