//! `<disk>`.

use super::{Decimal, image};
use crate::ParseFlags;
use crate::fault::{invalid, unsupported};
use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::{Tree, Word};

/// The index that a target's letters stand for: `vda` is 0, `sdab` is 27. The prefix is not part of `name`'s letters.
pub fn letter_index(name: &str) -> Option<u32> {
    let letters =
        ["xvd", "ubd", "fd", "hd", "vd", "sd"].iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let letters = letters.trim_end_matches(|c: char| c.is_ascii_digit());
    let mut index: u32 = 0;
    for c in letters.chars() {
        let digit = (c as u32).checked_sub('a' as u32).filter(|digit| *digit < 26)?;
        index = index.checked_mul(26)?.checked_add(digit + 1)?;
    }
    index.checked_sub(1)
}

/// Controller, bus, target and unit of a disk by its target's index.
pub fn drive_address(bus: &str, index: u32, wide_scsi: bool) -> Option<[u32; 4]> {
    match bus {
        "ide" => Some([index / 4, index % 4 / 2, 0, index % 2]),
        "sata" => Some([index / 6, 0, 0, index % 6]),
        "fdc" => Some([index / 2, 0, 0, index % 2]),
        // Sixteen targets on a wide bus, of which the controller takes number 7; seven on a narrow one.
        "scsi" if wide_scsi => {
            let unit = index % 15;
            Some([index / 15, 0, 0, if unit >= 7 { unit + 1 } else { unit }])
        }
        "scsi" => Some([index / 7, 0, 0, index % 7]),
        _ => None,
    }
}

fn bus_of(target: &str, kind: &str) -> Option<&'static str> {
    Some(match (target, kind) {
        (_, "floppy") => "fdc",
        (name, _) if name.starts_with("hd") => "ide",
        (name, _) if name.starts_with("sd") => "scsi",
        (name, _) if name.starts_with("vd") => "virtio",
        (name, _) if name.starts_with("xvd") => "xen",
        (name, _) if name.starts_with("ubd") => "uml",
        (name, _) if name.starts_with("fd") => "ide",
        _ => return None,
    })
}

/// Reads a disk: what it says together, and what holds when it says nothing.
pub(crate) fn complete(disk: &mut Tree, flags: ParseFlags) -> Result<()> {
    disk.default_to("type", "file");
    disk.default_to("device", "disk");
    if let Some(sgio) = disk.attr("sgio")
        && sgio == "unfiltered"
        && !flags.skip_validate
    {
        return Err(unsupported("unfiltered sgio is no longer supported"));
    }
    let device = disk.word("device");
    for name in ["auth", "encryption"] {
        if disk.child(name).is_some()
            && disk.child("source").is_some_and(|source| source.child(name).is_some())
        {
            return Err(unsupported(format!("an <{name}> definition already found for disk source")));
        }
    }
    image::read(disk)?;
    let target = disk.attr_at("target", "dev").map(Word::from);
    // Without a target it is refused when all have their places; but nobody could work with one that was accepted.
    if target.is_none() && flags.skip_validate {
        return Err(untargeted(disk));
    }
    if let Some(bus) = target.as_deref().and_then(|target| bus_of(target, &device)) {
        disk.child_or_new("target").default_to("bus", bus);
    }
    throttling(disk)?;
    printable(disk)?;
    if let Some(target) = &target
        && letter_index(target).is_none()
        && disk.child("address").is_none()
    {
        return Err(invalid(format!("Unknown disk name '{target}' and no address specified")));
    }
    // A disc that can be changed cannot be written.
    if device == "cdrom" && disk.child("readonly").is_none() {
        disk.children.push(Tree::new("readonly"));
    }
    // What cannot be written has no snapshots anyway.
    if disk.child("readonly").is_some() && disk.is("snapshot", "no") {
        disk.unset("snapshot");
    }
    // An empty drive is of no place on the network.
    if matches!(device.as_str(), "cdrom" | "floppy") && disk.child("source").is_none() {
        disk.set("type", "file");
    }
    if disk.is("type", "vhostuser") {
        disk.default_to("snapshot", "no");
    }
    if flags.inactive {
        forget(disk);
    }
    if let Some(geometry) = disk.child("geometry")
        && ["cyls", "heads", "secs"].iter().any(|name| geometry.attr(name).is_none())
    {
        disk.remove("geometry");
    }
    cache_sizes(disk)?;
    if let Some(driver) = disk.child_mut("driver").filter(|driver| driver.is("type", "aio")) {
        driver.set("type", "raw");
    }
    if let Some(mirror) = disk.child_mut("mirror") {
        self::mirror(mirror)?;
    }
    Ok(())
}

