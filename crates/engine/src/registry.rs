//! Objects by UUID and name.
//!
//! The map shares all but a few nodes with the one before it when an object comes or goes, so that readers hold a lock only
//! for the copy of a pointer, and one of thousands costs no more than one of a few. Objects change inside themselves, their
//! names too: which object has a name is held against the object whenever it is asked for.

use base::Uuid;
use rpds::RedBlackTreeMapSync;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What identifies an object.
pub trait Key {
    /// Identity.
    fn uuid(&self) -> Uuid;
    /// Current name.
    fn name(&self) -> String;

    /// Whether that is its name now; asked often, so it should cost no memory.
    fn is_named(&self, name: &str) -> bool {
        self.name() == name
    }
}

/// All objects as they were at one time, by UUID.
#[derive(Debug)]
pub struct Snapshot<T>(RedBlackTreeMapSync<Uuid, Arc<T>>);

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Snapshot<T> {
        Snapshot(self.0.clone())
    }
}

impl<T> Snapshot<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.size()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One of them.
    pub fn get(&self, uuid: &Uuid) -> Option<&Arc<T>> {
        self.0.get(uuid)
    }

    /// Their identities, in order.
    pub fn keys(&self) -> impl Iterator<Item = &Uuid> {
        self.0.keys()
    }

    /// All of them, in the order of their identities.
    pub fn values(&self) -> impl Iterator<Item = &Arc<T>> {
        self.0.values()
    }

    fn insert(&mut self, object: Arc<T>)
    where
        T: Key,
    {
        self.0.insert_mut(object.uuid(), object);
    }
}

/// All objects of a kind.
#[derive(Debug)]
pub struct Registry<T> {
    current: RwLock<Snapshot<T>>,
    /// Whose a name is or was: whoever has one stands here.
    names: RwLock<HashMap<String, Uuid>>,
    /// Held while names and UUIDs are compared and objects added, so that no two get in at once.
    changing: Mutex<()>,
}

impl<T> Default for Registry<T> {
    fn default() -> Registry<T> {
        Registry {
            current: RwLock::new(Snapshot(RedBlackTreeMapSync::new_sync())),
            names: RwLock::default(),
            changing: Mutex::default(),
        }
    }
}

impl<T: Key> Registry<T> {
    /// All objects as they are now.
    pub fn snapshot(&self) -> Snapshot<T> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The object with this identity.
    pub fn by_uuid(&self, uuid: Uuid) -> Option<Arc<T>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).get(&uuid).cloned()
    }

    /// The object with this name.
    pub fn by_name(&self, name: &str) -> Option<Arc<T>> {
        let uuid = self.names.read().unwrap_or_else(PoisonError::into_inner).get(name).copied()?;
        self.by_uuid(uuid).filter(|object| object.is_named(name))
    }

    /// Runs `change` while nobody else adds, removes or renames.
    pub fn exclusively<R>(&self, change: impl FnOnce() -> R) -> R {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        change()
    }

    /// Gives an object another name: `change` does it, in the object.
    pub fn rename(&self, object: &T, name: &str, change: impl FnOnce()) {
        let owner = || [(name.to_owned(), object.uuid())];
        self.note(owner());
        change();
        // Somebody may have tidied up in between.
        self.note(owner());
    }

    fn note(&self, owners: impl IntoIterator<Item = (String, Uuid)>) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let current = self.snapshot();
        // Names that nobody has any more pile up.
        if names.len() > 2 * current.len() + 16 {
            names.retain(|name, uuid| current.get(uuid).is_some_and(|object| object.is_named(name)));
        }
        names.extend(owners);
    }

    /// Adds or replaces an object.
    pub fn insert(&self, object: Arc<T>) {
        self.extend([object]);
    }

    /// Adds many objects at once.
    pub fn extend(&self, objects: impl IntoIterator<Item = Arc<T>>) {
        let objects: Vec<Arc<T>> = objects.into_iter().collect();
        let owners: Vec<(String, Uuid)> =
            objects.iter().map(|object| (object.name(), object.uuid())).collect();
        {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            objects.into_iter().for_each(|object| current.insert(object));
        }
        self.note(owners);
    }

    /// Removes an object.
    pub fn remove(&self, uuid: Uuid) {
        let removed = self.current.read().unwrap_or_else(PoisonError::into_inner).get(&uuid).cloned();
        self.current.write().unwrap_or_else(PoisonError::into_inner).0.remove_mut(&uuid);
        let Some(name) = removed.map(|object| object.name()) else { return };
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if names.get(&name) == Some(&uuid) {
            names.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;
    use std::collections::BTreeMap;

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
                            registry.rename(&object, &name, || *object.1.lock().unwrap() = name.clone());
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
                    prop_assert!(snapshot.keys().copied().eq(known.iter().copied()));
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
