//! Programs that carry a conversation, and daemons started on behalf of a client.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// Starts a program whose input and output are the other end of the returned socket. What it says on its error output is
/// dropped; it ends when the socket is closed.
///
/// # Errors
/// When it cannot be started.
pub fn start(argv: &[String]) -> io::Result<UnixStream> {
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
        .stderr(Stdio::null())
        .spawn()?;
    // Reaped when it ends; the thread is all that a client library can leave behind for it.
    std::thread::Builder::new().name("dialogue".to_owned()).spawn(move || child.wait())?;
    Ok(ours)
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
