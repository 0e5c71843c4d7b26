//! Addresses of machines with buses of their own: CCW of s390, spapr-vio of POWER, virtio-mmio of ARM boards.

use super::setting::{Board, Setting};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use qemu_caps::Flag;
use std::collections::BTreeSet;
use xml::Tree;

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Whether a device is virtio, and so sits wherever the machine keeps those.
fn is_virtio(device: &Tree) -> bool {
    let model = device.attr("model");
    match device.name.as_str() {
        "disk" => device.attr_at("target", "bus") == Some("virtio"),
        "interface" => device.attr_at("model", "type").is_some_and(|model| model.starts_with("virtio")),
        "controller" => {
            device.is("type", "virtio-serial")
                || device.is("type", "scsi") && model.is_some_and(|model| model.starts_with("virtio"))
        }
        "input" => device.is("bus", "virtio"),
        "video" => device.attr_at("model", "type") == Some("virtio"),
        "memballoon" | "rng" | "vsock" | "sound" | "iommu" | "crypto" => {
            model.is_some_and(|model| model.starts_with("virtio"))
        }
        "filesystem" => true,
        "memory" => matches!(model, Some("virtio-mem" | "virtio-pmem")),
        "hostdev" => device.is("type", "scsi_host"),
        _ => false,
    }
}

/// Kinds of devices in the order in which they are numbered.
fn rank(device: &Tree) -> u32 {
    const ORDER: &[&str] = &[
        "disk",
        "interface",
        "sound",
        "hostdev",
        "video",
        "controller",
        "smartcard",
        "serial",
        "parallel",
        "channel",
        "console",
        "input",
        "filesystem",
        "watchdog",
        "memballoon",
        "rng",
        "shmem",
        "memory",
        "vsock",
        "crypto",
    ];
    ORDER.iter().position(|name| *name == device.name).unwrap_or(ORDER.len()) as u32
}

fn has_place(device: &Tree) -> bool {
    device.child("address").is_some_and(|address| {
        !(address.attr("type").is_none() || address.is("type", "ccw") && address.attr("devno").is_none())
    })
}

/// Gives virtio devices of an s390 machine their device numbers, in subchannel set 0 of the virtual channel subsystem.
///
/// # Errors
/// When a number is used twice.
pub(super) fn ccw(domain: &mut Domain, setting: &Setting<'_>) -> Result<()> {
    if !setting.is_s390() || setting.board != Board::Ccw {
        return Ok(());
    }
    let mut taken: BTreeSet<(u32, u32, u32)> = BTreeSet::new();
    for device in domain.devices_mut() {
        let Some(address) = device.child_mut("address").filter(|address| address.is("type", "ccw")) else {
            continue;
        };
        let field = |name: &str| address.attr(name).and_then(number);
        if let (Some(cssid), Some(ssid), Some(devno)) = (field("cssid"), field("ssid"), field("devno")) {
            address.set("cssid", format!("0x{cssid:x}"));
            address.set("ssid", format!("0x{ssid:x}"));
            address.set("devno", format!("0x{devno:04x}"));
            if !taken.insert((cssid, ssid, devno)) {
                return Err(Error::new(
                    ErrorCode::XML_ERROR,
                    ErrorDomain::DOMAIN,
                    format!("The CCW devno '{cssid:x}.{ssid:x}.{devno:04x}' is in use already"),
                ));
            }
        }
    }
    let mut order: Vec<usize> = (0..domain.devices().len()).collect();
    order.sort_by_key(|index| rank(&domain.devices()[*index]));
    for index in order {
        let device = &domain.devices()[index];
        let on_channel = is_virtio(device) && device.name != "iommu"
            || device.name == "hostdev" && device.is("type", "mdev") && device.is("model", "vfio-ccw");
        if !on_channel || has_place(device) {
            continue;
        }
        let devno = (0..=0xffff).find(|devno| !taken.contains(&(0xfe, 0, *devno))).unwrap_or(0);
        taken.insert((0xfe, 0, devno));
        let address = domain.devices_mut()[index].child_or_new("address");
        address.set("type", "ccw");
        address.set("cssid", "0xfe");
        address.set("ssid", "0x0");
        address.set("devno", format!("0x{devno:04x}"));
    }
    Ok(())
}

