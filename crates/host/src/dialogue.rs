//! Programs that carry a conversation, and daemons started on behalf of a client.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// What a program says on its error output is kept up to this length.
const WORDS_MAX: u64 = 64 << 10;

/// A program that carries a conversation.
#[derive(Debug)]
pub struct Dialogue {
    /// Leads to its input and output.
    pub socket: UnixStream,
    /// What it complains about.
    pub complaints: Complaints,
}

/// What a program has said on its error output.
#[derive(Clone, Debug, Default)]
pub struct Complaints(Arc<(Mutex<Heard>, Condvar)>);

#[derive(Debug, Default)]
struct Heard {
    text: String,
    ended: bool,
}

impl Complaints {
    /// All it has said when it has ended, or what was said until the limit.
    pub fn wait(&self, limit: Duration) -> String {
        let (heard, changed) = &*self.0;
        let guard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(guard, limit, |heard| !heard.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.text.clone()
    }

    fn hear(&self, from: impl Read) {
        let mut from = from.take(WORDS_MAX);
        let mut chunk = [0; 1024];
        let (heard, changed) = &*self.0;
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            let text = String::from_utf8_lossy(&chunk[..count]);
            heard.lock().unwrap_or_else(PoisonError::into_inner).text.push_str(&text);
        }
        heard.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        changed.notify_all();
    }
}

/// Starts a program whose input and output are the other end of a socket; it ends when the socket is closed.
///
/// # Errors
/// When it cannot be started.
pub fn start(argv: &[String]) -> io::Result<Dialogue> {
    let Some((program, args)) = argv.split_first() else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    let (ours, theirs) = UnixStream::pair()?;
    let input: OwnedFd = theirs.try_clone()?.into();
    let output: OwnedFd = theirs.into();
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output))
        .stderr(Stdio::piped())
        .spawn()?;
    let complaints = Complaints::default();
    let hearing = complaints.clone();
    let errors = child.stderr.take();
    // Reaped when it ends; the thread is all that a client library can leave behind for it.
    std::thread::Builder::new().name("dialogue".to_owned()).spawn(move || {
        if let Some(errors) = errors {
            hearing.hear(errors);
        }
        child.wait()
    })?;
    Ok(Dialogue { socket: ours, complaints })
}

/// Starts a daemon that goes into the background by itself and ends when unused for two minutes.
///
/// # Errors
/// When it cannot be started or says that it failed.
pub fn start_daemon(program: &Path) -> io::Result<()> {
    let status = Command::new(program)
        .args(["--timeout=120", "--daemon"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("it ended with {status}"))) }
}
