//! `<capability>`: what a device is. Some stand inside others.

pub mod channel;
pub mod crypto;
pub mod mdev;
pub mod net;
pub mod pci;
pub mod scsi;
pub mod storage;
pub mod system;
pub mod usb;
pub mod vpd;

use base::Result;
use conf_domain::fault;
use xml::Writer;

use crate::device::{FormatFlags, Origin};
use crate::read::{Part, unsupported};

base::text_enum! {
    /// Kinds of capabilities, by the words of documents and lists. The order is that of the bits of
    /// `virConnectListAllNodeDevicesFlags` but for [`Kind::VportOps`], which shares the bit of its list's word.
    pub enum Kind {
        System = "system",
        Pci = "pci",
        UsbDevice = "usb_device",
        UsbInterface = "usb",
        Net = "net",
        ScsiHost = "scsi_host",
        ScsiTarget = "scsi_target",
        Scsi = "scsi",
        Storage = "storage",
        FcHost = "fc_host",
        Vports = "vports",
        ScsiGeneric = "scsi_generic",
        Drm = "drm",
        MdevTypes = "mdev_types",
        Mdev = "mdev",
        Ccw = "ccw",
        Css = "css",
        Vdpa = "vdpa",
        ApCard = "ap_card",
        ApQueue = "ap_queue",
        ApMatrix = "ap_matrix",
        Vpd = "vpd",
        CcwGroup = "ccwgroup",
        CcwGroupMember = "ccwgroup_member",
    }
}

impl Kind {
    /// The bit that lists devices of this kind.
    pub fn bit(self) -> u32 {
        1 << (self as u32)
    }
}

/// What a device is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Capability {
    /// The host itself.
    System(system::System),
    /// A PCI function.
    Pci(Box<pci::Pci>),
    /// A USB device.
    UsbDevice(usb::Device),
    /// An interface of a USB device.
    UsbInterface(usb::Interface),
    /// A network interface.
    Net(net::Net),
    /// A SCSI host adapter.
    ScsiHost(scsi::Host),
    /// A SCSI target.
    ScsiTarget(scsi::Target),
    /// A SCSI logical unit.
    Scsi(scsi::Unit),
    /// The character device of a SCSI unit.
    ScsiGeneric(scsi::Generic),
    /// A block device.
    Storage(storage::Storage),
    /// A device of the graphics stack.
    Drm {
        /// `primary`, `control` or `render`.
        kind: String,
    },
    /// A mediated device.
    Mdev(mdev::Mdev),
    /// A channel device.
    Ccw(channel::Ccw),
    /// A subchannel.
    Css(channel::Css),
    /// Channel devices that work together.
    CcwGroup(channel::CcwGroup),
    /// A device that moves packets for guests.
    Vdpa {
        /// Its character device.
        chardev: Option<String>,
    },
    /// An adjunct processor.
    Card(crypto::Card),
    /// A queue of an adjunct processor.
    Queue(crypto::Queue),
    /// All queues that guests may get.
    Matrix(crypto::Matrix),
}

impl Capability {
    pub(crate) fn parse(part: Part<'_>, origin: Origin) -> Result<Capability> {
        let word = part.node.attr("type").ok_or_else(|| fault::missing("capability", "type"))?;
        let kind = Kind::parse(word).ok_or_else(|| fault::attribute("capability", "type", word))?;
        Ok(match kind {
            Kind::System => Capability::System(system::System::parse(part)?),
            Kind::Pci => Capability::Pci(Box::new(pci::Pci::parse(part)?)),
            Kind::UsbDevice => Capability::UsbDevice(usb::Device::parse(part)?),
            Kind::UsbInterface => Capability::UsbInterface(usb::Interface::parse(part)?),
            Kind::Net => Capability::Net(net::Net::parse(part)?),
            Kind::ScsiHost => Capability::ScsiHost(scsi::Host::parse(part, origin)?),
            Kind::ScsiTarget => Capability::ScsiTarget(scsi::Target::parse(part)?),
            Kind::Scsi => Capability::Scsi(scsi::Unit::parse(part)?),
            Kind::Storage => Capability::Storage(storage::Storage::parse(part)?),
            Kind::Drm => {
                let missing = || unsupported(format!("unknown drm type '(null)' for '{}'", part.device));
                Capability::Drm { kind: part.text("type").ok_or_else(missing)? }
            }
            Kind::Mdev => Capability::Mdev(mdev::Mdev::parse(part)?),
            Kind::Ccw => Capability::Ccw(channel::Ccw::parse(part)?),
            Kind::Css => Capability::Css(channel::Css::parse(part)?),
            Kind::CcwGroup => Capability::CcwGroup(channel::CcwGroup::parse(part)?),
            Kind::ApCard => Capability::Card(crypto::Card::parse(part)?),
            Kind::ApQueue => Capability::Queue(crypto::Queue::parse(part)?),
            Kind::ApMatrix => Capability::Matrix(crypto::Matrix::parse(part)?),
            // Those that stand within others, and those that the kernel alone tells of.
            Kind::FcHost
            | Kind::Vports
            | Kind::ScsiGeneric
            | Kind::MdevTypes
            | Kind::Vdpa
            | Kind::Vpd
            | Kind::CcwGroupMember => {
                return Err(part.complaint(&format!("unknown capability type '{}'", kind as u32)));
            }
        })
    }