fn untargeted(disk: &Tree) -> Error {
    match super::check::source_of(disk).as_str() {
        "" => Error::bare(ErrorCode::NO_TARGET, ErrorDomain::DOMAIN),
        source => Error::new(ErrorCode::NO_TARGET, ErrorDomain::DOMAIN, source),
    }
}

/// Whether a disk says what the guest calls it and, unless it is a drive for media, what it is made of.
pub(crate) fn told(disk: &Tree) -> Result<()> {
    let Some(target) = disk.attr_at("target", "dev") else { return Err(untargeted(disk)) };
    let local = matches!(disk.attr("type"), Some("file" | "block" | "dir"));
    let named = disk
        .child("source")
        .is_some_and(|source| ["file", "dev", "dir"].iter().any(|name| source.attr(name).is_some()));
    let nowhere = local && !named || disk.child("source").is_none();
    // What a disk of another kind lacks is told in other words.
    if nowhere && disk.is("device", "disk") {
        return Err(Error::new(ErrorCode::NO_SOURCE, ErrorDomain::DOMAIN, target));
    }
    Ok(())
}

/// Sixteen hexadecimal digits.
pub(crate) fn is_wwn(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    digits.len() == 16 && digits.chars().all(|c| c.is_ascii_hexdigit())
}

/// Names of the maker and the product that the guest is told.
fn printable(disk: &Tree) -> Result<()> {
    for name in ["vendor", "product"] {
        if disk.text_of(name).is_some_and(|text| !text.chars().all(|c| c == ' ' || c.is_ascii_graphic())) {
            return Err(invalid(format!("disk {name} is not printable string")));
        }
    }
    Ok(())
}

/// Names of the maker and the product fit.
pub(crate) fn names(disk: &Tree) -> Result<()> {
    let product = if disk.attr_at("target", "bus") == Some("scsi") { 16 } else { 40 };
    for (name, most) in [("vendor", 8), ("product", product)] {
        if disk.text_of(name).is_some_and(|text| text.len() > most) {
            return Err(unsupported(format!("disk {name} is more than {most} characters")));
        }
    }
    Ok(())
}

/// Filters of a disk.
fn throttling(disk: &mut Tree) -> Result<()> {
    let mut names: Vec<&str> = Vec::new();
    let filters = disk.child("throttlefilters");
    for filter in filters.into_iter().flat_map(|filters| filters.all("throttlefilter")) {
        let Some(group) = filter.attr("group") else { continue };
        if names.contains(&group) {
            return Err(invalid(format!("duplicate filter name '{group}' found")));
        }
        names.push(group);
    }
    let driver = disk.child("driver");
    if driver.is_some_and(|driver| driver.attr("iothread").is_some() && driver.child("iothreads").is_some()) {
        return Err(invalid(
            "disk driver 'iothread' attribute can't be used together with 'iothreads' subelement",
        ));
    }
    Ok(())
}

/// A copy that a running job makes. Old documents name a file and a format and nothing else.
fn mirror(mirror: &mut Tree) -> Result<()> {
    if let Some(job) = mirror.attr("job")
        && !matches!(job, "copy" | "active-commit")
    {
        return Err(unsupported(format!("unknown mirror job type '{job}'")));
    }
    if mirror.attr("type").is_none() {
        let Some(file) = mirror.attr("file").map(str::to_owned) else {
            return Err(invalid("mirror requires file name"));
        };
        mirror.set("type", "file");
        mirror.set("job", "copy");
        mirror.child_or_new("source").set("file", file);
        if let Some(format) = mirror.attr("format").map(str::to_owned) {
            mirror.child_or_new("format").set("type", format);
        }
    } else if mirror.child("source").is_none() {
        return Err(invalid("mirror requires source element"));
    }
    if let Some(ready) = mirror.attr("ready")
        && !matches!(ready, "yes" | "abort" | "pivot")
    {
        return Err(unsupported(format!("unknown mirror ready state {ready}")));
    }
    mirror.default_to("job", "copy");
    Ok(())
}

