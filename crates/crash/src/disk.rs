//! A small disk that runs full.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of the disk.
const SIZE: &str = "size=16m,mode=755";

/// A file system in memory, mounted for the time of a test.
#[derive(Debug)]
pub(crate) struct Disk {
    place: PathBuf,
}

impl Disk {
    pub(crate) fn mount(place: &Path) -> Result<Disk, String> {
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "ferrovirt-crash"]).arg(place).output();
        let mount = mount.map_err(|cause| format!("mount: {cause}"))?;
        if mount.status.success() {
            Ok(Disk { place: place.to_owned() })
        } else {
            Err(String::from_utf8_lossy(&mount.stderr).trim().to_owned())
        }
    }

    fn ballast(&self) -> PathBuf {
        self.place.join("ballast")
    }

    /// Leaves no room at all, or hardly any.
    pub(crate) fn fill(&self, room: u64) {
        let Ok(mut file) = File::create(self.ballast()) else { return };
        let chunk = [0; 64 << 10];
        let mut length = 0;
        for size in [chunk.len(), 4096] {
            while let Ok(count) = file.write(&chunk[..size]) {
                length += count as u64;
            }
        }
        let _ = file.set_len(length.saturating_sub(room));
    }

    /// Makes room again.
    pub(crate) fn relieve(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }

    pub(crate) fn remove(&self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).status();
    }
}
