//! What devices leave open and every driver fills in alike.

use super::address;
use xml::Tree;

pub(crate) fn complete(device: &mut Tree) {
    match device.name.as_str() {
        "controller" => companion(device),
        "filesystem" => filesystem(device),
        "hostdev" => hostdev(device),
        "redirdev" if device.is("type", "dbus") && device.attr_at("source", "channel").is_none() => {
            device.child_or_new("source").set("channel", "org.qemu.usbredir");
        }
        "rng" => {
            if let Some(backend) = device.child_mut("backend")
                && backend.is("model", "random")
                && backend.body().trim().is_empty()
            {
                backend.text = Some("/dev/random".to_owned());
            }
        }
        "sound" if device.is("model", "virtio") => device.default_to("streams", "2"),
        "shmem" => shared_memory(device),
        "video" => video(device),
        "tpm" => {
            if let Some(backend) =
                device.child_mut("backend").filter(|backend| backend.is("type", "passthrough"))
            {
                backend.child_or_new("device").default_to("path", "/dev/tpm0");
            }
        }
        "vsock" => {
            let cid = device.child_or_new("cid");
            let auto = if cid.attr("address").is_some() { "no" } else { "yes" };
            cid.default_to("auto", auto);
        }
        "watchdog" => device.default_to("action", "reset"),
        _ => {}
    }
}

/// The parts of an EHCI family count their ports from one on.
fn companion(controller: &mut Tree) {
    let first = match controller.attr("model") {
        Some("ich9-uhci1") => "0",
        Some("ich9-uhci2") => "2",
        Some("ich9-uhci3") => "4",
        _ => return,
    };
    if controller.child("master").is_none() {
        controller.children.push(Tree::new("master").with("startport", first));
    }
}

fn filesystem(filesystem: &mut Tree) {
    filesystem.default_to("type", "mount");
    filesystem.default_to("accessmode", "passthrough");
    for name in ["space_hard_limit", "space_soft_limit"] {
        if let Some(limit) = filesystem.child_mut(name) {
            let unit = limit.attr("unit").unwrap_or("bytes");
            let bytes = limit.body().trim().parse().ok();
            if let Some(bytes) = bytes.and_then(|value| base::size::scale(value, unit, 1, u64::MAX)) {
                limit.text = Some(bytes.to_string());
                limit.set("unit", "bytes");
            }
        }
    }
    if filesystem.is("type", "ram")
        && let Some(source) = filesystem.child_mut("source")
        && let Some(usage) = source.attr("usage").and_then(|usage| usage.parse().ok())
    {
        let unit = source.attr("units").unwrap_or("KiB");
        if let Some(bytes) = base::size::scale(usage, unit, 1024, u64::MAX) {
            source.set("usage", (bytes / 1024).to_string());
            source.set("units", "KiB");
        }
    }
}

fn hostdev(hostdev: &mut Tree) {
    hostdev.default_to("mode", "subsystem");
    if hostdev.is("mode", "subsystem") {
        hostdev.default_to("managed", "no");
    }
    if let Some(source) = hostdev.child_mut("source") {
        address::spell_host(source);
    }
}

fn video(video: &mut Tree) {
    if let Some(driver) = video.child_mut("driver")
        && driver.is("vgaconf", "io")
    {
        driver.unset("vgaconf");
        if driver.attrs.is_empty() {
            video.remove("driver");
        }
    }
    let Some(model) = video.child_mut("model") else { return };
    match model.attr("type").unwrap_or_default() {
        "vga" | "cirrus" | "vmvga" | "bochs" => model.default_to("vram", "16384"),
        "qxl" => {
            for name in ["ram", "vram"] {
                model.default_to(name, "65536");
            }
        }
        _ => {}
    }
}

/// Memory shared with other guests is in MiB.
fn shared_memory(shmem: &mut Tree) {
    shmem.child_or_new("model").default_to("type", "ivshmem");
    if shmem.attr_at("model", "type") == Some("ivshmem") {
        shmem.unset("role");
    }
    let Some(size) = shmem.child_mut("size") else { return };
    let unit = size.attr("unit").unwrap_or("bytes");
    let bytes = size.body().trim().parse().ok().and_then(|value| base::size::scale(value, unit, 1, u64::MAX));
    if let Some(bytes) = bytes {
        size.text = Some((bytes >> 20).to_string());
        size.set("unit", "M");
    }
}