/// What old clients look for: the file and the format of a copy as attributes.
pub(crate) fn spell_mirror(disk: &mut Tree) {
    let Some(mirror) = disk.child_mut("mirror") else { return };
    let get = |path: &str, name: &str| mirror.attr_at(path, name).map(str::to_owned);
    let (file, format) = (get("source", "file"), get("format", "type"));
    let old = mirror.is("job", "copy") && mirror.is("type", "file");
    let (kind, job, ready) = (mirror.attr("type"), mirror.attr("job"), mirror.attr("ready"));
    let words = [
        ("type", kind),
        ("file", file.as_deref().filter(|_| old)),
        ("format", format.as_deref().filter(|_| mirror.is("job", "copy") && old)),
        ("job", job),
        ("ready", ready),
    ];
    mirror.attrs = words.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
}

/// Gives a disk the place on its bus that its target stands for.
pub fn place(disk: &mut Tree) {
    if disk.name != "disk" || disk.child("address").is_some() {
        return;
    }
    let bus = disk.attr_at("target", "bus").unwrap_or_default();
    let index = disk.attr_at("target", "dev").and_then(letter_index);
    if let Some([controller, number, target, unit]) = index.and_then(|index| drive_address(bus, index, false))
    {
        let [controller, number, target, unit] = [controller, number, target, unit].map(Decimal::of);
        let mut address = Tree::new("address");
        address.attrs.set_all(&[
            ("type", "drive"),
            ("controller", controller.as_str()),
            ("bus", number.as_str()),
            ("target", target.as_str()),
            ("unit", unit.as_str()),
        ]);
        disk.children.push(address);
    }
}

/// Sizes of metadata caches are in bytes, of the disk and of all images behind it.
pub(super) fn cache_sizes(holder: &mut Tree) -> Result<()> {
    for name in ["driver", "format"] {
        let cache = holder.child_mut(name).and_then(|driver| driver.child_mut("metadata_cache"));
        let Some(cache) = cache else { continue };
        let Some(size) = cache.child_mut("max_size") else { continue };
        if matches!(crate::section::memory::bytes(size, 1, "./metadata_cache/max_size")?, None | Some(0)) {
            cache.remove("max_size");
        }
    }
    for name in ["backingStore", "mirror"] {
        if let Some(behind) = holder.child_mut(name) {
            cache_sizes(behind)?;
        }
    }
    Ok(())
}

/// What the driver noted of a run.
fn forget(disk: &mut Tree) {
    disk.remove("mirror");
    forget_index(disk);
}

pub(crate) fn hide_live(disk: &mut Tree) {
    disk.remove("mirror");
}

fn forget_index(backing: &mut Tree) {
    backing.unset("index");
    if let Some(source) = backing.child_mut("source") {
        source.unset("index");
        if let Some(store) = source.child_mut("dataStore") {
            forget_index(store);
        }
    }
    if let Some(deeper) = backing.child_mut("backingStore") {
        forget_index(deeper);
    }
}

/// Cookies give access to an account.
pub(crate) fn hide_secrets(disk: &mut Tree) {
    if let Some(source) = disk.child_mut("source") {
        source.remove("cookies");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters() {
        for (name, index) in [
            ("vda", Some(0)),
            ("sdz", Some(25)),
            ("sdaa", Some(26)),
            ("hdb1", Some(1)),
            ("x", None),
            ("vdA", None),
        ] {
            assert_eq!(letter_index(name), index, "{name}");
        }
        assert_eq!(drive_address("ide", 3, false), Some([0, 1, 0, 1]));
        assert_eq!(drive_address("scsi", 8, true), Some([0, 0, 0, 9]));
    }
}
