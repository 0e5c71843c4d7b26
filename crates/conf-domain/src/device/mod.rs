//! `<devices>`: defaults and spellings that hold for every driver, and what is hidden when printing.

mod address;
mod chardev;
mod check;
mod controller;
pub mod controllers;
mod defaults;
mod disk;
mod filesystem;
mod graphics;
mod hostdev;
mod image;
mod interface;
mod memory;
mod reading;
mod redirection;
mod secret;
mod source;
mod video;

pub use address::{Decimal, Hex, Pci};
pub(crate) use check::{assembled, duplicate_panics, single};
pub use disk::{drive_address, letter_index, place};
pub(crate) use disk::{is_wwn, names, told};
pub(crate) use image::auth_of_protocol;
pub(crate) use interface::is_virtio as speaks_virtio;
pub use interface::{actual, is_known_model};

use crate::{FormatFlags, ParseFlags, domain, elements, values};
use base::Result;
use elements::Place;
use xml::{Tree, Trees, Word, Writer};

/// Places of kinds of devices in the order in which they are read.
fn reading_order(device: &Tree) -> Option<u8> {
    Some(match device.name.as_str() {
        "disk" => 0,
        "controller" => 1,
        "lease" => 2,
        "filesystem" => 3,
        "interface" => 4,
        "smartcard" => 5,
        "serial" => 6,
        "parallel" => 7,
        "console" => 8,
        "channel" => 9,
        "input" => 10,
        "graphics" => 11,
        "sound" => 12,
        "audio" => 13,
        "video" => 14,
        "hostdev" => 15,
        "watchdog" => 16,
        "memballoon" => 17,
        "rng" => 18,
        "crypto" => 19,
        "tpm" => 20,
        "nvram" => 21,
        "hub" => 22,
        "redirdev" => 23,
        "redirfilter" => 24,
        "panic" => 25,
        "shmem" => 26,
        "memory" => 27,
        "iommu" => 28,
        "vsock" => 29,
        "pstore" => 30,
        _ => return None,
    })
}

/// Devices kind by kind: their places among all.
fn by_kind(devices: &[Tree], order: fn(&Tree) -> Option<u8>) -> Vec<usize> {
    let ranked = |(at, device): (usize, &Tree)| order(device).map(|rank| (rank, at));
    let mut ranks: Vec<(u8, usize)> = Vec::with_capacity(devices.len());
    ranks.extend(devices.iter().enumerate().filter_map(ranked));
    ranks.sort_unstable();
    ranks.into_iter().map(|(_, at)| at).collect()
}

/// Reads devices: what each says by itself.
///
/// # Errors
/// With the first refusal, in the reference's words.
pub(crate) fn read(
    tree: &mut Tree,
    flags: ParseFlags,
    whole: bool,
    random: &mut dyn FnMut() -> [u8; 16],
) -> Result<()> {
    let Some(devices) = tree.child_mut("devices") else { return Ok(()) };
    let places = domain::place("domain/devices");
    let mut held = flags.skip_validate || !whole;
    for at in by_kind(&devices.children, reading_order) {
        let kind = devices.children.get(at).map_or("", |device| &*device.name);
        if !held && !matches!(kind, "disk" | "controller") {
            held = true;
            crate::validate::usb_masters(&devices.children)?;
        }
        if whole && !flags.skip_validate {
            check::single(&devices.children, kind)?;
        }
        let Some(device) = devices.children.get_mut(at) else { continue };
        let Some(place) = places.of(device) else { continue };
        match &*device.name {
            "interface" => interface::prepare(device),
            "hostdev" => hostdev::prepare(device)?,
            _ => {}
        }
        values::apply(place, device)?;
        if !flags.skip_validate {
            reading::as_read(device)?;
        }
        match &*device.name {
            "interface" => interface::read(device, random)?,
            "filesystem" => filesystem::read(device)?,
            "hostdev" => hostdev::read(device)?,
            "graphics" => graphics::read(device, flags)?,
            "controller" => controller::read(device)?,
            "video" => video::read(device)?,
            _ => {}
        }
    }
    if !held {
        crate::validate::usb_masters(&devices.children)?;
    }
    match flags.skip_validate || flags.allow_boot {
        true => Ok(()),
        false => check::boot(tree),
    }
}

