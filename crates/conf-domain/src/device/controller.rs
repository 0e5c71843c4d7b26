//! `<controller>`: what its type knows of models and numbers.

use crate::fault::{invalid, unsupported};
use base::Result;
use xml::Tree;

/// Models of each type of controller.
const MODELS: &[(&str, &[&str])] = &[
    (
        "scsi",
        &[
            "auto",
            "buslogic",
            "lsilogic",
            "lsisas1068",
            "vmpvscsi",
            "ibmvscsi",
            "virtio-scsi",
            "lsisas1078",
            "virtio-transitional",
            "virtio-non-transitional",
            "ncr53c90",
            "dc390",
            "am53c974",
        ],
    ),
    (
        "usb",
        &[
            "piix3-uhci",
            "piix4-uhci",
            "ehci",
            "ich9-ehci1",
            "ich9-uhci1",
            "ich9-uhci2",
            "ich9-uhci3",
            "vt82c686b-uhci",
            "pci-ohci",
            "nec-xhci",
            "qusb1",
            "qusb2",
            "qemu-xhci",
            "none",
        ],
    ),
    (
        "pci",
        &[
            "pci-root",
            "pcie-root",
            "pci-bridge",
            "dmi-to-pci-bridge",
            "pcie-to-pci-bridge",
            "pcie-root-port",
            "pcie-switch-upstream-port",
            "pcie-switch-downstream-port",
            "pci-expander-bus",
            "pcie-expander-bus",
        ],
    ),
    ("ide", &["piix3", "piix4", "ich6"]),
    ("virtio-serial", &["virtio", "virtio-transitional", "virtio-non-transitional"]),
];

/// Numbers of a PCI controller: name, what the refusal calls it, lowest and highest.
const NUMBERS: &[(&str, &str, i64, i64)] = &[
    ("chassisNr", "chassisNr", 1, 255),
    ("chassis", "chassis", 0, 255),
    ("port", "port", 0, 255),
    ("busNr", "busNr", 1, 254),
    ("index", "target index", 0, 30),
];

/// Reads a controller.
///
/// # Errors
/// In the reference's words.
pub(crate) fn complete(controller: &mut Tree) -> Result<()> {
    controller.default_to("type", "ide");
    let kind = controller.word("type");
    if kind == "pci" {
        pci(controller)?;
    }
    if kind == "usb" && controller.is("model", "none") {
        // One that is not there has no place.
        controller.children.retain(|child| !matches!(&*child.name, "address" | "alias" | "master"));
    }
    if let Some(hole) = controller.child_mut("pcihole64") {
        crate::section::memory::kib(hole, "./pcihole64")?;
        if hole.body().is_empty() {
            controller.remove("pcihole64");
        }
    }
    // Of which ports are its own nothing was said.
    if controller.child("master").is_some_and(|master| master.attr("startport").is_none()) {
        controller.remove("master");
    }
    Ok(())
}

/// What a controller says by itself, before the others are read.
pub(crate) fn read(controller: &Tree) -> Result<()> {
    let kind = controller.attr("type").unwrap_or("ide").to_owned();
    if let Some(model) = controller.attr("model") {
        let known = MODELS.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, models)| models);
        if !known.contains(&model) {
            return Err(unsupported(format!("Unknown model type '{model}'")));
        }
    }
    for name in ["model", "target"] {
        if controller.all(name).count() > 1 {
            return Err(invalid(format!("Multiple <{name}> elements in controller definition not allowed")));
        }
    }
    if controller
        .child("driver")
        .is_some_and(|driver| driver.attr("iothread").is_some() && driver.child("iothreads").is_some())
    {
        return Err(invalid(
            "controller driver 'iothread' attribute can't be used together with 'iothreads' subelement",
        ));
    }
    Ok(())
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn pci(controller: &mut Tree) -> Result<()> {
    if let Some(model) = controller.child_mut("model").filter(|model| model.is("name", "none")) {
        model.unset("name");
    }
    let Some(target) = controller.child_mut("target") else { return Ok(()) };
    for (name, noun, low, high) in NUMBERS {
        if let Some(value) = target.attr(name).and_then(number)
            && !(*low..=*high).contains(&value)
        {
            return Err(unsupported(format!(
                "PCI controller {noun} '{value}' out of range - must be {low}-{high}"
            )));
        }
    }
    if let Some(node) = target.child_mut("node") {
        let text = node.body().to_owned();
        if text.is_empty() {
            target.remove("node");
        } else {
            let number = crate::values::decimal(&text).filter(|number| *number <= i32::MAX as u64);
            let number = number.ok_or_else(|| invalid("invalid NUMA node in target"))?;
            node.text = Some(number.to_string());
        }
    }
    Ok(())
}
