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

    use proptest::prelude::*;

    #[derive(Debug)]
    struct Object(Uuid, Mutex<String>);

    impl Object {
        fn new(number: u8, name: &str) -> Arc<Object> {
            Arc::new(Object(Uuid([number; 16]), Mutex::new(name.to_owned())))
        }
    }

    impl Key for Object {
        fn uuid(&self) -> Uuid {
            self.0
        }

        fn name(&self) -> String {
            self.1.lock().unwrap().clone()
        }
    }

    /// What is done to a registry.
    #[derive(Debug, Clone)]
    enum Step {
        /// Adds an object, or another one in its place.
        Insert(u8, u8),
        /// Adds several.
        Extend(Vec<u8>),
        Remove(u8),
        /// Gives an object another name where it is.
        Rename(u8, u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..12_u8, 0..40_u8).prop_map(|(number, name)| Step::Insert(number, name)),
            1 => prop::collection::vec(0..12_u8, 0..5).prop_map(Step::Extend),
            2 => (0..12_u8).prop_map(Step::Remove),
            2 => (0..12_u8, 0..40_u8).prop_map(|(number, name)| Step::Rename(number, name)),
        ]
    }

    proptest! {
        /// A registry finds what a plain list finds, by identity and by name, and no snapshot ever changes.
        #[test]
        fn as_a_plain_list_would(steps in prop::collection::vec(step(), 0..40)) {
            let registry = Registry::default();
            let mut model: BTreeMap<u8, String> = BTreeMap::new();
            let mut snapshots = Vec::new();
            for step in steps {
                let taken = |model: &BTreeMap<u8, String>, number: u8, name: &str| {
                    model.iter().any(|(other, known)| *other != number && known == name)
                };
                match step {
                    Step::Insert(number, name) => {
                        let name = format!("n{name}");
                        if !taken(&model, number, &name) {
                            registry.insert(Object::new(number, &name));
                            model.insert(number, name);
                        }
                    }
                    Step::Extend(numbers) => {
                        registry.extend(numbers.iter().map(|number| Object::new(*number, &format!("e{number}"))));
                        model.extend(numbers.iter().map(|number| (*number, format!("e{number}"))));
                    }
                    Step::Remove(number) => {
                        registry.remove(Uuid([number; 16]));
                        model.remove(&number);
                    }
                    Step::Rename(number, name) => {
                        let name = format!("n{name}");
                        if model.contains_key(&number) && !taken(&model, number, &name) {
                            let object = registry.by_uuid(Uuid([number; 16])).unwrap();
                            *object.1.lock().unwrap() = name.clone();
                            model.insert(number, name);
                        }
                    }
                }
                let snapshot = registry.snapshot();
                prop_assert_eq!(snapshot.len(), model.len());
                for (number, name) in &model {
                    prop_assert_eq!(&registry.by_uuid(Uuid([*number; 16])).unwrap().name(), name);
                    prop_assert_eq!(registry.by_name(name).unwrap().uuid(), Uuid([*number; 16]));
                }
                let names = (0..40).map(|name| format!("n{name}")).chain((0..12).map(|name| format!("e{name}")));
                for name in names.filter(|name| !model.values().any(|known| known == name)) {
                    prop_assert!(registry.by_name(&name).is_none());
                }
                let known: Vec<Uuid> = snapshot.keys().copied().collect();
                snapshots.push((snapshot, known));
                for (snapshot, known) in &snapshots {
                    prop_assert!(snapshot.keys().eq(known));
                }
            }
        }
    }

    #[test]
    fn snapshots_do_not_change() {
        let registry = Registry::default();
        registry.insert(Object::new(1, "a"));
        let before = registry.snapshot();
        registry.insert(Object::new(2, "b"));
        registry.remove(Uuid([1; 16]));
        assert_eq!(before.len(), 1);
        assert!(registry.by_name("a").is_none() && registry.by_name("b").is_some());
        assert!(registry.by_uuid(Uuid([1; 16])).is_none());
    }
}
