//! `--daemon`: the program starts itself again, detached, and ends when the other is ready.
//!
//! The copy finds out by an environment variable what it is. It reports through its standard output, a pipe: one line
//! when it serves; when it ends before that, its exit status is passed on.

use crate::Failure;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

const MARK: &str = "FERROVIRT_DETACHED";

/// Whether this process is the detached copy.
pub(crate) fn detached() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Starts the copy and waits until it serves.
pub(crate) fn run() -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure(1, format!("cannot start in the background: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    let mut command = Command::new(program);
    std::os::unix::process::CommandExt::arg0(&mut command, name);
    command.args(args).env(MARK, "1").current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let mut said = String::new();
    if let Some(mut out) = child.stdout.take() {
        // Ends at the first line or when the copy is gone.
        let mut byte = [0];
        while out.read(&mut byte).is_ok_and(|count| count == 1) && byte[0] != b'\n' {
            said.push(char::from(byte[0]));
        }
    }
    if said == "ready" {
        return Ok(());
    }
    let status = child.wait().ok().and_then(|status| status.code()).unwrap_or(1);
    Err(Failure(status.clamp(1, 255) as u8, "the daemon did not start".to_owned()))
}

/// Tells whoever waits that the daemon serves, and leaves its terminal.
pub(crate) fn ready() {
    if !detached() {
        return;
    }
    let _ = rustix::process::setsid();
    let mut out = std::io::stdout();
    let _ = out.write_all(b"ready\n").and_then(|()| out.flush());
    if let Ok(null) = std::fs::File::options().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}
