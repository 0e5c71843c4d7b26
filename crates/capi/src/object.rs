//! The objects behind handles.
//!
//! An object keeps the names that its getters lend out, and a reference on its connection, as every user of a connection
//! does; the connection closes when the last of them is gone.

use crate::callbacks::Callbacks;
use crate::handle;
use crate::last_error::{Handler, NONE, Slot};
use api::{Call, ConnectionId, DriverSet, Identity, Session};
use base::object::{
    DomainCheckpointRef, DomainRef, DomainSnapshotRef, InterfaceRef, NetworkPortRef, NetworkRef,
    NodeDeviceRef, NwfilterBindingRef, NwfilterRef, SecretRef, StoragePoolRef, StorageVolRef,
};
use base::{ErrorCode, ErrorDomain};
use std::any::Any;
use std::cell::UnsafeCell;
use std::ffi::{CString, c_void};
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Something a handle can stand for.
pub(crate) trait Object: Any + Send + Sync {
    /// Error for a pointer that is no such handle; no domain means that of the function.
    const INVALID: (ErrorCode, Option<ErrorDomain>);
}

/// A connection.
pub(crate) struct ConnectObj {
    pub(crate) drivers: DriverSet,
    pub(crate) session: Arc<dyn Session>,
    pub(crate) uri: String,
    pub(crate) read_only: bool,
    /// Text of `virConnectGetType`, asked for once.
    pub(crate) kind: Mutex<Option<CString>>,
    pub(crate) error: Mutex<Slot>,
    pub(crate) error_handler: Mutex<Handler>,
    pub(crate) callbacks: Arc<Callbacks>,
    pub(crate) identity: Arc<Identity>,
}

// SAFETY: the error structure behind the mutex is only handed out as a pointer, as the interface asks for.
unsafe impl Send for ConnectObj {}
// SAFETY: as above; everything else in it is shared safely.
unsafe impl Sync for ConnectObj {}

impl Object for ConnectObj {
    const INVALID: (ErrorCode, Option<ErrorDomain>) = (ErrorCode::INVALID_CONN, None);
}

impl fmt::Debug for ConnectObj {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectObj({})", self.uri)
    }
}

impl ConnectObj {
    pub(crate) fn new(backend: connect::Backend, uri: String, read_only: bool) -> ConnectObj {
        ConnectObj {
            drivers: backend.drivers,
            session: backend.session,
            uri,
            read_only,
            kind: Mutex::default(),
            error: Mutex::new(Slot(UnsafeCell::new(NONE))),
            error_handler: Mutex::new(Handler { function: None, data: std::ptr::null_mut() }),
            callbacks: Arc::default(),
            identity: Arc::default(),
        }
    }

    /// A call over this connection.
    pub(crate) fn call(&self) -> Call {
        self.call_with(Vec::new())
    }

    /// A call that takes descriptors along.
    pub(crate) fn call_with(&self, fds: Vec<OwnedFd>) -> Call {
        Call::new(ConnectionId(1), self.read_only, self.identity.clone(), fds)
    }
}

impl Drop for ConnectObj {
    fn drop(&mut self) {
        self.callbacks.end();
        self.session.close();
    }
}

/// A reference on a connection's handle.
pub(crate) struct ConnRef {
    object: Arc<ConnectObj>,
}

impl ConnRef {
    /// Takes one.
    pub(crate) fn new(object: &Arc<ConnectObj>) -> ConnRef {
        handle::retain(Arc::as_ptr(object) as *mut c_void);
        ConnRef { object: object.clone() }
    }

    /// The connection.
    pub(crate) fn get(&self) -> &Arc<ConnectObj> {
        &self.object
    }

    /// The handle that callers know it by.
    pub(crate) fn pointer(&self) -> *mut c_void {
        Arc::as_ptr(&self.object) as *mut c_void
    }
}

impl Clone for ConnRef {
    fn clone(&self) -> ConnRef {
        ConnRef::new(&self.object)
    }
}

impl Drop for ConnRef {
    fn drop(&mut self) {
        drop(handle::release(self.pointer()));
    }
}

impl fmt::Debug for ConnRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}

/// A kind of object that lives within a connection.
pub(crate) trait Reference: Clone + Send + Sync + 'static {
    const INVALID: (ErrorCode, ErrorDomain);
    /// The texts that getters lend out.
    fn texts(&self) -> Vec<&str>;
}

/// An object of a connection.
pub(crate) struct Item<R> {
    pub(crate) conn: ConnRef,
    reference: R,
    texts: Vec<CString>,
    /// Number of a running domain; nothing else has one.
    id: AtomicI32,
    /// A text that is asked for once and then lent out.
    pub(crate) late: Mutex<Option<CString>>,
    /// A handle lent out by a getter: the domain of a snapshot, the network of a port.
    owner: Mutex<Option<usize>>,
}

impl<R: Reference> Object for Item<R> {
    const INVALID: (ErrorCode, Option<ErrorDomain>) = (R::INVALID.0, Some(R::INVALID.1));
}

impl<R> fmt::Debug for Item<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item").field("conn", &self.conn).finish_non_exhaustive()
    }
}

impl<R> Drop for Item<R> {
    fn drop(&mut self) {
        if let Some(owner) = *self.owner.get_mut().unwrap_or_else(PoisonError::into_inner) {
            drop(handle::release(owner as *mut c_void));
        }
    }
}

