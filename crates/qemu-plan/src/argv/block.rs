//! Disks: block nodes and the devices that show them to the guest.

use super::{Builder, Json, alias_of, virtio};
use crate::complete::unsupported;
use base::Result;
use serde_json::Value;
use xml::Tree;

/// Which device gets which place in the boot order.
pub(super) struct BootOrder {
    /// Words of `<os><boot dev=…>` that have not met their device yet, with their place.
    pending: Vec<(String, u32)>,
}

impl BootOrder {
    pub(super) fn of(b: &Builder<'_>) -> BootOrder {
        let os = b.domain.tree.child("os");
        let words = os.map(|os| {
            os.all("boot").filter_map(|boot| boot.attr("dev")).map(str::to_owned).collect::<Vec<_>>()
        });
        let words = words.unwrap_or_default();
        BootOrder { pending: words.into_iter().enumerate().map(|(at, word)| (word, at as u32 + 1)).collect() }
    }

    /// The place of the first device of a kind; later ones get none.
    pub(super) fn take(&mut self, kind: &str) -> Option<u32> {
        let at = self.pending.iter().position(|(word, _)| word == kind)?;
        Some(self.pending.remove(at).1)
    }
}

/// The place a device itself asks for.
pub(super) fn own_order(device: &Tree) -> Option<u32> {
    device.attr_at("boot", "order").and_then(|text| text.parse().ok())
}

pub(super) fn disks(b: &mut Builder<'_>) -> Result<()> {
    let mut order = BootOrder::of(b);
    let domain = b.domain;
    let disks: Vec<&Tree> = domain.all("disk").collect();
    let count = disks.len();
    for (index, disk) in disks.into_iter().enumerate() {
        let kind = match disk.attr("device") {
            Some("cdrom") => "cdrom",
            Some("floppy") => "fd",
            _ => "hd",
        };
        let place = own_order(disk).or_else(|| order.take(kind));
        // The last disk owns the first nodes.
        one(b, disk, count - index, place)?;
    }
    Ok(())
}

/// Cache of a node: whether the host's page cache is passed by, and flushes are ignored.
fn cache(disk: &Tree) -> Option<(bool, bool, bool)> {
    match disk.attr_at("driver", "cache")? {
        "none" => Some((true, false, true)),
        "writethrough" => Some((false, false, false)),
        "writeback" => Some((false, false, true)),
        "directsync" => Some((true, false, false)),
        "unsafe" => Some((false, true, true)),
        _ => None,
    }
}

fn with_cache(json: Json, disk: &Tree) -> Json {
    match cache(disk) {
        Some((direct, no_flush, _)) => {
            json.put("cache", Json::new().put("direct", direct).put("no-flush", no_flush).value())
        }
        None => json,
    }
}

/// The protocol part of a node; `None` for an empty drive.
pub(super) fn protocol(disk: &Tree) -> Result<Option<Json>> {
    let Some(source) = disk.child("source") else { return Ok(None) };
    Ok(match disk.attr("type").unwrap_or_default() {
        "file" => source.attr("file").map(|file| Json::driver("file").put("filename", file)),
        "block" => {
            let cdrom = disk.is("device", "cdrom") && source.attr("dev") == Some("/dev/cdrom");
            source.attr("dev").map(|dev| {
                Json::driver(if cdrom { "host_cdrom" } else { "host_device" }).put("filename", dev)
            })
        }
        "network" if source.is("protocol", "nbd") => {
            let host = source.child("host");
            let server = match host.and_then(|host| host.attr("transport")) {
                Some("unix") => Json::new()
                    .put("type", "unix")
                    .put("path", host.and_then(|host| host.attr("socket")).unwrap_or_default()),
                _ => Json::new()
                    .put("type", "inet")
                    .put("host", host.and_then(|host| host.attr("name")).unwrap_or_default())
                    .put("port", host.and_then(|host| host.attr("port")).unwrap_or("10809")),
            };
            Some(Json::driver("nbd").put("server", server.value()).put_opt("export", source.attr("name")))
        }
        other => {
            return Err(unsupported(format!(
                "disks of type '{other}' are not supported by this version of the planner"
            )));
        }
    })
}

