//! A daemon that belongs to one test.

use crate::virsh::Virsh;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A running daemon below a root of its own. Dropping it ends the daemon, its guests and removes the root.
#[derive(Debug)]
pub struct Daemon {
    root: PathBuf,
    child: Option<Child>,
    uri: Option<String>,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Daemon {
    /// Starts a daemon and waits until it accepts connections.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Daemon {
        Daemon::prepared(|_| {})
    }

    /// Like [`Daemon::start`], after `prepare` has put files below the root.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn prepared(prepare: impl FnOnce(&Path)) -> Daemon {
        let uri = std::env::var("FERROVIRT_TEST_URI").ok();
        // Socket paths may have 107 bytes, and QEMU's monitor lies deep below the root.
        let root =
            PathBuf::from(format!("/tmp/fv{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir_all(&root).expect("temporary root");
        prepare(&root);
        let mut daemon = Daemon { root, child: None, uri };
        daemon.resume();
        daemon
    }

    /// Starts the daemon over what an earlier one left below the root.
    ///
    /// # Panics
    /// When it does not come up within 20 seconds.
    pub fn resume(&mut self) {
        if self.uri.is_some() {
            return;
        }
        let log =
            File::options().create(true).append(true).open(self.root.join("daemon.log")).expect("log file");
        let mut command = Command::new(crate::program("daemon", "ferrovirtd"));
        command.arg("--root").arg(&self.root).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("log file")).stderr(log);
        self.child = Some(command.spawn().expect("the daemon starts"));
        let up = crate::wait_for(Duration::from_secs(20), || {
            std::os::unix::net::UnixStream::connect(self.socket()).ok()
        });
        assert!(up.is_some(), "the daemon does not come up:\n{}", self.log());
    }

    /// Ends the daemon with SIGTERM, as a service manager would; guests stay.
    pub fn stop(&mut self) {
        self.signal("-TERM");
    }

    /// Ends the daemon at once; guests stay.
    pub fn kill(&mut self) {
        self.signal("-KILL");
    }

    fn signal(&mut self, signal: &str) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").args([signal, &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }

    /// Process id of the daemon, 0 when it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// The folder that stands for `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The read-write socket.
    pub fn socket(&self) -> PathBuf {
        self.root.join("run/libvirt/libvirt-sock")
    }

    /// The read-only socket.
    pub fn socket_ro(&self) -> PathBuf {
        self.root.join("run/libvirt/libvirt-sock-ro")
    }

    /// What the daemon logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.root.join("daemon.log")).unwrap_or_default()
    }

    /// Stock virsh on the read-write socket.
    pub fn virsh(&self) -> Virsh {
        let own = || format!("qemu:///system?socket={}", self.socket().display());
        Virsh::new(self.uri.clone().unwrap_or_else(own), &self.root)
    }

    /// Stock virsh with a read-only connection.
    pub fn virsh_ro(&self) -> Virsh {
        let own = || format!("qemu:///system?socket={}", self.socket_ro().display());
        Virsh::new(self.uri.clone().unwrap_or_else(own), &self.root).read_only()
    }

    /// A guest image's folder and other scratch files of the test.
    pub fn scratch(&self, name: &str) -> PathBuf {
        let path = self.root.join("scratch");
        let _ = std::fs::create_dir_all(&path);
        path.join(name)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.is_some() {
            let virsh = self.virsh();
            for name in virsh.run(&["list", "--name"]).out.lines().filter(|name| !name.is_empty()) {
                virsh.run(&["destroy", name]);
            }
        }
        self.stop();
        // Emulators that outlived the daemon of a failed test.
        let _ = Command::new("pkill").args(["-KILL", "-f", &format!("{}/", self.root.display())]).status();
        if std::thread::panicking() {
            eprintln!("--- daemon log\n{}", self.log());
        }
        let _ = std::fs::remove_dir_all(&self.root);
    }
}
