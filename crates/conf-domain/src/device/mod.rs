//! `<devices>`: defaults and spellings that hold for every driver, and what is hidden when printing.

mod address;
mod chardev;
mod check;
mod disk;
mod graphics;
mod interface;
mod redirection;

pub use address::Pci;
pub use disk::{drive_address, letter_index};

use crate::{FormatFlags, ParseFlags, domain, values};
use base::Result;
use xml::Tree;

/// What every driver's devices get.
pub(crate) fn complete(
    tree: &mut Tree,
    flags: ParseFlags,
    random: &mut dyn FnMut() -> [u8; 16],
) -> Result<()> {
    let hvm = tree.text_of("os").is_none() && tree.at("os/type").is_some_and(|kind| kind.body() == "hvm");
    let kind = tree.attr("type").unwrap_or_default().to_owned();
    if !flags.skip_validate && !flags.allow_boot {
        check::boot(tree)?;
    }
    let Some(devices) = tree.child_mut("devices") else { return Ok(()) };
    values::check(domain::place("domain/devices"), devices)?;
    if !flags.skip_validate {
        devices.children.iter().try_for_each(check::as_read)?;
    }
    let mut seen_video = false;
    let marked = devices.all("video").any(|video| video.attr_at("model", "primary") == Some("yes"));
    for device in &mut devices.children {
        if flags.inactive {
            forget_live(device);
        }
        address::spell(device);
        labels(device);
        if let Some(boot) = device.child_mut("boot") {
            load_parameter(boot);
        }
        match device.name.as_str() {
            "disk" => disk::complete(device, flags)?,
            "interface" => interface::complete(device, flags, random)?,
            "redirfilter" => redirection::complete(device),
            "controller" => {
                if let Some(hole) = device.child_mut("pcihole64") {
                    crate::memory::spell(hole);
                }
            }
            "graphics" => graphics::complete(device, flags)?,
            "serial" | "parallel" | "console" | "channel" | "smartcard" | "redirdev" | "rng" => {
                chardev::complete(device, flags)?;
            }
            "input" => {
                let bus = if kind == "xen" {
                    "xen"
                } else if device.is("type", "tablet") {
                    "usb"
                } else {
                    "ps2"
                };
                if !device.is("type", "evdev") {
                    device.default_to("bus", bus);
                }
            }
            "video" => {
                let primary = !seen_video && !marked;
                seen_video = true;
                let model = device.child_or_new("model");
                if !model.is("type", "none") {
                    model.default_to("heads", "1");
                    if primary {
                        model.default_to("primary", "yes");
                    }
                    if model.is("primary", "no") {
                        model.unset("primary");
                    }
                }
            }
            _ => {}
        }
    }
    // The primary screen is the first.
    let primary = |device: &Tree| device.name == "video" && device.attr_at("model", "primary") == Some("yes");
    if let (Some(first), Some(at)) = (
        devices.children.iter().position(|device| device.name == "video"),
        devices.children.iter().position(primary),
    ) && at > first
    {
        let screen = devices.children.remove(at);
        devices.children.insert(first, screen);
    }
    number_controllers(&mut devices.children);
    sort_disks(&mut devices.children);
    chardev::number(&mut devices.children);
    if hvm {
        chardev::consoles(&mut devices.children);
    }
    chardev::card_readers(&mut devices.children);
    if flags.skip_validate { Ok(()) } else { check::completed(&devices.children) }
}