impl<R: Reference> Item<R> {
    pub(crate) fn new(conn: &Arc<ConnectObj>, reference: R) -> Item<R> {
        let texts = reference.texts().iter().map(|text| CString::new(*text).unwrap_or_default()).collect();
        Item {
            conn: ConnRef::new(conn),
            reference,
            texts,
            id: AtomicI32::new(-1),
            late: Mutex::default(),
            owner: Mutex::default(),
        }
    }

    /// A text that the getter number `at` lends out.
    pub(crate) fn text(&self, at: usize) -> *const std::ffi::c_char {
        self.texts.get(at).map_or(std::ptr::null(), |text| text.as_ptr())
    }

    /// What drivers know it by.
    pub(crate) fn plain(&self) -> &R {
        &self.reference
    }

    /// The handle of what this belongs to, made once and lent out.
    pub(crate) fn owner<O: Reference>(&self, make: impl FnOnce() -> Item<O>) -> *mut c_void {
        let mut owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        *owner.get_or_insert_with(|| handle::make(Arc::new(make())) as usize) as *mut c_void
    }
}

/// A domain.
pub(crate) type DomainObj = Item<DomainRef>;

impl DomainObj {
    pub(crate) fn domain(conn: &Arc<ConnectObj>, reference: DomainRef) -> DomainObj {
        let id = reference.id;
        let item = Item::new(conn, reference);
        item.set_id(id);
        item
    }

    pub(crate) fn id(&self) -> i32 {
        let conn = self.conn.get();
        if conn.session.is_local()
            && let Ok(now) = conn.drivers.hypervisor.domain_lookup_by_uuid(&conn.call(), self.reference.uuid)
        {
            return now.id;
        }
        self.id.load(Ordering::Relaxed)
    }

    pub(crate) fn set_id(&self, id: i32) {
        self.id.store(id, Ordering::Relaxed);
    }

    /// The domain with its number as last seen.
    pub(crate) fn reference(&self) -> DomainRef {
        DomainRef { id: self.id(), ..self.reference.clone() }
    }
}

macro_rules! references {
    ($($name:ident = $reference:ident($code:ident, $domain:ident): $object:ident => [$($text:expr),*];)+) => {
        $(
            impl Reference for $reference {
                const INVALID: (ErrorCode, ErrorDomain) = (ErrorCode::$code, ErrorDomain::$domain);

                fn texts(&self) -> Vec<&str> {
                    let $object = self;
                    vec![$($text),*]
                }
            }
            references!(@alias $name $reference);
        )+
    };
    (@alias DomainObj $reference:ident) => {};
    (@alias $name:ident $reference:ident) => {
        /// An object of this kind.
        pub(crate) type $name = Item<$reference>;

        impl $name {
            /// What drivers know it by.
            pub(crate) fn reference(&self) -> $reference {
                self.reference.clone()
            }
        }
    };
}

references! {
    DomainObj = DomainRef(INVALID_DOMAIN, DOM): o => [&o.name];
    NetworkObj = NetworkRef(INVALID_NETWORK, NETWORK): o => [&o.name];
    NetworkPortObj = NetworkPortRef(INVALID_NETWORK_PORT, NETWORK): _o => [];
    InterfaceObj = InterfaceRef(INVALID_INTERFACE, INTERFACE): o => [&o.name, &o.mac];
    StoragePoolObj = StoragePoolRef(INVALID_STORAGE_POOL, STORAGE): o => [&o.name];
    StorageVolObj = StorageVolRef(INVALID_STORAGE_VOL, STORAGE): o => [&o.name, &o.key];
    NodeDeviceObj = NodeDeviceRef(INVALID_NODE_DEVICE, NODEDEV): o => [&o.name];
    SecretObj = SecretRef(INVALID_SECRET, SECRET): o => [&o.usage_id];
    NwfilterObj = NwfilterRef(INVALID_NWFILTER, NWFILTER): o => [&o.name];
    NwfilterBindingObj = NwfilterBindingRef(INVALID_NWFILTER_BINDING, NWFILTER): o => [&o.portdev, &o.filtername];
    DomainSnapshotObj = DomainSnapshotRef(INVALID_DOMAIN_SNAPSHOT, DOMAIN_SNAPSHOT): o => [&o.name];
    DomainCheckpointObj = DomainCheckpointRef(INVALID_DOMAIN_CHECKPOINT, DOMAIN_CHECKPOINT): o => [&o.name];
}

/// A handle for something a driver gave.
pub(crate) trait Wrap {
    /// Makes the handle.
    fn wrap(self, conn: &Arc<ConnectObj>) -> *mut c_void;
}

impl Wrap for DomainRef {
    fn wrap(self, conn: &Arc<ConnectObj>) -> *mut c_void {
        handle::make(Arc::new(DomainObj::domain(conn, self)))
    }
}

macro_rules! wrap {
    ($($reference:ident),+) => {
        $(impl Wrap for $reference {
            fn wrap(self, conn: &Arc<ConnectObj>) -> *mut c_void {
                handle::make(Arc::new(Item::new(conn, self)))
            }
        })+
    };
}
wrap!(
    NetworkRef,
    NetworkPortRef,
    InterfaceRef,
    StoragePoolRef,
    StorageVolRef,
    NodeDeviceRef,
    SecretRef,
    NwfilterRef,
    NwfilterBindingRef,
    DomainSnapshotRef,
    DomainCheckpointRef
);
