//! The devices that show disks to the guest.

use super::super::piece::Piece;
use super::super::{Builder, Json, alias_of, on_off, virtio};
use super::image::Cache;
use super::{Planned, node_of};
use crate::complete::unsupported;
use base::Result;
use serde_json::Value;
use xml::Tree;

/// Floppy drives boot in an order that their controller is told.
pub(super) fn drive_order(b: &mut Builder<'_>, planned: &[Planned<'_>]) {
    let floppies = planned.iter().filter(|plan| plan.disk.attr_at("target", "bus") == Some("fdc"));
    let mut json = Json::driver("isa-fdc");
    let mut ordered = Vec::new();
    let mut any = false;
    for plan in floppies {
        any = true;
        let Some(boot) = plan.boot else { continue };
        let letter = if part(plan.disk, "unit") == 0 { 'A' } else { 'B' };
        ordered.push((format!("bootindex{letter}"), boot));
    }
    if !any {
        return;
    }
    // Machines of one family are built without the controller.
    if b.board == crate::complete::Board::Q35 {
        for (name, boot) in ordered {
            json = json.put(&name, boot);
        }
        b.add(Piece::Device(json));
    } else {
        for (name, boot) in ordered {
            b.add(Piece::Plain("-global", format!("isa-fdc.{name}={boot}")));
        }
    }
}

/// A number of the address of a disk on a bus of drives.
fn part(disk: &Tree, name: &str) -> u64 {
    disk.attr_at("address", name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A number of the driver's options.
fn number(disk: &Tree, element: &str, name: &str) -> Option<u64> {
    disk.attr_at(element, name).and_then(|text| text.parse().ok()).filter(|number| *number > 0)
}

/// The device, with the node it shows.
pub(super) fn device(b: &Builder<'_>, plan: &Planned<'_>, top: Option<String>) -> Result<Json> {
    let disk = plan.disk;
    let bus = disk.attr_at("target", "bus").unwrap_or_default();
    let alias = alias_of(disk);
    let mut json = on_bus(b, disk, bus)?;
    let shared = disk.child("shareable").is_some() && (bus != "usb" && !disk.is("device", "lun"));
    json = json.put_true("share-rw", shared && bus != "fdc" && !disk.is("type", "vhostuser"));
    json = if disk.is("type", "vhostuser") {
        json.put("chardev", format!("chr-vu-{alias}"))
    } else {
        node_of(json, top)
    };
    json = json.put("id", alias);
    if bus != "fdc" {
        json = json.put_opt("bootindex", plan.boot).put_opt("loadparm", b.loadparm(disk));
    }
    json = json
        .put_opt("logical_block_size", number(disk, "blockio", "logical_block_size"))
        .put_opt("physical_block_size", number(disk, "blockio", "physical_block_size"))
        .put_opt("discard_granularity", number(disk, "blockio", "discard_granularity"))
        .put_opt("wwn", disk.text_of("wwn").and_then(wwn))
        .put_opt("rotation_rate", number(disk, "target", "rotation_rate"))
        .put_opt("vendor", disk.text_of("vendor"));
    let product = if matches!(bus, "ide" | "sata") { "model" } else { "product" };
    json = json.put_opt(product, disk.text_of("product"));
    json = json.put_opt("removable", removable(disk, bus));
    // Who passes requests on, or leaves the image to another program, has no cache to tell of.
    let passes_on = disk.is("type", "vhostuser") || (bus == "scsi" && disk.is("device", "lun"));
    json = json.put_opt("write-cache", if passes_on { None } else { write_cache(disk) });
    let geometry = |name: &str| number(disk, "geometry", name);
    json = json
        .put_opt("cyls", geometry("cyls"))
        .put_opt("heads", geometry("heads"))
        .put_opt("secs", geometry("secs"))
        .put_opt("bios-chs-trans", disk.attr_at("geometry", "trans"))
        // A blank at either end would be lost otherwise.
        .put_opt("serial", disk.text_of("serial").map(|serial| serial.replace(' ', "\\ ")));
    let (writing, reading) = on_errors(disk);
    Ok(json.put_opt("werror", writing).put_opt("rerror", reading))
}

fn wwn(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}

fn removable(disk: &Tree, bus: &str) -> Option<bool> {
    let said = on_off(disk.attr_at("target", "removable"));
    match bus {
        "usb" => Some(said.unwrap_or(false)),
        "scsi" => said,
        _ => None,
    }
}

fn write_cache(disk: &Tree) -> Option<&'static str> {
    let manner = super::image::Manner::of(disk);
    let cache: Cache = manner.cache?;
    Some(if cache.write_back { "on" } else { "off" })
}

/// What happens when writing and reading fail.
fn on_errors(disk: &Tree) -> (Option<&str>, Option<&str>) {
    let reading = disk.attr_at("driver", "rerror_policy");
    match disk.attr_at("driver", "error_policy") {
        // A full disk can only be met when writing.
        Some("enospace") => (Some("enospc"), reading),
        writing => (writing, reading.or(writing)),
    }
}

fn on_bus(b: &Builder<'_>, disk: &Tree, bus: &str) -> Result<Json> {
    let cdrom = disk.is("device", "cdrom");
    Ok(match bus {
        "virtio" => virtio_disk(b, disk),
        "ide" => Json::driver(if cdrom { "ide-cd" } else { "ide-hd" })
            .put("bus", format!("{}.{}", controller(b, "ide", disk, "ide"), part(disk, "bus")))
            .put("unit", part(disk, "unit")),
        "sata" => Json::driver(if cdrom { "ide-cd" } else { "ide-hd" })
            .put("bus", format!("{}.{}", controller(b, "sata", disk, "ide"), part(disk, "unit"))),
        "fdc" => Json::driver("floppy").put("unit", part(disk, "unit")),
        "scsi" => scsi(b, disk),
        "usb" => b.place(Json::driver("usb-storage"), disk),
        other => {
            return Err(unsupported(format!("unsupported disk bus '{other}' with device setup")));
        }
    })
}

/// Name of the controller a disk sits on.
fn controller<'b>(b: &'b Builder<'_>, kind: &str, disk: &Tree, built_in: &'b str) -> &'b str {
    let index = part(disk, "controller").to_string();
    if super::super::controller::built_in(b, kind, &index) {
        return built_in;
    }
    let found = b.domain.all("controller").find(|c| c.is("type", kind) && c.is("index", &index));
    found.map_or(built_in, alias_of)
}

