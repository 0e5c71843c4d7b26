//! Callbacks of a connection: events of its objects, and its end.
//!
//! ```text
//! driver ─▶ queue ─▶ a timeout of 0 in the event loop ─▶ every callback that asked for it, in the order of events
//! ```
//!
//! Whoever raises an event never runs a callback itself. A registered callback keeps its connection.

use crate::deliver;
use crate::entry::{Entry, enter};
use crate::event_loop::{self, FreeCallback, Opaque, Owned};
use crate::object::{ConnRef, ConnectObj};
use api::EventLoop;
use api::event::{Event, Kind};
use api::session::{CloseReason, Subject, Subscription, UNNUMBERED};
use base::object::{DomainRef, NetworkRef, NodeDeviceRef, SecretRef, StoragePoolRef};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::collections::VecDeque;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A callback of whatever type, cast as the macros of the headers do.
pub(crate) type Generic = Option<unsafe extern "C" fn()>;
type CloseFunc = Option<unsafe extern "C" fn(*mut c_void, c_int, *mut c_void)>;

/// One registration.
pub(crate) struct Registration {
    id: i32,
    /// Registered with the first function for lifecycle events, which knows no numbers.
    legacy: bool,
    subscription: Subscription,
    number: i32,
    function: Generic,
    data: Arc<Owned>,
    conn: ConnRef,
}

struct Closing {
    function: CloseFunc,
    data: Arc<Owned>,
    conn: ConnRef,
}

enum Happening {
    Event(i32, Box<Event>),
    Closed(CloseReason),
}

#[derive(Default)]
struct State {
    registrations: Vec<Arc<Registration>>,
    next_id: i32,
    queue: VecDeque<Happening>,
    looping: Option<(Arc<dyn EventLoop>, i32)>,
    closing: Option<Arc<Closing>>,
}

/// The callbacks of one connection.
#[derive(Default)]
pub(crate) struct Callbacks {
    state: Mutex<State>,
}

impl Callbacks {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears of what the connection's driver tells.
    pub(crate) fn listen(self: &Arc<Self>, conn: &ConnectObj) {
        let weak: Weak<Callbacks> = Arc::downgrade(self);
        conn.session.on_event(Arc::new(move |number, event| {
            if let Some(callbacks) = weak.upgrade() {
                callbacks.push(Happening::Event(number, Box::new(event)));
            }
        }));
        let weak = Arc::downgrade(self);
        conn.session.on_close(Arc::new(move |reason| {
            if let Some(callbacks) = weak.upgrade() {
                callbacks.push(Happening::Closed(reason));
            }
        }));
    }

    fn push(&self, happening: Happening) {
        let kick = {
            let mut state = self.state();
            let wanted = match &happening {
                Happening::Event(..) => !state.registrations.is_empty(),
                Happening::Closed(_) => state.closing.is_some(),
            };
            if !wanted {
                return;
            }
            state.queue.push_back(happening);
            state.looping.clone()
        };
        if let Some((event_loop, timer)) = kick {
            event_loop.update_timeout(timer, 0);
        }
    }

    /// Makes sure that there is a timeout to deliver in.
    fn prepare(self: &Arc<Self>) -> Result<()> {
        if self.state().looping.is_some() {
            return Ok(());
        }
        let refuse = || Error::internal(ErrorDomain::NONE, "could not initialize domain event timer");
        let event_loop = event_loop::current().ok_or_else(refuse)?;
        let weak = Arc::downgrade(self);
        let action = move || {
            if let Some(callbacks) = weak.upgrade() {
                callbacks.deliver();
            }
        };
        let timer = event_loop.add_timeout(-1, Box::new(action)).ok_or_else(refuse)?;
        self.state().looping = Some((event_loop, timer));
        Ok(())
    }

