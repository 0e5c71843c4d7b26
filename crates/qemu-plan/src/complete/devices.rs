//! Models and values of devices that a definition leaves open.

use super::setting::{Board, Setting};
use super::source;
use conf_domain::{Domain, device};
use qemu_caps::Flag;
use xml::Tree;

/// Gives devices what they leave open.
pub(super) fn defaults(domain: &mut Domain, setting: &Setting<'_>) {
    for device in domain.devices_mut() {
        match device.name.as_str() {
            "disk" => {
                disk(device);
                source::complete(device);
            }
            "interface" => interface(device, setting),
            "input" => device::input_bus(device, &setting.kind, &setting.arch),
            "serial" => serial(device, setting),
            "console" => {
                device.child_or_new("target").default_to("type", "serial");
            }
            "video" => video(device, setting),
            "sound" if device.is("model", "virtio") => device.default_to("streams", "2"),
            "watchdog" => {
                device.default_to("action", "reset");
                if setting.is_s390() {
                    device.default_to("model", "diag288");
                }
            }
            "hostdev" => {
                hostdev(device);
                source::complete(device);
            }
            "vsock" => device.default_to("model", "virtio"),
            "rng" => {
                if let Some(backend) = device.child_mut("backend")
                    && backend.is("model", "random")
                    && backend.body().is_empty()
                {
                    backend.text = Some("/dev/random".to_owned());
                }
            }
            "panic" if device.attr("model").is_none() => {
                let model = match setting.board {
                    Board::Pseries => "pseries",
                    Board::Ccw => "s390",
                    Board::Virt if setting.is_arm() => "pvpanic",
                    _ if setting.is_x86() => "isa",
                    _ => continue,
                };
                device.set("model", model);
            }
            "tpm" => tpm(device, setting),
            "redirdev" if device.is("type", "dbus") && device.attr_at("source", "channel").is_none() => {
                device.child_or_new("source").set("channel", "org.qemu.usbredir");
            }
            "shmem" => shmem(device),
            "graphics" => graphics(device),
            _ => {}
        }
    }
}

fn disk(disk: &mut Tree) {
    match disk.attr("type").unwrap_or_default() {
        "vhostuser" => disk.default_to("snapshot", "no"),
        // What a volume holds is known when it is looked up.
        "volume" => disk.child_or_new("driver").default_to("name", "qemu"),
        _ => {
            let driver = disk.child_or_new("driver");
            driver.default_to("name", "qemu");
            driver.default_to("type", "raw");
        }
    }
    if disk.is("type", "vhostuser") {
        let driver = disk.child_or_new("driver");
        driver.default_to("name", "qemu");
        driver.default_to("type", "raw");
    }
    if let Some(mirror) = disk.child_mut("mirror")
        && mirror.child("format").is_none()
    {
        mirror.children.insert(0, Tree::new("format").with("type", "raw"));
    }
    if let Some(driver) = disk.child_mut("driver")
        && driver.is("cache", "default")
    {
        driver.unset("cache");
    }
    device::place(disk);
}

fn interface(interface: &mut Tree, setting: &Setting<'_>) {
    let kind = interface.word("type");
    if interface.attr_at("model", "type").is_none() && kind != "hostdev" {
        let model = match kind.as_str() {
            "vdpa" | "vhostuser" => "virtio",
            _ if setting.is_s390() || setting.board == Board::Virt => "virtio",
            _ if setting.is_arm() && setting.machine == "versatilepb" => "scm91c111",
            _ if setting.is_arm() => "lan9118",
            _ if setting.has(Flag::Rtl8139) => "rtl8139",
            _ if setting.has(Flag::E1000) => "e1000",
            _ if setting.has(Flag::VirtioNet) => "virtio",
            _ => "rtl8139",
        };
        interface.child_or_new("model").set("type", model);
    }
}

