//! The content of volumes: growing, wiping, moving in and out.

use crate::making::{SecretFile, is_raw};
use crate::{Driver, check_flags, command, error, probe, system};
use api::Stream;
use api::consts::{
    storage_vol_download, storage_vol_resize as flag, storage_vol_upload,
    storage_vol_wipe_algorithm as algorithm,
};
use base::object::StorageVolRef;
use base::{ErrorCode, Result};
use conf_storage::{Kind, Volume, VolumeType, create};
use std::io::{Seek, SeekFrom};
use std::path::Path;

/// Names of the patterns of the program that overwrites, by their numbers; the first needs no program.
const PATTERNS: [&str; 9] =
    ["", "nnsa", "dod", "bsi", "gutmann", "schneier", "pfitzner7", "pfitzner33", "random"];

fn path(volume: &Volume) -> &str {
    volume.path.as_deref().unwrap_or_default()
}

fn open(volume: &Volume, read: bool, write: bool) -> Result<std::fs::File> {
    host::volume::open(Path::new(path(volume)), read, write).map_err(|cause| {
        system(&cause, format!("Failed to open storage volume with path '{}'", path(volume)))
    })
}

impl Driver {
    /// Changes the capacity of a volume.
    pub(crate) fn resize(&self, vol: &StorageVolRef, capacity: u64, flags: u32) -> Result<()> {
        check_flags(flags, flag::ALLOCATE | flag::DELTA | flag::SHRINK, "storageVolResize")?;
        let (entry, held) = self.volume(vol)?;
        held.unused()?;
        let value = entry.active()?;
        let (allocate, shrink) = (flags & flag::ALLOCATE != 0, flags & flag::SHRINK != 0);
        let old = held.volume.capacity;
        let new = match (flags & flag::DELTA != 0, shrink) {
            (false, _) => capacity,
            (true, true) => old - capacity.min(old),
            (true, false) => old.saturating_add(capacity),
        };
        if new < held.volume.allocation {
            return Err(error(ErrorCode::INVALID_ARG, "can't shrink capacity below existing allocation"));
        }
        if new < old && !shrink {
            let text = "Can't shrink capacity below current capacity unless shrink flag explicitly specified";
            return Err(error(ErrorCode::INVALID_ARG, text));
        }
        if allocate && new > old.saturating_add(value.pool.available) {
            return Err(error(ErrorCode::OPERATION_FAILED, "Not enough space left in storage pool"));
        }
        let using = self.use_volume(&entry, &vol.name, true)?;
        self.change_size(
            &value.pool.name,
            value.pool.kind,
            &held.volume,
            new,
            (allocate, shrink && new < old),
        )?;
        drop(using);
        entry.change(|value| {
            let Some(held) = value.volumes.get_mut(&vol.name) else { return };
            let mut volume = (*held.volume).clone();
            let before = volume.allocation;
            volume.capacity = new;
            if let Err(cause) = probe::update(&mut volume) {
                log::warn!("volume '{}': {cause}", volume.name);
            }
            let grown = volume.allocation.saturating_sub(before);
            held.volume = std::sync::Arc::new(volume);
            value.redefine(|pool| {
                pool.allocation = pool.allocation.saturating_add(grown);
                pool.available = pool.available.saturating_sub(grown);
            });
        });
        Ok(())
    }

    fn change_size(
        &self,
        pool: &str,
        kind: Kind,
        volume: &Volume,
        capacity: u64,
        (allocate, shrink): (bool, bool),
    ) -> Result<()> {
        match kind {
            Kind::Logical => {
                let size = format!("{}K", base::size::kib_rounded_up(capacity));
                return command::run_words(&["lvresize", "-f", "-L", &size, path(volume)]).map(drop);
            }
            Kind::Disk => {
                let text = "storage pool does not support changing of volume capacity";
                return Err(error(ErrorCode::NO_SUPPORT, text));
            }
            _ => {}
        }
        if volume.kind == VolumeType::File && is_raw(volume) {
            let mut file = open(volume, true, true)?;
            if allocate {
                let length = file.metadata().map_or(0, |metadata| metadata.len());
                return host::volume::allocate(&mut file, 0, capacity)
                    .and_then(|()| if capacity < length { file.set_len(capacity) } else { Ok(()) })
                    .map_err(|cause| {
                        system(&cause, format!("Failed to pre-allocate space for file '{}'", path(volume)))
                    });
            }
            return file
                .set_len(capacity)
                .map_err(|cause| system(&cause, format!("Failed to truncate file '{}'", path(volume))));
        }
        if allocate {
            let text = "preallocate is only supported for raw type volume";
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
        }
        let secret = self.secret_file(pool, volume)?;
        let file = secret.as_ref().map(SecretFile::path);
        let bytes = capacity.div_ceil(512).saturating_mul(512);
        command::run(&create::resize(volume, bytes, file.as_deref(), shrink)).map(drop)
    }

