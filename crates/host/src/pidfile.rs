//! Pid files: locked while a daemon or one of its drivers runs, so that there is only one.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A held pid file; removed when dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _file: File,
}

/// Creates and locks a pid file.
///
/// # Errors
/// In the reference's words when it cannot be written, or when another process holds it.
pub fn acquire(path: &Path) -> Result<PidFile, String> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
    }
    loop {
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(|error| format!("Failed to open pid file '{}': {error}", path.display()))?;
        // The kind of lock that the reference takes, so that the two keep each other out.
        if rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(format!(
                "Failed to acquire pid file '{}': Resource temporarily unavailable",
                path.display()
            ));
        }
        // A daemon that was just ending may have removed the file between open and lock.
        let same = std::fs::metadata(path).is_ok_and(|there| {
            use std::os::unix::fs::MetadataExt;
            file.metadata().is_ok_and(|ours| ours.ino() == there.ino())
        });
        if !same {
            continue;
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(|error| format!("Failed to write pid file '{}': {error}", path.display()))?;
        return Ok(PidFile { path: path.to_owned(), _file: file });
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
