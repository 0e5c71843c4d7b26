//! Devices of the host that a guest is given: PCI, USB, SCSI, mediated.

use super::disk::image::{Image, Location, Names};
use super::disk::{node, own_order};
use super::net::with_rom;
use super::piece::Piece;
use super::{Builder, Json, alias_of, on_off, virtio};
use crate::complete::unsupported;
use base::Result;
use serde_json::Value;
use xml::Tree;

/// Plans devices of the host: network cards first, as the guest numbers them.
pub(super) fn hostdevs(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    let boots = std::mem::take(&mut b.host_card_boot);
    let cards = domain.all("interface").filter(|interface| interface.is("type", "hostdev")).zip(boots);
    for (interface, boot) in cards {
        let json = pci(b, interface, boot);
        b.add(Piece::Device(json));
    }
    for hostdev in domain.all("hostdev") {
        let boot = own_order(hostdev);
        match hostdev.attr("type").unwrap_or_default() {
            // Kept away from the host, but not given to the guest.
            "pci" if hostdev.attr_at("address", "type") == Some("unassigned") => {}
            "pci" => {
                let json = pci(b, hostdev, boot);
                b.add(Piece::Device(json));
            }
            "usb" => {
                let json = usb(b, hostdev, boot)?;
                b.add(Piece::Device(json));
            }
            "scsi" => {
                let pieces = scsi(b, hostdev, boot)?;
                b.add_all(pieces);
            }
            "scsi_host" => {
                let json = vhost_scsi(b, hostdev)?;
                b.add(Piece::Device(json));
            }
            "mdev" => {
                let json = mdev(b, hostdev, boot)?;
                b.add(Piece::Device(json));
            }
            other => return Err(unsupported(format!("hostdev subsys type '{other}' is not supported"))),
        }
    }
    Ok(())
}

/// A part of an address in hexadecimal, with or without `0x`.
fn hex(address: Option<&Tree>, name: &str) -> u32 {
    let text = address.and_then(|address| address.attr(name)).unwrap_or("0");
    u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0)
}

/// A device that shows pictures may be seen before its driver runs; such a one cannot be unplugged.
fn with_display(json: Json, hostdev: &Tree) -> Json {
    json.put_opt("display", hostdev.attr("display")).put_true("ramfb", hostdev.is("ramfb", "on"))
}

fn vfio(hostdev: &Tree) -> &'static str {
    if hostdev.is("ramfb", "on") { "vfio-pci-nohotplug" } else { "vfio-pci" }
}

fn pci(b: &Builder<'_>, device: &Tree, boot: Option<u32>) -> Json {
    let address = device.at("source/address");
    let part = |name: &str| hex(address, name);
    let host =
        format!("{:04x}:{:02x}:{:02x}.{:x}", part("domain"), part("bus"), part("slot"), part("function"));
    let json = Json::driver(vfio(device))
        .put("host", host)
        .put("id", alias_of(device))
        .put_opt("bootindex", boot)
        .put_opt("failover_pair_id", device.attr_at("teaming", "persistent"));
    let json = b.place(with_display(json, device), device);
    with_rom(json, device)
}

fn usb(b: &Builder<'_>, hostdev: &Tree, boot: Option<u32>) -> Result<Json> {
    let alias = alias_of(hostdev);
    let source = hostdev.child("source");
    let number = |name: &str| {
        let text = source.and_then(|source| source.attr_at("address", name));
        text.and_then(|text| text.parse::<u32>().ok())
    };
    let path = match (number("bus"), number("device")) {
        (Some(bus), Some(device)) => Some(format!("/dev/bus/usb/{bus:03}/{device:03}")),
        _ => b.start.paths.get(alias).cloned(),
    };
    let missing = source.is_some_and(|source| source.is("missing", "yes"));
    if path.is_none() && !missing {
        return Err(unsupported("USB host device is missing bus/device information"));
    }
    let (reset, all) = match source.and_then(|source| source.attr("guestReset")) {
        Some("off") => (Some(false), Some(false)),
        Some("uninitialized") => (Some(true), Some(false)),
        Some("on") => (Some(true), Some(true)),
        _ => (None, None),
    };
    let json = Json::driver("usb-host")
        .put_opt("hostdevice", path)
        .put_opt("guest-reset", reset)
        .put_opt("guest-resets-all", all)
        .put("id", alias)
        .put_opt("bootindex", boot);
    Ok(b.place(json, hostdev))
}

