//! Controllers: their default models, and those that devices need.

use super::setting::{Board, Setting};
use conf_domain::Domain;
use std::collections::{BTreeMap, BTreeSet};
use xml::Tree;

pub(super) fn controller(kind: &str, index: u32) -> Tree {
    Tree::new("controller").with("type", kind).with("index", index.to_string())
}

/// Adds a controller among those of its type in the order of numbers; the first of a type comes last.
pub(super) fn insert(domain: &mut Domain, new: Tree) {
    let index =
        |controller: &Tree| controller.attr("index").and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    let like = |device: &Tree| device.name == "controller" && device.attr("type") == new.attr("type");
    let devices = domain.devices_mut();
    let behind = devices.iter().position(|device| like(device) && index(device) > index(&new));
    let before = devices.iter().rposition(like).map(|at| at + 1);
    let last = devices.iter().rposition(|device| device.name == "controller").map(|at| at + 1);
    let at = behind.or(before).or(last).unwrap_or(devices.len());
    devices.insert(at, new);
}

pub(super) fn has(domain: &Domain, kind: &str, index: Option<u32>) -> bool {
    domain.all("controller").any(|controller| {
        controller.is("type", kind) && index.is_none_or(|index| controller.is("index", &index.to_string()))
    })
}

/// Model of a USB controller that a definition leaves open, or that the machine brings along.
pub(super) fn usb_model(setting: &Setting<'_>, builtin: bool) -> Option<&'static str> {
    let first = |models: &[(&'static str, &'static str)]| {
        models.iter().find(|(kind, _)| setting.knows(kind)).map(|(_, model)| *model)
    };
    const XHCI: [(&str, &str); 2] = [("qemu-xhci", "qemu-xhci"), ("nec-usb-xhci", "nec-xhci")];
    const UHCI: (&str, &str) = ("piix3-usb-uhci", "piix3-uhci");
    const OHCI: (&str, &str) = ("pci-ohci", "pci-ohci");
    match setting.arch.as_str() {
        "s390x" | "s390" => Some("none"),
        "ppc64" | "ppc64le" if setting.abi_update => first(&[XHCI[0], XHCI[1], OHCI]),
        "ppc64" | "ppc64le" => first(&[OHCI]),
        "aarch64" | "loongarch64" => first(&XHCI),
        "armv7l" | "armv6l" if builtin => first(&[OHCI]),
        _ if builtin && setting.board == Board::Q35 => {
            first(&[XHCI[0], XHCI[1], ("ich9-usb-ehci1", "ich9-ehci1")])
        }
        _ => first(&[UHCI, OHCI]),
    }
}

/// Model of a SCSI controller that a definition leaves open.
fn scsi_model(setting: &Setting<'_>) -> Option<&'static str> {
    Some(match setting.arch.as_str() {
        _ if setting.board == Board::Pseries => "ibmvscsi",
        "s390x" | "s390" => "virtio-scsi",
        "sparc" => "ncr53c90",
        _ if setting.knows("lsi53c895a") => "lsilogic",
        _ if setting.knows("virtio-scsi-device") || setting.knows("virtio-scsi-pci") => "virtio-scsi",
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

/// Numbers of the controllers that the devices of each kind sit on.
fn wanted(domain: &Domain) -> BTreeMap<&'static str, BTreeSet<u32>> {
    let mut wanted: BTreeMap<&'static str, BTreeSet<u32>> = BTreeMap::new();
    let mut want = |kind: &'static str, address: Option<&Tree>| {
        let index = address
            .and_then(|address| address.attr("controller"))
            .and_then(|text| text.parse::<u32>().ok())
            .unwrap_or(0)
            .min(255);
        wanted.entry(kind).or_default().insert(index);
    };
    for device in domain.devices() {
        let address = device.child("address");
        let on_drive = address.is_some_and(|address| address.is("type", "drive"));
        match device.name.as_str() {
            "disk" if on_drive => match device.attr_at("target", "bus") {
                Some("scsi") => want("scsi", address),
                Some("fdc") => want("fdc", address),
                Some("ide") => want("ide", address),
                Some("sata") => want("sata", address),
                _ => {}
            },
            "hostdev" if on_drive && device.is("type", "scsi") => want("scsi", address),
            "channel" | "console" if device.attr_at("target", "type") == Some("virtio") => {
                if address.is_none_or(|address| address.is("type", "virtio-serial")) {
                    want("virtio-serial", address);
                }
            }
            "smartcard" if address.is_some_and(|address| address.is("type", "ccid")) => want("ccid", address),
            _ => {}
        }
    }
    // Drives count from the first controller on.
    for kind in ["scsi", "fdc", "ide", "sata"] {
        if let Some(numbers) = wanted.get_mut(kind)
            && let Some(highest) = numbers.last().copied()
        {
            numbers.extend(0..highest);
        }
    }
    wanted
}

/// Adds the controllers that devices sit on.
pub(super) fn for_devices(domain: &mut Domain, setting: &Setting<'_>) {
    let wanted = wanted(domain);
    for kind in ["scsi", "fdc", "ide", "sata", "virtio-serial", "ccid"] {
        for index in wanted.get(kind).into_iter().flatten().copied() {
            if has(domain, kind, Some(index)) {
                continue;
            }
            let mut new = controller(kind, index);
            if kind == "scsi" {
                let like = domain
                    .all("controller")
                    .filter(|controller| controller.is("type", "scsi"))
                    .filter_map(|controller| controller.attr("model"))
                    .last()
                    .map(str::to_owned);
                if let Some(model) = like.or_else(|| scsi_model(setting).map(str::to_owned)) {
                    new.set("model", model);
                }
            }
            insert(domain, new);
        }
    }
}
