//! Volume groups of the logical volume manager.

use super::Found;
use crate::{command, internal};
use base::{ErrorCode, Result};
use conf_storage::volume::{Extent, Volume, VolumeType};
use conf_storage::{Pool, mount as plan};

/// Blank between columns of the reports.
const COLUMN: &str = "#";

fn name(pool: &Pool) -> &str {
    pool.source.name.as_deref().unwrap_or_default()
}

/// Whether the group's folder is there.
pub(crate) fn is_up(pool: &Pool) -> bool {
    std::path::Path::new(&pool.path).is_dir()
}

/// Activates the volumes of the group.
pub(crate) fn start(pool: &Pool) -> Result<()> {
    let known: Vec<(String, String)> = groups()?;
    let devices: Vec<&str> =
        known.iter().filter(|(group, _)| group == name(pool)).map(|(_, device)| device.as_str()).collect();
    if devices.is_empty() {
        return Err(internal(format!("cannot find logical volume group name '{}'", name(pool))));
    }
    if let Some(strange) = pool.source.devices.iter().find(|device| !devices.contains(&device.path.as_str()))
    {
        let text = format!(
            "cannot find source device '{}' in logical volume group name '{}'",
            strange.path,
            name(pool)
        );
        return Err(internal(text));
    }
    plan::activate(pool, true).map_or(Ok(()), |words| command::run(&words).map(drop))
}

/// Deactivates them.
pub(crate) fn stop(pool: &Pool) -> Result<()> {
    plan::activate(pool, false).map_or(Ok(()), |words| command::run(&words).map(drop))
}

/// Groups and the devices they lie on.
pub(crate) fn groups() -> Result<Vec<(String, String)>> {
    let said = command::run_words(&["pvs", "--noheadings", "-o", "pv_name,vg_name", "--separator", COLUMN])?;
    let line = |line: &str| {
        let (device, group) = line.trim().split_once(COLUMN)?;
        (!group.is_empty()).then(|| (group.to_owned(), device.to_owned()))
    };
    Ok(said.lines().filter_map(line).collect())
}

/// Makes the group on its devices.
pub(crate) fn build(pool: &Pool, flags: u32) -> Result<()> {
    crate::check_flags(flags, 12, "virStorageBackendLogicalBuildPool")?;
    if flags == 12 {
        return Err(super::filesystem::exclusive());
    }
    for device in &pool.source.devices {
        if flags & 8 == 0
            && let Some(found) = super::filesystem::contents(&device.path, "TYPE")
        {
            let text = format!("Device '{}' already formatted using '{found}'", device.path);
            return Err(crate::error(ErrorCode::STORAGE_POOL_BUILT, text));
        }
        command::run_words(&["pvcreate", "-y", &device.path])?;
    }
    let mut words = vec!["vgcreate", name(pool)];
    words.extend(pool.source.devices.iter().map(|device| device.path.as_str()));
    command::run_words(&words).map(drop)
}

/// Removes the group and what marks its devices.
pub(crate) fn delete(pool: &Pool, flags: u32) -> Result<()> {
    crate::check_flags(flags, 0, "virStorageBackendLogicalDeletePool")?;
    command::run_words(&["vgremove", "-f", name(pool)])?;
    for device in &pool.source.devices {
        if let Err(cause) = command::run_words(&["pvremove", &device.path]) {
            log::warn!("{cause}");
        }
    }
    Ok(())
}

/// Looks what volumes the group has.
pub(crate) fn look(pool: &Pool) -> Result<Found> {
    let columns = "lv_name,origin,uuid,devices,segtype,stripes,seg_size,vg_extent_size,size,lv_attr";
    let said = command::run_words(&[
        "lvs",
        "--separator",
        COLUMN,
        "--noheadings",
        "--units",
        "b",
        "--unbuffered",
        "--nosuffix",
        "--options",
        columns,
        name(pool),
    ])?;
    let mut volumes: Vec<Volume> = Vec::new();
    for line in said.lines() {
        let words: Vec<&str> = line.trim().split(COLUMN).collect();
        let [lv, _, uuid, devices, _, _, segment, extent, size, attributes, ..] = words.as_slice() else {
            continue;
        };
        // Snapshots' and pools' hidden parts are no volumes of their own.
        if attributes.starts_with('t') || attributes.starts_with('e') {
            continue;
        }
        let number = |text: &str| text.parse::<u64>().unwrap_or(0);
        let pieces = devices.split(',').filter_map(|piece| {
            let (path, start) = piece.strip_suffix(')')?.rsplit_once('(')?;
            let start = number(start).saturating_mul(number(extent));
            Some(Extent { path: path.to_owned(), start, end: start.saturating_add(number(segment)) })
        });
        if let Some(known) = volumes.iter_mut().find(|volume| volume.name == **lv) {
            known.extents.extend(pieces);
            continue;
        }
        let mut volume = Volume {
            kind: VolumeType::Block,
            key: Some((*uuid).to_owned()),
            path: Some(format!("{}/{lv}", pool.path)),
            capacity: number(size),
            allocation: number(size),
            extents: pieces.collect(),
            ..Volume::named(lv)
        };
        if let Err(cause) = crate::probe::update(&mut volume) {
            log::debug!("logical volume '{lv}': {cause}");
        }
        volumes.push(volume);
    }
    let said = command::run_words(&[
        "vgs",
        "--separator",
        ":",
        "--noheadings",
        "--units",
        "b",
        "--unbuffered",
        "--nosuffix",
        "--options",
        "vg_size,vg_free",
        name(pool),
    ])?;
    let (all, free) = said.trim().split_once(':').unwrap_or_default();
    let (all, free): (u64, u64) = (all.parse().unwrap_or(0), free.parse().unwrap_or(0));
    Ok(Found { room: (all, all.saturating_sub(free), free), volumes, ..Found::default() })
}

/// Makes a volume.
pub(crate) fn create(pool: &Pool, volume: &Volume) -> Result<()> {
    let size = format!("{}K", base::size::kib_rounded_up(volume.capacity.max(volume.allocation)));
    let mut words = vec!["lvcreate", "--name", &volume.name, "-L", &size];
    match &volume.backing {
        Some(origin) => words.extend(["-s", &origin.path]),
        None => words.push(name(pool)),
    }
    command::run_words(&words).map(drop)
}

/// Removes a volume.
pub(crate) fn remove(volume: &Volume) -> Result<()> {
    let path = volume.path.as_deref().unwrap_or_default();
    command::run_words(&["lvremove", "-f", path]).map(drop)
}
