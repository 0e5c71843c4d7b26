//! What clients read of volumes, and their removal.

use crate::lookup::no_volume;
use crate::{Driver, backend, check_flags, error, probe, system};
use api::consts::storage_vol_info;
use base::object::StorageVolRef;
use base::{Error, ErrorCode, Result};
use conf_storage::{Kind, Volume, VolumeType};
use std::io;
use std::sync::Arc;

/// What a failed look at a volume means: one that is gone is no volume.
fn look_failed(volume: &Volume, cause: &io::Error) -> Error {
    let path = volume.path.as_deref().unwrap_or_default();
    match cause.kind() {
        io::ErrorKind::NotFound => no_volume(format!("path '{path}'")),
        _ => system(cause, format!("cannot open volume '{path}'")),
    }
}

impl Driver {
    /// A volume as it is now.
    pub(crate) fn current(&self, vol: &StorageVolRef) -> Result<Arc<Volume>> {
        let (entry, held) = self.volume(vol)?;
        if held.making {
            return Ok(held.volume);
        }
        let mut volume = (*held.volume).clone();
        probe::update(&mut volume).map_err(|cause| look_failed(&volume, &cause))?;
        self.learn_passphrase(&mut volume);
        let volume = Arc::new(volume);
        entry.change(|value| {
            if let Some(held) = value.volumes.get_mut(&volume.name) {
                held.volume = volume.clone();
            }
        });
        Ok(volume)
    }

    /// The number of what a volume is, its capacity and what it takes.
    pub(crate) fn volume_numbers(&self, vol: &StorageVolRef, flags: u32) -> Result<(i8, u64, u64)> {
        check_flags(flags, storage_vol_info::GET_PHYSICAL, "storageVolGetInfoFlags")?;
        let volume = self.current(vol)?;
        let taken =
            if flags & storage_vol_info::GET_PHYSICAL != 0 { volume.physical } else { volume.allocation };
        Ok((i8::try_from(volume.kind as usize).unwrap_or(0), volume.capacity, taken))
    }

    /// The document of a volume.
    pub(crate) fn volume_document(&self, vol: &StorageVolRef, flags: u32) -> Result<String> {
        check_flags(flags, 0, "storageVolGetXMLDesc")?;
        Ok(self.current(vol)?.format())
    }

    /// Where a volume is.
    pub(crate) fn volume_path(&self, vol: &StorageVolRef) -> Result<String> {
        let (_, held) = self.volume(vol)?;
        Ok(held.volume.path.clone().unwrap_or_default())
    }

    /// Removes a volume.
    pub(crate) fn remove_volume(&self, vol: &StorageVolRef, flags: u32) -> Result<()> {
        let (entry, _) = self.volume(vol)?;
        let _job = entry.begin("delete volume")?;
        let value = entry.active()?;
        let held = value.volume(&vol.name)?;
        held.unused()?;
        let volume = &held.volume;
        match value.pool.kind {
            Kind::Logical => backend::group::remove(volume)?,
            Kind::Disk => backend::disk::remove(&value.pool, volume)?,
            _ => remove_local(volume, flags)?,
        }
        entry.change(|value| {
            value.volumes.remove(&vol.name);
            value.redefine(|pool| {
                pool.allocation = pool.allocation.saturating_sub(volume.allocation);
                pool.available = pool.available.saturating_add(volume.allocation);
            });
        });
        Ok(())
    }
}

/// Removes a file or folder.
pub(crate) fn remove_local(volume: &Volume, flags: u32) -> Result<()> {
    check_flags(flags, 0, "virStorageBackendVolDeleteLocal")?;
    let path = volume.path.as_deref().unwrap_or_default();
    let gone = |outcome: io::Result<()>, text: String| match outcome {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(system(&cause, text)),
        _ => Ok(()),
    };
    match volume.kind {
        VolumeType::File | VolumeType::Ploop => {
            gone(std::fs::remove_file(path), format!("cannot unlink file '{path}'"))
        }
        VolumeType::Dir => gone(std::fs::remove_dir(path), format!("cannot remove directory '{path}'")),
        VolumeType::Block | VolumeType::Network | VolumeType::Netdir => {
            let text = format!("removing block or network volumes is not supported: {path}");
            Err(error(ErrorCode::NO_SUPPORT, text))
        }
    }
}
