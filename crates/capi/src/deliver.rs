//! Calling a caller's function with an event, in the form that the function's kind has.

use crate::callbacks::Generic;
use crate::handle;
use crate::object::{ConnRef, Wrap};
use crate::params;
use api::event::{DomainEventGraphicsAddress, Event};
use base::param::TypedParam;
use std::ffi::{CString, c_char, c_int, c_longlong, c_uint, c_ulonglong, c_void};

type Ptr = *mut c_void;

/// `struct _virDomainEventGraphicsAddress`
#[repr(C)]
struct Address {
    family: c_int,
    node: *const c_char,
    service: *const c_char,
}

/// `struct _virDomainEventGraphicsSubjectIdentity`
#[repr(C)]
struct Identity {
    kind: *const c_char,
    name: *const c_char,
}

/// `struct _virDomainEventGraphicsSubject`
#[repr(C)]
struct Subject {
    count: c_int,
    identities: *const Identity,
}

fn text(value: &str) -> CString {
    CString::new(value).unwrap_or_default()
}

fn optional(value: Option<&String>) -> Option<CString> {
    value.map(|value| text(value))
}

fn pointer(value: Option<&CString>) -> *const c_char {
    value.map_or(std::ptr::null(), |value| value.as_ptr())
}

/// Calls the function as one with these parameters.
macro_rules! call {
    ($function:expr, $data:expr, $($value:expr => $type:ty),+) => {{
        // SAFETY: the number of the event says what type the function has; the caller promised it by registering.
        let function: unsafe extern "C" fn($($type,)+ Ptr) = unsafe { std::mem::transmute($function) };
        // SAFETY: as above; what the pointers lead to lives until the function returns.
        unsafe { function($($value,)+ $data) }
    }};
}

/// A handle that lives while a function is called.
struct Lent(Ptr);

impl Drop for Lent {
    fn drop(&mut self) {
        drop(handle::release(self.0));
    }
}

fn params_call(list: &[TypedParam], run: impl FnOnce(*mut params::VirTypedParameter, c_int)) {
    if let Ok(array) = params::array(list) {
        // The function owns the array: bindings free it.
        run(array, list.len() as c_int);
        params::virTypedParamsFree(array, list.len() as c_int);
    }
}

