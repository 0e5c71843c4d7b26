//! Guests under Xen.

use crate::domain::{DomainCapabilities, Os, Part, words};

/// Processors of a fully virtualized guest at most.
const MAX_FULL: u32 = 128;

/// Processors of a paravirtualized guest at most.
const MAX_PARA: u32 = 512;

/// What guests of a machine (`xenfv`, `xenpv`, `xenpvh`) can have. `images`: firmware that is installed.
pub fn domain_capabilities(path: &str, machine: &str, arch: &str, images: &[String]) -> DomainCapabilities {
    let full = machine == "xenfv";
    let loader = full.then(|| {
        let can_be = vec![("type", words(&["rom", "pflash"])), ("readonly", words(&["yes"]))];
        (images.to_vec(), can_be)
    });
    DomainCapabilities {
        path: path.to_owned(),
        kind: "xen".to_owned(),
        machine: Some(machine.to_owned()),
        arch: arch.to_owned(),
        max_vcpus: if full { MAX_FULL } else { MAX_PARA },
        iothreads: Some(false),
        os: Some(Os { supported: true, firmware: None, loader }),
        devices: vec![
            Part::offering(
                "disk",
                vec![
                    ("diskDevice", words(&["disk", "cdrom"])),
                    ("bus", words(&["ide", "scsi", "xen"])),
                    ("model", Vec::new()),
                ],
            ),
            Part::offering("graphics", vec![("type", words(&["sdl", "vnc", "spice"]))]),
            Part::offering("video", vec![("modelType", words(&["vga", "cirrus", "xen"]))]),
            Part::offering(
                "hostdev",
                vec![
                    ("mode", words(&["subsystem"])),
                    ("startupPolicy", words(&["default", "mandatory", "requisite", "optional"])),
                    ("subsysType", words(&["usb", "pci"])),
                    ("capsType", Vec::new()),
                    ("pciBackend", words(&["xen"])),
                ],
            ),
        ],
        features: ["gic", "vmcoreinfo", "genid"].map(|name| Part::plain(name, false)).into(),
        ..DomainCapabilities::default()
    }
}
