//! Descriptors: files in which packages tell what they have installed for emulators.
//!
//! * [`firmware`]: firmware images (QEMU's `docs/interop/firmware.json`)
//! * [`vhost_user`]: programs that play a device (QEMU's `docs/interop/vhost-user.json`)
//!
//! Descriptors lie in several folders. A file of the administrator stands for the file of the same name that a
//! package has brought, and an empty one hides it; the order is that of the names.

pub mod firmware;
pub mod vhost_user;

use std::collections::BTreeMap;

/// Why a file is not a descriptor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// It is not JSON.
    #[error("unable to parse json: {0}")]
    Json(String),
    /// Something that must be there is not.
    #[error("missing '{0}'")]
    Missing(&'static str),
    /// A word that nobody knows.
    #[error("unknown {0} '{1}'")]
    Unknown(&'static str, String),
}

/// A file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name without the folder.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Folders with descriptors of a kind (`firmware`, `vhost-user`), the most important one first.
///
/// `own`: folder with the user's own configuration, for daemons without privileges.
pub fn folders(kind: &str, own: Option<&str>) -> Vec<String> {
    let own = own.map(|folder| format!("{folder}/qemu/{kind}"));
    own.into_iter().chain(["/etc", "/usr/share"].map(|folder| format!("{folder}/qemu/{kind}"))).collect()
}

/// Paths of the descriptors that count. `folders`: folders with their files, the most important one first.
pub fn paths(folders: &[(String, Vec<File>)]) -> Vec<String> {
    let mut chosen: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for (folder, files) in folders {
        for file in files.iter().filter(|file| file.name.ends_with(".json") && !file.name.starts_with('.')) {
            let path = (file.size > 0).then(|| format!("{folder}/{}", file.name));
            chosen.entry(&file.name).or_insert(path);
        }
    }
    chosen.into_values().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_administrator_hides_and_replaces() {
        let file = |name: &str, size| File { name: name.to_owned(), size };
        let folders = [
            ("/etc/f".to_owned(), vec![file("20-b.json", 0), file("30-c.json", 5), file("15-x.txt", 5)]),
            ("/usr/f".to_owned(), vec![file("30-c.json", 5), file("20-b.json", 5), file("10-a.json", 5)]),
        ];
        assert_eq!(paths(&folders), ["/usr/f/10-a.json", "/etc/f/30-c.json"]);
        assert_eq!(
            super::folders("firmware", Some("/home/a/.config")),
            ["/home/a/.config/qemu/firmware", "/etc/qemu/firmware", "/usr/share/qemu/firmware"]
        );
    }
}