/// Hands an event to a function.
pub(crate) fn event(event: &Event, conn: &ConnRef, function: Generic, data: Ptr) {
    let Some(f) = function else { return };
    let c = conn.pointer();
    let object = match event {
        _ if event.domain().is_some() => event.domain().cloned().map(|o| o.wrap(conn.get())),
        _ if event.network().is_some() => event.network().cloned().map(|o| o.wrap(conn.get())),
        _ if event.storage_pool().is_some() => event.storage_pool().cloned().map(|o| o.wrap(conn.get())),
        _ if event.node_device().is_some() => event.node_device().cloned().map(|o| o.wrap(conn.get())),
        _ => event.secret().cloned().map(|o| o.wrap(conn.get())),
    };
    let Some(object) = object.map(Lent) else { return };
    let o = object.0;
    match event {
        Event::DomainLifecycle(m) => two(f, data, c, o, m.event, m.detail),
        Event::NetworkLifecycle(m) => two(f, data, c, o, m.event, m.detail),
        Event::StoragePoolLifecycle(m) => two(f, data, c, o, m.event, m.detail),
        Event::NodeDeviceLifecycle(m) => two(f, data, c, o, m.event, m.detail),
        Event::SecretLifecycle(m) => two(f, data, c, o, m.event, m.detail),
        Event::DomainAgentLifecycle(m) => two(f, data, c, o, m.state, m.reason),
        Event::DomainReboot(_)
        | Event::DomainControlError(_)
        | Event::StoragePoolRefresh(_)
        | Event::NodeDeviceUpdate(_)
        | Event::SecretValueChanged(_) => call!(f, data, c => Ptr, o => Ptr),
        Event::DomainRtcChange(m) => call!(f, data, c => Ptr, o => Ptr, m.offset => c_longlong),
        Event::DomainWatchdog(m) => one(f, data, c, o, m.action),
        Event::DomainPmwakeup(_) | Event::DomainPmsuspend(_) | Event::DomainPmsuspendDisk(_) => {
            one(f, data, c, o, 0);
        }
        Event::DomainMigrationIteration(m) => one(f, data, c, o, m.iteration),
        Event::DomainIoError(m) => {
            let (src, alias) = (text(&m.src_path), text(&m.dev_alias));
            call!(f, data, c => Ptr, o => Ptr, src.as_ptr() => *const c_char, alias.as_ptr() => *const c_char, m.action => c_int);
        }
        Event::DomainIoErrorReason(m) => {
            let (src, alias, reason) = (text(&m.src_path), text(&m.dev_alias), text(&m.reason));
            call!(f, data, c => Ptr, o => Ptr, src.as_ptr() => *const c_char, alias.as_ptr() => *const c_char,
                m.action => c_int, reason.as_ptr() => *const c_char);
        }
        Event::DomainGraphics(m) => {
            let address = |a: &DomainEventGraphicsAddress| (a.family, text(&a.node), text(&a.service));
            let (local, remote, scheme) = (address(&m.local), address(&m.remote), text(&m.auth_scheme));
            let plain = |a: &(i32, CString, CString)| Address {
                family: a.0,
                node: a.1.as_ptr(),
                service: a.2.as_ptr(),
            };
            let (local, remote) = (plain(&local), plain(&remote));
            let names: Vec<_> = m.subject.iter().map(|s| (text(&s.type_), text(&s.name))).collect();
            let list: Vec<_> =
                names.iter().map(|n| Identity { kind: n.0.as_ptr(), name: n.1.as_ptr() }).collect();
            let subject = Subject { count: list.len() as c_int, identities: list.as_ptr() };
            call!(f, data, c => Ptr, o => Ptr, m.phase => c_int, &raw const local => *const Address,
                &raw const remote => *const Address, scheme.as_ptr() => *const c_char, &raw const subject => *const Subject);
        }
        Event::DomainBlockJob(m) => {
            let path = text(&m.path);
            call!(f, data, c => Ptr, o => Ptr, path.as_ptr() => *const c_char, m.type_ => c_int, m.status => c_int);
        }
        Event::DomainBlockJob2(m) => {
            let path = text(&m.dst);
            call!(f, data, c => Ptr, o => Ptr, path.as_ptr() => *const c_char, m.type_ => c_int, m.status => c_int);
        }
        Event::DomainDiskChange(m) => {
            let (old, new) = (optional(m.old_src_path.as_ref()), optional(m.new_src_path.as_ref()));
            let alias = text(&m.dev_alias);
            call!(f, data, c => Ptr, o => Ptr, pointer(old.as_ref()) => *const c_char, pointer(new.as_ref()) => *const c_char,
                alias.as_ptr() => *const c_char, m.reason => c_int);
        }
        Event::DomainTrayChange(m) => {
            let alias = text(&m.dev_alias);
            call!(f, data, c => Ptr, o => Ptr, alias.as_ptr() => *const c_char, m.reason => c_int);
        }
        Event::DomainBalloonChange(m) => call!(f, data, c => Ptr, o => Ptr, m.actual => c_ulonglong),
        Event::DomainDeviceRemoved(m) => alias(f, data, c, o, &m.dev_alias),
        Event::DomainDeviceAdded(m) => alias(f, data, c, o, &m.dev_alias),
        Event::DomainDeviceRemovalFailed(m) => alias(f, data, c, o, &m.dev_alias),
        Event::DomainTunable(m) => params_call(&m.params, |list, count| {
            call!(f, data, c => Ptr, o => Ptr, list => *mut params::VirTypedParameter, count => c_int);
        }),
        Event::DomainJobCompleted(m) => params_call(&m.params, |list, count| {
            call!(f, data, c => Ptr, o => Ptr, list => *mut params::VirTypedParameter, count => c_int);
        }),
        Event::DomainMetadataChange(m) => {
            let uri = optional(m.nsuri.as_ref());
            call!(f, data, c => Ptr, o => Ptr, m.type_ => c_int, pointer(uri.as_ref()) => *const c_char);
        }
        Event::NetworkMetadataChange(m) => {
            let uri = optional(m.nsuri.as_ref());
            call!(f, data, c => Ptr, o => Ptr, m.type_ => c_int, pointer(uri.as_ref()) => *const c_char);
        }
        Event::DomainBlockThreshold(m) => {
            let (dev, path) = (text(&m.dev), optional(m.path.as_ref()));
            call!(f, data, c => Ptr, o => Ptr, dev.as_ptr() => *const c_char, pointer(path.as_ref()) => *const c_char,
                m.threshold => c_ulonglong, m.excess => c_ulonglong);
        }
        Event::DomainMemoryFailure(m) => {
            call!(f, data, c => Ptr, o => Ptr, m.recipient => c_int, m.action => c_int, m.flags => c_uint);
        }
        Event::DomainMemoryDeviceSizeChange(m) => {
            let alias = text(&m.alias);
            call!(f, data, c => Ptr, o => Ptr, alias.as_ptr() => *const c_char, m.size => c_ulonglong);
        }
        Event::DomainNicMacChange(m) => {
            let (alias, old, new) = (text(&m.alias), text(&m.old_mac), text(&m.new_mac));
            call!(f, data, c => Ptr, o => Ptr, alias.as_ptr() => *const c_char, old.as_ptr() => *const c_char,
                new.as_ptr() => *const c_char);
        }
        Event::DomainMonitor(m) => {
            let (name, details) = (text(&m.event), optional(m.details.as_ref()));
            call!(f, data, c => Ptr, o => Ptr, name.as_ptr() => *const c_char, m.seconds => c_longlong,
                m.micros => c_uint, pointer(details.as_ref()) => *const c_char);
        }
    }
}

fn one(f: unsafe extern "C" fn(), data: Ptr, c: Ptr, o: Ptr, a: c_int) {
    call!(f, data, c => Ptr, o => Ptr, a => c_int);
}

fn two(f: unsafe extern "C" fn(), data: Ptr, c: Ptr, o: Ptr, a: c_int, b: c_int) {
    call!(f, data, c => Ptr, o => Ptr, a => c_int, b => c_int);
}

fn alias(f: unsafe extern "C" fn(), data: Ptr, c: Ptr, o: Ptr, alias: &str) {
    let alias = text(alias);
    call!(f, data, c => Ptr, o => Ptr, alias.as_ptr() => *const c_char);
}
