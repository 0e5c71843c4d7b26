//! Devices of the remaining kinds, and what concerns several of them.

use super::truth;
use crate::Domain;
use crate::fault::{internal, invalid, unsupported};
use base::Result;
use std::collections::BTreeSet;
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
        "iommu" => iommu(domain, device),
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

fn iommu(domain: &Domain, iommu: &Tree) -> Result<()> {
    let Some(driver) = iommu.child("driver") else { return Ok(()) };
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
    for (kind, text) in [
        ("iommu", "only a single IOMMU device is supported"),
        ("nvram", "only a single nvram device is supported"),
        ("vsock", "only a single vsock device is supported"),
    ] {
        if domain.all(kind).count() > 1 {
            return Err(invalid(text));
        }
    }
    if domain.all("memballoon").count() > 1 {
        return Err(internal("only a single memory balloon device is supported"));
    }
    let mut panics = BTreeSet::new();
    for model in domain.all("panic").filter_map(|panic| panic.attr("model")) {
        if !panics.insert(model) {
            return Err(invalid(format!("Multiple panic devices with model '{model}'")));
        }
    }
    usb_ports(domain)
}

/// Each port of a USB bus has room for one device.
fn usb_ports(domain: &Domain) -> Result<()> {
    let mut taken: BTreeSet<(&str, &str)> = BTreeSet::new();
    for device in domain.devices() {
        let Some(address) = device.child("address").filter(|address| address.is("type", "usb")) else {
            continue;
        };
        let Some(port) = address.attr("port") else { continue };
        let bus = address.attr("bus").unwrap_or("0");
        if let Some((path, _)) = port.rsplit_once('.') {
            // The first hub on the way that is not there.
            let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
            for end in ends {
                let hub = domain.all("hub").any(|hub| {
                    hub.attr_at("address", "bus").unwrap_or("0") == bus
                        && hub.attr_at("address", "port") == path.get(..end)
                });
                if !hub {
                    let step = path.get(..end).and_then(|path| path.rsplit('.').next()).unwrap_or_default();
                    return Err(invalid(format!(
                        "there is no hub at port {step} in USB address bus: {bus} port: {port}"
                    )));
                }
            }
        }
        if !taken.insert((bus, port)) {
            return Err(invalid(format!("Duplicate USB address bus {bus} port {port}")));
        }
    }
    Ok(())
}