    /// What it is itself.
    pub fn kind(&self) -> Kind {
        match self {
            Capability::System(_) => Kind::System,
            Capability::Pci(_) => Kind::Pci,
            Capability::UsbDevice(_) => Kind::UsbDevice,
            Capability::UsbInterface(_) => Kind::UsbInterface,
            Capability::Net(_) => Kind::Net,
            Capability::ScsiHost(_) => Kind::ScsiHost,
            Capability::ScsiTarget(_) => Kind::ScsiTarget,
            Capability::Scsi(_) => Kind::Scsi,
            Capability::ScsiGeneric(_) => Kind::ScsiGeneric,
            Capability::Storage(_) => Kind::Storage,
            Capability::Drm { .. } => Kind::Drm,
            Capability::Mdev(_) => Kind::Mdev,
            Capability::Ccw(_) => Kind::Ccw,
            Capability::Css(_) => Kind::Css,
            Capability::CcwGroup(_) => Kind::CcwGroup,
            Capability::Vdpa { .. } => Kind::Vdpa,
            Capability::Card(_) => Kind::ApCard,
            Capability::Queue(_) => Kind::ApQueue,
            Capability::Matrix(_) => Kind::ApMatrix,
        }
    }

    /// What it is, and what it has within it.
    pub fn kinds(&self) -> Vec<Kind> {
        let mut kinds = vec![self.kind()];
        let mut add = |holds: bool, kind: Kind| kinds.extend(holds.then_some(kind));
        match self {
            Capability::ScsiHost(host) => {
                add(host.fibre_channel.is_some(), Kind::FcHost);
                add(host.vports.is_some(), Kind::Vports);
            }
            Capability::Pci(pci) => {
                add(!pci.mdev_types.is_empty(), Kind::MdevTypes);
                add(pci.vpd.is_some(), Kind::Vpd);
            }
            Capability::Css(css) => add(!css.mdev_types.is_empty(), Kind::MdevTypes),
            Capability::Matrix(matrix) => add(!matrix.mdev_types.is_empty(), Kind::MdevTypes),
            Capability::Ccw(ccw) => add(ccw.group.is_some(), Kind::CcwGroupMember),
            _ => {}
        }
        kinds
    }

    pub(crate) fn format(&self, flags: FormatFlags, w: &mut Writer) {
        w.element("capability").attr("type", self.kind()).children_always(|w| match self {
            Capability::System(system) => system.format(w),
            Capability::Pci(pci) => pci.format(w),
            Capability::UsbDevice(device) => device.format(w),
            Capability::UsbInterface(interface) => interface.format(w),
            Capability::Net(net) => net.format(w),
            Capability::ScsiHost(host) => host.format(w),
            Capability::ScsiTarget(target) => target.format(w),
            Capability::Scsi(unit) => unit.format(w),
            Capability::ScsiGeneric(generic) => generic.format(w),
            Capability::Storage(storage) => storage.format(w),
            Capability::Drm { kind } => w.leaf("type", kind),
            Capability::Mdev(mdev) => mdev.format(flags, w),
            Capability::Ccw(ccw) => ccw.format(w),
            Capability::Css(css) => css.format(w),
            Capability::CcwGroup(group) => group.format(w),
            Capability::Vdpa { chardev } => w.leaf_opt("chardev", chardev.as_ref()),
            Capability::Card(card) => card.format(w),
            Capability::Queue(queue) => queue.format(w),
            Capability::Matrix(matrix) => matrix.format(w),
        });
    }
}
