//! Data streams: made empty, tied to a call, then read and written.
//!
//! ```text
//! virStreamNew ─▶ idle ─ virDomainOpenConsole, virStorageVolUpload … ─▶ open ─ Finish, Abort ─▶ idle
//! ```

use crate::entry::{Entry, enter};
use crate::event_loop::{self, FreeCallback, Opaque, Owned, bits, readiness};
use crate::fd_stream;
use crate::handle;
use crate::memory;
use crate::object::{ConnRef, Object};
use api::event_loop::Readiness;
use api::{Conduit, EventLoop, Received, Stream};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::ffi::{c_char, c_int, c_longlong, c_uint, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

type SourceFunc = Option<unsafe extern "C" fn(*mut c_void, *mut c_char, usize, *mut c_void) -> c_int>;
type SinkFunc = Option<unsafe extern "C" fn(*mut c_void, *const c_char, usize, *mut c_void) -> c_int>;
type SinkHoleFunc = Option<unsafe extern "C" fn(*mut c_void, c_longlong, *mut c_void) -> c_int>;
type SourceHoleFunc =
    Option<unsafe extern "C" fn(*mut c_void, *mut c_int, *mut c_longlong, *mut c_void) -> c_int>;
type SourceSkipFunc = Option<unsafe extern "C" fn(*mut c_void, c_longlong, *mut c_void) -> c_int>;
type EventFunc = Option<unsafe extern "C" fn(*mut c_void, c_int, *mut c_void)>;

const NONBLOCK: c_uint = 1;
const STOP_AT_HOLE: c_uint = 1;
/// Bytes moved at once by the functions that move everything.
const CHUNK: usize = 262_120;
/// What functions return when nothing can be done without waiting, and when a hole was reached.
const WOULD_BLOCK: c_int = -2;
const AT_HOLE: c_int = -3;

struct Watching {
    events: Readiness,
    function: EventFunc,
    data: Arc<Owned>,
    event_loop: Arc<dyn EventLoop>,
    timer: i32,
}

/// A stream.
pub(crate) struct StreamObj {
    pub(crate) conn: ConnRef,
    wait: bool,
    conduit: Mutex<Option<Arc<dyn Conduit>>>,
    watching: Mutex<Option<Watching>>,
}

impl Object for StreamObj {
    const INVALID: (ErrorCode, Option<ErrorDomain>) = (ErrorCode::INVALID_STREAM, Some(ErrorDomain::STREAMS));
}

impl std::fmt::Debug for StreamObj {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamObj").field("wait", &self.wait).finish_non_exhaustive()
    }
}

impl Drop for StreamObj {
    fn drop(&mut self) {
        let watching = self.watching.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(watching) = watching {
            watching.event_loop.remove_timeout(watching.timer);
        }
    }
}

impl StreamObj {
    fn conduit(&self) -> MutexGuard<'_, Option<Arc<dyn Conduit>>> {
        self.conduit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watching(&self) -> MutexGuard<'_, Option<Watching>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ties the stream to what a driver opened.
    pub(crate) fn open(&self, stream: Stream) -> Result<()> {
        *self.conduit() = Some(fd_stream::conduit(stream)?);
        Ok(())
    }

    fn pointer(self: &Arc<Self>) -> *mut c_void {
        Arc::as_ptr(self) as *mut c_void
    }

    /// Runs in the event loop: tells of what could be done, and comes again while there is something.
    fn tick(self: &Arc<Self>) {
        let ready = self.conduit().as_ref().map(|conduit| conduit.readiness()).unwrap_or_default();
        let call = self.watching().as_ref().map(|w| (w.events, w.function, w.data.clone()));
        let Some((events, function, data)) = call else { return };
        let told = Readiness {
            readable: ready.readable && events.readable,
            writable: ready.writable && events.writable,
            error: ready.error,
            hangup: ready.hangup,
        };
        if told != Readiness::default()
            && let Some(function) = function
        {
            // SAFETY: the caller's function with the pointer it came with; the stream is kept alive.
            unsafe { function(self.pointer(), bits(told), data.data.0) };
        }
        self.arm();
    }

    /// Comes again at once when something can be done, else when the stream says so.
    fn arm(&self) {
        let ready = self.conduit().as_ref().map(|conduit| conduit.readiness()).unwrap_or_default();
        let arm = self.watching().as_ref().map(|w| {
            let now =
                ready.error || (ready.readable && w.events.readable) || (ready.writable && w.events.writable);
            (w.event_loop.clone(), w.timer, now)
        });
        if let Some((event_loop, timer, now)) = arm {
            event_loop.update_timeout(timer, if now { 0 } else { -1 });
        }
    }
}

