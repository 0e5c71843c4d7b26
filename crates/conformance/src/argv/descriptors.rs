//! Descriptors of this host in the place of the pretended one's.

use base::{Error, ErrorDomain, Result};
use conf_domain::Domain;
use qemu_plan::argv::Start;
use qemu_plan::argv::chardev::Address;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

/// Where the monitor listens.
pub(super) const MONITOR: &str = "/run/argv-monitor.sock";

/// The descriptors of one trial.
#[derive(Debug, Default)]
pub(super) struct Descriptors {
    /// All that the emulator gets.
    pub(super) fds: Vec<OwnedFd>,
    /// Files by the number of their descriptor.
    pub(super) files: BTreeMap<i32, String>,
}

fn fault(error: &io::Error, what: &str) -> Error {
    Error::internal(ErrorDomain::QEMU, format!("{what}: {error}"))
}

impl Descriptors {
    fn keep(&mut self, fd: impl Into<OwnedFd>) -> i32 {
        let fd = fd.into();
        let number = fd.as_raw_fd();
        self.fds.push(fd);
        number
    }

    fn listener(&mut self, path: &str) -> Result<i32> {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).map_err(|error| fault(&error, path))?;
        Ok(self.keep(listener))
    }

    /// A file as its descriptor is asked for: the emulator compares modes.
    fn file(&mut self, path: &str, read: bool, write: bool) -> Result<i32> {
        if !std::path::Path::new(path).exists() {
            std::fs::write(path, b"").map_err(|error| fault(&error, path))?;
        }
        let open = File::options().read(read).write(write).open(path);
        let number = self.keep(open.map_err(|error| fault(&error, path))?);
        self.files.insert(number, path.to_owned());
        Ok(number)
    }

    /// A device of the host, or something in its place that does not do what is asked.
    fn device(&mut self, path: &str) -> Result<i32> {
        let path = if std::path::Path::new(path).exists() { path } else { "/dev/null" };
        self.file(path, true, true)
    }

    /// Replaces the pretended host's descriptors.
    pub(super) fn replace(&mut self, domain: &Domain, start: &mut Start) -> Result<()> {
        start.monitor = Address::Fd(self.listener(MONITOR)?.to_string());
        for (alias, number) in &mut start.chardev_fds {
            *number = self.listener(&format!("/run/argv-{alias}.sock"))?;
        }
        for (name, number) in &mut start.passed_fds {
            *number = match name.rsplit('-').next() {
                Some("source" | "log") => self.file(&format!("/run/argv-{name}"), false, true)?,
                Some("tpm" | "cancel") => self.device("/dev/tpm0")?,
                _ => self.device("/dev/vhost-vdpa-0")?,
            };
        }
        for (name, group) in &mut start.fd_groups {
            let path = format!("/run/argv-group-{name}");
            // One of several is for reading, the others are for both.
            let several = group.fds.len() > 1;
            for (at, number) in group.fds.iter_mut().enumerate() {
                *number = self.file(&path, true, if several { at > 0 } else { group.writable })?;
            }
        }
        for (alias, numbers) in &mut start.tap_fds {
            let virtio = domain.all("interface").any(|interface| {
                interface.attr_at("alias", "name") == Some(alias)
                    && interface.attr_at("model", "type").is_some_and(|model| model.starts_with("virtio"))
            });
            let (fds, _) = host::tap::create("argv%d", virtio, numbers.len())
                .map_err(|error| fault(&error, "/dev/net/tun"))?;
            *numbers = fds.into_iter().map(|fd| self.keep(fd)).collect();
        }
        let network = host::tap::vhost(1).is_ok();
        start.vhost_fds.retain(|alias, _| network || !alias.starts_with("net"));
        for (alias, numbers) in &mut start.vhost_fds {
            let path = match alias.as_str() {
                name if name.starts_with("net") => "/dev/vhost-net",
                name if name.starts_with("vsock") => "/dev/vhost-vsock",
                _ => "/dev/vhost-scsi",
            };
            for number in numbers {
                *number = self.device(path)?;
            }
        }
        start.host.placement = [0].into();
        start.host.node_cpus = [(0, [0].into())].into();
        if let Some(from) = &mut start.host.incoming
            && from.starts_with("fd:")
        {
            let path = "/run/argv-incoming.sock";
            *from = format!("fd:{}", self.listener(path)?);
        }
        Ok(())
    }
}
