//! The event loop: one that the program registers, or the library's own over `poll`.
//!
//! ```text
//! virEventRegisterImpl(functions) ─▶ Foreign: our handles and timeouts go to the program's functions
//! virEventRegisterDefaultImpl()   ─▶ Own: virEventRunDefaultImpl() waits once and runs what is due
//! ```
//!
//! Handles and timeouts may be added, changed and removed from any thread and within callbacks. What was removed is freed
//! by the loop when nothing of it can be running any more.

use crate::entry::enter;
use crate::poll_loop::PollLoop;
use api::EventLoop;
use api::event_loop::{OnReady, OnTimeout, Readiness};
use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// `virFreeCallback`
pub type FreeCallback = Option<unsafe extern "C" fn(*mut c_void)>;
/// `virEventHandleCallback`
pub type HandleCallback = Option<unsafe extern "C" fn(c_int, c_int, c_int, *mut c_void)>;
/// `virEventTimeoutCallback`
pub type TimeoutCallback = Option<unsafe extern "C" fn(c_int, *mut c_void)>;
type AddHandle =
    Option<unsafe extern "C" fn(c_int, c_int, HandleCallback, *mut c_void, FreeCallback) -> c_int>;
type UpdateHandle = Option<unsafe extern "C" fn(c_int, c_int)>;
type RemoveHandle = Option<unsafe extern "C" fn(c_int) -> c_int>;
type AddTimeout = Option<unsafe extern "C" fn(c_int, TimeoutCallback, *mut c_void, FreeCallback) -> c_int>;
type UpdateTimeout = Option<unsafe extern "C" fn(c_int, c_int)>;
type RemoveTimeout = Option<unsafe extern "C" fn(c_int) -> c_int>;

/// A caller's pointer, handed back as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opaque(pub(crate) *mut c_void);

// SAFETY: the pointer is only handed back to the functions it came with.
unsafe impl Send for Opaque {}
// SAFETY: as above.
unsafe impl Sync for Opaque {}

/// A caller's pointer with the function that frees it when nobody needs it any more.
#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) data: Opaque,
    pub(crate) free: FreeCallback,
}

impl Owned {
    /// The caller's pointer.
    pub(crate) fn pointer(&self) -> *mut c_void {
        self.data.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: the function and the pointer came together, and this is the last use.
            unsafe { free(self.data.0) };
        }
    }
}

/// The functions of a program's loop.
#[derive(Clone, Copy, Debug)]
struct Foreign {
    add_handle: AddHandle,
    update_handle: UpdateHandle,
    remove_handle: RemoveHandle,
    add_timeout: AddTimeout,
    update_timeout: UpdateTimeout,
    remove_timeout: RemoveTimeout,
}

#[derive(Clone)]
enum Registered {
    Own(Arc<PollLoop>),
    Foreign(Arc<Foreign>),
}

static REGISTERED: Mutex<Option<Registered>> = Mutex::new(None);
static OWN: OnceLock<Option<Arc<PollLoop>>> = OnceLock::new();

fn registered() -> Option<Registered> {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The loop of this process, if there is one.
pub(crate) fn current() -> Option<Arc<dyn EventLoop>> {
    Some(match registered()? {
        Registered::Own(own) => own,
        Registered::Foreign(foreign) => foreign,
    })
}

/// Bits of `virEventHandleType`.
pub(crate) fn bits(what: Readiness) -> c_int {
    c_int::from(what.readable)
        | c_int::from(what.writable) << 1
        | c_int::from(what.error) << 2
        | c_int::from(what.hangup) << 3
}

/// From bits of `virEventHandleType`.
pub(crate) fn readiness(bits: c_int) -> Readiness {
    Readiness {
        readable: bits & 1 != 0,
        writable: bits & 2 != 0,
        error: bits & 4 != 0,
        hangup: bits & 8 != 0,
    }
}

/// # Safety
/// `opaque` is a boxed action that was handed to the loop.
unsafe extern "C" fn run_handle(_watch: c_int, _fd: c_int, events: c_int, opaque: *mut c_void) {
    // SAFETY: as the caller promises.
    let action = unsafe { &*opaque.cast::<OnReady>() };
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| action(readiness(events))));
}

