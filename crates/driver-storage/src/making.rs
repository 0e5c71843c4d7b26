//! Volumes are made: from nothing, from other volumes.
//!
//! ```text
//! parsed ──▶ placed: path, key ──▶ counted and listed as being made ──▶ made, without job ──▶ listed as it is
//!                                                                        │ fails
//!                                                                        ▼
//!                                                                   removed, forgotten
//! ```

use crate::lookup::Use;
use crate::pool::{Entry, Held, Value, inactive};
use crate::{Driver, backend, check_flags, command, error, internal, probe, refused, system};
use api::consts::storage_vol_create as flag;
use base::object::{StoragePoolRef, StorageVolRef};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_storage::create::{self, Request};
use conf_storage::volume::ParseFlags;
use conf_storage::{Kind, Pool, SecretKey, Volume, VolumeType};
use host::volume::Owner;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Mode of a volume that says none.
const MODE: u32 = 0o600;

/// A file with a passphrase, as long as a command reads it.
#[derive(Debug)]
pub(crate) struct SecretFile(PathBuf);

impl SecretFile {
    pub(crate) fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Driver {
    /// Writes the passphrase of a volume where a command can read it.
    pub(crate) fn secret_file(&self, pool: &str, volume: &Volume) -> Result<Option<SecretFile>> {
        let Some(encryption) = &volume.encryption else { return Ok(None) };
        let [key] = encryption.secrets.as_slice() else {
            let text = "A single <secret type='passphrase'...> element is expected in encryption description";
            return Err(error(ErrorCode::INVALID_ARG, text));
        };
        let value = self.passphrases.value(key)?;
        let [a, b, c, ..] = host::random::bytes::<16>();
        let name = format!("{pool}.{}.secret.{a:02x}{b:02x}{c:02x}", volume.name);
        let path = self.run_dir().join(name);
        let cannot = |cause: io::Error| system(&cause, "failed to write secret file");
        let file = SecretFile(path);
        let mut opened = host::volume::make_file(&file.0).map_err(cannot)?;
        io::Write::write_all(&mut opened, &value).map_err(cannot)?;
        Ok(Some(file))
    }

    /// An encrypted volume that was found says nothing of its passphrase; a secret for its path is it.
    pub(crate) fn learn_passphrase(&self, volume: &mut Volume) {
        let Some(encryption) = volume.encryption.as_mut().filter(|encryption| encryption.secrets.is_empty())
        else {
            return;
        };
        let path = volume.path.as_deref().unwrap_or_default();
        encryption.secrets.extend(self.passphrases.of_volume(path).map(SecretKey::Uuid));
    }

    /// Makes a volume.
    pub(crate) fn make(&self, pool: &StoragePoolRef, text: &str, flags: u32) -> Result<StorageVolRef> {
        check_flags(flags, flag::PREALLOC_METADATA | flag::VALIDATE, "storageVolCreateXML")?;
        let entry = self.find(pool)?;
        let value = entry.active()?;
        if flags & flag::VALIDATE != 0 {
            schema::validate_text(schema::Kind::StorageVolume, text)?;
        }
        let parse = ParseFlags { optional_capacity: true, ..ParseFlags::default() };
        let volume = Volume::parse(text, value.pool.kind, parse)?;
        if volume.capacity == 0 && volume.backing.is_some() && !value.pool.kind.holds_files() {
            return Err(error(ErrorCode::NO_SUPPORT, "volume capacity required for this storage pool"));
        }
        if value.volumes.contains_key(&volume.name) {
            let text = format!("'{}'", volume.name);
            return Err(error(ErrorCode::STORAGE_VOL_EXIST, text));
        }
        let preallocate = flags & flag::PREALLOC_METADATA != 0;
        self.complete(&entry, &value, volume, None, preallocate, false)
    }

    /// Makes a volume with the content of another one.
    pub(crate) fn make_from(
        &self,
        pool: &StoragePoolRef,
        text: &str,
        from: &StorageVolRef,
        flags: u32,
    ) -> Result<StorageVolRef> {
        const KNOWN: u32 = flag::PREALLOC_METADATA | flag::REFLINK;
        check_flags(flags, KNOWN | flag::VALIDATE, "storageVolCreateXMLFrom")?;
        let entry = self.find(pool)?;
        let value = entry.active()?;
        let source = if from.pool == value.pool.name { entry.clone() } else { self.named(&from.pool)? };
        let original = source.active()?.volume(&from.name)?.volume.clone();
        let parse = ParseFlags { no_capacity: true, ..ParseFlags::default() };
        let mut volume = Volume::parse(text, value.pool.kind, parse)?;
        if value.volumes.contains_key(&volume.name) {
            return Err(internal(format!("storage volume name '{}' already in use.", volume.name)));
        }
        volume.capacity = volume.capacity.max(original.capacity);
        if !volume.has_allocation {
            volume.allocation = volume.capacity;
        }
        if is_raw(&volume) && is_raw(&original) {
            check_flags(flags, KNOWN, "storageBackendCreateRaw")?;
        }
        let using = self.use_volume(&source, &from.name, false)?;
        let preallocate = flags & flag::PREALLOC_METADATA != 0;
        let reference = flags & flag::REFLINK != 0;
        self.complete(&entry, &value, volume, Some((&original, using)), preallocate, reference)
    }

    /// Places a volume, lists it, makes it.
    fn complete(
        &self,
        entry: &Arc<Entry>,
        value: &Value,
        mut volume: Volume,
        input: Option<(&Volume, Use)>,
        preallocate: bool,
        share: bool,
    ) -> Result<StorageVolRef> {
        let pool = value.pool.clone();
        place(&pool, &mut volume)?;
        let name = volume.name.clone();
        entry.change(|value| {
            if !value.active {
                return Err(inactive(value));
            }
            if value.volumes.contains_key(&name) {
                return Err(error(ErrorCode::STORAGE_VOL_EXIST, format!("'{name}'")));
            }
            let held = Held { volume: Arc::new(volume.clone()), making: true, users: 0 };
            value.volumes.insert(name.clone(), held);
            value.works += 1;
            Ok(())
        })?;
        let source = input.as_ref().map(|(volume, _)| *volume);
        let made = self.build(&pool, &volume, source, preallocate, share);
        let made = made.and_then(|()| {
            if pool.kind == Kind::Disk || pool.kind == Kind::Logical {
                // What it has become is known by a look at all of them.
                let found = backend::look(&pool)?.volumes.into_iter().find(|found| found.name == name);
                volume = found.unwrap_or_else(|| volume.clone());
                return Ok(());
            }
            probe::update(&mut volume).map_err(|cause| system(&cause, format!("cannot stat '{name}'")))
        });
        if made.is_err() && pool.kind.holds_files() {
            // Whatever the failure left of it.
            let _ = crate::volumes::remove_local(&volume, 0);
        }
        drop(input);
        entry.change(|value| {
            value.works = value.works.saturating_sub(1);
            if made.is_err() {
                value.volumes.remove(&name);
                return;
            }
            let held = Held { volume: Arc::new(volume.clone()), making: false, users: 0 };
            value.volumes.insert(name.clone(), held);
            if pool.kind != Kind::Disk {
                value.redefine(|pool| {
                    pool.allocation = pool.allocation.saturating_add(volume.allocation);
                    pool.available = pool.available.saturating_sub(volume.allocation);
                });
            }
        });
        made?;
        let key = volume.key.clone().unwrap_or_default();
        Ok(StorageVolRef { pool: pool.name.clone(), name, key })
    }

    fn build(
        &self,
        pool: &Pool,
        volume: &Volume,
        input: Option<&Volume>,
        preallocate: bool,
        share: bool,
    ) -> Result<()> {
        match pool.kind {
            Kind::Logical => {
                backend::group::create(pool, volume)?;
                return self.fill_device(pool, volume, input);
            }
            Kind::Disk => {
                backend::disk::create(pool, volume)?;
                return self.fill_device(pool, volume, input);
            }
            _ => {}
        }
        if volume.kind == VolumeType::Dir {
            if volume.backing.is_some() {
                let text = "backing storage not supported for directories volumes";
                return Err(error(ErrorCode::NO_SUPPORT, text));
            }
            return host::volume::make_folder(Path::new(path(volume)), owner(volume))
                .map_err(|cause| system(&cause, format!("Failed to create directory '{}'", path(volume))));
        }
        if volume.format == Some("ploop") {
            return Err(internal("unable to find ploop, please install ploop tools"));
        }
        if is_raw(volume) && input.is_none_or(is_raw) {
            return raw(volume, input, preallocate, share);
        }
        self.image(pool, volume, input, preallocate)
    }

    /// Makes an image by its program.
    fn image(&self, pool: &Pool, volume: &Volume, input: Option<&Volume>, preallocate: bool) -> Result<()> {
        let secret = self.secret_file(&pool.name, volume)?;
        let input_secret = match input {
            Some(input) => self.secret_file(&pool.name, input)?,
            None => None,
        };
        let (secret, input_secret) =
            (secret.as_ref().map(SecretFile::path), input_secret.as_ref().map(SecretFile::path));
        // Whoever opens the image below finds it from the folder of the new one.
        let commands = create::commands(&Request {
            volume,
            input,
            preallocate,
            secret: secret.as_deref(),
            input_secret: input_secret.as_deref(),
        })?;
        if let Some(backing) = volume.backing.as_ref().filter(|_| input.is_none()) {
            let place = Path::new(path(volume)).with_file_name(&backing.path);
            host::volume::facts(&place).map_err(|cause| {
                system(&cause, format!("inaccessible backing store volume {}", backing.path))
            })?;
        }
        commands.iter().try_for_each(|words| command::run(words).map(drop))?;
        host::volume::own(Path::new(path(volume)), owner(volume))
            .map_err(|cause| system(&cause, format!("cannot set mode or owner of '{}'", path(volume))))
    }

    /// Puts content into a device that was made.
    fn fill_device(&self, pool: &Pool, volume: &Volume, input: Option<&Volume>) -> Result<()> {
        let Some(input) = input else { return Ok(()) };
        if !is_raw(input) || volume.encryption.is_some() {
            let secret = self.secret_file(&pool.name, input)?.map(|file| file.path());
            let request = Request {
                volume,
                input: Some(input),
                preallocate: false,
                secret: None,
                input_secret: secret.as_deref(),
            };
            let last = create::commands(&request)?.pop().unwrap_or_default();
            return command::run(&last).map(drop);
        }
        let mut to = host::volume::open(Path::new(path(volume)), true, true)
            .map_err(|cause| system(&cause, format!("cannot open '{}'", path(volume))))?;
        copy(input, &mut to, volume)
    }
}

fn path(volume: &Volume) -> &str {
    volume.path.as_deref().unwrap_or_default()
}

fn owner(volume: &Volume) -> Owner {
    let said = volume.permissions.as_ref();
    Owner {
        mode: said.and_then(|said| said.mode).unwrap_or(MODE),
        owner: said.and_then(|said| said.owner),
        group: said.and_then(|said| said.group),
    }
}

/// Whether content is what a guest sees, byte by byte.
pub(crate) fn is_raw(volume: &Volume) -> bool {
    volume.encryption.is_none()
        && (volume.kind == VolumeType::Block || matches!(volume.format, None | Some("raw" | "none")))
}

/// Says where a volume will be and what it will be.
fn place(pool: &Pool, volume: &mut Volume) -> Result<()> {
    if volume.name.contains('/') {
        return Err(refused(format!("volume name '{}' cannot contain '/'", volume.name)));
    }
    let place = format!("{}/{}", pool.path, volume.name);
    match pool.kind {
        Kind::Logical | Kind::Disk => volume.kind = VolumeType::Block,
        _ => {
            volume.kind = if volume.format == Some("dir") { VolumeType::Dir } else { VolumeType::File };
            if Path::new(&place).symlink_metadata().is_ok() {
                return Err(refused(format!("volume target path '{place}' already exists")));
            }
        }
    }
    volume.key = Some(place.clone());
    volume.path = Some(place);
    Ok(())
}

/// Makes a plain file.
fn raw(volume: &Volume, input: Option<&Volume>, preallocate: bool, share: bool) -> Result<()> {
    if preallocate {
        let text = "metadata preallocation is not supported for raw volumes";
        return Err(Error::unsupported(crate::FROM, text));
    }
    if volume.backing.is_some() {
        return Err(error(ErrorCode::NO_SUPPORT, "backing storage not supported for raw volumes"));
    }
    let place = path(volume);
    let mut file = host::volume::make_file(Path::new(place))
        .map_err(|cause| system(&cause, format!("Failed to create file '{place}'")))?;
    let owned = host::volume::own(Path::new(place), owner(volume));
    owned.map_err(|cause| system(&cause, format!("cannot set mode or owner of '{place}'")))?;
    if volume.nocow {
        host::volume::never_copy(&file).map_err(|cause| {
            let text = format!("unable to control COW flag on '{place}', not btrfs");
            Error::system(ErrorDomain::NONE, &cause, text)
        })?;
    }
    file.set_len(volume.capacity).map_err(|cause| system(&cause, format!("cannot extend file '{place}'")))?;
    if let (true, Some(input)) = (share, input) {
        let from = path(input);
        return host::volume::open(Path::new(from), true, false)
            .and_then(|from| host::volume::share(&from, &file))
            .map_err(|cause| system(&cause, format!("failed to clone files from '{from}'")));
    }
    let bytes = volume.allocation.min(volume.capacity);
    // What is asked for beyond the end is kept as room behind it.
    let bytes = if volume.allocation > volume.capacity { volume.allocation } else { bytes };
    host::volume::allocate(&mut file, 0, bytes)
        .map_err(|cause| system(&cause, format!("cannot allocate {bytes} bytes in file '{place}'")))?;
    match input {
        Some(input) => copy(input, &mut file, volume),
        None => {
            file.sync_all().map_err(|cause| system(&cause, format!("cannot sync data to file '{place}'")))
        }
    }
}

fn copy(input: &Volume, to: &mut std::fs::File, volume: &Volume) -> Result<()> {
    let from = path(input);
    let mut source = host::volume::open(Path::new(from), true, false)
        .map_err(|cause| system(&cause, format!("could not open input path '{from}'")))?;
    host::volume::copy(&mut source, to, volume.capacity)
        .map(drop)
        .map_err(|cause| system(&cause, format!("failed to copy '{from}' to '{}'", path(volume))))
}