fn opened(e: &mut Entry, stream: *mut c_void) -> Result<(Arc<StreamObj>, Arc<dyn Conduit>)> {
    let stream = e.other::<StreamObj>(stream)?;
    e.of(stream.conn.get());
    let conduit = stream.conduit().clone();
    match conduit {
        Some(conduit) => Ok((stream, conduit)),
        None => e.unsupported(),
    }
}

/// `virStreamNew`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamNew(conn: *mut c_void, flags: c_uint) -> *mut c_void {
    enter("virStreamNew", 38, std::ptr::null_mut(), |e| {
        let conn = e.conn(conn)?;
        Ok(handle::make(Arc::new(StreamObj {
            conn: ConnRef::new(&conn),
            wait: flags & NONBLOCK == 0,
            conduit: Mutex::default(),
            watching: Mutex::default(),
        })))
    })
}

/// `virStreamRef`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamRef(stream: *mut c_void) -> c_int {
    enter("virStreamRef", 38, -1, |e| {
        e.other::<StreamObj>(stream)?;
        handle::retain(stream);
        Ok(0)
    })
}

/// `virStreamFree`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamFree(stream: *mut c_void) -> c_int {
    enter("virStreamFree", 38, -1, |e| {
        drop(e.other::<StreamObj>(stream)?);
        drop(handle::release(stream));
        Ok(0)
    })
}

/// `virStreamSend`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamSend(stream: *mut c_void, data: *const c_char, nbytes: usize) -> c_int {
    enter("virStreamSend", 38, -1, |e| {
        e.other::<StreamObj>(stream)?;
        e.nonnull(data, "data")?;
        let (stream, conduit) = opened(e, stream)?;
        let data = memory::slice(data.cast::<u8>(), nbytes)?;
        Ok(conduit.send(data, stream.wait)?.map_or(WOULD_BLOCK, |count| count as c_int))
    })
}

fn receive(
    e: &mut Entry,
    stream: *mut c_void,
    data: *mut c_char,
    room: usize,
    flags: c_uint,
) -> Result<c_int> {
    e.other::<StreamObj>(stream)?;
    e.nonnull(data, "data")?;
    let (stream, conduit) = opened(e, stream)?;
    let limit = room.min(c_int::MAX as usize);
    Ok(match conduit.receive(limit, stream.wait, flags & STOP_AT_HOLE != 0)? {
        Received::Data(got) => memory::fill(data.cast::<u8>(), room, &got) as c_int,
        Received::End => 0,
        Received::WouldBlock => WOULD_BLOCK,
        Received::Hole => AT_HOLE,
    })
}

/// `virStreamRecv`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamRecv(stream: *mut c_void, data: *mut c_char, nbytes: usize) -> c_int {
    enter("virStreamRecv", 38, -1, |e| receive(e, stream, data, nbytes, 0))
}

/// `virStreamRecvFlags`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamRecvFlags(
    stream: *mut c_void,
    data: *mut c_char,
    nbytes: usize,
    flags: c_uint,
) -> c_int {
    enter("virStreamRecvFlags", 38, -1, |e| receive(e, stream, data, nbytes, flags))
}

/// `virStreamSendHole`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamSendHole(stream: *mut c_void, length: c_longlong, flags: c_uint) -> c_int {
    enter("virStreamSendHole", 38, -1, |e| {
        let (_, conduit) = opened(e, stream)?;
        e.known_flags(flags, 0)?;
        conduit.send_hole(length).map(|()| 0)
    })
}

/// `virStreamRecvHole`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamRecvHole(stream: *mut c_void, length: *mut c_longlong, flags: c_uint) -> c_int {
    enter("virStreamRecvHole", 38, -1, |e| {
        e.other::<StreamObj>(stream)?;
        e.nonnull(length, "length")?;
        let (_, conduit) = opened(e, stream)?;
        e.known_flags(flags, 0)?;
        memory::put(length, conduit.receive_hole()?);
        Ok(0)
    })
}

fn end(e: &mut Entry, stream: *mut c_void, how: impl FnOnce(&dyn Conduit) -> Result<()>) -> Result<c_int> {
    let (stream, conduit) = opened(e, stream)?;
    let outcome = how(conduit.as_ref());
    *stream.conduit() = None;
    outcome.map(|()| 0)
}

/// `virStreamFinish`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamFinish(stream: *mut c_void) -> c_int {
    enter("virStreamFinish", 38, -1, |e| end(e, stream, |conduit| conduit.finish()))
}

/// `virStreamAbort`; one that no call opened has nothing to abort.
#[unsafe(no_mangle)]
pub extern "C" fn virStreamAbort(stream: *mut c_void) -> c_int {
    enter("virStreamAbort", 38, -1, |e| end(e, stream, |conduit| conduit.abort()))
}

