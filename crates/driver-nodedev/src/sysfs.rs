//! The kernel's tree of devices: folders with small files and links.

use crate::udev;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// No file that is read here has more.
const FILE_MAX: usize = 64 << 10;

/// The folder of a device.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Below the root of the host.
    folder: PathBuf,
    /// As the host calls it: `/sys/devices/…`.
    pub(crate) path: String,
    /// Name of the folder.
    pub(crate) name: String,
    /// The part of the kernel that it belongs to.
    pub(crate) subsystem: String,
    properties: BTreeMap<String, String>,
    /// Links to its device file that udev made.
    pub(crate) links: Vec<String>,
}

/// Folders of all devices, as the host calls them, those above before those below.
pub(crate) fn all(root: &Path) -> Vec<String> {
    let mut links = Vec::new();
    for bus in children(&root.join("sys/bus")) {
        links.extend(children(&bus.join("devices")));
    }
    for class in children(&root.join("sys/class")) {
        links.extend(children(&class));
    }
    let inside = |link: PathBuf| {
        let real = fs::canonicalize(link).ok()?;
        let below = real.strip_prefix(fs::canonicalize(root).ok()?).ok()?;
        let path = format!("/{}", below.to_str()?);
        path.starts_with("/sys/devices/").then_some(path)
    };
    let mut paths: Vec<String> = links.into_iter().filter_map(inside).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Everything in a folder, in order.
pub(crate) fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.sort();
    found
}

/// The last part of what a link points at.
fn target(link: &Path) -> Option<String> {
    Some(fs::read_link(link).ok()?.file_name()?.to_str()?.to_owned())
}

impl Entry {
    /// The device with a folder.
    pub(crate) fn open(root: &Path, path: &str) -> Option<Entry> {
        let folder = root.join(path.strip_prefix('/')?);
        let name = path.rsplit('/').next()?.to_owned();
        let subsystem = target(&folder.join("subsystem"))?;
        let mut entry = Entry {
            folder,
            path: path.to_owned(),
            name,
            subsystem,
            properties: BTreeMap::new(),
            links: Vec::new(),
        };
        let text = entry.attr("uevent").unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        entry.properties = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let record = udev::record(root, &entry);
        entry.properties.extend(record.properties);
        entry.links = record.links;
        Some(entry)
    }

    /// What kernel or udev say of it; an empty word says nothing.
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A file or folder of it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The text of a file, without the blanks around it; nothing when it is empty.
    pub(crate) fn attr(&self, name: &str) -> Option<String> {
        text(&self.file(name))
    }

    /// The bytes of a file.
    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.file(name)).ok()?;
        bytes.truncate(FILE_MAX);
        Some(bytes)
    }

    /// The number in a file, decimal or with `0x` in front.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let text = self.attr(name)?;
        match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        }
    }

    /// The hexadecimal number in a file.
    pub(crate) fn hexadecimal(&self, name: &str) -> Option<u32> {
        let text = self.attr(name)?;
        u32::from_str_radix(text.strip_prefix("0x").unwrap_or(&text), 16).ok()
    }

    /// The name of what a link points at.
    pub(crate) fn link(&self, name: &str) -> Option<String> {
        target(&self.file(name))
    }

    /// Names of what is in one of its folders, in order.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let named = |path: &PathBuf| Some(path.file_name()?.to_str()?.to_owned());
        children(&self.file(folder)).iter().filter_map(named).collect()
    }
}

/// The text of a file, without the blanks around it; nothing when it is empty.
pub(crate) fn text(path: &Path) -> Option<String> {
    let mut bytes = fs::read(path).ok()?;
    bytes.truncate(FILE_MAX);
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}
