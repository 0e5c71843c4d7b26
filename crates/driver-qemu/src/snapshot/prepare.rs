//! What can be done for a snapshot, before anything is.

use crate::block::disk::target;
use crate::{FROM, chain, error};
use base::{Error, ErrorCode, Result};
use conf_domain::Domain;
use conf_snapshot::snapshot::Location;
use conf_snapshot::{Snapshot, SnapshotDisk};
use std::io::ErrorKind;
use std::path::Path;
use xml::Tree;

fn unsupported(text: impl Into<String>) -> Error {
    Error::unsupported(FROM, text)
}

fn disk<'d>(domain: &'d Domain, name: &str) -> Option<&'d Tree> {
    domain.all("disk").find(|disk| target(disk) == name)
}

/// Refuses a new image of which nothing can come.
fn check_image(new: &SnapshotDisk, active: bool, reuse: bool) -> Result<()> {
    if let Some(format) = new.format().filter(|format| !matches!(*format, "qcow2" | "qed")) {
        let text = format!("external snapshot format for disk {} is unsupported: {format}", new.name);
        return Err(unsupported(text));
    }
    if !active && new.kind == "network" {
        let text = "external inactive snapshots are not supported on 'network' disks";
        return Err(Error::internal(FROM, text));
    }
    check_file(new, reuse)
}

/// Refuses a new file that is there already, or one to be used that is not.
fn check_file(new: &SnapshotDisk, reuse: bool) -> Result<()> {
    if new.kind != "file" && new.kind != "block" {
        return Ok(());
    }
    let path = new.path().unwrap_or_default();
    match std::fs::metadata(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            let text = format!("unable to stat for disk {}: {path}", new.name);
            Err(Error::system(FROM, &cause, text))
        }
        Err(cause) if reuse => {
            let text = format!("missing existing file for disk {}: {path}", new.name);
            Err(Error::system(FROM, &cause, text))
        }
        Err(_) if new.kind == "block" => {
            let text = format!("block device snapshot target '{path}' doesn't exist");
            Err(error(ErrorCode::OPERATION_UNSUPPORTED, text))
        }
        Ok(metadata) if !reuse && metadata.is_file() && metadata.len() > 0 => {
            let text = format!(
                "external snapshot file for disk {} already exists and is not a block device: {path}",
                new.name
            );
            Err(unsupported(text))
        }
        _ => Ok(()),
    }
}

/// Checks an aligned snapshot.
pub(super) fn check(
    snapshot: &Snapshot,
    domain: &Domain,
    active: bool,
    disk_only: bool,
    reuse: bool,
) -> Result<()> {
    let (mut internal, mut external, mut left_out) = (0, 0, false);
    for part in &snapshot.disks {
        let Some(own) = disk(domain, &part.name) else { continue };
        match part.location {
            Some(Location::Internal) => {
                if active && disk_only {
                    return Err(unsupported(format!(
                        "active qemu domains require external disk snapshots; disk {} requested internal",
                        part.name
                    )));
                }
                internal += 1;
                let format = chain::format_of(own).unwrap_or("raw");
                if format != "qcow2" {
                    return Err(unsupported(format!(
                        "internal snapshot for disk {} unsupported for storage type {format}",
                        part.name
                    )));
                }
            }
            Some(Location::External) => {
                check_image(part, active, reuse)?;
                external += 1;
            }
            Some(Location::Manual) if active => {
                return Err(error(
                    ErrorCode::OPERATION_UNSUPPORTED,
                    format!("'manual' snapshot mode of disk '{}' is not supported", part.name),
                ));
            }
            Some(Location::Manual) => left_out = true,
            _ => left_out |= own.child("readonly").is_none() && crate::block::disk::has_image(own),
        }
    }
    let memory = snapshot.memory.unwrap_or(Location::No);
    if internal == 0 && external == 0 && memory == Location::No {
        return Err(unsupported("nothing selected for snapshot"));
    }
    let incomplete = memory == Location::Internal && (internal == 0 || external > 0);
    if incomplete || (memory == Location::Internal || internal > 0) && left_out {
        let text = "internal and full system snapshots require all disks to be selected for snapshot";
        return Err(unsupported(text));
    }
    if internal > 0 && external > 0 {
        let text = "mixing internal and external targets for a snapshot is not yet supported";
        return Err(unsupported(text));
    }
    Ok(())
}

/// A new image whose format is not told is one that can say what it is based on.
pub(super) fn formats(disks: &mut [SnapshotDisk]) {
    for part in disks.iter_mut().filter(|part| part.location == Some(Location::External)) {
        if part.format().is_none() {
            part.set_format("qcow2");
        }
    }
}

/// Whether a path is an ordinary file, next to which a new one can be made.
pub(super) fn is_regular(path: &str) -> bool {
    std::fs::metadata(Path::new(path)).is_ok_and(|metadata| metadata.is_file())
}

/// A new image as an element with a source and a format.
pub(super) fn element(part: &SnapshotDisk) -> Tree {
    let mut element = Tree::new("disk").with("type", part.kind.clone());
    element.children.push(Tree::new("driver").with("type", part.format().unwrap_or("qcow2")));
    element.children.extend(part.source.clone());
    element
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: &str, format: Option<&str>, active: bool) -> String {
        let mut part = SnapshotDisk { kind: kind.to_owned(), ..SnapshotDisk::new("vda") };
        if let Some(format) = format {
            part.set_format(format);
        }
        let name = if kind == "block" { "dev" } else { "file" };
        part.source = Some(Tree::new("source").with(name, "/no/such/place"));
        check_image(&part, active, false).err().map(|error| error.message().to_owned()).unwrap_or_default()
    }

    #[test]
    fn images_of_which_nothing_can_come_are_refused() {
        let format = "unsupported configuration: external snapshot format for disk vda is unsupported: raw";
        assert_eq!(refused("network", Some("raw"), false), format);
        let network = "internal error: external inactive snapshots are not supported on 'network' disks";
        assert_eq!(refused("network", Some("qcow2"), false), network);
        assert_eq!(refused("network", Some("qcow2"), true), "");
        let block = "Operation not supported: block device snapshot target '/no/such/place' doesn't exist";
        assert_eq!(refused("block", None, false), block);
        assert_eq!(refused("file", Some("qed"), false), "");
    }
}
