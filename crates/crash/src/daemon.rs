//! The daemon under test, below a root of its own.

use crate::disk::Disk;
use driver_remote::Remote;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the daemon may take to accept connections.
const START: Duration = Duration::from_secs(30);

/// A daemon that is killed and started again. Dropping it ends it and removes the root.
#[derive(Debug)]
pub struct Daemon {
    program: PathBuf,
    root: PathBuf,
    child: Option<Child>,
    disk: Option<Disk>,
}

impl Daemon {
    /// Prepares a daemon below `root`; it does not run yet.
    ///
    /// # Errors
    /// When the root cannot be made.
    pub fn new(program: PathBuf, root: PathBuf) -> Result<Daemon, String> {
        std::fs::create_dir_all(&root).map_err(|cause| format!("{}: {cause}", root.display()))?;
        Ok(Daemon { program, root, child: None, disk: None })
    }

    /// Puts the root on a disk of its own, which is small.
    ///
    /// # Errors
    /// When it cannot be mounted, which takes root's rights.
    pub fn on_a_small_disk(&mut self) -> Result<(), String> {
        self.disk = Some(Disk::mount(&self.root)?);
        Ok(())
    }

    /// The small disk.
    pub(crate) fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// The folder that stands for `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The read-write socket.
    pub fn socket(&self) -> PathBuf {
        self.root.join("run/libvirt/libvirt-sock")
    }

    /// Starts it and waits until it accepts connections. With faults on purpose it may end before.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(&mut self, faults: Option<&str>) -> Result<(), String> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.root.join("daemon.log"))
            .map_err(|cause| format!("daemon.log: {cause}"))?;
        let errors = log.try_clone().map_err(|cause| format!("daemon.log: {cause}"))?;
        let mut command = Command::new(&self.program);
        match faults {
            Some(faults) => command.env(faults::VARIABLE, faults),
            None => command.env_remove(faults::VARIABLE),
        };
        let child = command
            .arg("--root")
            .arg(&self.root)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|cause| format!("{}: {cause}", self.program.display()))?;
        self.child = Some(child);
        let begin = Instant::now();
        // Connecting alone tells nothing: the socket of the dead daemon may still be held by a child of it.
        while self.open().is_err() {
            if faults.is_some() && self.is_gone() {
                return Ok(());
            }
            if begin.elapsed() > START {
                return Err(format!("the daemon does not come up:\n{}", self.log()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Whether it has ended by itself.
    pub fn is_gone(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|status| status.is_some()))
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A connection.
    ///
    /// # Errors
    /// When the daemon is not there.
    pub fn open(&self) -> Result<Remote, String> {
        Remote::open(&self.socket(), "qemu:///system", false).map_err(|cause| cause.to_string())
    }

    /// The end of what it logged.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.root.join("daemon.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        for (pid, _) in crate::traces::emulators(&self.root) {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
        if let Some(disk) = self.disk.take() {
            disk.remove();
        }
        let _ = std::fs::remove_dir_all(&self.root);
    }
}
