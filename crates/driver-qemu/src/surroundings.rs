//! What the host adds to a guest that starts: its memory, its processors, the time; and the files a guest needs for it.

use crate::{Driver, FROM};
use base::{Error, Result};
use conf_domain::Domain;
use host::node::Tree as Host;
use qemu_plan::argv::{HugePages, Line, Surroundings};
use qemu_plan::complete::Hardware;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

impl Driver {
    /// The facts. `short` stands in the names of the guest's folders.
    pub(crate) fn facts(&self, short: &str) -> Surroundings {
        let host = Host::machine();
        let pages = host.huge_pages().into_iter().enumerate();
        let huge_pages = pages.map(|(at, (mount, size_kib))| HugePages { mount, size_kib, default: at == 0 });
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |past| past.as_secs());
        let node_cpus = host.numa_cpus();
        Surroundings {
            memory_dir: self.state_dir().join("ram").join(short).display().to_string(),
            huge_pages: huge_pages.collect(),
            placement: node_cpus.keys().copied().collect(),
            node_cpus,
            now: i64::try_from(now).unwrap_or(0),
            ..Surroundings::default()
        }
    }

    /// Where a guest's memory lies when it has files: the guest's own folder, and one on each file system of huge pages.
    fn memory_folders(&self, short: &str) -> Vec<PathBuf> {
        let pages = Host::machine().huge_pages().into_iter();
        let huge = pages.map(|(mount, _)| Path::new(&mount).join("libvirt/qemu").join(short));
        std::iter::once(self.state_dir().join("ram").join(short)).chain(huge).collect()
    }

    /// Makes those of these folders that a line names.
    pub(crate) fn make_memory_folders(&self, line: &Line, short: &str) -> Result<()> {
        for path in self.memory_folders(short) {
            let text = path.display().to_string();
            if line.args.iter().any(|arg| arg.contains(&text)) {
                host::store::folder(&path, 0o700).map_err(|cause| {
                    Error::system(FROM, &cause, format!("cannot create directory '{text}'"))
                })?;
            }
        }
        Ok(())
    }

    /// Removes these folders.
    pub(crate) fn remove_memory_folders(&self, short: &str) {
        for path in self.memory_folders(short) {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// The host's hardware, for guests of an architecture. Emulators tell of its processor too; what it has besides counts when a guest is measured by it.
pub(crate) fn hardware(arch: &str) -> Hardware {
    let own = cpu::Family::of(std::env::consts::ARCH);
    Hardware {
        nodes: Some(Host::machine().numa_cpus().into_keys().collect()),
        cpu: crate::comparison::own_processor().filter(|_| cpu::Family::of(arch) == own),
        cpu_alone: false,
    }
}

/// What the owner of a protected guest hands to the processor.
pub(crate) fn certificates(domain: &Domain, private: &Path) -> Result<()> {
    let Some(security) = domain.tree.child("launchSecurity").filter(|security| security.is("type", "sev"))
    else {
        return Ok(());
    };
    for (element, name) in [("dhCert", "dh_cert.base64"), ("session", "session.base64")] {
        if let Some(text) = security.text_of(element) {
            let path = private.join(name);
            host::store::write_volatile(&path, text.as_bytes(), 0o600).map_err(|cause| {
                Error::system(FROM, &cause, format!("failed to write data to '{}'", path.display()))
            })?;
        }
    }
    Ok(())
}
