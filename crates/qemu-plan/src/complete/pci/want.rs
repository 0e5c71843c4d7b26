//! What each device asks of PCI.

use super::bus::Connect;
use crate::complete::setting::{Board, Setting};
use xml::Tree;

const CONVENTIONAL: Connect = Connect::PCI.with(Connect::HOTPLUG);
const INTEGRATED: Connect = Connect::PCI.with(Connect::INTEGRATED);

/// What a device asks and what it is, as far as its place depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish {
    pub(super) connect: Option<Connect>,
    /// Order in which devices get addresses.
    pub(super) rank: u32,
    /// A PCI controller.
    pub(super) is_controller: bool,
    /// A part of an ICH9 USB controller: its function.
    pub(super) part: Option<u32>,
    /// It may sit on PCI on this machine.
    pub(super) is_open: bool,
    pub(super) has_address: bool,
}

impl Wish {
    pub(super) fn of(device: &Tree, setting: &Setting<'_>) -> Wish {
        let is_controller = super::is_pci_controller(device);
        let address = device.child("address");
        Wish {
            connect: of(device, setting),
            rank: if is_controller { 0 } else { rank(device) },
            is_controller,
            part: ich9_function(device),
            is_open: may_have(address, setting),
            has_address: address.is_some(),
        }
    }

    /// A PCI controller that was added.
    pub(super) fn of_added(model: &str) -> Wish {
        Wish { connect: Connect::of_controller(model), is_controller: true, is_open: true, ..Wish::default() }
    }
}

/// Kinds in the order in which they get addresses; PCI controllers come before all of them.
fn rank(device: &Tree) -> u32 {
    match device.name.as_str() {
        "filesystem" => 1,
        // A device of the host, whatever the guest sees.
        "interface" if device.is("type", "hostdev") => 6,
        "interface" => 2,
        "sound" => 3,
        "controller" => 4,
        "disk" => 5,
        "hostdev" => 6,
        "memballoon" => 7,
        "rng" => 8,
        "watchdog" => 9,
        "video" => 10,
        "shmem" => 11,
        "input" => 12,
        "serial" => 13,
        "iommu" => 14,
        "vsock" => 15,
        "memory" => 16,
        "crypto" => 17,
        "panic" => 18,
        _ => 19,
    }
}

/// What a device asks; `None` when it is no PCI device.
pub(super) fn of(device: &Tree, setting: &Setting<'_>) -> Option<Connect> {
    let express = if setting.board.is_pcie() { Connect::PCIE.with(Connect::HOTPLUG) } else { CONVENTIONAL };
    let virtio = |model: Option<&str>| match model {
        Some("virtio-transitional") => CONVENTIONAL,
        _ => express,
    };
    let model = device.attr("model");
    Some(match device.name.as_str() {
        "interface" => match device.attr_at("model", "type").unwrap_or_default() {
            _ if device.is("type", "hostdev") => match device.attr_at("source/address", "type") {
                Some("usb") => return None,
                _ => express,
            },
            "usb-net" | "spapr-vlan" => return None,
            "virtio-transitional"
            | "e1000"
            | "rtl8139"
            | "lan9118"
            | "scm91c111"
            | "netfront"
            | "etherlink"
            | "vlance"
            | "vmxnet"
            | "vmxnet2"
            | "Am79C970A"
            | "Am79C973"
            | "82540EM"
            | "82545EM"
            | "82543GC" => CONVENTIONAL,
            _ => express,
        },
        "disk" => match device.attr_at("target", "bus").unwrap_or_default() {
            "virtio" => virtio(model),
            _ => return None,
        },
        "controller" => match (device.attr("type").unwrap_or_default(), model.unwrap_or_default()) {
            ("pci", model) => Connect::of_controller(model)?,
            ("usb", "none") => return None,
            ("usb", "qemu-xhci" | "nec-xhci") => express,
            ("usb", "qusb1" | "qusb2") => return None,
            ("scsi", "virtio-scsi" | "virtio-non-transitional") => express,
            ("scsi", "ibmvscsi" | "ncr53c90") => return None,
            ("virtio-serial", model) => virtio(Some(model)),
            ("nvme", _) => express,
            ("usb" | "scsi" | "sata", _) => CONVENTIONAL,
            // There is nothing that these could be put on.
            ("isa" | "xenbus", _) => Connect::default(),
            _ => return None,
        },
        "sound" => match model.unwrap_or_default() {
            "usb" | "sb16" | "pcspk" => return None,
            "virtio" => express,
            // Nothing is known of it.
            "ich7" => Connect::default(),
            _ => CONVENTIONAL,
        },
        "video" => match device.attr_at("model", "type").unwrap_or_default() {
            "none" | "ramfb" => return None,
            "gop" => Connect::default(),
            "virtio" | "bochs" => express,
            _ => CONVENTIONAL,
        },
        "memballoon" => match model.unwrap_or_default() {
            "none" => return None,
            "xen" => Connect::default(),
            model => virtio(Some(model)),
        },
        "input" if device.is("bus", "virtio") => virtio(model),
        "watchdog" if device.is("model", "i6300esb") => CONVENTIONAL,
        "filesystem" => match device.attr_at("driver", "type") {
            Some("mtp") => return None,
            Some("loop" | "nbd" | "ploop") => Connect::default(),
            _ => virtio(model),
        },
        "rng" | "vsock" => virtio(model),
        "crypto" | "pstore" => CONVENTIONAL,
        "shmem" if device.attr_at("model", "type") != Some("ivshmem") || setting.board != Board::Microvm => {
            CONVENTIONAL
        }
        "hostdev" => match device.attr("type").unwrap_or_default() {
            "pci" => express,
            "scsi_host" => virtio(model),
            "mdev" if model == Some("vfio-pci") => express,
            _ => return None,
        },
        "memory" if matches!(model, Some("virtio-mem" | "virtio-pmem")) => express,
        "serial" if device.attr_at("target", "type") == Some("pci-serial") => CONVENTIONAL,
        "iommu" if device.is("model", "virtio") => INTEGRATED,
        "panic" if device.is("model", "pvpanic") => INTEGRATED,
        _ => return None,
    })
}

/// A device that shares its slot with the other parts of an ICH9 USB controller: its function.
fn ich9_function(device: &Tree) -> Option<u32> {
    if device.name != "controller" || !device.is("type", "usb") {
        return None;
    }
    Some(match device.attr("model")? {
        "ich9-ehci1" => 7,
        "ich9-uhci1" => 0,
        "ich9-uhci2" => 1,
        "ich9-uhci3" => 2,
        _ => return None,
    })
}

/// Whether a device may sit on PCI at all on this machine.
fn may_have(address: Option<&Tree>, setting: &Setting<'_>) -> bool {
    match address {
        None => true,
        Some(address) => {
            address.is("type", "pci") || setting.board == Board::Ccw && address.attr("type").is_none()
        }
    }
}
