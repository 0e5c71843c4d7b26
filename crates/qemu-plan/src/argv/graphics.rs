//! Video cards.

use super::{Builder, Json, alias_of};
use crate::complete::unsupported;
use base::Result;

pub(super) fn videos(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for video in domain.all("video") {
        let Some(model) = video.child("model") else { continue };
        let first = model.is("primary", "yes");
        let kib = |name: &str| model.attr(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let driver = match (model.attr("type").unwrap_or_default(), first) {
            ("none", _) => continue,
            ("vga", true) => "VGA",
            ("vga", false) => "secondary-vga",
            ("cirrus", _) => "cirrus-vga",
            ("vmvga", _) => "vmware-svga",
            ("qxl", true) => "qxl-vga",
            ("qxl", false) => "qxl",
            ("virtio", true) if b.board.is_x86() => "virtio-vga",
            ("virtio", _) => "virtio-gpu-pci",
            ("bochs", _) => "bochs-display",
            ("ramfb", _) => "ramfb",
            (other, _) => return Err(unsupported(format!("video model '{other}' is not supported yet"))),
        };
        let json = Json::driver(driver).put("id", alias_of(video));
        let json = match driver {
            "VGA" | "secondary-vga" | "vmware-svga" => json.put("vgamem_mb", kib("vram") / 1024),
            "bochs-display" => json.put("vgamem", kib("vram") * 1024),
            "qxl" | "qxl-vga" => json
                .put("max_outputs", kib("heads").max(1))
                .put("ram_size", kib("ram") * 1024)
                .put("vram_size", kib("vram") * 1024)
                .put("vram64_size_mb", kib("vram64") / 1024)
                .put("vgamem_mb", kib("vgamem") / 1024),
            "virtio-vga" | "virtio-gpu-pci" => json.put("max_outputs", kib("heads").max(1)),
            _ => json,
        };
        let json = b.place(json, video);
        b.device(json);
    }
    Ok(())
}