/// A caller's function has failed: its errno says how.
fn handler_failed(what: &str) -> Error {
    let last = std::io::Error::last_os_error();
    let error = if last.raw_os_error().unwrap_or(0) == 0 {
        std::io::Error::from_raw_os_error(libc::EIO)
    } else {
        last
    };
    Error::system(ErrorDomain::STREAMS, &error, what)
}

/// Opens a stream for a function that moves everything, and breaks it off when that fails.
fn everything(
    e: &mut Entry,
    stream: *mut c_void,
    nonblocking: &str,
    run: impl FnOnce(&dyn Conduit) -> Result<()>,
) -> Result<c_int> {
    let (stream, conduit) = opened(e, stream)?;
    if !stream.wait {
        return Err(Error::operation_invalid(e.domain, nonblocking));
    }
    let outcome = run(conduit.as_ref());
    if outcome.is_err() {
        let _ = conduit.abort();
        *stream.conduit() = None;
    }
    outcome.map(|()| 0)
}

fn send_whole(conduit: &dyn Conduit, mut data: &[u8]) -> Result<()> {
    while !data.is_empty() {
        let count = conduit.send(data, true)?.unwrap_or(0);
        data = &data[count..];
    }
    Ok(())
}

/// Clears errno, so that a handler which fails without setting it is told apart.
fn clear_errno() {
    // SAFETY: errno is this thread's own.
    unsafe { *libc::__errno_location() = 0 };
}

/// `virStreamSendAll`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamSendAll(stream: *mut c_void, handler: SourceFunc, opaque: *mut c_void) -> c_int {
    enter("virStreamSendAll", 38, -1, |e| {
        e.other::<StreamObj>(stream)?;
        let Some(function) = handler else { return e.present(false, "handler").map(|()| -1) };
        everything(e, stream, "data sources cannot be used for non-blocking streams", |conduit| {
            let mut buffer = vec![0u8; CHUNK];
            loop {
                clear_errno();
                // SAFETY: the caller's function; the buffer has as many bytes as it is told.
                let got = unsafe { function(stream, buffer.as_mut_ptr().cast(), CHUNK, opaque) };
                match usize::try_from(got) {
                    Err(_) => return Err(handler_failed("send handler failed")),
                    Ok(0) => return Ok(()),
                    Ok(count) => send_whole(conduit, &buffer[..count.min(CHUNK)])?,
                }
            }
        })
    })
}

/// Hands all of a piece to a caller's function.
fn sink(stream: *mut c_void, function: SinkFunc, opaque: *mut c_void, mut data: &[u8]) -> Result<()> {
    let Some(function) = function else { return Ok(()) };
    while !data.is_empty() {
        clear_errno();
        // SAFETY: the caller's function; the data has as many bytes as it is told.
        let done = unsafe { function(stream, data.as_ptr().cast(), data.len(), opaque) };
        match usize::try_from(done) {
            Ok(count) => data = &data[count.min(data.len())..],
            Err(_) => return Err(handler_failed("recv handler failed")),
        }
    }
    Ok(())
}

/// `virStreamRecvAll`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamRecvAll(stream: *mut c_void, handler: SinkFunc, opaque: *mut c_void) -> c_int {
    enter("virStreamRecvAll", 38, -1, |e| {
        e.other::<StreamObj>(stream)?;
        e.present(handler.is_some(), "handler")?;
        everything(e, stream, "data sinks cannot be used for non-blocking streams", |conduit| {
            loop {
                match conduit.receive(CHUNK, true, false)? {
                    Received::Data(data) => sink(stream, handler, opaque, &data)?,
                    _ => return Ok(()),
                }
            }
        })
    })
}

/// `virStreamSparseRecvAll`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamSparseRecvAll(
    stream: *mut c_void,
    handler: SinkFunc,
    hole_handler: SinkHoleFunc,
    opaque: *mut c_void,
) -> c_int {
    enter("virStreamSparseRecvAll", 38, -1, |e| {
        e.other::<StreamObj>(stream)?;
        e.present(handler.is_some(), "handler")?;
        let Some(hole) = hole_handler else { return e.present(false, "holeHandler").map(|()| -1) };
        everything(e, stream, "data sinks cannot be used for non-blocking streams", |conduit| {
            loop {
                match conduit.receive(CHUNK, true, true)? {
                    Received::Data(data) => sink(stream, handler, opaque, &data)?,
                    Received::Hole => {
                        let length = conduit.receive_hole()?;
                        clear_errno();
                        // SAFETY: the caller's function, called as its type says.
                        if unsafe { hole(stream, length, opaque) } < 0 {
                            return Err(handler_failed("hole handler failed"));
                        }
                    }
                    _ => return Ok(()),
                }
            }
        })
    })
}