/// # Safety
/// As [`run_handle`].
unsafe extern "C" fn free_handle(opaque: *mut c_void) {
    // SAFETY: as the caller promises; the loop frees it once.
    drop(unsafe { Box::from_raw(opaque.cast::<OnReady>()) });
}

/// # Safety
/// `opaque` is a boxed action that was handed to the loop.
unsafe extern "C" fn run_timeout(_timer: c_int, opaque: *mut c_void) {
    // SAFETY: as the caller promises.
    let action = unsafe { &*opaque.cast::<OnTimeout>() };
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(action));
}

/// # Safety
/// As [`run_timeout`].
unsafe extern "C" fn free_timeout(opaque: *mut c_void) {
    // SAFETY: as the caller promises; the loop frees it once.
    drop(unsafe { Box::from_raw(opaque.cast::<OnTimeout>()) });
}

impl EventLoop for Foreign {
    fn add_handle(&self, fd: RawFd, what: Readiness, action: OnReady) -> Option<i32> {
        let data = Box::into_raw(Box::new(action)).cast();
        // SAFETY: the program's function, called as its type says.
        let watch = unsafe { self.add_handle?(fd, bits(what), Some(run_handle), data, Some(free_handle)) };
        if watch < 0 {
            // SAFETY: the loop did not take it.
            unsafe { free_handle(data) };
            return None;
        }
        Some(watch)
    }

    fn update_handle(&self, watch: i32, what: Readiness) {
        if let Some(update) = self.update_handle {
            // SAFETY: the program's function, called as its type says.
            unsafe { update(watch, bits(what)) };
        }
    }

    fn remove_handle(&self, watch: i32) {
        if let Some(remove) = self.remove_handle {
            // SAFETY: the program's function, called as its type says.
            unsafe { remove(watch) };
        }
    }

    fn add_timeout(&self, milliseconds: i32, action: OnTimeout) -> Option<i32> {
        let data = Box::into_raw(Box::new(action)).cast();
        // SAFETY: the program's function, called as its type says.
        let timer = unsafe { self.add_timeout?(milliseconds, Some(run_timeout), data, Some(free_timeout)) };
        if timer < 0 {
            // SAFETY: the loop did not take it.
            unsafe { free_timeout(data) };
            return None;
        }
        Some(timer)
    }

    fn update_timeout(&self, timer: i32, milliseconds: i32) {
        if let Some(update) = self.update_timeout {
            // SAFETY: the program's function, called as its type says.
            unsafe { update(timer, milliseconds) };
        }
    }

    fn remove_timeout(&self, timer: i32) {
        if let Some(remove) = self.remove_timeout {
            // SAFETY: the program's function, called as its type says.
            unsafe { remove(timer) };
        }
    }
}

/// `virEventRegisterImpl`
#[unsafe(no_mangle)]
pub extern "C" fn virEventRegisterImpl(
    add_handle: AddHandle,
    update_handle: UpdateHandle,
    remove_handle: RemoveHandle,
    add_timeout: AddTimeout,
    update_timeout: UpdateTimeout,
    remove_timeout: RemoveTimeout,
) {
    let foreign =
        Foreign { add_handle, update_handle, remove_handle, add_timeout, update_timeout, remove_timeout };
    *REGISTERED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Registered::Foreign(Arc::new(foreign)));
}

/// `virEventRegisterDefaultImpl`
#[unsafe(no_mangle)]
pub extern "C" fn virEventRegisterDefaultImpl() -> c_int {
    enter("virEventRegisterDefaultImpl", 0, -1, |_| {
        let own = OWN.get_or_init(|| PollLoop::new().ok().map(Arc::new)).clone();
        let own = own.ok_or_else(|| {
            base::Error::internal(base::ErrorDomain::EVENT, "unable to create an event descriptor")
        })?;
        *REGISTERED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Registered::Own(own));
        Ok(0)
    })
}

