//! What happens to devices: messages of the kernel, or of udev where it runs.
//!
//! udev tells of a device when it has named and examined it, so its word is waited for where there is one.
//!
//! ```text
//! kernel   "add@/devices/…" NUL KEY=VALUE NUL …
//! udev     "libudev" NUL, magic, sizes, offset of KEY=VALUE NUL …
//! ```

use crate::netlink;
use std::io;
use std::path::Path;
use std::time::Duration;

const KERNEL: u32 = 1;
const UDEV: u32 = 2;

/// Something happened to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// `add`, `remove`, `change`, `move` …
    pub action: String,
    /// Folder below `/sys`, with a slash in front.
    pub path: String,
    /// All that was told, these included.
    pub properties: Vec<(String, String)>,
}

/// Listens to the kernel or to udev.
#[derive(Debug)]
pub struct Listener {
    socket: netlink::Socket,
}

impl Listener {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open() -> io::Result<Listener> {
        let group = if Path::new("/run/udev/control").exists() { UDEV } else { KERNEL };
        let socket = netlink::Socket::open(Some(rustix::net::netlink::KOBJECT_UEVENT), group)?;
        Ok(Listener { socket })
    }

    /// What happened next; nothing when that takes longer than `limit`.
    pub fn next(&self, limit: Duration) -> Option<Happening> {
        parse(&self.socket.message(limit)?)
    }
}

fn parse(message: &[u8]) -> Option<Happening> {
    let texts = match message.strip_prefix(b"libudev\0") {
        Some(rest) => {
            // Magic, size of the header, then offset and length of the properties from the start of the message.
            let offset = netlink::u32_at(rest, 8)? as usize;
            let length = netlink::u32_at(rest, 12)? as usize;
            message.get(offset..)?.get(..length)?
        }
        None => message,
    };
    let texts = texts.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
    let properties: Vec<(String, String)> =
        texts.filter_map(|text| text.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let property =
        |name: &str| properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let (action, path) = (property("ACTION")?, property("DEVPATH")?);
    path.starts_with('/').then_some(Happening { action, path, properties })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_understood() {
        let check = |message: &[u8]| {
            let found = parse(message).unwrap();
            assert_eq!((found.action.as_str(), found.path.as_str()), ("add", "/devices/x"));
            assert_eq!(found.properties.len(), 2);
        };
        check(b"add@/devices/x\0ACTION=add\0DEVPATH=/devices/x\0");
        let properties = b"ACTION=add\0DEVPATH=/devices/x\0";
        let mut message = b"libudev\0\xfe\xed\xca\xfe".to_vec();
        for number in [40u32, 40, properties.len() as u32, 0, 0, 0, 0] {
            message.extend(number.to_ne_bytes());
        }
        message.extend(properties);
        check(&message);
        assert_eq!(parse(b"libudev\0"), None);
        assert_eq!(parse(b"add@/x\0ACTION=add\0"), None);
    }
}
