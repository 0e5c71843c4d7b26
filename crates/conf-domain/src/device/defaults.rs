//! What devices leave open and every driver fills in alike.

use super::address;
use xml::Tree;

pub(crate) fn complete(device: &mut Tree) {
    match device.name.as_str() {
        "controller" => companion(device),
        "audio" => {
            for name in ["input", "output"] {
                if let Some(way) = device.child_mut(name).filter(|way| way.is("fixedSettings", "yes")) {
                    way.child_or_new("settings");
                }
            }
        }
        "hostdev" => hostdev(device),
        "redirdev" if device.is("type", "dbus") && device.attr_at("source", "channel").is_none() => {
            device.child_or_new("source").set("channel", "org.qemu.usbredir");
        }
        "rng" => {
            device.children.retain(|child| child.name != "rate" || child.attr("bytes").is_some());
            if let Some(backend) = device.child_mut("backend")
                && backend.is("model", "random")
                && backend.body().trim().is_empty()
            {
                backend.text = Some("/dev/random".to_owned());
            }
        }
        "sound" if device.is("model", "virtio") => device.default_to("streams", "2"),
        "shmem" => shared_memory(device),
        // What is not there has no place.
        "memballoon" if device.is("model", "none") => {
            device.children.retain(|child| !matches!(child.name.as_str(), "address" | "alias"));
        }
        "tpm" => {
            if let Some(backend) =
                device.child_mut("backend").filter(|backend| backend.is("type", "passthrough"))
            {
                let file = backend.child_or_new("device");
                if file.attr("path").is_none_or(str::is_empty) {
                    file.set("path", "/dev/tpm0");
                }
            }
        }
        "vsock" if device.child("cid").is_none() => {
            device.children.push(Tree::new("cid").with("auto", "yes"));
        }
        "vsock" => {
            if let Some(cid) = device.child_mut("cid").filter(|cid| cid.attr("auto").is_none()) {
                cid.set("auto", if cid.attr("address").is_some() { "no" } else { "yes" });
            }
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

fn hostdev(hostdev: &mut Tree) {
    hostdev.default_to("mode", "subsystem");
    if hostdev.is("mode", "subsystem") {
        hostdev.default_to("managed", "no");
    }
    if let Some(source) = hostdev.child_mut("source") {
        address::spell_host(source);
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