/// `virEventRunDefaultImpl`
#[unsafe(no_mangle)]
pub extern "C" fn virEventRunDefaultImpl() -> c_int {
    enter("virEventRunDefaultImpl", 0, -1, |_| match OWN.get() {
        Some(Some(own)) => own.run_once().map(|()| 0),
        _ => Ok(-1),
    })
}

/// `virEventAddHandle`
#[unsafe(no_mangle)]
pub extern "C" fn virEventAddHandle(
    fd: c_int,
    events: c_int,
    cb: HandleCallback,
    opaque: *mut c_void,
    ff: FreeCallback,
) -> c_int {
    match registered() {
        Some(Registered::Own(own)) => {
            let owned = Owned { data: Opaque(opaque), free: ff };
            own.watch(fd, readiness(events), move |watch, ready| {
                if let Some(cb) = cb {
                    // SAFETY: the caller's function with the pointer it came with.
                    unsafe { cb(watch, fd, bits(ready), owned.pointer()) };
                }
            })
        }
        // SAFETY: the program's function, called as its type says.
        Some(Registered::Foreign(f)) => {
            // SAFETY: the program's function, called as its type says.
            f.add_handle.map_or(-1, |add| unsafe { add(fd, events, cb, opaque, ff) })
        }
        None => -1,
    }
}

/// `virEventUpdateHandle`
#[unsafe(no_mangle)]
pub extern "C" fn virEventUpdateHandle(watch: c_int, events: c_int) {
    if let Some(current) = current() {
        current.update_handle(watch, readiness(events));
    }
}

/// `virEventRemoveHandle`
#[unsafe(no_mangle)]
pub extern "C" fn virEventRemoveHandle(watch: c_int) -> c_int {
    match registered() {
        Some(Registered::Own(own)) => own.unwatch(watch),
        // SAFETY: the program's function, called as its type says.
        Some(Registered::Foreign(f)) => f.remove_handle.map_or(-1, |remove| unsafe { remove(watch) }),
        None => -1,
    }
}

/// `virEventAddTimeout`
#[unsafe(no_mangle)]
pub extern "C" fn virEventAddTimeout(
    timeout: c_int,
    cb: TimeoutCallback,
    opaque: *mut c_void,
    ff: FreeCallback,
) -> c_int {
    match registered() {
        Some(Registered::Own(own)) => {
            let owned = Owned { data: Opaque(opaque), free: ff };
            own.time(timeout, move |timer| {
                if let Some(cb) = cb {
                    // SAFETY: the caller's function with the pointer it came with.
                    unsafe { cb(timer, owned.pointer()) };
                }
            })
        }
        // SAFETY: the program's function, called as its type says.
        Some(Registered::Foreign(f)) => {
            // SAFETY: the program's function, called as its type says.
            f.add_timeout.map_or(-1, |add| unsafe { add(timeout, cb, opaque, ff) })
        }
        None => -1,
    }
}

/// `virEventUpdateTimeout`
#[unsafe(no_mangle)]
pub extern "C" fn virEventUpdateTimeout(timer: c_int, timeout: c_int) {
    if let Some(current) = current() {
        current.update_timeout(timer, timeout);
    }
}

/// `virEventRemoveTimeout`
#[unsafe(no_mangle)]
pub extern "C" fn virEventRemoveTimeout(timer: c_int) -> c_int {
    match registered() {
        Some(Registered::Own(own)) => own.untime(timer),
        // SAFETY: the program's function, called as its type says.
        Some(Registered::Foreign(f)) => f.remove_timeout.map_or(-1, |remove| unsafe { remove(timer) }),
        None => -1,
    }
}