/// `virStreamSparseSendAll`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamSparseSendAll(
    stream: *mut c_void,
    handler: SourceFunc,
    hole_handler: SourceHoleFunc,
    skip_handler: SourceSkipFunc,
    opaque: *mut c_void,
) -> c_int {
    enter("virStreamSparseSendAll", 38, -1, |e| {
        e.other::<StreamObj>(stream)?;
        let (Some(source), Some(hole), Some(skip)) = (handler, hole_handler, skip_handler) else {
            let missing = [(handler.is_some(), "handler"), (hole_handler.is_some(), "holeHandler")];
            let name = missing.iter().find(|(there, _)| !there).map_or("skipHandler", |(_, name)| *name);
            return e.present(false, name).map(|()| -1);
        };
        everything(e, stream, "data sources cannot be used for non-blocking streams", |conduit| {
            let mut buffer = vec![0u8; CHUNK];
            let (mut in_data, mut section): (c_int, c_longlong) = (0, 0);
            loop {
                if section == 0 {
                    clear_errno();
                    // SAFETY: the caller's function; both pointers lead to values of this call.
                    if unsafe { hole(stream, &raw mut in_data, &raw mut section, opaque) } < 0 {
                        return Err(handler_failed("hole handler failed"));
                    }
                    if in_data == 0 && section != 0 {
                        conduit.send_hole(section)?;
                        // SAFETY: the caller's function, called as its type says.
                        if unsafe { skip(stream, section, opaque) } < 0 {
                            return Err(handler_failed("skip handler failed"));
                        }
                        section = 0;
                        continue;
                    }
                }
                let want = usize::try_from(section).unwrap_or(0).min(CHUNK);
                clear_errno();
                // SAFETY: the caller's function; the buffer has as many bytes as it is told.
                let got = unsafe { source(stream, buffer.as_mut_ptr().cast(), want, opaque) };
                match usize::try_from(got) {
                    Err(_) => return Err(handler_failed("send handler failed")),
                    Ok(0) => return Ok(()),
                    Ok(count) => {
                        let count = count.min(want);
                        send_whole(conduit, &buffer[..count])?;
                        section -= count as c_longlong;
                    }
                }
            }
        })
    })
}

/// `virStreamEventAddCallback`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamEventAddCallback(
    stream: *mut c_void,
    events: c_int,
    cb: EventFunc,
    opaque: *mut c_void,
    ff: FreeCallback,
) -> c_int {
    enter("virStreamEventAddCallback", 38, -1, |e| {
        let (stream, conduit) = opened(e, stream)?;
        if stream.watching().is_some() {
            return Err(Error::internal(e.domain, "multiple stream callbacks not supported"));
        }
        let refuse = || {
            Error::internal(ErrorDomain::STREAMS, "cannot register a stream callback without an event loop")
        };
        let event_loop = event_loop::current().ok_or_else(refuse)?;
        let weak: Weak<StreamObj> = Arc::downgrade(&stream);
        let action = move || {
            if let Some(stream) = weak.upgrade() {
                stream.tick();
            }
        };
        let timer = event_loop.add_timeout(-1, Box::new(action)).ok_or_else(refuse)?;
        let data = Arc::new(Owned { data: Opaque(opaque), free: ff });
        *stream.watching() = Some(Watching {
            events: readiness(events),
            function: cb,
            data,
            event_loop: event_loop.clone(),
            timer,
        });
        conduit.watch(Some(Arc::new(move || event_loop.update_timeout(timer, 0))));
        stream.arm();
        Ok(0)
    })
}

/// `virStreamEventUpdateCallback`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamEventUpdateCallback(stream: *mut c_void, events: c_int) -> c_int {
    enter("virStreamEventUpdateCallback", 38, -1, |e| {
        let (stream, _) = opened(e, stream)?;
        match stream.watching().as_mut() {
            Some(watching) => watching.events = readiness(events),
            None => return Err(Error::internal(e.domain, "no stream callback registered")),
        }
        stream.arm();
        Ok(0)
    })
}

/// `virStreamEventRemoveCallback`
#[unsafe(no_mangle)]
pub extern "C" fn virStreamEventRemoveCallback(stream: *mut c_void) -> c_int {
    enter("virStreamEventRemoveCallback", 38, -1, |e| {
        let stream = e.other::<StreamObj>(stream)?;
        e.of(stream.conn.get());
        if let Some(conduit) = stream.conduit().as_ref() {
            conduit.watch(None);
        }
        let Some(watching) = stream.watching().take() else {
            return Err(Error::internal(e.domain, "no stream callback registered"));
        };
        watching.event_loop.remove_timeout(watching.timer);
        Ok(0)
    })
}