/// A SCSI device: a node that passes requests on, and the device.
fn scsi(b: &mut Builder<'_>, hostdev: &Tree, boot: Option<u32>) -> Result<Vec<Piece>> {
    let alias = alias_of(hostdev);
    let number = b.next_node;
    b.next_node += 1;
    let name = format!("libvirt-{number}-backend");
    let read_only = hostdev.child("readonly").is_some();
    let mut pieces = Vec::new();
    let location = Location::of(hostdev);
    let json = match location {
        Some(location) if location.source.is("protocol", "iscsi") => {
            let location = Location { kind: "network", ..location };
            let image = Image::plain(Names::of(number), location, "raw");
            let (objects, json) = node::raw(&image, b.start, &format!("{name}-secret0"))?;
            pieces.extend(objects);
            json
        }
        _ => {
            let path = b.start.paths.get(alias).cloned();
            let path =
                path.ok_or_else(|| unsupported(format!("the SCSI device of '{alias}' was not found")))?;
            Json::driver("host_device").put("filename", path)
        }
    };
    pieces.push(Piece::Blockdev(json.put("node-name", name.clone()).put("read-only", read_only)));
    let address = hostdev.child("address");
    let part = |name: &str| {
        let text = address.and_then(|address| address.attr(name));
        Value::from(text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0))
    };
    let index = address.and_then(|address| address.attr("controller")).unwrap_or("0");
    let controller = b.domain.all("controller").find(|c| c.is("type", "scsi") && c.is("index", index));
    let bus = controller.map_or_else(|| format!("scsi{index}"), |controller| alias_of(controller).to_owned());
    let json = Json::driver("scsi-generic")
        .put("drive", name)
        .put("id", alias)
        .put_opt("bootindex", boot)
        .put("bus", format!("{bus}.0"));
    let narrow = controller.is_some_and(|controller| controller.is("model", "lsilogic"));
    let json = if narrow {
        json.put("scsi-id", part("unit"))
    } else {
        json.put("channel", part("bus")).put("scsi-id", part("target")).put("lun", part("unit"))
    };
    pieces.push(Piece::Device(json));
    Ok(pieces)
}

fn vhost_scsi(b: &Builder<'_>, hostdev: &Tree) -> Result<Json> {
    let alias = alias_of(hostdev);
    let fd = b.start.vhost_fds.get(alias).and_then(|fds| fds.first());
    let fd = fd.ok_or_else(|| unsupported(format!("no descriptor of vhost-scsi for '{alias}'")))?;
    let json = virtio::device(hostdev, "vhost-scsi")
        .put("wwpn", hostdev.attr_at("source", "wwpn").unwrap_or_default())
        .put("vhostfd", fd.to_string())
        .put("id", alias);
    Ok(b.place(json, hostdev))
}

fn mdev(b: &Builder<'_>, hostdev: &Tree, boot: Option<u32>) -> Result<Json> {
    let driver = match hostdev.attr("model").unwrap_or_default() {
        "vfio-pci" => vfio(hostdev),
        "vfio-ccw" => "vfio-ccw",
        "vfio-ap" => "vfio-ap",
        other => return Err(unsupported(format!("vfio device model '{other}' is not supported"))),
    };
    let uuid = hostdev.attr_at("source/address", "uuid").unwrap_or_default();
    let json = Json::driver(driver)
        .put("id", alias_of(hostdev))
        .put("sysfsdev", format!("/sys/bus/mdev/devices/{uuid}"));
    let json =
        with_display(json, hostdev).put_opt("bootindex", boot).put_opt("loadparm", b.loadparm(hostdev));
    Ok(b.place(json, hostdev))
}

/// USB devices of a client, redirected to the guest.
pub(super) fn redirected(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    let filter = domain.all("redirfilter").next().map(filter);
    for redirdev in domain.all("redirdev") {
        let pieces = super::chardev::of_device(b, redirdev)?;
        let alias = alias_of(redirdev);
        let json = Json::driver("usb-redir")
            .put("chardev", format!("char{alias}"))
            .put("id", alias)
            .put_opt("filter", filter.clone())
            .put_opt("bootindex", own_order(redirdev));
        let json = b.place(json, redirdev);
        b.add_all(pieces);
        b.add(Piece::Device(json));
    }
    Ok(())
}

/// Which devices may be redirected: `class:vendor:product:version:allow`, one rule after the other.
fn filter(filter: &Tree) -> String {
    let rule = |rule: &Tree| {
        let part = |name: &str| rule.attr(name).unwrap_or("-1").to_owned();
        let version = rule.attr("version").and_then(release).unwrap_or_else(|| "-1".to_owned());
        let allow = u8::from(on_off(rule.attr("allow")) == Some(true));
        format!("{}:{}:{}:{version}:{allow}", part("class"), part("vendor"), part("product"))
    };
    filter.all("usbdev").map(rule).collect::<Vec<_>>().join("|")
}

/// The release of a device, `2.07`, as the device tells it: two decimal digits in each byte.
fn release(text: &str) -> Option<String> {
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.parse::<u32>().ok().filter(|number| *number < 100);
    let packed = |number: u32| number / 10 * 16 + number % 10;
    Some(format!("0x{:02X}{:02X}", packed(digits(major)?), packed(digits(minor)?)))
}
