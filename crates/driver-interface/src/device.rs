//! One interface's folder in the kernel's tree, and which interfaces there are.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// No file that is read here has more.
const FILE_MAX: u64 = 64 << 10;

/// The folder of an interface.
#[derive(Debug)]
pub(crate) struct Device {
    /// Its name.
    pub(crate) name: String,
    folder: PathBuf,
}

impl Device {
    /// The interface with a name.
    pub(crate) fn find(root: &Path, name: &str) -> Option<Device> {
        // A name is no way out of the folder.
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return None;
        }
        let folder = root.join("sys/class/net").join(name);
        folder.is_dir().then(|| Device { name: name.to_owned(), folder })
    }

    /// All interfaces that are listed, in the order of the devices they belong to.
    pub(crate) fn listed(root: &Path) -> Vec<Device> {
        let Ok(entries) = fs::read_dir(root.join("sys/class/net")) else { return Vec::new() };
        let mut found: Vec<(PathBuf, Device)> = entries
            .filter_map(|entry| Device::find(root, entry.ok()?.file_name().to_str()?))
            .filter(|device| !device.is_port() && !device.is_of_guest())
            .filter_map(|device| Some((fs::canonicalize(&device.folder).ok()?, device)))
            .collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found.into_iter().map(|(_, device)| device).collect()
    }

    /// It belongs to a bridge.
    fn is_port(&self) -> bool {
        self.folder.join("brport/state").is_file()
    }

    /// A program is behind it, most likely an emulator.
    fn is_of_guest(&self) -> bool {
        self.folder.join("tun_flags").is_file()
    }

    /// The bytes of a file as text.
    pub(crate) fn read(&self, file: &str) -> io::Result<String> {
        read(&self.folder.join(file))
    }

    /// The text of a file without the ends of lines after it.
    pub(crate) fn attr(&self, file: &str) -> Option<String> {
        self.read(file).ok().map(|text| text.trim_end_matches('\n').to_owned())
    }

    /// The MAC address in the kernel's spelling; empty when it has none.
    pub(crate) fn mac(&self) -> String {
        self.attr("address").unwrap_or_default()
    }

    /// What the kernel says of its link.
    pub(crate) fn state(&self) -> String {
        self.attr("operstate").unwrap_or_default()
    }

    /// It carries packets.
    pub(crate) fn is_active(&self) -> bool {
        self.state() == "up"
    }

    /// What makes it more than a card, e.g. `bridge`.
    pub(crate) fn kind(&self) -> Option<String> {
        let text = self.attr("uevent")?;
        text.lines().find_map(|line| line.strip_prefix("DEVTYPE=")).map(str::to_owned)
    }

    /// Names of what is in one of its folders, in order.
    pub(crate) fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.folder.join(folder))? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }
}

/// The text of a small file.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
