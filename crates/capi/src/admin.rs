//! The administration interface, which `libvirt-admin.so.0` passes on.

use crate::callbacks::Generic;
use crate::entry::{Entry, entries};
use crate::event_loop::{self, FreeCallback, Opaque, Owned};
use crate::handle;
use crate::memory::{self, put};
use crate::object::Object;
use crate::params::{self, VirTypedParameter};
use api::admin::{Client, Server};
use api::{Admin, Call, Session};
use base::{Error, ErrorCode, ErrorDomain, Result};
use driver_remote::Remote;
use std::ffi::{CString, c_char, c_int, c_longlong, c_uint, c_ulonglong, c_void};
use std::sync::{Arc, Mutex, PoisonError};

type Ptr = *mut c_void;
const NULL: Ptr = std::ptr::null_mut();

struct Closing {
    function: Generic,
    data: Arc<Owned>,
}

/// A connection to a daemon's administration interface.
pub(crate) struct AdmConnect {
    remote: Arc<Remote>,
    uri: String,
    closing: Arc<Mutex<Option<Closing>>>,
}

impl Object for AdmConnect {
    const INVALID: (ErrorCode, Option<ErrorDomain>) = (ErrorCode::INVALID_CONN, Some(ErrorDomain::ADMIN));
}

/// A reference on such a connection.
struct AdmRef(Arc<AdmConnect>);

impl AdmRef {
    fn new(conn: &Arc<AdmConnect>) -> AdmRef {
        handle::retain(Arc::as_ptr(conn) as Ptr);
        AdmRef(conn.clone())
    }
}

impl Drop for AdmRef {
    fn drop(&mut self) {
        drop(handle::release(Arc::as_ptr(&self.0) as Ptr));
    }
}

/// A server of the daemon.
pub(crate) struct AdmServer {
    conn: AdmRef,
    server: Server,
    name: CString,
}

impl Object for AdmServer {
    const INVALID: (ErrorCode, Option<ErrorDomain>) = (ErrorCode::INVALID_CONN, Some(ErrorDomain::ADMIN));
}

/// A client of a server.
pub(crate) struct AdmClient {
    conn: AdmRef,
    client: Client,
}

impl Object for AdmClient {
    const INVALID: (ErrorCode, Option<ErrorDomain>) = (ErrorCode::INVALID_CONN, Some(ErrorDomain::ADMIN));
}

fn server_handle(conn: &Arc<AdmConnect>, server: Server) -> Ptr {
    let name = CString::new(server.name.as_str()).unwrap_or_default();
    handle::make(Arc::new(AdmServer { conn: AdmRef::new(conn), server, name }))
}

fn client_handle(conn: &Arc<AdmConnect>, client: Client) -> Ptr {
    handle::make(Arc::new(AdmClient { conn: AdmRef::new(conn), client }))
}

fn connection(e: &mut Entry, conn: Ptr) -> Result<Arc<AdmConnect>> {
    e.other::<AdmConnect>(conn)
}

fn server(e: &mut Entry, server: Ptr) -> Result<Arc<AdmServer>> {
    e.other::<AdmServer>(server)
}

fn client(e: &mut Entry, client: Ptr) -> Result<Arc<AdmClient>> {
    e.other::<AdmClient>(client)
}

fn call() -> Call {
    Call::internal()
}

fn free<T: Object>(e: &mut Entry, object: Ptr) -> Result<c_int> {
    drop(e.other::<T>(object)?);
    drop(handle::release(object));
    Ok(0)
}

