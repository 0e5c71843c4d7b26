//! `<devices>`: defaults and spellings that hold for every driver, and what is hidden when printing.

mod address;
mod chardev;
mod disk;
mod graphics;
mod interface;

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
    let Some(devices) = tree.child_mut("devices") else { return Ok(()) };
    values::check(domain::place("domain/devices"), devices)?;
    let mut seen_video = false;
    for device in &mut devices.children {
        if flags.inactive {
            forget_live(device);
        }
        address::spell(device);
        match device.name.as_str() {
            "disk" => disk::complete(device, flags)?,
            "interface" => interface::complete(device, random)?,
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
                device.default_to("bus", bus);
            }
            "controller" => device.default_to("index", "0"),
            "video" => {
                if let Some(model) = device.child_mut("model") {
                    model.default_to("heads", "1");
                    if !seen_video {
                        model.default_to("primary", "yes");
                    }
                }
                seen_video = true;
            }
            _ => {}
        }
    }
    if hvm {
        chardev::consoles(&mut devices.children);
    }
    Ok(())
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