fn virtio_disk(b: &Builder<'_>, disk: &Tree) -> Json {
    let base = if disk.is("type", "vhostuser") { "vhost-user-blk" } else { "virtio-blk" };
    let driver = |name: &str| disk.attr_at("driver", name);
    let json = virtio::device(disk, base)
        .put_opt("iothread", driver("iothread").map(|id| format!("iothread{id}")))
        .put_opt("ioeventfd", on_off(driver("ioeventfd")))
        .put_opt("event_idx", on_off(driver("event_idx")))
        .put_true("scsi", disk.is("device", "lun"))
        .put_opt("num-queues", number(disk, "driver", "queues"))
        .put_opt("queue-size", number(disk, "driver", "queue_size"))
        .put_opt("iothread-vq-mapping", disk.at("driver/iothreads").map(virtio::iothreads));
    b.place(json, disk)
}

fn scsi(b: &Builder<'_>, disk: &Tree) -> Json {
    let index = part(disk, "controller").to_string();
    let controller = b.domain.all("controller").find(|c| c.is("type", "scsi") && c.is("index", &index));
    let bus = format!("{}.0", controller.map_or("scsi0", alias_of));
    let driver = match disk.attr("device") {
        Some("lun") => "scsi-block",
        Some("cdrom") => "scsi-cd",
        _ => "scsi-hd",
    };
    let json = Json::driver(driver).put("bus", bus);
    // The oldest controllers have neither channels nor units.
    let narrow = matches!(
        controller.and_then(|controller| controller.attr("model")),
        Some("lsilogic" | "ncr53c90" | "dc390" | "am53c974")
    );
    let json = if narrow {
        json.put("scsi-id", part(disk, "unit"))
    } else {
        json.put("channel", part(disk, "bus"))
            .put("scsi-id", part(disk, "target"))
            .put("lun", part(disk, "unit"))
    };
    if driver == "scsi-block" {
        return json;
    }
    let name = disk.text_of("serial").map_or_else(|| format!("drive-{}", alias_of(disk)), str::to_owned);
    json.put("device_id", Value::String(name))
}
