//! A daemon that is measured.
//!
//! One that somebody else runs is started anew by the command line it has, and then belongs to the bench.

use crate::stock::Stock;
use driver_remote::Remote;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A daemon behind a socket.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) socket: PathBuf,
    /// The stock client library, when it makes the calls.
    pub(crate) stock: Option<Arc<Stock>>,
    /// How it is started anew: program and arguments.
    line: Vec<OsString>,
    /// The process, when it was started here.
    child: Option<Child>,
    /// Folder that goes with it.
    root: Option<PathBuf>,
}

impl Subject {
    /// A daemon that somebody else runs.
    pub(crate) fn foreign(socket: PathBuf) -> Subject {
        Subject { socket, stock: None, line: Vec::new(), child: None, root: None }
    }

    /// A daemon of this workspace below a temporary root.
    pub(crate) fn own() -> Result<Subject, String> {
        let root = std::env::temp_dir().join(format!("fb{}", std::process::id()));
        std::fs::create_dir_all(&root).map_err(|e| format!("{}: {e}", root.display()))?;
        let line = vec![program()?.into(), "--root".into(), root.clone().into()];
        let socket = root.join("run/libvirt/libvirt-sock");
        let child = Some(start(&line)?);
        let subject = Subject { socket, stock: None, line, child, root: Some(root) };
        wait(&subject.socket)?;
        Ok(subject)
    }

    /// A connection.
    pub(crate) fn open(&self) -> Result<Remote, String> {
        Remote::open(&self.socket, "qemu:///system", false).map_err(|error| error.to_string())
    }

    /// Process id of the daemon.
    pub(crate) fn pid(&self) -> Result<i32, String> {
        let stream = UnixStream::connect(&self.socket).map_err(|e| e.to_string())?;
        let peer = rustix::net::sockopt::socket_peercred(&stream).map_err(|e| e.to_string())?;
        Ok(peer.pid.as_raw_nonzero().get())
    }

    /// Resident memory of the daemon in KiB.
    pub(crate) fn resident(&self) -> Result<f64, String> {
        self.resident_of(self.pid()?)
    }

    /// The same when its process is known: nothing is asked of the daemon.
    pub(crate) fn resident_of(&self, pid: i32) -> Result<f64, String> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|e| e.to_string())?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no resident size")?;
        line.split_whitespace()
            .next()
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| "no number".to_owned())
    }

    /// Ends the daemon and starts it again; gives the time until it accepts connections. One that somebody else runs is
    /// started with its own command line.
    pub(crate) fn restart(&mut self) -> Result<Duration, String> {
        let pid = self.pid()?;
        if self.line.is_empty() {
            let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).map_err(|e| e.to_string())?;
            let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
            self.line = words.map(|word| OsStr::from_bytes(word).to_owned()).collect();
        }
        end(pid);
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
        let begin = Instant::now();
        self.child = Some(start(&self.line)?);
        wait(&self.socket)?;
        Ok(begin.elapsed())
    }
}

/// Asks a process to end and waits until it has.
fn end(pid: i32) {
    let _ = Command::new("kill").arg(pid.to_string()).status();
    let alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
    };
    let limit = Instant::now() + Duration::from_secs(20);
    while alive() && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn program() -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|e| e.to_string())?;
    let program = here.with_file_name("ferrovirtd");
    if !program.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "daemon"]);
        if here.components().any(|part| part.as_os_str() == "release") {
            build.arg("--release");
        }
        build.status().map_err(|e| e.to_string())?;
    }
    Ok(program)
}

fn start(line: &[OsString]) -> Result<Child, String> {
    let (program, args) = line.split_first().ok_or("it is not known how the daemon is started")?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|e| format!("{}: {e}", program.display()))
}

fn wait(socket: &Path) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(20);
    while UnixStream::connect(socket).is_err() {
        if Instant::now() > end {
            return Err(format!("nobody listens on {}", socket.display()));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

impl Drop for Subject {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
        if let Some(root) = &self.root {
            let _ = std::fs::remove_dir_all(root);
        }
    }
}
