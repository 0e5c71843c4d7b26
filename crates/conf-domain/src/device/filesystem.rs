//! `<filesystem>`: a folder, file or device of the host that the guest mounts.

use crate::fault::{invalid, unsupported};
use crate::section::memory;
use crate::values;
use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::Tree;

/// What tells the source of each type.
const SOURCES: &[(&str, &[&str])] = &[
    ("mount", &["dir", "socket"]),
    ("bind", &["dir"]),
    ("file", &["file"]),
    ("block", &["dev"]),
    ("template", &["name"]),
    ("ram", &["usage", "units"]),
    ("volume", &["pool", "volume"]),
];

/// Rights that files may have.
const RIGHTS: u32 = 0o777;

fn missing(code: ErrorCode, what: Option<&str>) -> Error {
    match what.filter(|what| !what.is_empty()) {
        None => Error::bare(code, ErrorDomain::DOMAIN),
        Some(what) => Error::new(code, ErrorDomain::DOMAIN, what),
    }
}

/// Reads a file system.
///
/// # Errors
/// In the reference's words.
pub(super) fn read(filesystem: &mut Tree) -> Result<()> {
    filesystem.default_to("type", "mount");
    for name in ["fmode", "dmode"] {
        let Some(text) = filesystem.attr(name) else { continue };
        let rights = u32::from_str_radix(text, 8).unwrap_or(0);
        if rights > RIGHTS {
            return Err(invalid(format!("invalid {name}: '0{rights:o}'")));
        }
        if rights == 0 {
            filesystem.unset(name);
        } else {
            filesystem.set(name, format!("{rights:04o}"));
        }
    }
    for name in ["space_hard_limit", "space_soft_limit"] {
        let Some(limit) = filesystem.child_mut(name) else { continue };
        if memory::bytes(limit, 1, &format!("./{name}[1]"))?.is_none() {
            filesystem.remove(name);
        }
    }
    source(filesystem)?;
    let target = filesystem.attr_at("target", "dir").unwrap_or_default();
    if target.is_empty() {
        let source = match filesystem.is("type", "volume") {
            true => String::new(),
            false => super::check::source_of(filesystem),
        };
        return Err(missing(ErrorCode::NO_TARGET, Some(&source)));
    }
    driver(filesystem)?;
    // Who serves through a socket looks after rights itself.
    if filesystem.attr_at("source", "socket").is_none() {
        filesystem.default_to("accessmode", "passthrough");
    }
    Ok(())
}

fn source(filesystem: &mut Tree) -> Result<()> {
    let kind = filesystem.word("type");
    let target = filesystem.attr_at("target", "dir").map(str::to_owned);
    let known = SOURCES.iter().find(|(known, _)| *known == kind).map_or(&[][..], |(_, names)| names);
    if let Some(source) = filesystem.child_mut("source") {
        source.attrs.retain(|name, _| known.contains(&name));
        if source.attr("socket").is_some() {
            source.unset("dir");
        }
    }
    let source = filesystem.child("source").filter(|source| !source.attrs.is_empty());
    if kind == "ram" {
        let usage = source
            .and_then(|source| source.attr("usage"))
            .ok_or_else(|| invalid("missing 'usage' attribute for RAM filesystem"))?;
        let value = values::decimal(usage)
            .ok_or_else(|| invalid(format!("cannot parse usage '{usage}' for RAM filesystem")))?;
        let bytes = memory::in_bytes(value, filesystem.attr_at("source", "units"), 1024)?;
        let source = filesystem.child_or_new("source");
        source.set("usage", (bytes / 1024).to_string());
        source.set("units", "KiB");
        return Ok(());
    }
    // Volumes are looked for by drivers that know them.
    if source.is_none() && kind != "volume" {
        return Err(missing(ErrorCode::NO_SOURCE, target.as_deref()));
    }
    Ok(())
}

/// A number as C reads it without a sign: what is below zero counts from the other end.
fn wrapped(text: &str) -> Option<u64> {
    values::decimal(text).or_else(|| values::signed(text).map(|value| value as u64))
}

fn driver(filesystem: &mut Tree) -> Result<()> {
    let served = filesystem.attr_at("driver", "type") == Some("virtiofs");
    if let Some(driver) = filesystem.child_mut("driver") {
        if let Some(format) = driver.attr("format")
            && !values::is_format(format)
        {
            return Err(unsupported(format!("unknown driver format value '{format}'")));
        }
        if driver.attr("type").is_none() {
            driver.unset("format");
            driver.unset("wrpolicy");
        }
        if let Some(text) = driver.attr("queue").filter(|text| !text.is_empty()) {
            match wrapped(text) {
                None => return Err(invalid(format!("cannot parse queue size '{text}' for virtiofs"))),
                Some(0) => driver.unset("queue"),
                Some(size) => driver.set("queue", size.to_string()),
            }
        }
        if driver.is("queue", "") {
            driver.unset("queue");
        }
    }
    if !served {
        for name in ["binary", "idmap"] {
            filesystem.remove(name);
        }
        return Ok(());
    }
    let Some(binary) = filesystem.child_mut("binary") else { return Ok(()) };
    if let Some(pool) = binary.child_mut("thread_pool")
        && let Some(text) = pool.attr("size").filter(|text| !text.is_empty())
    {
        let size = values::signed(text)
            .and_then(|size| i32::try_from(size).ok())
            .ok_or_else(|| invalid(format!("cannot parse thread pool size '{text}' for virtiofs")))?;
        // Below zero is what holds anyway.
        if size < 0 {
            binary.remove("thread_pool");
        } else {
            pool.set("size", size.to_string());
        }
    }
    if let Some(files) = binary.child_mut("openfiles")
        && let Some(text) = files.attr("max").filter(|text| !text.is_empty())
    {
        match wrapped(text) {
            None => return Err(invalid(format!("cannot parse openfiles '{text}' for virtiofs"))),
            Some(0) => binary.remove("openfiles"),
            Some(most) => files.set("max", (most as i64).to_string()),
        }
    }
    for (part, name) in [("thread_pool", "size"), ("openfiles", "max")] {
        if binary.attr_at(part, name) == Some("") {
            binary.remove(part);
        }
    }
    Ok(())
}
