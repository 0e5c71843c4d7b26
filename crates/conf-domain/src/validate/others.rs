//! Devices of the remaining kinds, and what concerns several of them.

use super::truth;
use crate::fault::{internal, invalid, unsupported};
use crate::{Domain, device};
use base::Result;
use xml::Tree;

pub(super) fn check(domain: &Domain, device: &Tree) -> Result<()> {
    match device.name.as_str() {
        "input" => input(domain, device),
        "video" => video(device),
        "filesystem" => {
            let virtiofs = device.attr_at("driver", "type") == Some("virtiofs");
            if device.child("boot").is_some() && !virtiofs {
                return Err(unsupported("boot order is only supported for virtiofs"));
            }
            Ok(())
        }
        "hostdev" => hostdev(device),
        "audio" => audio(device),
        "sound" => {
            if !device.is("model", "virtio") {
                super::virtio::absent(device)?;
            }
            listened(domain, device)
        }
        "graphics" if device.is("type", "vnc") => listened(domain, device),
        "iommu" => iommu(device),
        "redirdev" => redirected(domain, device),
        _ => Ok(()),
    }
}

fn redirected(domain: &Domain, device: &Tree) -> Result<()> {
    let none = |controller: &Tree| controller.is("type", "usb") && controller.is("model", "none");
    if device.attr("bus").is_none_or(|bus| bus == "usb") && domain.all("controller").any(none) {
        return Err(unsupported("cannot add redirected USB device: USB is disabled for this domain"));
    }
    Ok(())
}

fn audio(audio: &Tree) -> Result<()> {
    if audio.attr("dspPolicy").is_some_and(|policy| policy.starts_with('-')) {
        let policy = audio.attr("dspPolicy").unwrap_or_default();
        return Err(invalid(format!("cannot parse 'dspPolicy' value '{policy}'")));
    }
    for way in ["input", "output"].iter().filter_map(|name| audio.child(name)) {
        if !way.is("mixingEngine", "yes") && way.is("fixedSettings", "yes") {
            return Err(unsupported("fixed audio settings requires mixing engine"));
        }
        if way.child("settings").is_some() && !way.is("fixedSettings", "yes") {
            return Err(unsupported("audio settings specified without fixed settings flag"));
        }
    }
    Ok(())
}

/// What is to be heard goes somewhere that there is.
fn listened(domain: &Domain, device: &Tree) -> Result<()> {
    match device.attr_at("audio", "id") {
        Some(id) if !domain.all("audio").any(|audio| audio.is("id", id)) => {
            Err(invalid(format!("no audio device with ID {id}")))
        }
        _ => Ok(()),
    }
}

fn hostdev(hostdev: &Tree) -> Result<()> {
    let Some(teaming) = hostdev.child("teaming") else { return Ok(()) };
    if !teaming.is("type", "transient") {
        return Err(unsupported("teaming hostdev devices must have type='transient'"));
    }
    if !hostdev.is("type", "pci") {
        return Err(unsupported("teaming is only supported for pci hostdev devices"));
    }
    Ok(())
}

fn input(domain: &Domain, input: &Tree) -> Result<()> {
    let (kind, bus) = (input.attr("type").unwrap_or_default(), input.attr("bus"));
    match (domain.tree.at("os/type").map_or("", |os| os.body()), bus) {
        ("hvm", Some("ps2")) if !matches!(kind, "mouse" | "keyboard") => {
            return Err(internal(format!("ps2 bus does not support {kind} input device")));
        }
        ("hvm", Some("xen")) => return Err(internal("unsupported input bus xen")),
        ("xen" | "xenpvh" | "linux", Some(bus)) if bus != "xen" => {
            return Err(internal(format!("unsupported input bus {bus}")));
        }
        ("hvm" | "xen" | "xenpvh" | "linux", _) => {}
        _ => {
            return Err(internal("Input devices are not supported by this virtualization driver."));
        }
    }
    if kind == "evdev" && bus.is_some() {
        return Err(unsupported("input evdev doesn't support bus element"));
    }
    let off = domain.tree.attr_at("features/ps2", "state") == Some("off");
    if off && input.is("bus", "ps2") {
        return Err(unsupported("ps2 bus inputs require the ps2 feature not to be disabled"));
    }
    if input.is("type", "passthrough") && !input.is("bus", "virtio") {
        return Err(unsupported("only bus 'virtio' is supported for 'passthrough' input devices"));
    }
    if let Some(model) = input.attr("model").filter(|_| !input.is("bus", "virtio")) {
        return Err(unsupported(format!("only bus 'virtio' is supported for input model '{model}'")));
    }
    Ok(())
}

fn video(video: &Tree) -> Result<()> {
    let Some(model) = video.child("model") else { return Ok(()) };
    let kind = model.attr("type").unwrap_or_default();
    if kind != "qxl" {
        for name in ["ram", "vram64", "vgamem"] {
            if model.attr(name).is_some() {
                return Err(unsupported(format!("{name} attribute only supported for video type qxl")));
            }
        }
    }
    if kind != "virtio" && model.attr("blob").is_some() {
        return Err(unsupported(format!("video type '{kind}' does not support blob resources")));
    }
    let served = video.attr_at("driver", "name") == Some("vhostuser");
    if model.attr_at("acceleration", "rendernode").is_some() && !served {
        return Err(unsupported("unsupported rendernode accel attribute without 'vhostuser'"));
    }
    if served && kind != "virtio" {
        return Err(unsupported("'vhostuser' driver is only supported with 'virtio' device"));
    }
    if kind != "virtio" {
        super::virtio::absent(video)?;
    }
    if let Some(resolution) = model.child("resolution")
        && ["x", "y"].iter().any(|name| resolution.attr(name).is_none_or(|value| value == "0"))
    {
        return Err(unsupported("video resolution values must be greater than 0"));
    }
    if model.is("type", "ramfb") && video.child("address").is_some() {
        return Err(unsupported("address not supported for video type ramfb"));
    }
    Ok(())
}

/// What only Intel's and AMD's IOMMUs have.
const REMAPPING: &[&str] = &["intremap", "caching_mode", "eim", "iotlb", "aw_bits", "dma_translation"];

fn iommu(iommu: &Tree) -> Result<()> {
    let model = iommu.attr("model").unwrap_or_default();
    let more = |driver: &Tree| REMAPPING.iter().any(|name| driver.attr(name).is_some());
    match matches!(model, "virtio" | "smmuv3") && iommu.child("driver").is_some_and(more) {
        true => Err(invalid(format!("iommu model '{model}' doesn't support additional attributes"))),
        false => Ok(()),
    }
}

/// What an IOMMU that remaps interrupts needs.
fn remapping(domain: &Domain) -> Result<()> {
    let Some(driver) = domain.all("iommu").next().and_then(|iommu| iommu.child("driver")) else {
        return Ok(());
    };
    let split = domain.tree.attr_at("features/ioapic", "driver") == Some("qemu");
    if truth(driver, "intremap") && !split {
        return Err(unsupported("IOMMU interrupt remapping requires split I/O APIC (ioapic driver='qemu')"));
    }
    if truth(driver, "eim") && !truth(driver, "intremap") {
        return Err(unsupported("IOMMU eim requires interrupt remapping to be enabled"));
    }
    Ok(())
}

pub(super) fn together(domain: &Domain) -> Result<()> {
    for kind in ["memballoon", "nvram", "iommu", "vsock"] {
        device::single(domain.devices(), kind)?;
    }
    remapping(domain)?;
    device::duplicate_panics(domain.devices())
}