/// What every driver's devices get.
pub(crate) fn complete(
    tree: &mut Tree,
    flags: ParseFlags,
    random: &mut dyn FnMut() -> [u8; 16],
) -> Result<()> {
    let hvm = tree.text_of("os").is_none() && tree.at("os/type").is_some_and(|kind| kind.body() == "hvm");
    let kind = tree.word("type");
    let arch = Word::from(tree.attr_at("os/type", "arch").unwrap_or("x86_64"));
    let machine = matches!(kind.as_str(), "qemu" | "kvm" | "hvf");
    let Some(devices) = tree.child_mut("devices") else { return Ok(()) };
    if flags.generic && matches!(kind.as_str(), "test" | "xen") {
        default_screens(&mut devices.children, hvm, &arch);
    }
    // Buses that follow from the targets do not count here.
    sort_disks(&mut devices.children);
    let mut seen_video = false;
    let marked = devices.all("video").any(|video| video.attr_at("model", "primary") == Some("yes"));
    for device in &mut devices.children {
        if flags.inactive {
            forget_live(device);
        }
        address::spell(device);
        defaults::complete(device);
        if !flags.status && matches!(device.name.as_str(), "disk" | "hostdev") {
            image::forget_sockets(device);
        }
        if let Some(boot) = device.child_mut("boot") {
            load_parameter(boot);
        }
        match device.name.as_str() {
            "disk" => {
                disk::complete(device, flags)?;
                source::complete(device);
            }
            "hostdev" => source::complete_iscsi(device),
            "interface" => interface::complete(device, flags, random)?,
            "memory" => memory::complete(device)?,
            "pstore" => {
                if let Some(size) = device.child_mut("size") {
                    crate::section::memory::kib(size, "./size")?;
                }
            }
            "redirfilter" => redirection::complete(device)?,
            "controller" => controller::complete(device)?,
            "serial" | "parallel" | "console" | "channel" | "smartcard" | "redirdev" | "rng" => {
                chardev::complete(device, flags)?;
            }
            // Those of a machine count what a definition names, before they choose.
            "input" if flags.generic || !machine => {
                input_bus(device, &kind, &arch);
            }
            "video" => {
                let primary = !seen_video && !marked;
                seen_video = true;
                let model = device.child_or_new("model");
                if primary && !model.is("type", "none") {
                    model.set("primary", "yes");
                }
                video::complete(device);
            }
            _ => {}
        }
    }
    // The primary screen is the first.
    let primary = |device: &Tree| device.name == "video" && device.attr_at("model", "primary") == Some("yes");
    if let (Some(first), Some(at)) = (
        devices.children.iter().position(|device| device.name == "video"),
        devices.children.iter().position(primary),
    ) && at > first
    {
        let screen = devices.children.remove(at);
        devices.children.insert(first, screen);
    }
    controllers::number(&mut devices.children);
    hostdev::place(&mut devices.children);
    if !flags.skip_validate {
        // A machine gives models first.
        if flags.generic || !machine {
            check::assembled(&devices.children, flags.generic)?;
        }
    }
    chardev::number(&mut devices.children);
    if hvm && !flags.no_stub_console {
        chardev::consoles(&mut devices.children);
    }
    chardev::card_readers(&mut devices.children);
    if flags.generic {
        devices.children.iter_mut().for_each(disk::place);
        devices.children.iter_mut().for_each(address::identify);
        controllers::for_devices(&mut devices.children, None);
    }
    Ok(())
}

