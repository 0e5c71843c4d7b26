//! Placing guests into control groups (version 2).
//!
//! A machine without a writable hierarchy gives no groups; guests run then where the daemon runs, and what needs a
//! group says so.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A group of the unified hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    path: PathBuf,
}

const MOUNT: &str = "/sys/fs/cgroup";

/// A part of a group's name, with the escapes that systemd uses for scopes.
fn escaped(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':') => c.to_string(),
            c => c.to_string().bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
        })
        .collect()
}

impl Cgroup {
    /// Creates the group of a guest and the one its emulator runs in.
    ///
    /// # Errors
    /// When there is no unified hierarchy or it cannot be written.
    pub fn create(driver: &str, id: i32, name: &str) -> io::Result<Cgroup> {
        if !Path::new(MOUNT).join("cgroup.controllers").exists() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "no unified control group hierarchy"));
        }
        let short: String = name.chars().take(20).collect();
        let slice = Path::new(MOUNT).join("machine.slice");
        let path = slice.join(format!("machine-{driver}\\x2d{id}\\x2d{}.scope", escaped(&short)));
        fs::create_dir_all(path.join("libvirt/emulator"))?;
        Ok(Cgroup { path })
    }

    /// A group that an earlier daemon made.
    pub fn adopt(path: &Path) -> Option<Cgroup> {
        (path.starts_with(MOUNT) && path.is_dir()).then(|| Cgroup { path: path.to_owned() })
    }

    /// Where the group lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves a process into the emulator's part of the group.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn enter(&self, pid: i32) -> io::Result<()> {
        fs::write(self.path.join("libvirt/emulator/cgroup.procs"), pid.to_string())
    }

    /// Removes the group, which must be empty.
    pub fn remove(&self) {
        for part in ["libvirt/emulator", "libvirt", ""] {
            if let Err(error) = fs::remove_dir(self.path.join(part))
                && error.kind() != io::ErrorKind::NotFound
            {
                log::warn!("cannot remove control group {}: {error}", self.path.display());
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names() {
        assert_eq!(super::escaped("a-b c.d"), "a\\x2db\\x20c.d");
    }
}
