//! Models and values of devices that a definition leaves open, and devices every machine has.

use super::Board;
use base::Result;
use conf_domain::{Domain, device};
use xml::Tree;

pub(super) fn defaults(domain: &mut Domain, board: Board) -> Result<()> {
    let graphics = domain.all("graphics").next().is_some();
    if graphics && domain.all("video").next().is_none() {
        let model = if board == Board::Virt { "virtio" } else { "cirrus" };
        domain.devices_mut().push(
            Tree::new("video")
                .holding(Tree::new("model").with("type", model).with("heads", "1").with("primary", "yes")),
        );
    }
    for device in domain.devices_mut() {
        match device.name.as_str() {
            "disk" => disk(device)?,
            "interface"
                if device.child("model").is_none()
                    && !matches!(device.attr("type"), Some("hostdev" | "vdpa")) =>
            {
                let model = if board.is_x86() { "rtl8139" } else { "virtio" };
                device.children.push(Tree::new("model").with("type", model));
            }
            "serial" => serial(device, board),
            "console" => {
                let target = device.child_or_new("target");
                if target.attr("type").is_none() {
                    target.set("type", "serial");
                }
            }
            "video" => video(device, board),
            "sound" if device.is("model", "hda") => {}
            "memballoon" => {}
            "watchdog" => device.default_to("action", "reset"),
            _ => {}
        }
    }
    add_defaults(domain, board, graphics);
    Ok(())
}

fn disk(disk: &mut Tree) -> Result<()> {
    let driver = disk.child_or_new("driver");
    driver.default_to("name", "qemu");
    driver.default_to("type", "raw");
    let bus = disk.attr_at("target", "bus").unwrap_or_default().to_owned();
    let wide = true;
    if disk.child("address").is_none()
        && let Some(index) = disk.attr_at("target", "dev").and_then(device::letter_index)
        && let Some([controller, number, target, unit]) = device::drive_address(&bus, index, !wide)
    {
        let address = Tree::new("address")
            .with("type", "drive")
            .with("controller", controller.to_string())
            .with("bus", number.to_string())
            .with("target", target.to_string())
            .with("unit", unit.to_string());
        disk.children.push(address);
    }
    Ok(())
}

fn serial(serial: &mut Tree, board: Board) {
    let target = serial.child_or_new("target");
    if target.attr("type").is_none() {
        let kind = match board {
            Board::Pc | Board::Q35 => "isa-serial",
            Board::Virt => "system-serial",
            Board::Pseries => "spapr-vio-serial",
            Board::Ccw => "sclp-serial",
            Board::Other => return,
        };
        target.set("type", kind);
    }
    if target.child("model").is_none() {
        let model = match target.attr("type").unwrap_or_default() {
            "isa-serial" => "isa-serial",
            "pci-serial" => "pci-serial",
            "usb-serial" => "usb-serial",
            "spapr-vio-serial" => "spapr-vty",
            "system-serial" => "pl011",
            "sclp-serial" => "sclpconsole",
            _ => return,
        };
        target.children.push(Tree::new("model").with("name", model));
    }
}

fn video(video: &mut Tree, board: Board) {
    if video.child("model").is_none() {
        video.children.push(Tree::new("model").with("heads", "1"));
    }
    let Some(model) = video.child_mut("model") else { return };
    let kind = if board == Board::Virt { "virtio" } else { "cirrus" };
    model.default_to("type", kind);
    match model.attr("type").unwrap_or_default() {
        "vga" | "cirrus" | "vmvga" | "bochs" => model.default_to("vram", "16384"),
        "qxl" => {
            for name in ["ram", "vram"] {
                model.default_to(name, "65536");
            }
            model.default_to("vgamem", "16384");
        }
        "none" => {
            model.unset("heads");
        }
        _ => {}
    }
}

/// Devices that a machine has whether a definition names them or not.
fn add_defaults(domain: &mut Domain, board: Board, graphics: bool) {
    if board == Board::Other {
        return;
    }
    let has = |domain: &Domain, kind: &str| domain.all(kind).next().is_some();
    if board.is_x86() {
        for kind in ["mouse", "keyboard"] {
            let there = domain.all("input").any(|input| input.is("type", kind) && input.is("bus", "ps2"));
            if !there && (graphics || kind == "keyboard" || kind == "mouse") {
                domain.devices_mut().push(Tree::new("input").with("type", kind).with("bus", "ps2"));
            }
        }
    }
    if !has(domain, "audio") {
        let spice = domain
            .all("graphics")
            .find(|graphics| matches!(graphics.attr("type"), Some("spice" | "sdl" | "dbus")));
        let kind = spice.and_then(|graphics| graphics.attr("type")).unwrap_or("none").to_owned();
        domain.devices_mut().push(Tree::new("audio").with("id", "1").with("type", kind));
    }
    if board == Board::Q35 && !domain.all("watchdog").any(|watchdog| watchdog.is("model", "itco")) {
        let action = domain
            .all("watchdog")
            .next()
            .and_then(|watchdog| watchdog.attr("action"))
            .unwrap_or("reset")
            .to_owned();
        domain.devices_mut().push(Tree::new("watchdog").with("model", "itco").with("action", action));
    }
    if !has(domain, "memballoon") {
        domain.devices_mut().push(Tree::new("memballoon").with("model", "virtio"));
    }
}
