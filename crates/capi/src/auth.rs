//! Questions that authentication asks the user: what callers register, and the console as the default.

use crate::memory;
use api::credential::{Answerer, Kind, Question};
use base::{Error, ErrorCode, ErrorDomain, Result};
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

// SAFETY: the pointers are only used while the call runs that brought them, or are those of the value below.
unsafe impl Send for Auth {}
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

impl Answerer for Auth {
    fn knows(&self, kind: Kind) -> bool {
        let kinds = memory::slice(self.kinds, self.count).unwrap_or(&[]);
        self.callback.is_some() && kinds.contains(&(kind as c_int))
    }

    fn answer(&self, question: &Question) -> Result<String> {
        let refuse =
            || Error::new(ErrorCode::AUTH_FAILED, ErrorDomain::AUTH, "Failed to collect auth credentials");
        let prompt = memory::text(&question.prompt)?;
        let challenge = memory::optional_text(question.challenge.as_deref())?;
        let default = memory::optional_text(question.default.as_deref())?;
        let mut cred = Credential {
            kind: question.kind as c_int,
            prompt,
            challenge,
            default,
            result: std::ptr::null_mut(),
            result_length: 0,
        };
        let function = self.callback.ok_or_else(refuse)?;
        // SAFETY: the caller's function with the pointer it came with; the question lives until it returns.
        let outcome = unsafe { function(&raw mut cred, 1, self.data) };
        [prompt, challenge, default].into_iter().for_each(memory::free);
        let answer = memory::read_optional(cred.result);
        memory::free(cred.result);
        if outcome < 0 { Err(refuse()) } else { answer.ok_or_else(refuse) }
    }
}

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