    /// Runs in the event loop: hands out what has happened.
    fn deliver(&self) {
        let (happenings, looping) = {
            let mut state = self.state();
            (std::mem::take(&mut state.queue), state.looping.clone())
        };
        if let Some((event_loop, timer)) = looping {
            event_loop.update_timeout(timer, -1);
        }
        for happening in happenings {
            match happening {
                Happening::Event(number, event) => self.deliver_event(number, &event),
                Happening::Closed(reason) => {
                    let closing = self.state().closing.clone();
                    if let Some(closing) = closing
                        && let Some(function) = closing.function
                    {
                        // SAFETY: the caller's function with the pointer it came with; the connection is kept alive.
                        unsafe { function(closing.conn.pointer(), reason as c_int, closing.data.data.0) };
                    }
                }
            }
        }
    }

    fn deliver_event(&self, number: i32, event: &Event) {
        let key = event.id();
        let wanted = |registration: &Registration| {
            (registration.subscription.kind, registration.subscription.id) == key
                && (number == UNNUMBERED || registration.number == number)
                && registration.subscription.subject.as_ref().is_none_or(|subject| subject.of(event))
        };
        let ids: Vec<i32> = {
            let state = self.state();
            state.registrations.iter().filter(|r| wanted(r)).map(|registration| registration.id).collect()
        };
        for id in ids {
            // An earlier callback may have ended this registration.
            let found = self.state().registrations.iter().find(|r| r.id == id).cloned();
            if let Some(registration) = found {
                let (function, data) = (registration.function, registration.data.data.0);
                deliver::event(event, &registration.conn, function, data);
            }
        }
    }

    /// Nobody wants to hear of anything any more: the loop is left, as programs expect that wait for it to become idle.
    fn rest(&self) {
        let looping = {
            let mut state = self.state();
            if !state.registrations.is_empty() || state.closing.is_some() {
                return;
            }
            state.queue.clear();
            state.looping.take()
        };
        if let Some((event_loop, timer)) = looping {
            event_loop.remove_timeout(timer);
        }
    }

    /// The connection is gone.
    pub(crate) fn end(&self) {
        let looping = self.state().looping.take();
        if let Some((event_loop, timer)) = looping {
            event_loop.remove_timeout(timer);
        }
    }
}

/// What a registration is made of.
struct Wish {
    subscription: Subscription,
    function: Generic,
    data: *mut c_void,
    free: FreeCallback,
    legacy: bool,
}

fn register(conn: &Arc<ConnectObj>, wish: Wish) -> Result<c_int> {
    let callbacks = &conn.callbacks;
    callbacks.prepare()?;
    let shared = {
        let state = callbacks.state();
        let same = |r: &&Arc<Registration>| r.subscription == wish.subscription;
        let twice = |r: &&Arc<Registration>| {
            r.legacy && r.function.map(|f| f as usize) == wish.function.map(|f| f as usize)
        };
        if wish.legacy && state.registrations.iter().filter(same).any(|r| twice(&r)) {
            let text = "event callback already tracked";
            return Err(Error::new(ErrorCode::INVALID_ARG, ErrorDomain::NONE, text));
        }
        state.registrations.iter().find(same).map(|registration| registration.number)
    };
    let number = match shared {
        Some(number) => number,
        None => conn.session.subscribe(&wish.subscription)?,
    };
    let mut state = callbacks.state();
    let id = state.next_id;
    state.next_id += 1;
    state.registrations.push(Arc::new(Registration {
        id,
        legacy: wish.legacy,
        subscription: wish.subscription,
        number,
        function: wish.function,
        data: Arc::new(Owned { data: Opaque(wish.data), free: wish.free }),
        conn: ConnRef::new(conn),
    }));
    Ok(id)
}

/// Ends the registration that `which` picks.
fn deregister(conn: &Arc<ConnectObj>, which: impl Fn(&Registration) -> bool) -> Result<Option<()>> {
    let (gone, last) = {
        let mut state = conn.callbacks.state();
        let Some(at) = state.registrations.iter().position(|r| which(r)) else { return Ok(None) };
        let gone = state.registrations.remove(at);
        let last = !state.registrations.iter().any(|r| r.subscription == gone.subscription);
        (gone, last)
    };
    conn.callbacks.rest();
    if last {
        conn.session.unsubscribe(&gone.subscription, gone.number)?;
    }
    Ok(Some(()))
}

