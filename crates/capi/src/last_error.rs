//! The last error: of each thread, of each connection, and the functions that hear of errors.
//!
//! Every entry forgets the thread's last error when it begins and sets it when it fails. The texts of an error are C
//! strings that `virResetError` frees, wherever the structure lies.

use crate::memory;
use crate::object::ConnectObj;
use base::error::Fields;
use base::{Error, ErrorCode, ErrorDomain};
use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int, c_void};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// `struct _virError`.
#[repr(C)]
#[derive(Debug)]
pub struct VirError {
    code: c_int,
    domain: c_int,
    message: *mut c_char,
    level: c_int,
    conn: *mut c_void,
    dom: *mut c_void,
    str1: *mut c_char,
    str2: *mut c_char,
    str3: *mut c_char,
    int1: c_int,
    int2: c_int,
    net: *mut c_void,
}

/// `virErrorFunc`.
pub(crate) type ErrorFunc = Option<unsafe extern "C" fn(*mut c_void, *mut VirError)>;

/// A function that hears of errors, with what it was registered with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handler {
    pub(crate) function: ErrorFunc,
    pub(crate) data: *mut c_void,
}

// SAFETY: the pointer is only handed back to the function it came with.
unsafe impl Send for Handler {}

static HANDLER: Mutex<Handler> = Mutex::new(Handler { function: None, data: std::ptr::null_mut() });

/// A zeroed structure, which is what "no error" looks like.
pub(crate) const NONE: VirError = VirError {
    code: 0,
    domain: 0,
    message: std::ptr::null_mut(),
    level: 0,
    conn: std::ptr::null_mut(),
    dom: std::ptr::null_mut(),
    str1: std::ptr::null_mut(),
    str2: std::ptr::null_mut(),
    str3: std::ptr::null_mut(),
    int1: 0,
    int2: 0,
    net: std::ptr::null_mut(),
};

/// An error structure that frees its texts.
#[derive(Debug)]
pub(crate) struct Slot(pub(crate) UnsafeCell<VirError>);

impl Drop for Slot {
    fn drop(&mut self) {
        clear(self.0.get_mut());
    }
}

thread_local! {
    static LAST: Slot = const { Slot(UnsafeCell::new(NONE)) };
}

/// Runs `action` with this thread's last error; nothing when the thread is already ending.
fn last<T>(action: impl FnOnce(*mut VirError) -> T) -> Option<T> {
    LAST.try_with(|slot| action(slot.0.get())).ok()
}

fn copy(text: Option<&str>) -> *mut c_char {
    memory::optional_text(text).unwrap_or(std::ptr::null_mut())
}

/// Frees the texts and forgets the rest.
pub(crate) fn clear(error: &mut VirError) {
    for text in [error.message, error.str1, error.str2, error.str3] {
        memory::free(text);
    }
    *error = NONE;
}

fn fill(target: &mut VirError, error: &Error) {
    clear(target);
    let Fields { code, domain, level, message, str1, str2, str3, int1, int2 } = error.fields();
    target.code = code.0;
    target.domain = domain.0;
    target.level = *level as c_int;
    target.message = copy(Some(message));
    target.str1 = copy(str1.as_deref());
    target.str2 = copy(str2.as_deref());
    target.str3 = copy(str3.as_deref());
    target.int1 = *int1;
    target.int2 = *int2;
}

fn duplicate(from: &VirError, to: &mut VirError) {
    clear(to);
    let text = |text: *mut c_char| copy(memory::read_optional(text).as_deref());
    *to = VirError {
        message: text(from.message),
        str1: text(from.str1),
        str2: text(from.str2),
        str3: text(from.str3),
        ..*from
    };
}

/// Forgets this thread's last error.
pub(crate) fn reset() {
    // SAFETY: the slot is this thread's own and nothing else refers to it now.
    last(|error| clear(unsafe { &mut *error }));
}

/// Sets this thread's last error, and that of the connection, and tells who wants to hear.
pub(crate) fn set(error: &Error, conn: Option<&Arc<ConnectObj>>) {
    // SAFETY: the slot is this thread's own; the reference ends before anything is called.
    last(|slot| fill(unsafe { &mut *slot }, error));
    let mut handler = *HANDLER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(conn) = conn {
        let mut own = conn.error.lock().unwrap_or_else(PoisonError::into_inner);
        fill(own.0.get_mut(), error);
        drop(own);
        let of_conn = *conn.error_handler.lock().unwrap_or_else(PoisonError::into_inner);
        if of_conn.function.is_some() {
            handler = of_conn;
        }
    }
    last(|slot| match handler.function {
        // SAFETY: the function and its data were registered together; the structure outlives the call.
        Some(function) => unsafe { function(handler.data, slot) },
        None => virDefaultErrorFunc(slot),
    });
}

/// The structure to hand out, NULL when there was no error.
fn current() -> *mut VirError {
    // SAFETY: the slot is this thread's own.
    let shown =
        |error: *mut VirError| unsafe { if (*error).code == 0 { std::ptr::null_mut() } else { error } };
    last(shown).unwrap_or(std::ptr::null_mut())
}

/// `virGetLastError`
#[unsafe(no_mangle)]
pub extern "C" fn virGetLastError() -> *mut VirError {
    current()
}

/// `virGetLastErrorCode`
#[unsafe(no_mangle)]
pub extern "C" fn virGetLastErrorCode() -> c_int {
    // SAFETY: the slot is this thread's own.
    last(|error| unsafe { (*error).code }).unwrap_or(0)
}

