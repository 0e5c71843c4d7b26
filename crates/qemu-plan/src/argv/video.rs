//! Video cards.

use super::address::number;
use super::{Builder, Json, alias_of, virtio};
use crate::complete::{Board, arch, unsupported};
use base::Result;
use qemu_caps::Flag;
use xml::Tree;

/// Name of the character device through which a card that runs in a process of its own is reached.
fn chardev(video: &Tree) -> String {
    format!("chr-vu-{}", alias_of(video))
}

/// A card that runs in a process of its own.
fn outside(video: &Tree) -> bool {
    video.attr_at("driver", "name") == Some("vhostuser")
}

/// Whether the card can show the firmware's screen: POWER's and ARM's do without, s390 has no such.
fn with_vga(b: &Builder<'_>, video: &Tree) -> bool {
    let arch = arch(b.domain);
    let pci = video.attr_at("address", "type") == Some("pci");
    pci && !matches!(arch, "aarch64" | "armv7l" | "armv6l") && b.board != Board::Ccw
}

fn bus(video: &Tree) -> &'static str {
    match video.attr_at("address", "type") {
        Some("ccw") => "ccw",
        Some("virtio-mmio") => "device",
        _ => "pci",
    }
}

fn driver(b: &Builder<'_>, video: &Tree, model: &Tree) -> Result<Option<String>> {
    let first = model.is("primary", "yes");
    let gl = model.attr_at("acceleration", "accel3d") == Some("yes");
    let name = match (model.attr("type").unwrap_or_default(), first) {
        ("none", _) => return Ok(None),
        ("vga", true) => "VGA",
        ("vga", false) => "secondary-vga",
        ("cirrus", _) => "cirrus-vga",
        ("vmvga", _) => "vmware-svga",
        ("qxl", true) => "qxl-vga",
        ("qxl", false) => "qxl",
        ("virtio", true) if with_vga(b, video) => match (outside(video), gl) {
            (true, _) => "vhost-user-vga",
            (false, true) if b.caps.has(Flag::VirtioVgaGl) => "virtio-vga-gl",
            _ => "virtio-vga",
        },
        ("virtio", _) if outside(video) => return Ok(Some(format!("vhost-user-gpu-{}", bus(video)))),
        ("virtio", _) if gl && b.caps.has(Flag::VirtioGpuGlPci) => {
            return Ok(Some(format!("virtio-gpu-gl-{}", bus(video))));
        }
        ("virtio", _) => return Ok(Some(format!("virtio-gpu-{}", bus(video)))),
        ("bochs", _) => "bochs-display",
        ("ramfb", _) => "ramfb",
        (other, _) => {
            return Err(unsupported(format!("invalid model for video type '{other}'")));
        }
    };
    Ok(Some(name.to_owned()))
}

/// Decides what a video card is; `None` for one that is not there.
pub(super) fn device(b: &Builder<'_>, video: &Tree) -> Result<Option<Json>> {
    let Some(model) = video.child("model") else { return Ok(None) };
    let Some(driver) = driver(b, video, model)? else { return Ok(None) };
    let kib = |name: &str| model.attr(name).and_then(number).unwrap_or(0);
    let heads = kib("heads").max(1);
    let kind = model.attr("type").unwrap_or_default();
    // A card that shows the firmware's screen has no options of its transport.
    let plain = driver.contains("-vga");
    let json = Json::driver(driver);
    let json = if kind == "virtio" && !plain { virtio::transport(json, video) } else { json };
    let json = json.put("id", alias_of(video));
    let json = match kind {
        "vga" | "vmvga" => match model.attr("vram").and_then(number) {
            Some(vram) => json.put("vgamem_mb", vram / 1024),
            None => json,
        },
        "bochs" => json.put("vgamem", kib("vram").saturating_mul(1024)),
        "qxl" => json
            .put("max_outputs", heads)
            .put("ram_size", kib("ram").saturating_mul(1024))
            .put("vram_size", kib("vram").saturating_mul(1024))
            .put("vram64_size_mb", kib("vram64") / 1024)
            .put("vgamem_mb", kib("vgamem") / 1024),
        "virtio" => {
            let json = json.put("max_outputs", heads);
            if outside(video) { json.put("chardev", chardev(video)) } else { json }
        }
        _ => json,
    };
    let json = json.put_opt("blob", super::on_off(model.attr("blob")));
    let size = |name: &str| model.child("resolution").and_then(|size| size.attr(name)).and_then(number);
    let json = json.put_opt("xres", size("x")).put_opt("yres", size("y"));
    Ok(Some(b.place(json, video)))
}

pub(super) fn videos(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for video in domain.all("video") {
        let fd = b.start.chardev_fds.get(alias_of(video)).filter(|_| outside(video));
        if let Some(fd) = fd {
            let text = format!("socket,id={},fd={fd}", chardev(video));
            b.option("-chardev", text);
        }
        if let Some(json) = device(b, video)? {
            b.device(json);
        }
    }
    Ok(())
}