fn deregister_id(conn: &Arc<ConnectObj>, kind: Kind, id: c_int) -> Result<c_int> {
    deregister(conn, |r| r.id == id && r.subscription.kind == kind)?.map(|()| 0).ok_or_else(|| {
        let text = format!("could not find event callback {id} for deletion");
        Error::new(ErrorCode::INVALID_ARG, ErrorDomain::NONE, text)
    })
}

/// Checks what is the same for all kinds of events.
fn check(e: &Entry, id: c_int, count: c_int, function: Generic) -> Result<()> {
    e.present(function.is_some(), "cb")?;
    e.nonnegative(i128::from(id), "eventID")?;
    if id >= count {
        let text = match e.name {
            "virConnectDomainEventRegisterAny" => format!("eventID must be less than {count}"),
            name => format!("eventID in {name} must be less than {count}"),
        };
        return Err(e.bad("eventID", text));
    }
    Ok(())
}

macro_rules! kinds {
    ($($register:ident $deregister:ident: $kind:ident, $count:literal, $reference:ident, $subject:ident, $domain:literal;)+) => {
        $(
            #[doc = concat!("`", stringify!($register), "`")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $register(
                conn: *mut c_void,
                object: *mut c_void,
                event_id: c_int,
                cb: Generic,
                opaque: *mut c_void,
                freecb: FreeCallback,
            ) -> c_int {
                enter(stringify!($register), $domain, -1, |e| {
                    let conn = e.conn(conn)?;
                    let mut subject = None;
                    if !object.is_null() {
                        let object = e.item::<$reference>(object)?;
                        if !Arc::ptr_eq(object.conn.get(), &conn) {
                            let text = format!("object in {} must match connection", stringify!($register));
                            return Err(e.bad("object", text));
                        }
                        subject = Some(Subject::$subject(object.reference()));
                    }
                    check(e, event_id, $count, cb)?;
                    let subscription = Subscription { kind: Kind::$kind, id: event_id, subject, monitor: None };
                    register(&conn, Wish { subscription, function: cb, data: opaque, free: freecb, legacy: false })
                })
            }

            #[doc = concat!("`", stringify!($deregister), "`")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $deregister(conn: *mut c_void, callback_id: c_int) -> c_int {
                enter(stringify!($deregister), $domain, -1, |e| {
                    let conn = e.conn(conn)?;
                    e.nonnegative(i128::from(callback_id), "callbackID")?;
                    deregister_id(&conn, Kind::$kind, callback_id)
                })
            }
        )+
    };
}
kinds! {
    virConnectDomainEventRegisterAny virConnectDomainEventDeregisterAny: Domain, 28, DomainRef, Domain, 20;
    virConnectNetworkEventRegisterAny virConnectNetworkEventDeregisterAny: Network, 2, NetworkRef, Network, 19;
    virConnectStoragePoolEventRegisterAny virConnectStoragePoolEventDeregisterAny:
        Storage, 2, StoragePoolRef, StoragePool, 18;
    virConnectNodeDeviceEventRegisterAny virConnectNodeDeviceEventDeregisterAny:
        NodeDevice, 2, NodeDeviceRef, NodeDevice, 22;
    virConnectSecretEventRegisterAny virConnectSecretEventDeregisterAny: Secret, 2, SecretRef, Secret, 30;
}

fn lifecycle() -> Subscription {
    Subscription { kind: Kind::Domain, id: 0, subject: None, monitor: None }
}

/// `virConnectDomainEventRegister`
#[unsafe(no_mangle)]
pub extern "C" fn virConnectDomainEventRegister(
    conn: *mut c_void,
    cb: Generic,
    opaque: *mut c_void,
    freecb: FreeCallback,
) -> c_int {
    enter("virConnectDomainEventRegister", 20, -1, |e| {
        let conn = e.conn(conn)?;
        e.present(cb.is_some(), "cb")?;
        let wish = Wish { subscription: lifecycle(), function: cb, data: opaque, free: freecb, legacy: true };
        register(&conn, wish).map(|_| 0)
    })
}