fn one(b: &mut Builder<'_>, disk: &Tree, number: usize, boot: Option<u32>) -> Result<()> {
    for part in ["encryption", "mirror"] {
        if disk.child(part).is_some() || disk.at(&format!("source/{part}")).is_some() {
            return Err(unsupported(format!(
                "<{part}> of disks is not supported by this version of the planner"
            )));
        }
    }
    let format = disk.attr_at("driver", "type").unwrap_or("raw").to_owned();
    let read_only = disk.child("readonly").is_some();
    let storage = format!("libvirt-{number}-storage");
    let mut top = None;
    if let Some(node) = protocol(disk)? {
        let node = node.put_opt("aio", disk.attr_at("driver", "io"));
        let node = node.put("node-name", storage.clone());
        if format == "raw" {
            let node = with_cache(node.put("read-only", read_only), disk);
            let node = node
                .put_opt("discard", disk.attr_at("driver", "discard"))
                .put_opt("detect-zeroes", disk.attr_at("driver", "detect_zeroes"));
            b.option("-blockdev", node.text());
            top = Some(storage);
        } else {
            let node = with_cache(node.put("auto-read-only", true).put("discard", "unmap"), disk);
            b.option("-blockdev", node.text());
            let name = format!("libvirt-{number}-format");
            let node = Json::new().put("node-name", name.clone()).put("read-only", read_only);
            let node = node.put_opt("discard", disk.attr_at("driver", "discard"));
            let node = with_cache(node, disk).put("driver", format).put("file", storage);
            // An explicit end of the chain is passed on; where none is stated the image itself tells.
            let ends = disk.child("backingStore").is_some_and(|backing| backing.children.is_empty());
            let node = if ends { node.put("backing", Value::Null) } else { node };
            b.option("-blockdev", node.text());
            top = Some(name);
        }
    }
    let json = device(b, disk)?;
    let json = json.put_opt("drive", top).put("id", alias_of(disk)).put_opt("bootindex", boot);
    let json = match disk.attr_at("driver", "cache").and(cache(disk)) {
        Some((_, _, write_back)) => json.put("write-cache", if write_back { "on" } else { "off" }),
        None => json,
    };
    let json = json.put_opt("serial", disk.text_of("serial"));
    b.device(json);
    Ok(())
}

/// The device up to its drive.
fn device(b: &Builder<'_>, disk: &Tree) -> Result<Json> {
    let cdrom = disk.is("device", "cdrom");
    let address = disk.child("address");
    let part = |name: &str| {
        address.and_then(|address| address.attr(name)).and_then(|t| t.parse::<u64>().ok()).unwrap_or(0)
    };
    Ok(match disk.attr_at("target", "bus").unwrap_or_default() {
        "virtio" => {
            let json = Json::driver(virtio(disk, "virtio-blk"));
            let json = json
                .put_opt("iothread", disk.attr_at("driver", "iothread").map(|id| format!("iothread{id}")));
            let json = json
                .put_opt("num-queues", disk.attr_at("driver", "queues").and_then(|t| t.parse::<u64>().ok()));
            b.place(json, disk)
        }
        "ide" => Json::driver(if cdrom { "ide-cd" } else { "ide-hd" })
            .put("bus", format!("ide.{}", part("bus")))
            .put("unit", part("unit")),
        "sata" => Json::driver(if cdrom { "ide-cd" } else { "ide-hd" })
            .put("bus", format!("{}.{}", sata(b, part("controller")), part("unit"))),
        "fdc" => Json::driver("floppy").put("unit", part("unit")),
        "scsi" => {
            let index = part("controller");
            let controller = b
                .domain
                .all("controller")
                .find(|c| c.is("type", "scsi") && c.is("index", &index.to_string()));
            let bus = format!("{}.0", controller.map_or("scsi0", alias_of));
            let lsi = controller.is_some_and(|c| matches!(c.attr("model"), Some("lsilogic")));
            let json = Json::driver(if cdrom { "scsi-cd" } else { "scsi-hd" }).put("bus", bus);
            if lsi {
                json.put("scsi-id", part("unit")).put("device_id", format!("drive-{}", alias_of(disk)))
            } else {
                json.put("channel", part("bus"))
                    .put("scsi-id", part("target"))
                    .put("lun", part("unit"))
                    .put("device_id", format!("drive-{}", alias_of(disk)))
            }
        }
        "usb" => {
            let json = b.place(Json::driver("usb-storage"), disk);
            json.put_opt("removable", disk.attr_at("target", "removable").map(|state| state == "on"))
        }
        other => {
            return Err(unsupported(format!(
                "disk bus '{other}' is not supported by this version of the planner"
            )));
        }
    })
}

/// The bus of a SATA controller; the first of a Q35 machine is built in.
fn sata(b: &Builder<'_>, index: u64) -> String {
    let controller =
        b.domain.all("controller").find(|c| c.is("type", "sata") && c.is("index", &index.to_string()));
    controller.map_or_else(|| "ide".to_owned(), |c| alias_of(c).to_owned())
}
