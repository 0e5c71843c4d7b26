//! A daemon that is measured.

use driver_remote::Remote;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A daemon behind a socket; one of our own can be started anew.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) socket: PathBuf,
    own: Option<(PathBuf, Child)>,
}

impl Subject {
    /// A daemon that somebody else runs.
    pub(crate) fn foreign(socket: PathBuf) -> Subject {
        Subject { socket, own: None }
    }

    /// A daemon of this workspace below a temporary root.
    pub(crate) fn own() -> Result<Subject, String> {
        let root = std::env::temp_dir().join(format!("fb{}", std::process::id()));
        std::fs::create_dir_all(&root).map_err(|e| format!("{}: {e}", root.display()))?;
        let child = start(&root)?;
        let socket = root.join("run/libvirt/libvirt-sock");
        wait(&socket)?;
        Ok(Subject { socket, own: Some((root, child)) })
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

    /// Ends the daemon and starts it again; gives the time until it accepts connections.
    pub(crate) fn restart(&mut self) -> Result<Duration, String> {
        let (root, child) = self.own.as_mut().ok_or("only a daemon of our own can be started anew")?;
        let _ = Command::new("kill").arg(child.id().to_string()).status();
        let _ = child.wait();
        let begin = Instant::now();
        *child = start(root)?;
        wait(&self.socket)?;
        Ok(begin.elapsed())
    }
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
        if let Some((root, child)) = &mut self.own {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
            let _ = std::fs::remove_dir_all(root);
        }
    }
}