/// `virConnectDomainEventDeregister`
#[unsafe(no_mangle)]
pub extern "C" fn virConnectDomainEventDeregister(conn: *mut c_void, cb: Generic) -> c_int {
    enter("virConnectDomainEventDeregister", 20, -1, |e| {
        let conn = e.conn(conn)?;
        e.present(cb.is_some(), "cb")?;
        let which = |r: &Registration| r.legacy && r.function.map(|f| f as usize) == cb.map(|f| f as usize);
        deregister(&conn, which)?.map(|()| 0).ok_or_else(|| {
            Error::new(
                ErrorCode::INVALID_ARG,
                ErrorDomain::NONE,
                "could not find event callback for deletion",
            )
        })
    })
}

/// `virConnectDomainQemuMonitorEventRegister`
#[unsafe(export_name = "ferrovirt_virConnectDomainQemuMonitorEventRegister")]
pub extern "C" fn virConnectDomainQemuMonitorEventRegister(
    conn: *mut c_void,
    dom: *mut c_void,
    event: *const c_char,
    cb: Generic,
    opaque: *mut c_void,
    freecb: FreeCallback,
    flags: c_uint,
) -> c_int {
    enter("virConnectDomainQemuMonitorEventRegister", 0, -1, |e| {
        let conn = e.conn(conn)?;
        let subject =
            if dom.is_null() { None } else { Some(Subject::Domain(e.item::<DomainRef>(dom)?.reference())) };
        e.present(cb.is_some(), "cb")?;
        e.writable()?;
        let monitor = Some((crate::memory::read_optional(event), flags));
        let subscription = Subscription { kind: Kind::Qemu, id: -1, subject, monitor };
        register(&conn, Wish { subscription, function: cb, data: opaque, free: freecb, legacy: false })
    })
}

/// `virConnectDomainQemuMonitorEventDeregister`
#[unsafe(export_name = "ferrovirt_virConnectDomainQemuMonitorEventDeregister")]
pub extern "C" fn virConnectDomainQemuMonitorEventDeregister(conn: *mut c_void, callback_id: c_int) -> c_int {
    enter("virConnectDomainQemuMonitorEventDeregister", 0, -1, |e| {
        let conn = e.conn(conn)?;
        e.nonnegative(i128::from(callback_id), "callbackID")?;
        e.writable()?;
        deregister_id(&conn, Kind::Qemu, callback_id)
    })
}

/// `virConnectRegisterCloseCallback`
#[unsafe(no_mangle)]
pub extern "C" fn virConnectRegisterCloseCallback(
    conn: *mut c_void,
    cb: CloseFunc,
    opaque: *mut c_void,
    freecb: FreeCallback,
) -> c_int {
    enter("virConnectRegisterCloseCallback", 20, -1, |e| {
        let conn = e.conn(conn)?;
        e.present(cb.is_some(), "cb")?;
        if conn.callbacks.state().closing.is_some() {
            return Err(Error::operation_invalid(e.domain, "A close callback is already registered"));
        }
        // Without a loop the end cannot be told, which is no reason to refuse.
        let _ = conn.callbacks.prepare();
        let data = Arc::new(Owned { data: Opaque(opaque), free: freecb });
        conn.callbacks.state().closing =
            Some(Arc::new(Closing { function: cb, data, conn: ConnRef::new(&conn) }));
        Ok(0)
    })
}

/// `virConnectUnregisterCloseCallback`
#[unsafe(no_mangle)]
pub extern "C" fn virConnectUnregisterCloseCallback(conn: *mut c_void, cb: CloseFunc) -> c_int {
    enter("virConnectUnregisterCloseCallback", 20, -1, |e| {
        let conn = e.conn(conn)?;
        e.present(cb.is_some(), "cb")?;
        let gone = {
            let mut state = conn.callbacks.state();
            let same = |c: &Arc<Closing>| c.function.map(|f| f as usize) == cb.map(|f| f as usize);
            if !state.closing.as_ref().is_some_and(same) {
                let text = "A different callback was requested";
                return Err(Error::operation_invalid(e.domain, text));
            }
            state.closing.take()
        };
        conn.callbacks.rest();
        drop(gone);
        Ok(0)
    })
}
