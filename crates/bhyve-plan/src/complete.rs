//! Completing a definition.

use crate::slots;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::device::{controllers, letter_index};
use conf_domain::{Domain, ParseFlags};
use xml::Tree;

/// What the installed bhyve can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Caps {
    /// An AHCI controller takes up to 32 drives instead of one.
    pub ahci32: bool,
}

/// Drives of a controller that takes many.
const DRIVES: u32 = 32;

pub(crate) fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::DOMAIN, text)
}

/// Completes a definition, and checks it unless the flags say that it was accepted before.
///
/// # Errors
/// With the reference's words when devices contradict each other or the bus is full.
pub fn complete(domain: &mut Domain, caps: Caps, flags: ParseFlags) -> Result<()> {
    for disk in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
        place(disk, caps);
    }
    serial(domain);
    implied(domain);
    screen(domain);
    if !flags.skip_validate {
        validate(domain)?;
    }
    slots::assign(domain)?;
    conf_domain::device::mirror_console(domain);
    domain.sort();
    Ok(())
}

/// The place of a drive follows from its name.
fn place(disk: &mut Tree, caps: Caps) {
    if disk.child("address").is_some() || disk.attr_at("target", "bus") != Some("sata") {
        return;
    }
    let Some(index) = disk.attr_at("target", "dev").and_then(letter_index) else { return };
    let (controller, unit) = if caps.ahci32 { (index / DRIVES, index % DRIVES) } else { (index, 0) };
    let address = Tree::new("address")
        .with("type", "drive")
        .with("controller", controller.to_string())
        .with("bus", "0")
        .with("target", "0")
        .with("unit", unit.to_string());
    disk.children.push(address);
}

/// A null-modem device without names has those of the guest.
fn serial(domain: &mut Domain) {
    let uuid = domain.uuid;
    let lines = ["serial", "console"];
    for device in domain.devices_mut().iter_mut() {
        if !lines.contains(&device.name.as_str()) || !device.is("type", "nmdm") {
            continue;
        }
        let source = device.child_or_new("source");
        if source.attr("master").is_none() && source.attr("slave").is_none() {
            source.set("master", format!("/dev/nmdm{uuid}A"));
            source.set("slave", format!("/dev/nmdm{uuid}B"));
        }
    }
}

fn has(domain: &Domain, kind: &str, index: Option<&str>) -> bool {
    domain.all("controller").any(|controller| {
        controller.is("type", kind) && index.is_none_or(|index| controller.is("index", index))
    })
}

/// Controllers that devices sit on.
fn implied(domain: &mut Domain) {
    let add = |domain: &mut Domain, new: Tree| controllers::insert(domain.devices_mut(), new);
    if !has(domain, "pci", Some("0")) {
        add(domain, controllers::controller("pci", 0).with("model", "pci-root"));
    }
    // Firmware in flash, serial ports and TPMs are on the LPC bridge.
    let firmware = domain.tree.child("bootloader").is_none() && domain.tree.at("os/loader").is_some();
    let lpc = firmware || domain.all("serial").chain(domain.all("tpm")).next().is_some();
    if lpc && !has(domain, "isa", None) {
        add(domain, controllers::controller("isa", 0));
    }
    controllers::for_devices(domain.devices_mut(), None);
}

/// A guest with a VNC server has a screen; the only model is that of the firmware's graphics.
fn screen(domain: &mut Domain) {
    let shown = domain.all("graphics").any(|graphics| graphics.is("type", "vnc"));
    if shown && domain.all("video").next().is_none() {
        let model = Tree::new("model").with("heads", "1").with("primary", "yes");
        domain.devices_mut().push(Tree::new("video").holding(model));
    }
    for video in domain.devices_mut().iter_mut().filter(|device| device.name == "video") {
        video.child_or_new("model").default_to("type", "gop");
    }
}

fn validate(domain: &Domain) -> Result<()> {
    for controller in domain.all("controller") {
        let model = controller.attr("model").unwrap_or_default();
        if controller.is("type", "usb") && model != "nec-xhci" {
            return Err(unsupported("only nec-xhci USB controllers are supported"));
        }
        if controller.is("type", "isa") && !controller.is("index", "0") {
            return Err(unsupported("only single ISA controller is supported"));
        }
    }
    for rng in domain.all("rng") {
        if rng.attr_at("backend", "model") != Some("random")
            || rng.at("backend").is_none_or(|b| b.body() != "/dev/random")
        {
            return Err(unsupported("only /dev/random is supported as a random source"));
        }
    }
    Ok(())
}