entries! {
    private
    62, -1 => fn virAdmInitialize() -> c_int |_e| { Ok(0) }
    62, -1 => fn virAdmGetVersion(lib_ver: *mut c_ulonglong) -> c_int |e| {
        e.nonnull(lib_ver, "libVer")?;
        put(lib_ver, 11_003_000);
        Ok(0)
    }
    62, NULL => fn virAdmConnectOpen(name: *const c_char, flags: c_uint) -> Ptr |_e| {
        let (remote, uri) = connect::open_admin(memory::read_optional(name).as_deref())?;
        remote.connect_open(&call(), flags & !2)?;
        if let Some(own) = event_loop::current() {
            remote.attach(own);
        }
        Ok(handle::make(Arc::new(AdmConnect { remote, uri, closing: Arc::default() })))
    }
    62, -1 => fn virAdmConnectRef(conn: Ptr) -> c_int |e| {
        connection(e, conn)?;
        handle::retain(conn);
        Ok(0)
    }
    62, -1 => fn virAdmConnectClose(conn: Ptr) -> c_int |e| {
        drop(connection(e, conn)?);
        let (left, object) = handle::release(conn).unwrap_or((0, None));
        drop(object);
        Ok(left as c_int)
    }
    62, std::ptr::null_mut() => fn virAdmConnectGetURI(conn: Ptr) -> *mut c_char |e| {
        memory::text(&connection(e, conn)?.uri)
    }
    62, -1 => fn virAdmConnectIsAlive(conn: Ptr) -> c_int |e| {
        Ok(c_int::from(connection(e, conn)?.remote.is_alive()?))
    }
    62, -1 => fn virAdmConnectGetLibVersion(conn: Ptr, lib_ver: *mut c_ulonglong) -> c_int |e| {
        let conn = connection(e, conn)?;
        e.nonnull(lib_ver, "libVer")?;
        put(lib_ver, conn.remote.connect_get_lib_version(&call())?);
        Ok(0)
    }
    62, -1 => fn virAdmConnectRegisterCloseCallback(conn: Ptr, cb: Generic, opaque: Ptr, freecb: FreeCallback) -> c_int |e| {
        let conn = connection(e, conn)?;
        e.present(cb.is_some(), "cb")?;
        let mut closing = conn.closing.lock().unwrap_or_else(PoisonError::into_inner);
        if closing.is_some() {
            return Err(Error::operation_invalid(e.domain, "A close callback is already registered"));
        }
        *closing = Some(Closing { function: cb, data: Arc::new(Owned { data: Opaque(opaque), free: freecb }) });
        drop(closing);
        let (slot, pointer) = (conn.closing.clone(), Opaque(Arc::as_ptr(&conn) as Ptr));
        conn.remote.on_close(Arc::new(move |reason| {
            let pointer = &pointer;
            let found = slot.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|c| (c.function, c.data.clone()));
            if let Some((Some(function), data)) = found {
                // SAFETY: the caller's function, registered as one of this type.
                let function: unsafe extern "C" fn(Ptr, c_int, Ptr) = unsafe { std::mem::transmute(function) };
                // SAFETY: as above.
                unsafe { function(pointer.0, reason as c_int, data.data.0) };
            }
        }));
        Ok(0)
    }
    62, -1 => fn virAdmConnectUnregisterCloseCallback(conn: Ptr, cb: Generic) -> c_int |e| {
        let conn = connection(e, conn)?;
        e.present(cb.is_some(), "cb")?;
        let mut closing = conn.closing.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |c: &Closing| c.function.map(|f| f as usize) == cb.map(|f| f as usize);
        if !closing.as_ref().is_some_and(same) {
            return Err(Error::operation_invalid(e.domain, "A different callback was requested"));
        }
        let gone = closing.take();
        drop(closing);
        drop(gone);
        Ok(0)
    }
    62, -1 => fn virAdmConnectListServers(conn: Ptr, target: *mut *mut Ptr, flags: c_uint) -> c_int |e| {
        let conn = connection(e, conn)?;
        let ret = conn.remote.connect_list_servers(&call(), c_uint::from(!target.is_null()), flags)?;
        if target.is_null() {
            return Ok(ret.ret as c_int);
        }
        let items: Vec<Ptr> = ret.servers.into_iter().map(|server| server_handle(&conn, server)).collect();
        put(target, memory::array(&items)?);
        Ok(items.len() as c_int)
    }
    62, NULL => fn virAdmConnectLookupServer(conn: Ptr, name: *const c_char, flags: c_uint) -> Ptr |e| {
        let conn = connection(e, conn)?;
        e.nonnull(name, "name")?;
        let server = conn.remote.connect_lookup_server(&call(), &memory::read(name), flags)?;
        Ok(server_handle(&conn, server))
    }
    62, -1 => fn virAdmConnectGetLoggingOutputs(conn: Ptr, target: *mut *mut c_char, flags: c_uint) -> c_int |e| {
        let conn = connection(e, conn)?;
        e.nonnull(target, "outputs")?;
        let ret = conn.remote.connect_get_logging_outputs(&call(), flags)?;
        put(target, memory::text(&ret.outputs)?);
        Ok(ret.noutputs as c_int)
    }
    62, -1 => fn virAdmConnectGetLoggingFilters(conn: Ptr, target: *mut *mut c_char, flags: c_uint) -> c_int |e| {
        let conn = connection(e, conn)?;
        e.nonnull(target, "filters")?;
        let ret = conn.remote.connect_get_logging_filters(&call(), flags)?;
        put(target, memory::optional_text(ret.filters.as_deref())?);
        Ok(ret.nfilters as c_int)
    }
    62, -1 => fn virAdmConnectSetLoggingOutputs(conn: Ptr, outputs: *const c_char, flags: c_uint) -> c_int |e| {
        let conn = connection(e, conn)?;
        conn.remote.connect_set_logging_outputs(&call(), memory::read_optional(outputs).as_deref(), flags)?;
        Ok(0)
    }
    62, -1 => fn virAdmConnectSetLoggingFilters(conn: Ptr, filters: *const c_char, flags: c_uint) -> c_int |e| {
        let conn = connection(e, conn)?;
        conn.remote.connect_set_logging_filters(&call(), memory::read_optional(filters).as_deref(), flags)?;
        Ok(0)
    }
    62, -1 => fn virAdmConnectSetDaemonTimeout(conn: Ptr, timeout: c_uint, flags: c_uint) -> c_int |e| {
        connection(e, conn)?.remote.connect_set_daemon_timeout(&call(), timeout, flags)?;
        Ok(0)
    }
    62, -1 => fn virAdmConnectDaemonShutdown(conn: Ptr, flags: c_uint) -> c_int |e| {
        connection(e, conn)?.remote.connect_daemon_shutdown(&call(), flags)?;
        Ok(0)
    }
    62, -1 => fn virAdmServerFree(srv: Ptr) -> c_int |e| { free::<AdmServer>(e, srv) }
    62, std::ptr::null() => fn virAdmServerGetName(srv: Ptr) -> *const c_char |e| { Ok(server(e, srv)?.name.as_ptr()) }
    62, -1 => fn virAdmServerGetThreadPoolParameters(srv: Ptr, target: *mut *mut VirTypedParameter, nparams: *mut c_int, flags: c_uint) -> c_int |e| {
        let srv = server(e, srv)?;
        e.nonnull(target, "params")?;
        e.nonnull(nparams, "nparams")?;
        let list = srv.conn.0.remote.server_get_threadpool_parameters(&call(), &srv.server, flags)?;
        params::give(&list, target, nparams)?;
        Ok(0)
    }
    62, -1 => fn virAdmServerSetThreadPoolParameters(srv: Ptr, list: *mut VirTypedParameter, nparams: c_int, flags: c_uint) -> c_int |e| {
        let srv = server(e, srv)?;
        e.nonnull(list, "params")?;
        e.nonnegative(i128::from(nparams), "nparams")?;
        srv.conn.0.remote.server_set_threadpool_parameters(&call(), &srv.server, &params::read(list, nparams)?, flags)?;
        Ok(0)
    }
    62, -1 => fn virAdmServerGetClientLimits(srv: Ptr, target: *mut *mut VirTypedParameter, nparams: *mut c_int, flags: c_uint) -> c_int |e| {
        let srv = server(e, srv)?;
        e.nonnull(target, "params")?;
        e.nonnull(nparams, "nparams")?;
        let list = srv.conn.0.remote.server_get_client_limits(&call(), &srv.server, flags)?;
        params::give(&list, target, nparams)?;
        Ok(0)
    }
    62, -1 => fn virAdmServerSetClientLimits(srv: Ptr, list: *mut VirTypedParameter, nparams: c_int, flags: c_uint) -> c_int |e| {
        let srv = server(e, srv)?;
        e.nonnull(list, "params")?;
        e.nonnegative(i128::from(nparams), "nparams")?;
        srv.conn.0.remote.server_set_client_limits(&call(), &srv.server, &params::read(list, nparams)?, flags)?;
        Ok(0)
    }
    62, -1 => fn virAdmServerUpdateTlsFiles(srv: Ptr, flags: c_uint) -> c_int |e| {
        let srv = server(e, srv)?;
        srv.conn.0.remote.server_update_tls_files(&call(), &srv.server, flags)?;
        Ok(0)
    }
    62, -1 => fn virAdmServerListClients(srv: Ptr, target: *mut *mut Ptr, flags: c_uint) -> c_int |e| {
        let srv = server(e, srv)?;
        let conn = &srv.conn.0;
        let ret = conn.remote.server_list_clients(&call(), &srv.server, c_uint::from(!target.is_null()), flags)?;
        if target.is_null() {
            return Ok(ret.ret as c_int);
        }
        let items: Vec<Ptr> = ret.clients.into_iter().map(|client| client_handle(conn, client)).collect();
        put(target, memory::array(&items)?);
        Ok(items.len() as c_int)
    }
    62, NULL => fn virAdmServerLookupClient(srv: Ptr, id: c_ulonglong, flags: c_uint) -> Ptr |e| {
        let srv = server(e, srv)?;
        let client = srv.conn.0.remote.server_lookup_client(&call(), &srv.server, id, flags)?;
        Ok(client_handle(&srv.conn.0, client))
    }
    62, -1 => fn virAdmClientFree(clnt: Ptr) -> c_int |e| { free::<AdmClient>(e, clnt) }
    62, c_ulonglong::MAX => fn virAdmClientGetID(clnt: Ptr) -> c_ulonglong |e| { Ok(client(e, clnt)?.client.id) }
    62, -1 => fn virAdmClientGetTimestamp(clnt: Ptr) -> c_longlong |e| { Ok(client(e, clnt)?.client.timestamp) }
    62, -1 => fn virAdmClientGetTransport(clnt: Ptr) -> c_int |e| { Ok(client(e, clnt)?.client.transport as c_int) }
    62, -1 => fn virAdmClientGetInfo(clnt: Ptr, target: *mut *mut VirTypedParameter, nparams: *mut c_int, flags: c_uint) -> c_int |e| {
        let clnt = client(e, clnt)?;
        e.nonnull(target, "params")?;
        e.nonnull(nparams, "nparams")?;
        let list = clnt.conn.0.remote.client_get_info(&call(), &clnt.client, flags)?;
        params::give(&list, target, nparams)?;
        Ok(0)
    }
    62, -1 => fn virAdmClientClose(clnt: Ptr, flags: c_uint) -> c_int |e| {
        let clnt = client(e, clnt)?;
        clnt.conn.0.remote.client_close(&call(), &clnt.client, flags)?;
        Ok(0)
    }
}
