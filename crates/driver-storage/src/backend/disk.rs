//! Partitions of a disk.

use super::Found;
use crate::{command, error, internal};
use base::{ErrorCode, Result};
use conf_storage::volume::{Extent, Volume, VolumeType};
use conf_storage::{Pool, probe_label};
use std::path::Path;

fn device(pool: &Pool) -> &str {
    pool.source.devices.first().map(|device| device.path.as_str()).unwrap_or_default()
}

/// Whether the disk is there.
pub(crate) fn is_up(pool: &Pool) -> bool {
    Path::new(device(pool)).exists()
}

/// Looks whether the disk has the label that the pool says.
pub(crate) fn start(pool: &mut Pool) -> Result<()> {
    let path = device(pool).to_owned();
    if !Path::new(&path).exists() {
        return Err(internal(format!("device path '{path}' doesn't exist")));
    }
    match label(&path) {
        None => {
            let text = format!("Device '{path}' is unrecognized, requires build");
            Err(error(ErrorCode::STORAGE_PROBE_FAILED, text))
        }
        Some(found) => {
            let expected = pool.source.format.unwrap_or("unknown");
            if expected == "unknown" {
                pool.source.format = probe_label(&found);
                return Ok(());
            }
            if probe_label(&found) == Some(expected) {
                return Ok(());
            }
            let text = format!("Format of device '{path}' does not match the expected format '{expected}'");
            Err(error(ErrorCode::STORAGE_PROBE_FAILED, text))
        }
    }
}

/// The label of a disk, as `parted` calls it.
fn label(path: &str) -> Option<String> {
    let said = command::run_words(&["parted", path, "print", "--script", "--machine"]).ok()?;
    let label = said.lines().nth(1)?.split(':').nth(5)?.to_owned();
    (label != "loop" && label != "unknown").then_some(label)
}

/// Writes a label.
pub(crate) fn build(pool: &Pool, flags: u32) -> Result<()> {
    crate::check_flags(flags, 12, "virStorageBackendDiskBuildPool")?;
    if flags == 12 {
        return Err(super::filesystem::exclusive());
    }
    let path = device(pool);
    let format = pool.source.format.unwrap_or("unknown");
    if flags & 8 == 0
        && let Some(found) = label(path).and_then(|found| probe_label(&found))
    {
        let text = if found == format {
            format!("Device '{path}' already formatted using '{found}'")
        } else {
            format!("Format of device '{path}' does not match the expected format '{format}'")
        };
        return Err(error(ErrorCode::STORAGE_POOL_BUILT, text));
    }
    let format = if matches!(format, "unknown" | "dos") { "msdos" } else { format };
    command::run_words(&["parted", path, "mklabel", "--script", format]).map(drop)
}

/// Partitions and the room between them.
pub(crate) fn look(pool: &Pool) -> Result<Found> {
    let path = device(pool);
    let said = command::run_words(&["parted", path, "unit", "B", "print", "free", "--script", "--machine"])?;
    let number = |text: &str| text.trim_end_matches('B').parse::<u64>().unwrap_or(0);
    let mut lines = said.lines().skip(1);
    let all = lines.next().and_then(|line| line.split(':').nth(1)).map_or(0, number);
    let mut found = Found::default();
    let mut taken = 0u64;
    for line in lines {
        let words: Vec<&str> = line.trim_end_matches(';').split(':').collect();
        let [partition, start, end, ..] = words.as_slice() else { continue };
        let (start, end) = (number(start), number(end).saturating_add(1));
        if words.get(4).is_some_and(|kind| *kind == "free") {
            found.free.push((start, end));
            continue;
        }
        let source = pool.source.devices.first();
        let part = source.and_then(|device| device.part_separator);
        let separated = part.unwrap_or(path.ends_with(|last: char| last.is_ascii_digit()));
        let device = format!("{path}{}{partition}", if separated { "p" } else { "" });
        let name = device.rsplit('/').next().unwrap_or_default().to_owned();
        let mut volume = Volume {
            kind: VolumeType::Block,
            key: Some(device.clone()),
            path: Some(device.clone()),
            capacity: end - start.min(end),
            allocation: end - start.min(end),
            extents: vec![Extent { path: path.to_owned(), start, end }],
            format: Some("none"),
            ..Volume::named(&name)
        };
        taken = taken.saturating_add(volume.capacity);
        if let Err(cause) = crate::probe::update(&mut volume) {
            log::debug!("partition '{device}': {cause}");
        }
        found.volumes.push(volume);
    }
    let free = found.free.iter().map(|(start, end)| end.saturating_sub(*start)).sum();
    found.room = (all, taken, free);
    Ok(found)
}

/// Makes a partition.
pub(crate) fn create(pool: &Pool, volume: &Volume) -> Result<()> {
    let path = device(pool);
    let found = look(pool)?;
    let size = volume.capacity.max(1);
    let place = found.free.iter().find(|(start, end)| end.saturating_sub(*start) >= size);
    let Some((start, _)) = place else { return Err(internal("no large enough free extent")) };
    let kind = volume.format.filter(|format| *format == "extended").unwrap_or("primary");
    let (from, to) = (format!("{start}B"), format!("{}B", start + size - 1));
    command::run_words(&["parted", path, "mkpart", "--script", kind, &from, &to])?;
    // The name follows from the place; another one is told only now, when the partition is there.
    let known = |name: &str| found.volumes.iter().any(|known| known.name == name);
    match look(pool)?.volumes.into_iter().find(|made| !known(&made.name)) {
        Some(made) if made.name != volume.name => {
            let text = format!("invalid partition name '{}', expected '{}'", volume.name, made.name);
            Err(error(ErrorCode::INVALID_ARG, text))
        }
        _ => Ok(()),
    }
}

/// Removes a partition.
pub(crate) fn remove(pool: &Pool, volume: &Volume) -> Result<()> {
    let path = device(pool);
    let digits = volume.name.len() - volume.name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let number = &volume.name[volume.name.len() - digits..];
    if number.is_empty() {
        return Err(internal(format!("cannot parse partition number from target '{}'", volume.name)));
    }
    command::run_words(&["parted", path, "rm", "--script", number]).map(drop)
}
