//! Questions that authentication asks the user: what callers register, and the console as the default.

use crate::memory;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::io::{BufRead, Write};

/// `struct _virConnectCredential`: one question and room for its answer.
#[repr(C)]
#[derive(Debug)]
pub struct Credential {
    kind: c_int,
    prompt: *const c_char,
    challenge: *const c_char,
    default: *const c_char,
    result: *mut c_char,
    result_length: c_uint,
}

/// `virConnectAuthCallbackPtr`
pub type AuthCallback = Option<unsafe extern "C" fn(*mut Credential, c_uint, *mut c_void) -> c_int>;

/// `struct _virConnectAuth`: which kinds of questions a caller answers, and how.
#[repr(C)]
#[derive(Debug)]
pub struct Auth {
    kinds: *const c_int,
    count: c_uint,
    callback: AuthCallback,
    data: *mut c_void,
}

// SAFETY: the value behind the exported pointer is never changed.
unsafe impl Sync for Auth {}

/// A pointer that C code finds as a variable.
#[repr(transparent)]
#[derive(Debug)]
pub struct AuthPointer(*const Auth);

// SAFETY: it points to a value that is never changed.
unsafe impl Sync for AuthPointer {}

/// Name, prompt with echo, realm, password, prompt without echo, something done elsewhere.
static KINDS: [c_int; 6] = [2, 6, 8, 5, 7, 9];

static CONSOLE: Auth =
    Auth { kinds: KINDS.as_ptr(), count: 6, callback: Some(ask), data: std::ptr::null_mut() };

/// `virConnectAuthPtrDefault`: asks on the console.
#[unsafe(no_mangle)]
pub static virConnectAuthPtrDefault: AuthPointer = AuthPointer(&raw const CONSOLE);

fn without_echo(read: impl FnOnce() -> Option<String>) -> Option<String> {
    let console = std::io::stdin();
    let old = rustix::termios::tcgetattr(&console).ok();
    if let Some(mut quiet) = old.clone() {
        quiet.local_modes.remove(rustix::termios::LocalModes::ECHO);
        let _ = rustix::termios::tcsetattr(&console, rustix::termios::OptionalActions::Flush, &quiet);
    }
    let line = read();
    if let Some(old) = old {
        let _ = rustix::termios::tcsetattr(&console, rustix::termios::OptionalActions::Flush, &old);
    }
    line
}

fn line() -> Option<String> {
    let mut text = String::new();
    let count = std::io::stdin().lock().read_line(&mut text).ok()?;
    (count > 0).then(|| text.trim_end_matches('\n').to_owned())
}

/// Asks each question on the console.
///
/// # Safety
/// `cred` has `count` elements.
unsafe extern "C" fn ask(cred: *mut Credential, count: c_uint, _data: *mut c_void) -> c_int {
    for at in 0..count as usize {
        // SAFETY: as the caller promises.
        let cred = unsafe { &mut *cred.add(at) };
        if cred.kind == 9 {
            continue;
        }
        let prompt = memory::read(cred.prompt);
        let mut out = std::io::stdout();
        if write!(out, "{prompt}: ").and_then(|()| out.flush()).is_err() {
            return -1;
        }
        let secret = matches!(cred.kind, 5 | 7);
        let Some(mut answer) = (if secret { without_echo(line) } else { line() }) else { return -1 };
        if answer.is_empty() {
            answer = memory::read(cred.default);
        }
        let Ok(copy) = memory::text(&answer) else { return -1 };
        cred.result = copy;
        cred.result_length = answer.len() as c_uint;
    }
    0
}
