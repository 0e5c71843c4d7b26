//! A daemon that is measured.
//!
//! One that somebody else runs is started anew by the command line it has, and then belongs to the bench.

use driver_remote::Remote;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A daemon behind a socket.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) socket: PathBuf,
    /// The root of a daemon of this workspace.
    root: Option<PathBuf>,
    /// The daemon, if the bench has started it.
    child: Option<Child>,
}

impl Subject {
    /// A daemon that somebody else runs.
    pub(crate) fn foreign(socket: PathBuf) -> Subject {
        Subject { socket, root: None, child: None }
    }

    /// A daemon of this workspace below a temporary root.
    pub(crate) fn own() -> Result<Subject, String> {
        let root = std::env::temp_dir().join(format!("fb{}", std::process::id()));
        std::fs::create_dir_all(&root).map_err(|e| format!("{}: {e}", root.display()))?;
        let child = start(&root)?;
        let socket = root.join("run/libvirt/libvirt-sock");
        wait(&socket)?;
        Ok(Subject { socket, root: Some(root), child: Some(child) })
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

    /// Ends the daemon and starts it again; gives the moment of its new start. It accepts connections then.
    pub(crate) fn restart(&mut self) -> Result<Instant, String> {
        let pid = self.pid()?;
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).map_err(|e| e.to_string())?;
        let _ = Command::new("kill").arg(pid.to_string()).status();
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
        let end = Instant::now() + Duration::from_secs(60);
        while runs(pid) {
            if Instant::now() > end {
                return Err(format!("the daemon {pid} does not end"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let begin = Instant::now();
        self.child = Some(match &self.root {
            Some(root) => start(root)?,
            None => start_again(&command)?,
        });
        wait(&self.socket)?;
        Ok(begin)
    }
}

/// Whether a process has not ended. One whose parent has not asked for its status yet has.
fn runs(pid: i32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn start_again(command: &[u8]) -> Result<Child, String> {
    let words = command.split(|byte| *byte == 0).map(|word| std::ffi::OsString::from_vec(word.to_vec()));
    let mut words = words.take_while(|word| !word.is_empty());
    let program = words.next().ok_or("a daemon without a command line")?;
    let mut command = Command::new(&program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|e| format!("{}: {e}", program.display()))
}

fn start(root: &Path) -> Result<Child, String> {
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
    let mut command = Command::new(&program);
    command.arg("--root").arg(root).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
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