/// `virGetLastErrorDomain`
#[unsafe(no_mangle)]
pub extern "C" fn virGetLastErrorDomain() -> c_int {
    // SAFETY: the slot is this thread's own.
    last(|error| unsafe { (*error).domain }).unwrap_or(0)
}

/// `virGetLastErrorMessage`
#[unsafe(no_mangle)]
pub extern "C" fn virGetLastErrorMessage() -> *const c_char {
    // SAFETY: the slot is this thread's own.
    last(|error| unsafe {
        match ((*error).code, (*error).message) {
            (0, _) => c"no error".as_ptr(),
            (_, message) if message.is_null() => c"unknown error".as_ptr(),
            (_, message) => message.cast_const(),
        }
    })
    .unwrap_or(c"no error".as_ptr())
}

/// `virResetLastError`
#[unsafe(no_mangle)]
pub extern "C" fn virResetLastError() {
    reset();
}

/// `virResetError`
#[unsafe(no_mangle)]
pub extern "C" fn virResetError(err: *mut VirError) {
    // SAFETY: by the contract a structure of the caller's, or one that was handed out here.
    if let Some(error) = unsafe { err.as_mut() } {
        clear(error);
    }
}

/// `virFreeError`
#[unsafe(no_mangle)]
pub extern "C" fn virFreeError(err: *mut VirError) {
    virResetError(err);
    memory::free(err);
}

/// `virSaveLastError`
#[unsafe(no_mangle)]
pub extern "C" fn virSaveLastError() -> *mut VirError {
    let Ok(to) = memory::zeroed::<VirError>(1) else { return std::ptr::null_mut() };
    virCopyLastError(to);
    to
}

/// `virCopyLastError`: the code, 0 when there was no error.
#[unsafe(no_mangle)]
pub extern "C" fn virCopyLastError(to: *mut VirError) -> c_int {
    // SAFETY: by the contract a structure of the caller's, whose contents mean nothing yet.
    let Some(to) = (unsafe { to.as_mut() }) else { return -1 };
    *to = NONE;
    // SAFETY: the slot is this thread's own and is not the caller's structure.
    last(|from| duplicate(unsafe { &*from }, to));
    to.code
}

/// `virSetErrorFunc`
#[unsafe(no_mangle)]
pub extern "C" fn virSetErrorFunc(data: *mut c_void, function: ErrorFunc) {
    *HANDLER.lock().unwrap_or_else(PoisonError::into_inner) = Handler { function, data };
}

fn connection(conn: *mut c_void) -> Option<Arc<ConnectObj>> {
    crate::handle::get::<ConnectObj>(conn)
}

/// `virConnGetLastError`
#[unsafe(no_mangle)]
pub extern "C" fn virConnGetLastError(conn: *mut c_void) -> *mut VirError {
    let Some(conn) = connection(conn) else { return std::ptr::null_mut() };
    let slot = conn.error.lock().unwrap_or_else(PoisonError::into_inner);
    let error = slot.0.get();
    // SAFETY: the structure belongs to the connection, which outlives the caller's use by the contract.
    if unsafe { (*error).code } == 0 { std::ptr::null_mut() } else { error }
}

/// `virConnCopyLastError`
#[unsafe(no_mangle)]
pub extern "C" fn virConnCopyLastError(conn: *mut c_void, to: *mut VirError) -> c_int {
    // SAFETY: by the contract a structure of the caller's, whose contents mean nothing yet.
    let Some(to) = (unsafe { to.as_mut() }) else { return -1 };
    *to = NONE;
    let Some(conn) = connection(conn) else { return -1 };
    let mut slot = conn.error.lock().unwrap_or_else(PoisonError::into_inner);
    let from = slot.0.get_mut();
    if from.code == 0 {
        return 0;
    }
    duplicate(from, to);
    to.code
}

/// `virConnResetLastError`
#[unsafe(no_mangle)]
pub extern "C" fn virConnResetLastError(conn: *mut c_void) {
    if let Some(conn) = connection(conn) {
        clear(conn.error.lock().unwrap_or_else(PoisonError::into_inner).0.get_mut());
    }
}

/// `virConnSetErrorFunc`
#[unsafe(no_mangle)]
pub extern "C" fn virConnSetErrorFunc(conn: *mut c_void, data: *mut c_void, function: ErrorFunc) {
    if let Some(conn) = connection(conn) {
        *conn.error_handler.lock().unwrap_or_else(PoisonError::into_inner) = Handler { function, data };
    }
}

/// `virDefaultErrorFunc`: a line on standard error.
#[unsafe(no_mangle)]
pub extern "C" fn virDefaultErrorFunc(err: *mut VirError) {
    // SAFETY: by the contract NULL or a structure that is valid during the call.
    let Some(error) = (unsafe { err.as_ref() }).filter(|error| error.code != 0) else { return };
    let level = match error.level {
        1 => "warning",
        2 => "error",
        _ => "",
    };
    let domain = ErrorDomain(error.domain).text();
    let message =
        memory::read_optional(error.message).unwrap_or_else(|| "No error message provided".to_owned());
    let detail =
        error.domain == ErrorDomain::XML.0 && error.code == ErrorCode::XML_DETAIL.0 && error.int1 != 0;
    let line = if detail { format!("line {}: ", error.int1) } else { String::new() };
    let _ = writeln!(std::io::stderr(), "libvirt: {domain} {level} : {line}{message}");
}
