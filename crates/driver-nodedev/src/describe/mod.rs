//! What a device is, as its folder, udev and lists of names tell.

mod channel;
mod express;
mod mdev;
mod net;
mod pci;
mod scsi;
mod storage;
mod system;
mod usb;
mod vpd;

use crate::names::Names;
use crate::sysfs::Entry;
use crate::tree;
use base::Uuid;
use conf_nodedev::{Capability, Device, Kind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Makes devices of folders.
#[derive(Debug)]
pub(crate) struct Describer {
    root: PathBuf,
    host_uuid: Option<Uuid>,
    pci_names: OnceLock<Names>,
}

/// What a folder is told to be: its capability, and what follows the kernel's name in the name of the device.
struct Found {
    capability: Capability,
    suffix: Option<String>,
}

impl From<Capability> for Found {
    fn from(capability: Capability) -> Found {
        Found { capability, suffix: None }
    }
}

/// A name without any sign that could be in the way.
fn tidy(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// What a folder is, if it is of a kind that clients know.
fn kind(entry: &Entry) -> Option<Kind> {
    let by_type = match entry.property("DEVTYPE") {
        Some("usb_device") => Some(Kind::UsbDevice),
        Some("usb_interface") => Some(Kind::UsbInterface),
        Some("disk") => Some(Kind::Storage),
        Some("scsi_device") => Some(Kind::Scsi),
        Some("scsi_target") => Some(Kind::ScsiTarget),
        Some("scsi_host") if entry.subsystem == "scsi" => Some(Kind::ScsiHost),
        Some("wlan") => Some(Kind::Net),
        Some("drm_minor") => Some(Kind::Drm),
        Some("ap_card") => Some(Kind::ApCard),
        Some("ap_queue") => Some(Kind::ApQueue),
        _ => None,
    };
    if by_type.is_some() {
        return by_type;
    }
    match entry.subsystem.as_str() {
        "pci" if entry.property("PCI_CLASS").is_some() => Some(Kind::Pci),
        "net" if entry.property("INTERFACE").is_some() => Some(Kind::Net),
        "scsi_generic" => Some(Kind::ScsiGeneric),
        "mdev" => Some(Kind::Mdev),
        "ccw" => Some(Kind::Ccw),
        "css" => Some(Kind::Css),
        "ccwgroup" => Some(Kind::CcwGroup),
        "vdpa" => Some(Kind::Vdpa),
        "matrix" => Some(Kind::ApMatrix),
        _ => None,
    }
}

impl Describer {
    pub(crate) fn new(root: &Path, host_uuid: Option<Uuid>) -> Describer {
        Describer { root: root.to_owned(), host_uuid, pci_names: OnceLock::new() }
    }

    fn pci_names(&self) -> &Names {
        self.pci_names.get_or_init(|| Names::pci(&self.root))
    }

    /// The host itself.
    pub(crate) fn computer(&self) -> Device {
        Device {
            name: tree::ROOT.to_owned(),
            capabilities: vec![Capability::System(system::system(&self.root, self.host_uuid))],
            ..Device::default()
        }
    }

    /// The device with a folder, if clients know its kind. `named` finds devices above it by their folders.
    pub(crate) fn device(&self, path: &str, named: &dyn Fn(&str) -> Option<String>) -> Option<Device> {
        let entry = Entry::open(&self.root, path)?;
        let found: Found = match kind(&entry)? {
            Kind::Pci => pci::pci(&entry, &self.root, self.pci_names())?.into(),
            Kind::UsbDevice => usb::device(&entry)?.into(),
            Kind::UsbInterface => usb::interface(&entry)?.into(),
            Kind::Net => net::net(&entry)?,
            Kind::ScsiHost => scsi::host(&entry, &self.root)?.into(),
            Kind::ScsiTarget => scsi::target(&entry, &self.root).into(),
            Kind::Scsi => scsi::unit(&entry)?.into(),
            Kind::ScsiGeneric => scsi::generic(&entry)?.into(),
            Kind::Storage => storage::storage(&entry, &self.root)?,
            Kind::Drm => drm(&entry)?.into(),
            Kind::Mdev => mdev::mdev(&entry)?,
            Kind::Ccw => channel::ccw(&entry)?.into(),
            Kind::Css => channel::css(&entry)?.into(),
            Kind::CcwGroup => channel::group(&entry)?.into(),
            Kind::Vdpa => channel::vdpa(&entry).into(),
            Kind::ApCard => channel::card(&entry)?.into(),
            Kind::ApQueue => channel::queue(&entry)?.into(),
            Kind::ApMatrix => channel::matrix(&entry).into(),
            _ => return None,
        };
        let prefix = if entry.subsystem == "matrix" { "ap" } else { entry.subsystem.as_str() };
        let name = match &found.suffix {
            Some(suffix) => format!("{prefix}_{}_{suffix}", entry.name),
            None => format!("{prefix}_{}", entry.name),
        };
        Some(Device {
            name: tidy(&name),
            parent: Some(tree::parent(path, named)),
            devnode: entry.property("DEVNAME").map(dev_path),
            devlinks: entry.links.clone(),
            driver: entry.link("driver"),
            sysfs_path: Some(entry.path),
            capabilities: vec![found.capability],
            ..Device::default()
        })
    }
}

/// The path of a device file, which the kernel names without its folder.
fn dev_path(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("/dev/{name}") }
}

fn drm(entry: &Entry) -> Option<Capability> {
    // The kernel gives each kind of node a range of 64 numbers.
    let minor: u32 = entry.property("MINOR")?.parse().ok()?;
    let kind = ["primary", "control", "render"].get((minor >> 6) as usize)?;
    Some(Capability::Drm { kind: (*kind).to_owned() })
}
