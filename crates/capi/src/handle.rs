//! Handles: what the pointers stand for that callers hold.
//!
//! A pointer is looked up here before anything is done with it; it is never followed. So NULL, a freed pointer, one of
//! another kind and one that was never ours are all told apart from a good one without touching memory.
//!
//! ```text
//! pointer ──▶ shard of the table ──▶ { kind, references, object }
//!                                          └ Ref: +1   Free: -1, at 0 the entry goes and the object with its last user
//! ```

use crate::object::Object;
use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

struct Entry {
    references: u32,
    object: Arc<dyn Any + Send + Sync>,
}

/// A tree keeps no room that a checker of memory would take for lost.
type Shard = BTreeMap<usize, Entry>;

const SHARDS: usize = 16;

static TABLE: LazyLock<[Mutex<Shard>; SHARDS]> = LazyLock::new(Default::default);

fn shard(address: usize) -> MutexGuard<'static, Shard> {
    TABLE[(address >> 6) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a handle with one reference.
pub(crate) fn make<T: Object>(object: Arc<T>) -> *mut c_void {
    let address = Arc::as_ptr(&object) as usize;
    shard(address).insert(address, Entry { references: 1, object });
    address as *mut c_void
}

/// The object behind a pointer, if it is a handle of this kind.
pub(crate) fn get<T: Object>(pointer: *mut c_void) -> Option<Arc<T>> {
    let address = pointer as usize;
    let object = shard(address).get(&address)?.object.clone();
    object.downcast().ok()
}

/// One more reference.
pub(crate) fn retain(pointer: *mut c_void) {
    let address = pointer as usize;
    if let Some(entry) = shard(address).get_mut(&address) {
        entry.references += 1;
    }
}

/// One reference less; how many are left, and the object when none is.
pub(crate) fn release(pointer: *mut c_void) -> Option<(u32, Option<Arc<dyn Any + Send + Sync>>)> {
    let address = pointer as usize;
    let mut shard = shard(address);
    let entry = shard.get_mut(&address)?;
    entry.references -= 1;
    let left = entry.references;
    let last = if left == 0 { shard.remove(&address).map(|entry| entry.object) } else { None };
    // The object is dropped by the caller, outside of the lock: its end may release other handles.
    Some((left, last))
}
