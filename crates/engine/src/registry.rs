//! Objects by UUID and name.
//!
//! The map is replaced as a whole when an object comes or goes, so that readers hold a lock only for the copy of a
//! pointer. Objects change inside themselves.

use base::Uuid;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What identifies an object.
pub trait Key {
    /// Identity.
    fn uuid(&self) -> Uuid;
    /// Current name.
    fn name(&self) -> String;
}

/// A snapshot of all objects, by UUID.
pub type Snapshot<T> = Arc<BTreeMap<Uuid, Arc<T>>>;

/// All objects of a kind.
#[derive(Debug)]
pub struct Registry<T> {
    current: RwLock<Snapshot<T>>,
    /// Held while names and UUIDs are compared and objects added, so that no two get in at once.
    changing: Mutex<()>,
}

impl<T> Default for Registry<T> {
    fn default() -> Registry<T> {
        Registry { current: RwLock::default(), changing: Mutex::default() }
    }
}

impl<T: Key> Registry<T> {
    /// All objects as they are now.
    pub fn snapshot(&self) -> Snapshot<T> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The object with this identity.
    pub fn by_uuid(&self, uuid: Uuid) -> Option<Arc<T>> {
        self.snapshot().get(&uuid).cloned()
    }

    /// The object with this name.
    pub fn by_name(&self, name: &str) -> Option<Arc<T>> {
        self.snapshot().values().find(|object| object.name() == name).cloned()
    }

    /// Runs `change` while nobody else adds, removes or renames.
    pub fn exclusively<R>(&self, change: impl FnOnce() -> R) -> R {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        change()
    }

    /// Adds or replaces an object.
    pub fn insert(&self, object: Arc<T>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut map = (**current).clone();
        map.insert(object.uuid(), object);
        *current = Arc::new(map);
    }

    /// Adds many objects at once.
    pub fn extend(&self, objects: impl IntoIterator<Item = Arc<T>>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut map = (**current).clone();
        map.extend(objects.into_iter().map(|object| (object.uuid(), object)));
        *current = Arc::new(map);
    }

    /// Removes an object.
    pub fn remove(&self, uuid: Uuid) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut map = (**current).clone();
        map.remove(&uuid);
        *current = Arc::new(map);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Object(Uuid, String);

    impl Key for Object {
        fn uuid(&self) -> Uuid {
            self.0
        }

        fn name(&self) -> String {
            self.1.clone()
        }
    }

    #[test]
    fn snapshots_do_not_change() {
        let registry = Registry::default();
        registry.insert(Arc::new(Object(Uuid([1; 16]), "a".to_owned())));
        let before = registry.snapshot();
        registry.insert(Arc::new(Object(Uuid([2; 16]), "b".to_owned())));
        registry.remove(Uuid([1; 16]));
        assert_eq!(before.len(), 1);
        assert!(registry.by_name("a").is_none() && registry.by_name("b").is_some());
        assert!(registry.by_uuid(Uuid([1; 16])).is_none());
    }
}
