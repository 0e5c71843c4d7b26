//! Guests under bhyve.

use crate::domain::{DomainCapabilities, Os, Part, words};

/// What an installed bhyve can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bhyve {
    /// Guests can start from firmware (`lpc,bootrom`).
    pub boot_rom: bool,
    /// Guests can have a screen (`fbuf`).
    pub framebuffer: bool,
}

/// What guests can have. `images`: firmware that is installed.
pub fn domain_capabilities(path: &str, arch: &str, bhyve: Bhyve, images: &[String]) -> DomainCapabilities {
    let loader = bhyve.boot_rom.then(|| {
        let can_be = vec![("type", words(&["pflash"])), ("readonly", words(&["yes"]))];
        (images.to_vec(), can_be)
    });
    let screen = |part: Part| if bhyve.framebuffer { part } else { Part::plain(part.name, false) };
    DomainCapabilities {
        path: path.to_owned(),
        kind: "bhyve".to_owned(),
        arch: arch.to_owned(),
        iothreads: Some(false),
        os: Some(Os { supported: bhyve.boot_rom, firmware: None, loader }),
        devices: vec![
            Part::offering(
                "disk",
                vec![
                    ("diskDevice", words(&["disk", "cdrom"])),
                    ("bus", words(&["virtio", "sata"])),
                    ("model", Vec::new()),
                ],
            ),
            screen(Part::offering("graphics", vec![("type", words(&["vnc"]))])),
            screen(Part::offering("video", vec![("modelType", words(&["gop"]))])),
            Part::plain("hostdev", false),
        ],
        features: ["gic", "vmcoreinfo", "genid"].map(|name| Part::plain(name, false)).into(),
        ..DomainCapabilities::default()
    }
}