fn serial(serial: &mut Tree, setting: &Setting<'_>) {
    let default = match setting.arch.as_str() {
        "x86_64" | "i686" => Some("isa-serial"),
        "s390x" | "s390" => Some("sclp-serial"),
        _ if setting.board == Board::Pseries => Some("spapr-vio-serial"),
        _ if setting.board == Board::Virt => Some("system-serial"),
        _ => None,
    };
    let target = serial.child_or_new("target");
    if !setting.is_x86() && target.is("type", "isa-serial") {
        // Old documents say ISA whatever the machine.
        target.unset("type");
    }
    if target.attr("type").is_none() {
        let Some(kind) = default else { return };
        target.set("type", kind);
    }
    if target.child("model").is_none() {
        let model = match target.attr("type").unwrap_or_default() {
            "isa-serial" => "isa-serial",
            "pci-serial" => "pci-serial",
            "usb-serial" => "usb-serial",
            "spapr-vio-serial" => "spapr-vty",
            "system-serial" if setting.is_arm_virt() => "pl011",
            "system-serial" if setting.board == Board::Virt => "16550a",
            "sclp-serial" => "sclpconsole",
            "isa-debug" => "isa-debugcon",
            _ => return,
        };
        target.children.push(Tree::new("model").with("name", model));
    }
}

/// Model of a screen that a definition leaves open.
pub(super) fn video_model(setting: &Setting<'_>) -> Option<&'static str> {
    Some(match setting.arch.as_str() {
        "ppc64" | "ppc64le" => "vga",
        _ if setting.board == Board::Virt || setting.is_s390() => "virtio",
        _ if setting.has(Flag::CirrusVga) => "cirrus",
        _ if setting.has(Flag::Vga) => "vga",
        _ => return None,
    })
}

fn video(video: &mut Tree, setting: &Setting<'_>) {
    let model = video.child_or_new("model");
    if model.attr("type").is_none()
        && let Some(kind) = video_model(setting)
    {
        model.set("type", kind);
    }
    if model.is("type", "qxl") {
        model.default_to("vgamem", "16384");
    }
    device::video(video);
}

/// Memory shared between guests: sizes in MiB, and interrupts with all that belongs to them.
fn shmem(shmem: &mut Tree) {
    if shmem.child("model").is_none() {
        let model = if shmem.child("server").is_some() { "ivshmem-doorbell" } else { "ivshmem-plain" };
        shmem.children.push(Tree::new("model").with("type", model));
    }
    let plain = shmem.attr_at("model", "type") == Some("ivshmem-plain");
    if plain && shmem.child("size").is_none() {
        shmem.children.push(Tree::leaf("size", "4").with("unit", "M"));
    }
    if shmem.child("server").is_some() {
        shmem.child_or_new("msi").default_to("ioeventfd", "on");
    }
}

fn hostdev(hostdev: &mut Tree) {
    if hostdev.is("mode", "subsystem") {
        hostdev.default_to("managed", "no");
    }
    if hostdev.is("type", "mdev") && hostdev.is("model", "vfio-pci") {
        hostdev.default_to("display", "off");
    }
}

fn tpm(tpm: &mut Tree, setting: &Setting<'_>) {
    let model = match () {
        () if setting.is_ppc64() => "tpm-spapr",
        () => "tpm-tis",
    };
    tpm.default_to("model", model);
    let old = setting.is_x86() && tpm.is("model", "tpm-tis");
    if let Some(backend) = tpm.child_mut("backend")
        && backend.is("type", "emulator")
    {
        backend.default_to("version", if old { "1.2" } else { "2.0" });
    }
}

/// SPICE without any port is for a client that is given a socket.
fn graphics(graphics: &mut Tree) {
    let portless = graphics.attr("port").is_none() && graphics.attr("tlsPort").is_none();
    if graphics.is("type", "spice") && portless && !graphics.is("autoport", "yes") {
        if let Some(listen) = graphics.child_mut("listen").filter(|listen| listen.is("type", "address")) {
            listen.attrs.clear();
            listen.set("type", "none");
        }
        let open = graphics.child("listen").is_some_and(|listen| listen.is("type", "none"));
        if open {
            graphics.unset("autoport");
            graphics.unset("listen");
        }
    }
}
