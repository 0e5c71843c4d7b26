//! A device whose document comes alone: what is wrong with it itself, before anybody asks where it would fit.
//!
//! ```text
//! document ──▶ read ──▶ defaults ──▶ rules of one device ──▶ (places, the whole definition)
//! ```
//!
//! A client that takes a device away describes it; what it describes need not be possible, but it must be readable.

use super::setting::Setting;
use super::{Site, controllers, devices};
use crate::Caps;
use crate::validate::{Qemu, invalid};
use base::{Error, ErrorDomain, Result};
use conf_domain::{Domain, ParseFlags};
use xml::Tree;

/// Reads a device that belongs to no definition yet, and holds it against one unless validation is skipped.
///
/// # Errors
/// With the first refusal, in the reference's words.
pub fn device(
    domain: &Domain,
    given: &Tree,
    caps: &Caps,
    site: &Site,
    flags: ParseFlags,
    random: &mut dyn FnMut() -> [u8; 16],
) -> Result<()> {
    let mut around = domain.clone();
    around.devices_mut().clear();
    // What is wrong with the document is told in any case.
    let reading = ParseFlags { skip_validate: false, ..flags };
    let read = around.with_device(given.clone(), 0, reading, random)?;
    if flags.skip_validate {
        return Ok(());
    }
    let Some(mut device) = read.devices().iter().find(|device| device.name == given.name).cloned() else {
        return Ok(());
    };
    forget_counting(&mut device, given);
    let setting = Setting::of(domain, caps, &site.iommu_groups, flags.abi_update);
    let mut with = domain.clone();
    with.devices_mut().push(device.clone());
    controllers::defaults(&mut with, &setting);
    devices::defaults(&mut with, &setting);
    let device = with.devices().last().cloned().unwrap_or(device);
    sounds(domain, &device)?;
    if device.name == "controller" && device.is("type", "pci") {
        return bridge(&device);
    }
    if device.name == "console" {
        // Which of several it is counts only where it goes.
        let mut others = domain.clone();
        others.devices_mut().retain(|other| other.name != "console");
        return conf_domain::validate::device(&others, &device, &Qemu { setting: &setting, site });
    }
    conf_domain::validate::device(domain, &device, &Qemu { setting: &setting, site })
}

/// Takes away what a device gets only among others.
fn forget_counting(device: &mut Tree, given: &Tree) {
    if device.name == "controller" && given.attr("index").is_none() {
        device.unset("index");
    }
    if device.name == "video"
        && given.attr_at("model", "primary").is_none()
        && let Some(model) = device.child_mut("model")
    {
        model.unset("primary");
    }
}

/// Options that a controller of PCI has by its model.
const BRIDGE_OPTIONS: &[(&str, &[&str])] = &[
    ("pci-bridge", &["chassisNr"]),
    ("pcie-root-port", &["chassis", "port"]),
    ("pcie-switch-downstream-port", &["chassis", "port"]),
    ("pci-expander-bus", &["busNr"]),
    ("pcie-expander-bus", &["busNr"]),
];

/// A bridge of PCI: what is made up for it in a definition, must be said of one that comes alone.
fn bridge(device: &Tree) -> Result<()> {
    let internal = |text: String| Err(Error::internal(ErrorDomain::QEMU, text));
    let index = device.attr("index").unwrap_or("-1");
    let model = device.attr("model").unwrap_or_default();
    let name = device.attr_at("model", "name");
    let lacking = |option: &str| {
        let name = name.unwrap_or("none");
        internal(format!(
            "Required option '{option}' is not set for PCI controller with index '{index}', model '{model}' and modelName '{name}'"
        ))
    };
    match model {
        "" => internal("Unexpected enum value -1 for virDomainControllerModelPCI".to_owned()),
        "pci-root" | "pcie-root" if index == "0" => Ok(()),
        "pci-root" | "pcie-root" => Err(invalid("pci-root and pcie-root controllers should have index 0")),
        _ if name.is_none() => lacking("modelName"),
        _ => {
            let options = BRIDGE_OPTIONS.iter().find(|(known, _)| *known == model);
            let mut options = options.map(|(_, options)| *options).unwrap_or_default().iter();
            match options.find(|option| device.attr_at("target", option).is_none()) {
                Some(option) => lacking(option),
                None => Ok(()),
            }
        }
    }
}

/// Sound that goes where nothing is, and a second way for it of the same number.
fn sounds(domain: &Domain, device: &Tree) -> Result<()> {
    let known = |id: &str| domain.all("audio").any(|audio| audio.is("id", id));
    let fault = |text: String| invalid(text).in_domain(ErrorDomain::DOMAIN);
    match device.name.as_str() {
        "audio" => match device.attr("id").filter(|id| known(id)) {
            Some(id) => Err(fault(format!("audio ID {id} is used multiple times"))),
            None => Ok(()),
        },
        "sound" => match device.attr_at("audio", "id").filter(|id| !known(id)) {
            Some(id) => Err(fault(format!("no audio device with ID {id}"))),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}
