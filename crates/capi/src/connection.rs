//! Opening and closing connections, and what they say of themselves.

use crate::auth::Auth;
use crate::entry::enter;
use crate::event_loop;
use crate::handle;
use crate::memory::{self, put};
use crate::object::ConnectObj;
use crate::params::{self, VirTypedParameter};
use api::credential::Answerer;
use base::Result;
use std::ffi::{CString, c_char, c_int, c_uint, c_ulong, c_void};
use std::sync::{Arc, PoisonError};

/// Version of the interface.
const VERSION: c_ulong = 11_003_000;

const READ_ONLY: c_uint = 1;
const NO_ALIASES: c_uint = 2;

/// `virInitialize`
#[unsafe(no_mangle)]
pub extern "C" fn virInitialize() -> c_int {
    0
}

/// `virGetVersion`
#[unsafe(no_mangle)]
pub extern "C" fn virGetVersion(
    lib_ver: *mut c_ulong,
    _type: *const c_char,
    type_ver: *mut c_ulong,
) -> c_int {
    enter("virGetVersion", 0, -1, |e| {
        e.nonnull(lib_ver, "libVer")?;
        put(lib_ver, VERSION);
        put(type_ver, VERSION);
        Ok(0)
    })
}

fn open(name: *const c_char, flags: c_uint, auth: *mut Auth) -> Result<*mut c_void> {
    let name = memory::read_optional(name);
    let read_only = flags & READ_ONLY != 0;
    // SAFETY: by the contract NULL or a structure that is valid during the call.
    let answerer = unsafe { auth.as_ref() }.map(|auth| auth as &dyn Answerer);
    let options = connect::Options { read_only, no_aliases: flags & NO_ALIASES != 0, answerer };
    let backend = connect::open(name.as_deref(), options)?;
    let uri = backend.uri.clone();
    let conn = Arc::new(ConnectObj::new(backend, uri, read_only));
    conn.callbacks.listen(&conn);
    if let Some(own) = event_loop::current() {
        conn.session.attach(own);
    }
    Ok(handle::make(conn))
}

/// `virConnectOpen`
#[unsafe(no_mangle)]
pub extern "C" fn virConnectOpen(name: *const c_char) -> *mut c_void {
    enter("virConnectOpen", 0, std::ptr::null_mut(), |_| open(name, 0, std::ptr::null_mut()))
}

/// `virConnectOpenReadOnly`
#[unsafe(no_mangle)]
pub extern "C" fn virConnectOpenReadOnly(name: *const c_char) -> *mut c_void {
    enter("virConnectOpenReadOnly", 0, std::ptr::null_mut(), |_| open(name, READ_ONLY, std::ptr::null_mut()))
}

/// `virConnectOpenAuth`
#[unsafe(no_mangle)]
pub extern "C" fn virConnectOpenAuth(name: *const c_char, auth: *mut Auth, flags: c_uint) -> *mut c_void {
    enter("virConnectOpenAuth", 0, std::ptr::null_mut(), |_| open(name, flags, auth))
}

/// `virConnectRef`
#[unsafe(no_mangle)]
pub extern "C" fn virConnectRef(conn: *mut c_void) -> c_int {
    enter("virConnectRef", 20, -1, |e| {
        e.conn(conn)?;
        handle::retain(conn);
        Ok(0)
    })
}

/// `virConnectClose`: how many references are left.
#[unsafe(no_mangle)]
pub extern "C" fn virConnectClose(conn: *mut c_void) -> c_int {
    enter("virConnectClose", 0, -1, |e| {
        drop(e.other::<ConnectObj>(conn)?);
        let (left, object) = handle::release(conn).unwrap_or((0, None));
        drop(object);
        Ok(left as c_int)
    })
}

/// `virConnectGetURI`
#[unsafe(no_mangle)]
pub extern "C" fn virConnectGetURI(conn: *mut c_void) -> *mut c_char {
    enter("virConnectGetURI", 20, std::ptr::null_mut(), |e| memory::text(&e.conn(conn)?.uri))
}

/// `virConnectGetType`; lent out by the connection
#[unsafe(no_mangle)]
pub extern "C" fn virConnectGetType(conn: *mut c_void) -> *const c_char {
    enter("virConnectGetType", 20, std::ptr::null(), |e| {
        let conn = e.conn(conn)?;
        let mut kind = conn.kind.lock().unwrap_or_else(PoisonError::into_inner);
        if kind.is_none() {
            let text = conn.drivers.hypervisor.connect_get_type(&conn.call())?;
            *kind = Some(CString::new(text).unwrap_or_default());
        }
        Ok(kind.as_ref().map_or(std::ptr::null(), |text| text.as_ptr()))
    })
}

/// `virConnectIsAlive`
#[unsafe(no_mangle)]
pub extern "C" fn virConnectIsAlive(conn: *mut c_void) -> c_int {
    enter("virConnectIsAlive", 20, -1, |e| Ok(c_int::from(e.conn(conn)?.session.is_alive()?)))
}

/// `virConnectIsSecure`
#[unsafe(no_mangle)]
pub extern "C" fn virConnectIsSecure(conn: *mut c_void) -> c_int {
    enter("virConnectIsSecure", 20, -1, |e| Ok(c_int::from(e.conn(conn)?.session.is_secure()?)))
}

/// `virConnectIsEncrypted`
#[unsafe(no_mangle)]
pub extern "C" fn virConnectIsEncrypted(conn: *mut c_void) -> c_int {
    enter("virConnectIsEncrypted", 20, -1, |e| Ok(c_int::from(e.conn(conn)?.session.is_encrypted()?)))
}

/// `virConnectSetKeepAlive`: 1 when the other side knows none.
#[unsafe(no_mangle)]
pub extern "C" fn virConnectSetKeepAlive(conn: *mut c_void, interval: c_int, count: c_uint) -> c_int {
    enter("virConnectSetKeepAlive", 20, -1, |e| {
        let known = e.conn(conn)?.session.set_keepalive(interval, count)?;
        Ok(c_int::from(!known))
    })
}

/// `virConnectSetIdentity`
#[unsafe(no_mangle)]
pub extern "C" fn virConnectSetIdentity(
    conn: *mut c_void,
    params: *mut VirTypedParameter,
    nparams: c_int,
    flags: c_uint,
) -> c_int {
    enter("virConnectSetIdentity", 20, -1, |e| {
        let conn = e.conn(conn)?;
        e.writable()?;
        conn.session.set_identity(&params::read(params, nparams)?, flags)?;
        Ok(0)
    })
}