/// The bus of a device of input that names none.
pub fn input_bus(input: &mut Tree, kind: &str, arch: &str) {
    let bus = match arch {
        "s390x" | "s390" => "virtio",
        _ if input.is("type", "evdev") => return,
        _ if kind == "xen" => "xen",
        _ if input.is("type", "passthrough") => "virtio",
        "x86_64" | "i686" if !matches!(input.attr("type"), Some("mouse" | "keyboard")) => "usb",
        "x86_64" | "i686" => "ps2",
        _ => "usb",
    };
    input.default_to("bus", bus);
}

/// Screens of guests of which nobody else says what they show on; graphics come with one.
fn default_screens(devices: &mut Trees, hvm: bool, arch: &str) {
    let has = |kind: &str| devices.iter().any(|device| device.name == kind);
    if has("graphics") && !has("video") {
        devices.push(Tree::new("video"));
    }
    for video in devices.iter_mut().filter(|device| device.name == "video") {
        let model = video.child_or_new("model");
        if matches!(model.attr("type"), None | Some("default")) {
            let usual = match arch {
                "ppc64" | "ppc64le" => "vga",
                _ => "cirrus",
            };
            model.set("type", if hvm { usual } else { "xen" });
        }
    }
}

/// Disks of one bus stand together from the second on, in the order of their targets.
fn sort_disks(devices: &mut Trees) {
    if devices.iter().filter(|device| device.name == "disk").count() < 2 {
        return;
    }
    let (disks, others): (Vec<Tree>, Vec<Tree>) =
        std::mem::take(devices).into_iter().partition(|device| device.name == "disk");
    let mut sorted: Vec<Tree> = Vec::with_capacity(disks.len());
    let index = |disk: &Tree| disk.attr_at("target", "dev").and_then(disk::letter_index);
    for disk in disks {
        let bus = |other: &Tree| other.attr_at("target", "bus") == disk.attr_at("target", "bus");
        let last = sorted.iter().rposition(bus).map_or(sorted.len(), |at| at + 1);
        let bigger = sorted.iter().position(|other| bus(other) && index(other) > index(&disk));
        sorted.insert(bigger.unwrap_or(last), disk);
    }
    devices.extend(sorted);
    devices.extend(others);
}

/// Completes an adapter whose model a driver chose.
pub fn video(video: &mut Tree) {
    video::complete(video);
}

/// Types of storage that images have.
pub const STORAGE_TYPES: &[&str] =
    &["file", "block", "dir", "network", "volume", "nvme", "vhostuser", "vhostvdpa"];

/// Completes and checks the `<source>` of an image that is no disk of its own: of a snapshot, of a backup. `kind` is its
/// type of storage.
///
/// # Errors
/// With the reference's words when something is missing or contradictory.
pub fn storage(holder: &mut Tree, kind: &str) -> Result<()> {
    source::keep(holder, kind)?;
    image::read_as(holder, kind)?;
    source::complete(holder);
    disk::cache_sizes(holder)
}

/// Places of kinds of devices in the order in which they are checked.
fn checking_order(device: &Tree) -> Option<u8> {
    Some(match device.name.as_str() {
        "disk" => 0,
        "interface" => 1,
        "sound" => 2,
        "hostdev" => 3,
        "video" => 4,
        "controller" => 5,
        "smartcard" => 6,
        "serial" => 7,
        "parallel" => 8,
        "channel" => 9,
        "console" => 10,
        "input" => 11,
        "filesystem" => 12,
        "watchdog" => 13,
        "memballoon" => 14,
        "rng" => 15,
        "nvram" => 16,
        "hub" => 17,
        "shmem" => 18,
        "memory" => 19,
        "tpm" => 20,
        "panic" => 21,
        "redirdev" => 22,
        "iommu" => 23,
        "vsock" => 24,
        "crypto" => 25,
        "pstore" => 26,
        "graphics" => 27,
        "lease" => 28,
        "audio" => 29,
        _ => return None,
    })
}

/// Devices in the order in which they are checked: kind by kind.
pub(crate) fn walk(domain: &crate::Domain) -> impl Iterator<Item = &Tree> {
    let devices = domain.devices();
    by_kind(devices, checking_order).into_iter().filter_map(|at| devices.get(at))
}

