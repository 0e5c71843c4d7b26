//! What the host adds to a guest that starts: its memory, its processors, the time; and the files a guest needs for it.

use crate::{Driver, FROM};
use base::{Error, Result};
use conf_domain::Domain;
use host::node::Tree as Host;
use qemu_plan::argv::{HugePages, Surroundings};
use qemu_plan::complete::Hardware;
use std::path::Path;
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

    /// The facts, with the files and folders they name.
    pub(crate) fn surroundings(&self, domain: &Domain, short: &str, private: &Path) -> Result<Surroundings> {
        let facts = self.facts(short);
        let backing = domain.tree.child("memoryBacking");
        if backing.is_some_and(|backing| backing.attr_at("source", "type") == Some("file")) {
            folder(Path::new(&facts.memory_dir))?;
        }
        let huge = backing.is_some_and(|backing| backing.child("hugepages").is_some())
            || domain.all("memory").any(|module| module.at("source/pagesize").is_some());
        for pages in facts.huge_pages.iter().filter(|_| huge) {
            folder(&Path::new(&pages.mount).join("libvirt/qemu").join(short))?;
        }
        certificates(domain, private)?;
        Ok(facts)
    }
}

/// The host's hardware. What its processor is like, emulators tell.
pub(crate) fn hardware() -> Hardware {
    Hardware { nodes: Some(Host::machine().numa_cpus().into_keys().collect()), ..Hardware::default() }
}

fn folder(path: &Path) -> Result<()> {
    host::store::folder(path, 0o700)
        .map_err(|cause| Error::system(FROM, &cause, format!("cannot create directory '{}'", path.display())))
}

/// What the owner of a protected guest hands to the processor.
fn certificates(domain: &Domain, private: &Path) -> Result<()> {
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