    /// Overwrites a volume.
    pub(crate) fn wipe(&self, vol: &StorageVolRef, pattern: u32, flags: u32) -> Result<()> {
        check_flags(flags, 0, "storageVolWipePattern")?;
        let number = i32::try_from(pattern).unwrap_or(i32::MAX);
        if number > algorithm::TRIM {
            let text = format!("wiping algorithm {pattern} not supported");
            return Err(error(ErrorCode::INVALID_ARG, text));
        }
        let (entry, held) = self.volume(vol)?;
        let using = self.use_volume(&entry, &vol.name, true)?;
        let volume = &held.volume;
        match usize::try_from(number).ok().and_then(|number| PATTERNS.get(number)) {
            Some(&"") => {
                let mut file = open(volume, true, true)?;
                host::volume::wipe(&mut file).map_err(|cause| {
                    system(&cause, format!("Failed to wipe storage volume with path '{}'", path(volume)))
                })?;
            }
            Some(pattern) => {
                drop(open(volume, true, true)?);
                command::run_words(&["scrub", "-f", "-p", pattern, path(volume)])?;
            }
            None => {
                let text = "'trim' algorithm not supported";
                return Err(error(ErrorCode::ARGUMENT_UNSUPPORTED, text));
            }
        }
        drop(using);
        // Nothing is left of what it was: it is looked at as if it had just been found.
        if volume.kind == VolumeType::File
            && let Some(found) = probe::whole(Path::new(path(volume)), &volume.name)
        {
            entry.change(|value| {
                if value.volumes.contains_key(&vol.name) {
                    value.know(found);
                }
            });
        }
        Ok(())
    }

    /// Opens a volume to be written by a client.
    pub(crate) fn upload(&self, vol: &StorageVolRef, offset: u64, length: u64, flags: u32) -> Result<Stream> {
        check_flags(flags, storage_vol_upload::SPARSE_STREAM, "storageVolUpload")?;
        let (entry, held) = self.volume(vol)?;
        let using = self.use_volume(&entry, &vol.name, true)?;
        let stream =
            stream(&held.volume, true, offset, length, flags & storage_vol_upload::SPARSE_STREAM != 0)?;
        let driver = self.me.clone();
        Ok(stream.on_end(move |_| {
            drop(using);
            // Sizes may have changed, and the format with them. Not on the time of the stream.
            let again = move || {
                let Some(driver) = driver.upgrade() else { return };
                let Ok(_job) = entry.begin("refresh after upload") else { return };
                let value = entry.value();
                if value.active
                    && value.works == 0
                    && let Err(cause) = driver.look_again(&entry)
                {
                    log::error!("storage pool '{}': {cause}", value.pool.name);
                }
            };
            if let Err(cause) = std::thread::Builder::new().name("pool".to_owned()).spawn(again) {
                log::error!("storage pool cannot be looked at: {cause}");
            }
        }))
    }

    /// Opens a volume to be read by a client.
    pub(crate) fn download(
        &self,
        vol: &StorageVolRef,
        offset: u64,
        length: u64,
        flags: u32,
    ) -> Result<Stream> {
        check_flags(flags, storage_vol_download::SPARSE_STREAM, "storageVolDownload")?;
        let (entry, held) = self.volume(vol)?;
        let using = self.use_volume(&entry, &vol.name, false)?;
        let sparse = flags & storage_vol_download::SPARSE_STREAM != 0;
        let stream = stream(&held.volume, false, offset, length, sparse)?;
        Ok(stream.on_end(move |_| drop(using)))
    }
}

fn stream(volume: &Volume, write: bool, offset: u64, length: u64, sparse: bool) -> Result<Stream> {
    let cannot = |cause: std::io::Error| {
        base::Error::system(
            base::ErrorDomain::STREAMS,
            &cause,
            format!("Unable to open stream for '{}'", path(volume)),
        )
    };
    let mut file = host::volume::open(Path::new(path(volume)), !write, write).map_err(cannot)?;
    file.seek(SeekFrom::Start(offset)).map_err(cannot)?;
    Ok(Stream::file(file.into(), (length != 0).then_some(length), sparse))
}