/// Checks devices against each other, when all have their places.
pub(crate) fn check_together(devices: &[Tree]) -> Result<()> {
    check::completed(devices)
}

/// Names of boot entries are in capitals.
pub(crate) fn load_parameter(boot: &mut Tree) {
    if let Some(name) = boot.attr("loadparm").map(str::to_ascii_uppercase) {
        boot.set("loadparm", name);
    }
}

/// Copies the first serial port to the console that stands for it, after either has changed.
pub fn mirror_console(domain: &mut crate::Domain) {
    chardev::mirror(domain.devices_mut());
}

/// Parts that only a running guest has.
fn forget_live(device: &mut Tree) {
    if !device.attr_at("alias", "name").is_some_and(|name| name.starts_with("ua-")) {
        device.remove("alias");
    }
}

/// Rewrites the sizes of a memory device into KiB.
pub(crate) fn spell_sizes(device: &mut Tree) {
    if device.name != "memory" {
        return;
    }
    if let Some(page) = device.child_mut("source").and_then(|source| source.child_mut("pagesize")) {
        crate::section::memory::spell(page);
    }
    let Some(target) = device.child_mut("target") else { return };
    for name in ["size", "block", "requested", "current"] {
        if let Some(size) = target.child_mut(name) {
            crate::section::memory::spell(size);
        }
    }
    if let Some(size) = target.child_mut("label").and_then(|label| label.child_mut("size")) {
        crate::section::memory::spell(size);
    }
}

/// Prints a device.
pub(crate) fn print(place: Option<Place>, device: &Tree, w: &mut Writer, flags: FormatFlags) {
    let private = place.filter(|place| !flags.status && place.shows_private(device));
    if private.is_none() && !is_changed(device, flags) {
        return elements::write(device, w);
    }
    let mut device = device.clone();
    hide(&mut device, flags);
    if let Some(place) = private {
        place.strip(&mut device);
    }
    elements::write(&device, w);
}

/// Whether the flags may hide or change anything in a device; most are printed as they are.
fn is_changed(device: &Tree, flags: FormatFlags) -> bool {
    if flags.inactive && device.child("alias").is_some() {
        return true;
    }
    let has = |name: &str| device.child(name).is_some();
    match device.name.as_str() {
        "interface" => interface::is_changed(device, flags.inactive),
        "serial" | "parallel" | "console" | "channel" => {
            let target = device.child("target");
            flags.inactive
                && (device.attr("tty").is_some()
                    || device.is("type", "pty") && has("source")
                    || target.is_some_and(|target| target.attr("state").is_some()))
        }
        "disk" => {
            let source = device.child("source");
            has("mirror") || has("backingStore") || source.is_some_and(|source| !source.children.is_empty())
        }
        "graphics" => {
            let standing = device.is("type", "vnc") && device.is("port", "-1");
            flags.inactive && device.is("autoport", "yes") && !standing
                || !flags.secure && device.attr("passwd").is_some()
        }
        "video" => device.child("model").is_some_and(|model| model.is("heads", "0")),
        _ => false,
    }
}

/// Takes out of a device what the flags hide.
fn hide(device: &mut Tree, flags: FormatFlags) {
    if device.name == "video" {
        video::hide(device);
    }
    if device.name == "interface" {
        if !flags.inactive && !flags.status && !flags.actual_net {
            interface::show_actual(device);
        }
        interface::hide_unused(device);
    }
    if flags.inactive {
        forget_live(device);
        match device.name.as_str() {
            "serial" | "parallel" | "console" | "channel" => chardev::hide_live(device),
            "disk" => disk::hide_live(device),
            "graphics" => graphics::hide_live(device),
            "interface" => interface::hide_live(device),
            _ => {}
        }
    }
    if device.name == "disk" {
        if !flags.status {
            image::hide_managed(device);
        }
        disk::spell_mirror(device);
    }
    if !flags.secure {
        match device.name.as_str() {
            "graphics" => device.unset("passwd"),
            "disk" => disk::hide_secrets(device),
            _ => {}
        }
    }
}
