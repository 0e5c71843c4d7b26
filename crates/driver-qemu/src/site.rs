//! What this host adds to definitions: firmware, sound, folders.
//!
//! Every definition asks for it, so it is kept, and read again only when a folder of firmware descriptors changed. Whether
//! one has is of interest to guests that name firmware or let it be chosen.

use crate::Driver;
use conf_domain::Domain;
use qemu_caps::descriptor;
use qemu_plan::Firmware;
use qemu_plan::complete::{HostAudio, Site, arch};
use qemu_plan::firmware::Descriptor;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Folders of descriptors, the most important one first.
const FOLDERS: [&str; 2] = ["/etc/qemu/firmware", "/usr/share/qemu/firmware"];

/// When the folders changed last.
type Stamps = [Option<SystemTime>; FOLDERS.len()];

/// What was read last.
#[derive(Debug, Default)]
pub(crate) struct Sites(Mutex<Option<(Stamps, Arc<Site>)>>);

fn stamps() -> Stamps {
    FOLDERS.map(|folder| std::fs::metadata(folder).and_then(|metadata| metadata.modified()).ok())
}

impl Driver {
    /// What this host adds to a definition.
    pub(crate) fn site(&self, domain: &Domain) -> Arc<Site> {
        let site = self.kept_site(asks_for_firmware(domain));
        if !arch(domain).starts_with("ppc") {
            return site;
        }
        // Only guests of POWER are laid out by these, and reading them takes as many calls as there are devices.
        Arc::new(Site { iommu_groups: host::node::iommu_groups(), ..(*site).clone() })
    }

    /// What this host adds, as it is now or, where firmware is of no interest, as it was before.
    fn kept_site(&self, firmware: bool) -> Arc<Site> {
        let mut kept = self.sites.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !firmware && let Some((_, site)) = kept.as_ref() {
            return site.clone();
        }
        let now = stamps();
        if let Some((_, site)) = kept.as_ref().filter(|(then, _)| *then == now) {
            return site.clone();
        }
        let site = Arc::new(self.read_site());
        *kept = Some((now, site.clone()));
        site
    }

    fn read_site(&self) -> Site {
        let variable = |name: &str| std::env::var(name).ok();
        Site {
            firmware: self.firmware(),
            audio: HostAudio {
                driver: variable("QEMU_AUDIO_DRV"),
                sdl_driver: variable("SDL_AUDIODRIVER"),
                ..HostAudio::default()
            },
            security: "none".to_owned(),
            tpm_versions: Some(crate::describe::tpm_versions().unwrap_or_default()),
            rdp: Some(host::program::find("qemu-rdp").is_some()),
            spice_tls: Some(false),
            iommu_groups: std::collections::HashMap::new(),
            lib_dir: self.state_dir().display().to_string(),
            channel_dir: self.run_dir().join("channel").display().to_string(),
        }
    }

    /// Firmware that is installed.
    pub(crate) fn firmware(&self) -> Firmware {
        let mut descriptors = Vec::new();
        let folders: Vec<_> = FOLDERS.iter().map(|folder| ((*folder).to_owned(), files(folder))).collect();
        for path in descriptor::paths(&folders) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            match Descriptor::parse(&text) {
                Ok(found) => descriptors.push(found),
                Err(cause) => log::warn!("firmware descriptor {path} is passed over: {cause}"),
            }
        }
        Firmware::new(descriptors, self.state_dir().join("nvram").display().to_string())
    }
}

/// Whether a guest names firmware or lets it be chosen.
fn asks_for_firmware(domain: &Domain) -> bool {
    let os = domain.tree.child("os");
    os.is_some_and(|os| {
        os.attr("firmware").is_some()
            || ["firmware", "loader", "nvram"].iter().any(|name| os.child(name).is_some())
    })
}

fn files(folder: &str) -> Vec<descriptor::File> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok);
    let file = |entry: std::fs::DirEntry| {
        let size = entry.metadata().ok()?.len();
        Some(descriptor::File { name: entry.file_name().to_string_lossy().into_owned(), size })
    };
    entries.filter_map(file).collect()
}
