//! Where libvirt's files lie.
//!
//! A privileged daemon uses `/etc`, `/run` and `/var`, a session daemon the XDG folders of its user. All of it lies
//! below a root, so that tests and side-by-side daemons have a host of their own.

use std::path::{Path, PathBuf};

/// The folders of one daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
    privileged: bool,
    config: PathBuf,
    run: PathBuf,
    state: PathBuf,
    logs: PathBuf,
    cache: PathBuf,
}

impl Layout {
    /// The folders of a daemon of the calling user below `root`.
    pub fn of(root: &Path) -> Layout {
        let privileged = rustix::process::geteuid().is_root();
        let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        let xdg = |name: &str, below: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map_or_else(|| home.join(below), PathBuf::from)
        };
        let below = |path: PathBuf| match path.strip_prefix("/") {
            Ok(rest) => root.join(rest),
            Err(_) => root.join(path),
        };
        if privileged {
            Layout {
                root: root.to_owned(),
                privileged,
                config: root.join("etc/libvirt"),
                run: root.join("run/libvirt"),
                state: root.join("var/lib/libvirt"),
                logs: root.join("var/log/libvirt"),
                cache: root.join("var/cache/libvirt"),
            }
        } else {
            let cache = below(xdg("XDG_CACHE_HOME", ".cache").join("libvirt"));
            let config = below(xdg("XDG_CONFIG_HOME", ".config").join("libvirt"));
            let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty());
            Layout {
                root: root.to_owned(),
                privileged,
                state: config.join("qemu").join("lib"),
                config,
                run: runtime.map_or_else(|| cache.clone(), |dir| below(PathBuf::from(dir).join("libvirt"))),
                logs: cache.clone(),
                cache,
            }
        }
    }

    /// The folder that stands for `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A system daemon, not one of a session.
    pub fn privileged(&self) -> bool {
        self.privileged
    }

    /// Configuration: `/etc/libvirt`.
    pub fn config(&self) -> PathBuf {
        self.config.clone()
    }

    /// What lives as long as the machine is up: `/run/libvirt`.
    pub fn run(&self) -> PathBuf {
        self.run.clone()
    }

    /// What lives longer: `/var/lib/libvirt`.
    pub fn state(&self) -> PathBuf {
        self.state.clone()
    }

    /// Logs: `/var/log/libvirt`.
    pub fn logs(&self) -> PathBuf {
        self.logs.clone()
    }

    /// What can be made again: `/var/cache/libvirt`.
    pub fn cache(&self) -> PathBuf {
        self.cache.clone()
    }

    /// The daemon's pid file.
    pub fn pid_file(&self, program: &str) -> PathBuf {
        if self.privileged {
            self.root.join("run").join(format!("{program}.pid"))
        } else {
            self.run.join(format!("{program}.pid"))
        }
    }
}