/// A controller without a number gets the lowest that none of its type has. The parts of an ICH9 USB controller
/// share a number.
fn number_controllers(devices: &mut Vec<Tree>) {
    let is_controller = |device: &Tree| device.name == "controller";
    let part = |device: &Tree| {
        device
            .attr("model")
            .filter(|model| model.starts_with("ich9-") && device.is("type", "usb"))
            .map(str::to_owned)
    };
    let mut taken: Vec<(String, u32, Option<String>)> = devices
        .iter()
        .filter(|device| is_controller(device))
        .filter_map(|device| {
            Some((device.attr("type")?.to_owned(), device.attr("index")?.parse().ok()?, part(device)))
        })
        .collect();
    for controller in devices.iter_mut().filter(|device| is_controller(device)) {
        if controller.attr("index").is_some() {
            continue;
        }
        let kind = controller.attr("type").unwrap_or_default().to_owned();
        let own = part(controller);
        let clashes = |index: u32| {
            taken.iter().any(|(other, number, theirs)| {
                *other == kind && *number == index && (own.is_none() || theirs.is_none() || own == *theirs)
            })
        };
        let index = (0..u32::MAX).find(|index| !clashes(*index)).unwrap_or_default();
        controller.set("index", index.to_string());
        taken.push((kind, index, own));
    }
    // Controllers of a type stand in the order of their numbers at the places they have, masters before companions.
    let places: Vec<usize> =
        devices.iter().enumerate().filter(|(_, device)| is_controller(device)).map(|(at, _)| at).collect();
    let mut kinds: Vec<String> = Vec::new();
    for at in &places {
        let kind = devices[*at].attr("type").unwrap_or_default();
        if !kinds.iter().any(|known| known == kind) {
            kinds.push(kind.to_owned());
        }
    }
    for kind in kinds {
        let own: Vec<usize> = places.iter().copied().filter(|at| devices[*at].is("type", &kind)).collect();
        let mut sorted: Vec<Tree> = own.iter().map(|at| std::mem::take(&mut devices[*at])).collect();
        sorted.sort_by_key(|device| {
            let index = device.attr("index").and_then(|index| index.parse::<u32>().ok()).unwrap_or(0);
            (index, part(device).is_some_and(|model| model.starts_with("ich9-uhci")))
        });
        for (at, device) in own.into_iter().zip(sorted) {
            devices[at] = device;
        }
    }
}

/// Disks of one bus stand together from the second on, in the order of their targets.
fn sort_disks(devices: &mut Vec<Tree>) {
    if devices.iter().filter(|device| device.name == "disk").count() < 2 {
        return;
    }
    let (disks, others): (Vec<Tree>, Vec<Tree>) =
        std::mem::take(devices).into_iter().partition(|device| device.name == "disk");
    let mut sorted: Vec<Tree> = Vec::with_capacity(disks.len());
    let index = |disk: &Tree| disk.attr_at("target", "dev").and_then(disk::letter_index);
    for disk in disks {
        let bus = |other: &Tree| other.attr_at("target", "bus") == disk.attr_at("target", "bus");
        let last = sorted.iter().rposition(bus).map_or(sorted.len(), |at| at + 1);
        let bigger = sorted.iter().position(|other| bus(other) && index(other) > index(&disk));
        sorted.insert(bigger.unwrap_or(last), disk);
    }
    devices.extend(sorted);
    devices.extend(others);
}

/// Labels of a device's source: one with a label is applied, one that says nothing is none.
fn labels(device: &mut Tree) {
    if let Some(source) = device.child_mut("source") {
        label_source(source);
    }
    if let Some(backing) = device.child_mut("backingStore") {
        labels(backing);
    }
}

fn label_source(source: &mut Tree) {
    for label in source.all_mut("seclabel") {
        if label.child("label").is_some() {
            label.default_to("relabel", "yes");
        }
        label.unset("labelskip");
    }
    source.children.retain(|child| child.name != "seclabel" || child.attr("relabel").is_some());
    if let Some(inner) = source.child_mut("dataStore") {
        labels(inner);
    }
}

/// Names of boot entries are in capitals.
pub(crate) fn load_parameter(boot: &mut Tree) {
    if let Some(name) = boot.attr("loadparm").map(str::to_ascii_uppercase) {
        boot.set("loadparm", name);
    }
}

/// Copies the first serial port to the console that stands for it, after either has changed.
pub fn mirror_console(domain: &mut crate::Domain) {
    chardev::mirror(domain.devices_mut());
}

/// Parts that only a running guest has.
fn forget_live(device: &mut Tree) {
    if !device.attr_at("alias", "name").is_some_and(|name| name.starts_with("ua-")) {
        device.remove("alias");
    }
}

/// Takes out what the flags hide.
pub(crate) fn hide(tree: &mut Tree, flags: FormatFlags) {
    let Some(devices) = tree.child_mut("devices") else { return };
    for device in &mut devices.children {
        if device.name == "interface" {
            interface::hide_unused(device);
        }
        if flags.inactive {
            forget_live(device);
            match device.name.as_str() {
                "serial" | "parallel" | "console" | "channel" => chardev::hide_live(device),
                "disk" => disk::hide_live(device),
                "graphics" => graphics::hide_live(device),
                "interface" => interface::hide_live(device),
                _ => {}
            }
        }
        if !flags.secure {
            match device.name.as_str() {
                "graphics" => device.unset("passwd"),
                "disk" => disk::hide_secrets(device),
                _ => {}
            }
        }
    }
}
