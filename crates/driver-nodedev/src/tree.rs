//! The set of devices: replaced as a whole when something changes, so that readers wait for nobody.

use conf_nodedev::Device;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

/// The root of the tree.
pub(crate) const ROOT: &str = "computer";

/// A device as the driver knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) device: Arc<Device>,
    /// It is there; else it is only defined.
    pub(crate) active: bool,
    /// It comes back after it is gone.
    pub(crate) persistent: bool,
    /// It comes with the host.
    pub(crate) autostart: bool,
}

impl Known {
    /// A device that the kernel has.
    pub(crate) fn of_kernel(device: Device) -> Known {
        let root = device.name == ROOT;
        Known { device: Arc::new(device), active: true, persistent: root, autostart: root }
    }
}

pub(crate) type Snapshot = Arc<BTreeMap<String, Known>>;

/// The set of devices.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    current: RwLock<Snapshot>,
    read: Mutex<bool>,
    woken: Condvar,
}

impl Tree {
    /// The tree has been read.
    pub(crate) fn ready(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.woken.notify_all();
    }

    /// All devices, as soon as the tree has been read.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        while !*read {
            read = self.woken.wait(read).unwrap_or_else(PoisonError::into_inner);
        }
        drop(read);
        self.now()
    }

    /// All devices that have been read so far.
    pub(crate) fn now(&self) -> Snapshot {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the set in one step.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut BTreeMap<String, Known>) -> R) -> R {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = (**current).clone();
        let result = change(&mut next);
        *current = Arc::new(next);
        result
    }

    /// The first set; devices find their parents among each other.
    pub(crate) fn fill(&self, devices: Vec<Device>) {
        let paths: BTreeMap<String, String> = devices
            .iter()
            .filter_map(|device| Some((device.sysfs_path.clone()?, device.name.clone())))
            .collect();
        let known = devices.into_iter().map(|mut device| {
            if let Some(path) = &device.sysfs_path {
                device.parent = Some(parent(path, &|path| paths.get(path).cloned()));
            }
            (device.name.clone(), Known::of_kernel(device))
        });
        let map = known.collect();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(map);
    }

    /// The name of the device with this folder.
    pub(crate) fn at(&self, path: &str) -> Option<String> {
        let now = self.now();
        let found =
            now.values().find(|known| known.active && known.device.sysfs_path.as_deref() == Some(path));
        found.map(|known| known.device.name.clone())
    }
}

/// The name of the nearest device above a folder.
pub(crate) fn parent(path: &str, named: &dyn Fn(&str) -> Option<String>) -> String {
    let mut path = path;
    while let Some((above, _)) = path.rsplit_once('/') {
        if above.len() <= "/sys/devices".len() {
            break;
        }
        if let Some(name) = named(above) {
            return name;
        }
        path = above;
    }
    ROOT.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_folder_above_is_the_parent() {
        let named = |path: &str| (path == "/sys/devices/pci0000:00/0000:00:02.0").then(|| "pci".to_owned());
        assert_eq!(parent("/sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda", &named), "pci");
        assert_eq!(parent("/sys/devices/pci0000:00/0000:00:02.0", &named), ROOT);
        assert_eq!(parent("/sys/devices/virtual/net/lo", &named), ROOT);
    }
}
