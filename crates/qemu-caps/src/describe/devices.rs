//! Devices that guests of an emulator can have.

use super::domain::Host;
use crate::arch::is_x86;
use crate::{Caps, Flag};
use conf_capabilities::Part;
use conf_capabilities::domain::{Words, words};

/// Machines that come with an IDE controller.
fn has_ide(machine: &str) -> bool {
    machine == "pc"
        || ["pc-i440fx-", "pc-0.", "pc-1."].iter().any(|start| machine.starts_with(start))
        || ["malta", "sun4u", "g3beige"].contains(&machine)
}

fn is_pseries(caps: &Caps, machine: &str) -> bool {
    caps.arch.starts_with("ppc64") && (machine == "pseries" || machine.starts_with("pseries-"))
}

/// All devices in the order of the document.
pub(super) fn devices(caps: &Caps, machine: &str, host: &Host) -> Vec<Part> {
    let has = |flag| caps.has(flag);
    vec![
        disk(caps, machine),
        Part::offering(
            "graphics",
            vec![
                Words::new()
                    .when(has(Flag::Sdl), "sdl")
                    .when(has(Flag::Vnc), "vnc")
                    .when(has(Flag::DisplayDbus) && host.rdp, "rdp")
                    .when(has(Flag::Spice), "spice")
                    .when(has(Flag::EglHeadless), "egl-headless")
                    .when(has(Flag::DisplayDbus), "dbus")
                    .named("type"),
            ],
        ),
        Part::offering(
            "video",
            vec![
                Words::new()
                    .when(has(Flag::Vga), "vga")
                    .when(has(Flag::CirrusVga), "cirrus")
                    .when(has(Flag::VmwareSvga), "vmvga")
                    .when(has(Flag::Qxl), "qxl")
                    .when(has(Flag::VirtioGpu), "virtio")
                    .with("none")
                    .when(has(Flag::BochsDisplay), "bochs")
                    .when(has(Flag::Ramfb), "ramfb")
                    .named("modelType"),
            ],
        ),
        hostdev(caps, host),
        Part::offering(
            "rng",
            vec![
                virtio_models(caps, has(Flag::VirtioRng)).named("model"),
                Words::new()
                    .when(has(Flag::RngRandom), "random")
                    .when(has(Flag::RngEgd), "egd")
                    .when(has(Flag::RngBuiltin), "builtin")
                    .named("backendModel"),
            ],
        ),
        Part::offering(
            "filesystem",
            vec![
                Words::new()
                    .with("path")
                    .with("handle")
                    .when(has(Flag::VhostUserFs), "virtiofs")
                    .named("driverType"),
            ],
        ),
        tpm(caps, host),
        one_choice("redirdev", "bus", Words::new().when(has(Flag::UsbRedir), "usb")),
        Part::offering(
            "channel",
            vec![Words::new().with("pty").with("unix").when(has(Flag::Spice), "spicevmc").named("type")],
        ),
        Part::offering(
            "crypto",
            vec![
                Words::new().when(has(Flag::VirtioCrypto), "virtio").named("model"),
                ("type", words(&["qemu"])),
                Words::new()
                    .with("builtin")
                    .when(has(Flag::CryptodevBackendLkcf), "lkcf")
                    .named("backendModel"),
            ],
        ),
        Part::offering(
            "interface",
            vec![Words::new().with("default").when(has(Flag::NetdevStream), "passt").named("backendType")],
        ),
        panic(caps, machine),
    ]
}

/// A part with one choice, not supported when there is nothing to choose.
fn one_choice(name: &'static str, choice: &'static str, words: Words) -> Part {
    Part { name, supported: !words.is_empty(), choices: vec![words.named(choice)] }
}

fn virtio_models(caps: &Caps, there: bool) -> Words {
    let variants = there && caps.has(Flag::VirtioPciNonTransitional);
    Words::new()
        .when(there, "virtio")
        .when(variants, "virtio-transitional")
        .when(variants, "virtio-non-transitional")
}

fn disk(caps: &Caps, machine: &str) -> Part {
    let floppy = !is_pseries(caps, machine);
    Part::offering(
        "disk",
        vec![
            Words::new().with("disk").with("cdrom").when(floppy, "floppy").with("lun").named("diskDevice"),
            Words::new()
                .when(has_ide(machine), "ide")
                .when(floppy, "fdc")
                .with("scsi")
                .with("virtio")
                .when(caps.has(Flag::UsbStorage), "usb")
                .when(caps.has(Flag::Ich9Ahci), "sata")
                .named("bus"),
            virtio_models(caps, true).named("model"),
        ],
    )
}

fn hostdev(caps: &Caps, host: &Host) -> Part {
    const USB: [Flag; 9] = [
        Flag::Piix3UsbUhci,
        Flag::Piix4UsbUhci,
        Flag::UsbEhci,
        Flag::Ich9UsbEhci1,
        Flag::Vt82c686bUsbUhci,
        Flag::PciOhci,
        Flag::NecUsbXhci,
        Flag::QemuXhci,
        Flag::UsbHub,
    ];
    let usb = USB.iter().any(|flag| caps.has(*flag));
    Part::offering(
        "hostdev",
        vec![
            ("mode", words(&["subsystem"])),
            ("startupPolicy", words(&["default", "mandatory", "requisite", "optional"])),
            Words::new().when(usb, "usb").with("pci").with("scsi").named("subsysType"),
            ("capsType", Vec::new()),
            ("pciBackend", host.pci_backends.clone()),
        ],
    )
}

fn tpm(caps: &Caps, host: &Host) -> Part {
    let models = Words::new()
        .when(caps.has(Flag::TpmTis), "tpm-tis")
        .when(caps.has(Flag::TpmCrb), "tpm-crb")
        .when(caps.has(Flag::TpmSpapr), "tpm-spapr")
        .when(caps.has(Flag::SpaprTpmProxy), "spapr-tpm-proxy");
    if models.is_empty() {
        return Part::plain("tpm", false);
    }
    // Both need the program that is one.
    let versions = host.tpm_versions.as_ref().filter(|_| caps.has(Flag::TpmEmulator));
    let mut choices = vec![
        models.named("model"),
        Words::new()
            .when(caps.has(Flag::TpmPassthrough), "passthrough")
            .when(versions.is_some(), "emulator")
            .when(versions.is_some(), "external")
            .named("backendModel"),
    ];
    if let Some(versions) = versions {
        choices.push(("backendVersion", versions.clone()));
    }
    Part::offering("tpm", choices)
}

fn panic(caps: &Caps, machine: &str) -> Part {
    let models = Words::new()
        .when(caps.has(Flag::Pvpanic), "isa")
        .when(is_pseries(caps, machine), "pseries")
        .when(is_x86(&caps.arch), "hyperv")
        .when(caps.arch.starts_with("s390"), "s390")
        .when(caps.has(Flag::PvpanicPci), "pvpanic");
    one_choice("panic", "model", models)
}
