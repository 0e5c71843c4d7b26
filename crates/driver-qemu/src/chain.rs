//! The images a disk is made of: the one its definition names and those that one is based on, each with its number.
//!
//! ```text
//! <source index='2'>        top: what the guest writes to
//!   <backingStore index='3'>  what it is based on
//!     <backingStore index='4'>
//!       <backingStore/>         the end is known
//! ```
//!
//! Numbers name the emulator's block nodes, so they are given once in a run and never again.

use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use host::image as files;
use image::{Base, HEAD, Header};
use std::path::Path;
use xml::Tree;

/// Longest chain that is followed.
const DEPTH: usize = 200;

/// The file or device of a source.
pub(crate) fn path_of(source: &Tree) -> Option<&str> {
    source
        .attr("file")
        .or_else(|| source.attr("dev"))
        .or_else(|| source.attr("dir"))
        .filter(|path| !path.is_empty())
}

/// The local image of a disk or of a part of its chain.
pub(crate) fn local(element: &Tree) -> Option<&str> {
    path_of(element.child("source")?)
}

/// The format of a disk's top image or of one it is based on.
pub(crate) fn format_of(element: &Tree) -> Option<&str> {
    let below = element.attr_at("format", "type");
    below.or_else(|| element.attr_at("driver", "type"))
}

/// An image's header, as far as its format has one.
///
/// # Errors
/// When the image cannot be read.
pub(crate) fn header(path: &str, format: &str) -> std::io::Result<Header> {
    Ok(Header::read(format, &files::head(Path::new(path), HEAD)?))
}

fn storage(cause: &std::io::Error, text: String) -> Error {
    Error::system(ErrorDomain::STORAGE, cause, text)
}

/// What an image of a format is based on; `None` when it is based on nothing or its place says nothing we can follow.
fn below(path: &str, format: &str) -> std::io::Result<Option<(Base, Option<String>)>> {
    let header = match header(path, format) {
        // The emulator can serve a folder as a disk.
        Err(cause) if cause.kind() == std::io::ErrorKind::IsADirectory => return Ok(None),
        other => other?,
    };
    let folder = Path::new(path).parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    Ok(header.base.map(|name| (Base::parse(&name, &folder), header.base_format)))
}

/// The element of an image another one is based on.
fn element(base: &Base, format: &str) -> Tree {
    let (kind, source) = match base {
        Base::File(path) => {
            let device = files::extent(Path::new(path)).is_ok_and(|extent| extent.device);
            let (kind, attribute) = if device { ("block", "dev") } else { ("file", "file") };
            (kind, Tree::new("source").with(attribute, path.clone()))
        }
        Base::Address(address) => {
            let (protocol, rest) = address.split_once("://").unwrap_or((address, ""));
            let (host, name) = rest.split_once('/').unwrap_or((rest, ""));
            let mut source = Tree::new("source").with("protocol", protocol).with("name", name);
            if !host.is_empty() {
                let (host, port) = host.rsplit_once(':').unwrap_or((host, ""));
                let mut element = Tree::new("host").with("name", host);
                if !port.is_empty() {
                    element.set("port", port);
                }
                source.children.push(element);
            }
            ("network", source)
        }
        Base::Document(text) => ("file", Tree::new("source").with("file", text.clone())),
    };
    Tree::new("backingStore")
        .with("type", kind)
        .holding(Tree::new("format").with("type", format))
        .holding(source)
}

/// Refuses a local image that is not there.
fn present(path: &str, above: Option<&str>) -> Result<()> {
    let Err(cause) = std::fs::metadata(path) else { return Ok(()) };
    let text = match above {
        None => format!("Cannot access storage file '{path}'"),
        Some(above) => {
            let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
            format!(
                "Cannot access backing file '{path}' of storage file '{above}' (as uid:{user}, gid:{group})"
            )
        }
    };
    Err(storage(&cause, text))
}

/// Follows what an image is based on to the end, below an element that does not say it yet.
fn follow(element_above: &mut Tree, path: &str, format: &str, depth: usize) -> Result<()> {
    if depth > DEPTH {
        let text = format!("backing store for {path} is self-referential or too long");
        return Err(Error::internal(ErrorDomain::STORAGE, text));
    }
    let text = || format!("Cannot access storage file '{path}'");
    let Some((base, base_format)) = below(path, format).map_err(|cause| storage(&cause, text()))? else {
        element_above.children.push(Tree::new("backingStore"));
        return Ok(());
    };
    let next = match &base {
        Base::File(next) => {
            present(next, Some(path))?;
            Some(next.clone())
        }
        Base::Address(_) | Base::Document(_) => None,
    };
    let format = match (base_format, &next) {
        (Some(format), _) => format,
        (None, Some(next)) => {
            // An image without a header of its own is what it says it is; anything else has to be stated.
            let head = files::head(Path::new(next), HEAD).map_err(|cause| storage(&cause, text()))?;
            let found = image::probe(&head);
            if found != "raw" {
                let text = format!(
                    "format of backing image '{next}' of image '{path}' was not specified in the image metadata (See https://libvirt.org/kbase/backing_chains.html for troubleshooting)"
                );
                return Err(Error::new(ErrorCode::OPERATION_FAILED, ErrorDomain::STORAGE, text));
            }
            found.to_owned()
        }
        (None, None) => "raw".to_owned(),
    };
    let mut below = element(&base, &format);
    match next {
        Some(next) => follow(&mut below, &next, &format, depth + 1)?,
        None => below.children.push(Tree::new("backingStore")),
    }
    element_above.children.push(below);
    Ok(())
}

/// Completes the chain of one element from where its definition ends.
fn complete(element: &mut Tree, above: Option<&str>, depth: usize) -> Result<()> {
    let path = local(element).map(str::to_owned);
    if let Some(path) = &path {
        present(path, above)?;
    }
    if let Some(below) = element.child_mut("backingStore") {
        // An empty one states the end.
        if below.child("source").is_none() {
            return Ok(());
        }
        return complete(below, path.as_deref(), depth + 1);
    }
    let format = format_of(element).unwrap_or("raw").to_owned();
    match path {
        Some(path) if element.attr("type") != Some("dir") => follow(element, &path, &format, depth),
        _ => {
            element.children.push(Tree::new("backingStore"));
            Ok(())
        }
    }
}

/// Completes the chain of a disk that has an image.
pub(crate) fn of_disk(disk: &mut Tree) -> Result<()> {
    if disk.child("source").is_none_or(|source| source.attrs.is_empty()) {
        return Ok(());
    }
    if disk.is("type", "file") || disk.is("type", "block") {
        complete(disk, None, 0)?;
    }
    Ok(())
}

/// Completes the chains of all disks.
pub(crate) fn of_domain(domain: &mut Domain) -> Result<()> {
    for disk in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
        // Without an image there is no format.
        if !crate::block::disk::has_image(disk)
            && let Some(driver) = disk.child_mut("driver")
        {
            driver.unset("type");
        }
        of_disk(disk)?;
    }
    Ok(())
}