/// Gives PCI devices of an s390 machine their identifiers: those that name one of them first, then all.
///
/// # Errors
/// When all are taken.
pub(super) fn zpci(domain: &mut Domain, setting: &Setting<'_>, named: bool) -> Result<()> {
    if !setting.is_s390() || !setting.has(Flag::Zpci) {
        return Ok(());
    }
    let on_pci =
        |device: &Tree| device.attr_at("address", "type") == Some("pci") && !device.is("model", "pci-root");
    let read = |device: &Tree, name: &str| device.attr_at("address/zpci", name).and_then(number);
    let mut uids: BTreeSet<u32> = domain.devices().iter().filter_map(|device| read(device, "uid")).collect();
    let mut fids: BTreeSet<u32> = domain.devices().iter().filter_map(|device| read(device, "fid")).collect();
    let mut order: Vec<usize> = (0..domain.devices().len()).collect();
    order.sort_by_key(|index| {
        let device = &domain.devices()[*index];
        (device.name != "controller" || !device.is("type", "pci"), rank(device))
    });
    for index in order {
        let device = &domain.devices()[index];
        // A serial port has none.
        if !on_pci(device) || device.name == "serial" || named && device.at("address/zpci").is_none() {
            continue;
        }
        let full = |what: &str| Error::internal(ErrorDomain::DOMAIN, format!("no zPCI {what} is free"));
        let uid = match read(device, "uid") {
            Some(uid) => uid,
            None => (1..=0xffff).find(|uid| !uids.contains(uid)).ok_or_else(|| full("uid"))?,
        };
        let fid = match read(device, "fid") {
            Some(fid) => fid,
            None => (0..u32::MAX).find(|fid| !fids.contains(fid)).ok_or_else(|| full("fid"))?,
        };
        uids.insert(uid);
        fids.insert(fid);
        let zpci = domain.devices_mut()[index].child_or_new("address").child_or_new("zpci");
        zpci.set("uid", format!("0x{uid:04x}"));
        zpci.set("fid", format!("0x{fid:08x}"));
    }
    Ok(())
}

/// Gives devices of a POWER machine's virtual bus their registers.
///
/// # Errors
/// When one is used twice.
pub(super) fn spapr(domain: &mut Domain, setting: &Setting<'_>) -> Result<()> {
    let pseries = setting.board == Board::Pseries;
    let first = |device: &Tree| -> Option<u64> {
        Some(match device.name.as_str() {
            "interface" if device.attr_at("model", "type") == Some("spapr-vlan") => 0x1000,
            // One that asks for this bus is taken for a terminal on every machine.
            "serial" if device.attr_at("address", "type") == Some("spapr-vio") => 0x3000_0000,
            "controller" if device.is("type", "scsi") && device.is("model", "ibmvscsi") => 0x2000,
            _ if !pseries => return None,
            "serial" if device.attr_at("target", "type") == Some("spapr-vio-serial") => 0x3000_0000,
            "nvram" => 0x3000,
            "tpm" if device.is("model", "tpm-spapr") => 0x4000,
            _ => return None,
        })
    };
    if !domain.devices().iter().any(|device| first(device).is_some()) {
        return Ok(());
    }
    let reg = |device: &Tree| -> Option<u64> {
        let text = device.attr_at("address", "reg")?;
        match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        }
    };
    let mut taken: BTreeSet<u64> = BTreeSet::new();
    for device in domain.devices_mut() {
        // A terminal of this bus is nowhere else.
        let terminal = device.name == "serial" && first(device).is_some();
        if terminal && device.attr_at("address", "type").is_some_and(|place| place != "spapr-vio") {
            device.remove("address");
        }
        if first(device).is_none() || device.attr_at("address", "type") != Some("spapr-vio") {
            continue;
        }
        let Some(own) = reg(device) else { continue };
        if !taken.insert(own) {
            return Err(Error::new(
                ErrorCode::XML_ERROR,
                ErrorDomain::QEMU,
                format!("spapr-vio address {own:#x} already in use"),
            ));
        }
        device.child_or_new("address").set("reg", format!("0x{own:08x}"));
    }
    let mut order: Vec<usize> = (0..domain.devices().len()).collect();
    order.sort_by_key(|index| rank(&domain.devices()[*index]));
    for index in order {
        let device = &domain.devices()[index];
        let Some(first) = first(device) else { continue };
        if device.child("address").is_some_and(|address| !address.is("type", "spapr-vio"))
            || reg(device).is_some()
        {
            continue;
        }
        let mut own = first;
        while !taken.insert(own) {
            own += 0x1000;
        }
        let address = domain.devices_mut()[index].child_or_new("address");
        address.set("type", "spapr-vio");
        address.set("reg", format!("0x{own:08x}"));
    }
    Ok(())
}

/// Virtio devices of boards without PCI sit on the board itself, and so do all when one was put there.
pub(super) fn mmio(domain: &mut Domain, setting: &Setting<'_>) {
    let without_pci = setting.is_arm() && setting.machine.starts_with("vexpress-");
    let asked = setting.board == Board::Virt
        && domain.devices().iter().any(|device| device.attr_at("address", "type") == Some("virtio-mmio"));
    if !without_pci && !asked {
        return;
    }
    for device in domain.devices_mut() {
        let plain = !matches!(&*device.name, "iommu" | "vsock");
        // Controllers of disks are taken for virtio here, whatever their model.
        let scsi = device.name == "controller" && device.is("type", "scsi");
        if (is_virtio(device) || scsi) && plain && device.child("address").is_none() {
            device.children.push(Tree::new("address").with("type", "virtio-mmio"));
        }
    }
}
