//! What every entry of the library does around its work.
//!
//! ```text
//! forget the last error ─▶ checks, in the order the reference has them ─▶ driver ─▶ result
//!                                └──────────── error, panic ────────────▶ last error, failure value
//! ```

use crate::handle;
use crate::last_error;
use crate::object::{ConnectObj, Item, Object, Reference};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// One call into the library.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Name of the C function.
    pub(crate) name: &'static str,
    /// Which part of the system its errors are from.
    pub(crate) domain: ErrorDomain,
    conn: Option<Arc<ConnectObj>>,
}

/// Runs an entry; `failed` is what the caller gets when it cannot.
pub(crate) fn enter<T>(
    name: &'static str,
    domain: i32,
    failed: T,
    work: impl FnOnce(&mut Entry) -> Result<T>,
) -> T {
    last_error::reset();
    let mut entry = Entry { name, domain: ErrorDomain(domain), conn: None };
    let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut entry)));
    let error = match outcome {
        Ok(Ok(value)) => return value,
        Ok(Err(error)) => error,
        Err(_) => Error::internal(entry.domain, format!("{name} failed unexpectedly")),
    };
    last_error::set(&error, entry.conn.as_ref());
    failed
}

impl Entry {
    fn object<T: Object>(&self, pointer: *mut c_void) -> Result<Arc<T>> {
        handle::get(pointer).ok_or_else(|| {
            let (code, domain) = T::INVALID;
            Error::new(code, domain.unwrap_or(self.domain), self.name)
        })
    }

    /// The connection behind a pointer; errors from here on are also its own.
    pub(crate) fn conn(&mut self, pointer: *mut c_void) -> Result<Arc<ConnectObj>> {
        let conn: Arc<ConnectObj> = self.object(pointer)?;
        self.conn = Some(conn.clone());
        Ok(conn)
    }

    /// The object behind a pointer; errors from here on are also its connection's.
    pub(crate) fn item<R: Reference>(&mut self, pointer: *mut c_void) -> Result<Arc<Item<R>>> {
        let item: Arc<Item<R>> = self.object(pointer)?;
        if self.conn.is_none() {
            self.conn = Some(item.conn.get().clone());
        }
        Ok(item)
    }

    /// An object that is no connection's item.
    pub(crate) fn other<T: Object>(&mut self, pointer: *mut c_void) -> Result<Arc<T>> {
        self.object(pointer)
    }

    /// Errors from here on are also this connection's.
    pub(crate) fn of(&mut self, conn: &Arc<ConnectObj>) {
        self.conn = Some(conn.clone());
    }

    /// Refuses read-only connections.
    pub(crate) fn writable(&self) -> Result<()> {
        match &self.conn {
            Some(conn) if conn.read_only => {
                let text = format!("read only access prevents {}", self.name);
                Err(Error::new(ErrorCode::OPERATION_DENIED, self.domain, text))
            }
            _ => Ok(()),
        }
    }

    /// A refusal of an argument.
    pub(crate) fn bad(&self, arg: &str, text: impl Into<String>) -> Error {
        Error::invalid_arg(self.domain, self.name, arg, text)
    }

    fn must(&self, good: bool, arg: &str, what: &str) -> Result<()> {
        if good { Ok(()) } else { Err(self.bad(arg, format!("{arg} in {} must {what}", self.name))) }
    }

    /// Must be NULL.
    pub(crate) fn null<T>(&self, pointer: *const T, arg: &str) -> Result<()> {
        self.must(pointer.is_null(), arg, "be NULL")
    }

    /// Must not be NULL.
    pub(crate) fn nonnull<T>(&self, pointer: *const T, arg: &str) -> Result<()> {
        self.must(!pointer.is_null(), arg, "not be NULL")
    }

    /// Must be there.
    pub(crate) fn present(&self, present: bool, arg: &str) -> Result<()> {
        self.must(present, arg, "not be NULL")
    }

    /// A text that is there must have something in it.
    pub(crate) fn nonempty(&self, text: *const c_char, arg: &str) -> Result<()> {
        if crate::memory::read_optional(text).is_some_and(|text| text.is_empty()) {
            return Err(self.bad(arg, format!("string {arg} in {} must not be empty", self.name)));
        }
        Ok(())
    }

    /// Must not be 0.
    pub(crate) fn nonzero(&self, value: i128, arg: &str) -> Result<()> {
        self.must(value != 0, arg, "not be zero")
    }

    /// Must be greater than 0.
    pub(crate) fn positive(&self, value: i128, arg: &str) -> Result<()> {
        self.must(value > 0, arg, "be greater than zero")
    }

    /// Must be 0 or greater.
    pub(crate) fn nonnegative(&self, value: i128, arg: &str) -> Result<()> {
        self.must(value >= 0, arg, "be zero or greater")
    }

    /// Two flags that exclude each other.
    pub(crate) fn exclusive(&self, flags: u64, a: (u64, &str), b: (u64, &str), arg: &str) -> Result<()> {
        if flags & a.0 != 0 && flags & b.0 != 0 {
            return Err(self.bad(arg, format!("Flags '{}' and '{}' are mutually exclusive", a.1, b.1)));
        }
        Ok(())
    }

    /// A flag that needs another one.
    pub(crate) fn requires(&self, flags: u64, needed: (u64, &str), by: (u64, &str), arg: &str) -> Result<()> {
        if flags & by.0 != 0 && flags & needed.0 == 0 {
            return Err(self.bad(arg, format!("Flag '{}' is required by flag '{}'", needed.1, by.1)));
        }
        Ok(())
    }

    /// Refuses flags that are not known.
    pub(crate) fn known_flags(&self, flags: u32, known: u32) -> Result<()> {
        let bad = flags & !known;
        if bad == 0 { Ok(()) } else { Err(Error::unsupported_flags(self.domain, self.name, bad)) }
    }

    /// The call is one that no driver of this connection has.
    pub(crate) fn unsupported<T>(&self) -> Result<T> {
        Err(Error::no_support(self.name).in_domain(self.domain))
    }
}

/// Functions of the interface: error domain and failure value, then the function with its entry as `|e|`.
macro_rules! entries {
    ($($domain:literal, $failed:expr => fn $name:ident($($arg:ident: $type:ty),* $(,)?) -> $ret:ty |$e:ident| $body:block)+) => {
        $(
            #[doc = concat!("`", stringify!($name), "`")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $name($($arg: $type),*) -> $ret {
                crate::entry::enter(stringify!($name), $domain, $failed, |$e| $body)
            }
        )+
    };
    (private $($domain:literal, $failed:expr => fn $name:ident($($arg:ident: $type:ty),* $(,)?) -> $ret:ty |$e:ident| $body:block)+) => {
        $(
            #[doc = concat!("`", stringify!($name), "`, reached through its own library")]
            #[unsafe(export_name = concat!("ferrovirt_", stringify!($name)))]
            pub extern "C" fn $name($($arg: $type),*) -> $ret {
                crate::entry::enter(stringify!($name), $domain, $failed, |$e| $body)
            }
        )+
    };
}
pub(crate) use entries;
