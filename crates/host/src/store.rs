//! Files that are either old or new, never half: temporary file, fsync, rename, fsync of the folder.
//!
//! The folder is looked up once for all that is done in it.

use faults::{Point, at};
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Suffix of files under construction; what bears it after a crash is rubbish.
const TEMPORARY: &str = ".new";

/// Name under which the next contents of a file are put together: beside it, and nobody else's, as two threads may write the
/// same file at the same time.
fn temporary(name: &OsStr) -> OsString {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut name = name.to_owned();
    name.push(format!(".{}{TEMPORARY}", NEXT.fetch_add(1, Ordering::Relaxed)));
    name
}

/// The folder of a file, to work in it.
fn opened_folder(path: &Path) -> io::Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))
}

/// Replaces or creates a file in one step; durably, or such that a crash of the machine may lose it.
fn replace(path: &Path, contents: &[u8], mode: u32, durable: bool) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default();
    let temporary = temporary(name);
    at(Point::Open)?;
    let folder = opened_folder(path)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let mut file = File::from(openat(&folder, &temporary, flags, Mode::from_raw_mode(mode))?);
    let outcome = (|| {
        fill(&mut file, contents)?;
        if durable {
            at(Point::Sync)?;
            file.sync_all()?;
        }
        at(Point::Rename)?;
        renameat(&folder, &temporary, &folder, name)?;
        if durable {
            at(Point::Renamed)?;
            folder.sync_all()?;
        }
        Ok(())
    })();
    if outcome.is_err() {
        let _ = unlinkat(&folder, &temporary, AtFlags::empty());
    }
    outcome
}

/// Whether it is a file under construction of one with this extension.
fn is_temporary(name: &str, extension: &str) -> bool {
    name.strip_suffix(TEMPORARY).is_some_and(|name| {
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('.');
        name.strip_suffix(extension).is_some_and(|stem| stem.ends_with('.'))
    })
}

/// Replaces or creates a file in one step. The mode applies to a new file.
///
/// # Errors
/// When a step fails; the old file is there then.
pub fn write(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    replace(path, contents, mode, true)
}

/// Writes everything; a fault on purpose leaves half of it, as a full disk does.
fn fill(file: &mut File, contents: &[u8]) -> io::Result<()> {
    if let Err(cause) = at(Point::Write) {
        let half = contents.get(..contents.len() / 2).unwrap_or_default();
        return file.write_all(half).and(Err(cause));
    }
    file.write_all(contents)
}

/// Like [`write`], for files that a crash of the machine may lose: what lies in `/run` or can be made again.
///
/// # Errors
/// When a step fails; the old file is there then.
pub fn write_volatile(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    replace(path, contents, mode, false)
}

/// Removes a file for good; one that is not there is no error.
///
/// # Errors
/// When it is there and stays.
pub fn remove(path: &Path) -> io::Result<()> {
    at(Point::Remove)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => opened_folder(path)?.sync_all(),
    }
}

/// Like [`remove`], for files of [`write_volatile`].
///
/// # Errors
/// When it is there and stays.
pub fn remove_volatile(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Creates or replaces a symbolic link in one step.
///
/// # Errors
/// When a step fails.
pub fn link(target: &Path, path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = path.with_file_name(temporary(path.file_name().unwrap_or_default()));
    at(Point::Link)?;
    symlink(target, &temporary)?;
    let linked = at(Point::Rename).and_then(|()| fs::rename(&temporary, path));
    linked.inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// Creates a folder and those above it, the last with this mode.
///
/// # Errors
/// When one cannot be made.
pub fn folder(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    at(Point::Folder)?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        // Whatever the umask takes away.
        outcome => outcome.and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode))),
    }
}

/// Removes a folder and what is in it; one that is not there is no error.
///
/// # Errors
/// When something in it stays.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    at(Point::Remove)?;
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Files of a folder with this extension: name without it, and contents. Rubbish of a crash is removed.
pub fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if is_temporary(name, extension) {
            log::warn!("removing {}, left by a crash", path.display());
            let _ = fs::remove_file(&path);
            continue;
        }
        let Some(stem) = name.strip_suffix(&format!(".{extension}")) else { continue };
        match fs::read_to_string(&path) {
            Ok(text) => found.push((stem.to_owned(), text)),
            Err(error) => log::error!("cannot read {}: {error}", path.display()),
        }
    }
    found.sort();
    found
}

/// Waits until nobody else holds the lock file, and holds it until the file is dropped.
///
/// # Errors
/// When it cannot be made.
pub fn lock(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(file)
}

/// A file without a name, gone when it is closed.
///
/// # Errors
/// When it cannot be made.
pub fn unnamed() -> io::Result<File> {
    let fd = rustix::fs::memfd_create("ferrovirt", rustix::fs::MemfdFlags::CLOEXEC)?;
    Ok(File::from(fd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaced_in_one_step_and_cleaned_after_a_crash() {
        let folder = std::env::temp_dir().join(format!("store-{}", std::process::id()));
        super::folder(&folder, 0o700).unwrap();
        let path = folder.join("a.xml");
        write(&path, b"one", 0o600).unwrap();
        write(&path, b"two", 0o600).unwrap();
        for rubbish in ["b.xml.new", "b.xml.17.new"] {
            fs::write(folder.join(rubbish), "half").unwrap();
            assert_eq!(files(&folder, "xml"), [("a".to_owned(), "two".to_owned())]);
            assert!(!folder.join(rubbish).exists());
        }
        link(&path, &folder.join("auto/a.xml")).unwrap();
        link(&path, &folder.join("auto/a.xml")).unwrap();
        remove(&path).unwrap();
        remove(&path).unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn several_write_the_same_file() {
        let folder = std::env::temp_dir().join(format!("store-many-{}", std::process::id()));
        super::folder(&folder, 0o700).unwrap();
        let path = folder.join("a.xml");
        std::thread::scope(|scope| {
            for writer in 0_u8..4 {
                let path = &path;
                scope.spawn(move || {
                    for round in 0..200 {
                        let contents = vec![b'a' + writer; 1000 + round];
                        write_volatile(path, &contents, 0o600).unwrap();
                        let found = fs::read(path).unwrap();
                        assert!(found.iter().all(|byte| Some(byte) == found.first()), "of two writers");
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
