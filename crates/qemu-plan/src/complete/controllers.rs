//! Controllers: their default models, and those that devices need.

use super::setting::{Board, Setting};
use conf_domain::Domain;
pub(super) use conf_domain::device::controllers::{controller, has, insert};
use qemu_caps::Flag;
use xml::Tree;

/// Model of a USB controller that a definition leaves open, or that the machine brings along.
pub(super) fn usb_model(setting: &Setting<'_>, builtin: bool) -> Option<&'static str> {
    let first = |models: &[(Flag, &'static str)]| {
        models.iter().find(|(flag, _)| setting.has(*flag)).map(|(_, model)| *model)
    };
    const XHCI: [(Flag, &str); 2] = [(Flag::QemuXhci, "qemu-xhci"), (Flag::NecUsbXhci, "nec-xhci")];
    const UHCI: (Flag, &str) = (Flag::Piix3UsbUhci, "piix3-uhci");
    const OHCI: (Flag, &str) = (Flag::PciOhci, "pci-ohci");
    match setting.arch.as_str() {
        "s390x" | "s390" => Some("none"),
        "ppc64" | "ppc64le" if setting.abi_update => first(&[XHCI[0], XHCI[1], OHCI]),
        "ppc64" | "ppc64le" => first(&[OHCI]),
        _ if setting.is_arm() && builtin => first(&[OHCI]),
        "aarch64" | "loongarch64" => first(&XHCI),
        _ if builtin && setting.board == Board::Q35 => {
            first(&[XHCI[0], XHCI[1], (Flag::Ich9UsbEhci1, "ich9-ehci1")])
        }
        _ => first(&[UHCI, OHCI]),
    }
}

/// Model of a SCSI controller that a definition leaves open.
fn scsi_model(setting: &Setting<'_>) -> Option<&'static str> {
    Some(match setting.arch.as_str() {
        _ if setting.board == Board::Pseries => "ibmvscsi",
        "s390x" | "s390" | "loongarch64" => "virtio-scsi",
        "sparc" => "ncr53c90",
        _ if setting.has(Flag::Lsi) => "lsilogic",
        _ if setting.has(Flag::VirtioScsiPci) => "virtio-scsi",
        _ => return None,
    })
}

/// Models of controllers that leave them open, and what follows from models.
pub(super) fn defaults(domain: &mut Domain, setting: &Setting<'_>) {
    for device in domain.devices_mut().iter_mut().filter(|device| device.name == "controller") {
        match device.attr("type").unwrap_or_default() {
            "usb" => {
                let placed = setting.is_s390() && device.child("address").is_some();
                if device.attr("model").is_none()
                    && !placed
                    && let Some(model) = usb_model(setting, false)
                {
                    device.set("model", model);
                }
                let port = match device.attr("model") {
                    Some("ich9-uhci1") => "0",
                    Some("ich9-uhci2") => "2",
                    Some("ich9-uhci3") => "4",
                    _ => continue,
                };
                if device.child("master").is_none() {
                    device.children.push(Tree::new("master").with("startport", port));
                }
            }
            "scsi" if matches!(device.attr("model"), None | Some("auto")) => {
                if let Some(model) = scsi_model(setting) {
                    device.set("model", model);
                }
            }
            _ => {}
        }
    }
}

/// Adds the controllers that devices sit on.
pub(super) fn for_devices(domain: &mut Domain, setting: &Setting<'_>) {
    conf_domain::device::controllers::for_devices(domain.devices_mut(), scsi_model(setting));
}
