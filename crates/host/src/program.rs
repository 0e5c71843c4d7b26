//! Programs on the search path.
//!
//! Capabilities name the emulators of dozens of architectures, and are asked for often; to look for each in every folder
//! takes hundreds of calls to the kernel. What was found, or not, is remembered as long as no folder has changed.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Names that are remembered.
const NAMES: usize = 512;

/// How long ago a folder must have changed: clocks of file systems are coarse, and a second change could look like the first.
const SETTLED: Duration = Duration::from_secs(2);

/// What the state of a folder is known by; none for one that is not there.
type Mark = Option<(u64, u64, i64, i64)>;

#[derive(Default)]
struct Known {
    folders: Vec<(PathBuf, Mark)>,
    names: HashMap<String, Option<PathBuf>>,
}

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

/// The folders in which programs are looked for.
pub fn path() -> OsString {
    std::env::var_os("PATH")
        .unwrap_or_else(|| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into())
}

/// Whether the file can be run.
pub fn executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// A program on the search path.
pub fn find(name: &str) -> Option<PathBuf> {
    Search::new().find(name)
}

/// A look at the search path as it is now, for several programs.
#[derive(Debug)]
pub struct Search {
    folders: Vec<PathBuf>,
    known: Option<MutexGuard<'static, Option<Known>>>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

impl Search {
    /// Looks whether folders have changed. Others who look wait until this one is dropped.
    pub fn new() -> Search {
        let folders: Vec<PathBuf> = std::env::split_paths(&path()).collect();
        let now = SystemTime::now();
        let mut settled = true;
        let mark = |folder: &PathBuf| -> Mark {
            let data = std::fs::metadata(folder).ok()?;
            let age = data.modified().ok().and_then(|changed| now.duration_since(changed).ok());
            settled &= age.is_some_and(|age| age > SETTLED);
            Some((data.dev(), data.ino(), data.mtime(), data.mtime_nsec()))
        };
        let marks: Vec<Mark> = folders.iter().map(mark).collect();
        if !settled {
            return Search { folders, known: None };
        }
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let current = |known: &Known| {
            known.folders.len() == folders.len()
                && known
                    .folders
                    .iter()
                    .zip(folders.iter().zip(&marks))
                    .all(|((a, b), (c, d))| a == c && b == d)
        };
        if !known.as_ref().is_some_and(current) {
            let folders = folders.iter().cloned().zip(marks).collect();
            *known = Some(Known { folders, names: HashMap::new() });
        }
        Search { folders, known: Some(known) }
    }

    /// A program, in the first folder that has it.
    pub fn find(&mut self, name: &str) -> Option<PathBuf> {
        let known = self.known.as_mut().and_then(|known| known.as_mut());
        if let Some(found) = known.as_ref().and_then(|known| known.names.get(name)) {
            return found.clone();
        }
        let mut files = self.folders.iter().map(|folder| folder.join(name)).filter(|path| path.is_file());
        let first = files.next();
        let certain = first.as_ref().is_none_or(|path| executable(path));
        let found = if certain { first } else { files.find(|path| executable(path)) };
        // The right to run a file may come without a change of its folder.
        if certain && let Some(known) = known.filter(|known| known.names.len() < NAMES) {
            known.names.insert(name.to_owned(), found.clone());
        }
        found
    }
}

impl Default for Search {
    fn default() -> Search {
        Search::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_again_and_again() {
        let mut search = Search::new();
        let shell = search.find("sh");
        assert!(shell.as_deref().is_some_and(executable), "{shell:?}");
        assert_eq!(search.find("sh"), shell);
        assert_eq!(search.find("no-such-program-anywhere"), None);
        assert_eq!(search.find("no-such-program-anywhere"), None);
        drop(search);
        assert_eq!(find("sh"), shell);
    }
}
