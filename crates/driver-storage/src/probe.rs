//! What files say of themselves as volumes.

use conf_storage::encryption::{Encryption, EncryptionFormat};
use conf_storage::volume::{Backing, Features, Timestamps, Volume, VolumeType};
use conf_storage::{FileFormat, Permissions};
use host::volume::{Facts, Sort, facts};
use image::{Base, Header, probe};
use std::io;
use std::path::{Path, PathBuf};

/// Mode, owner and group.
pub(crate) fn permissions(facts: &Facts) -> Permissions {
    Permissions { mode: Some(facts.mode), owner: Some(facts.owner), group: Some(facts.group), label: None }
}

fn timestamps(facts: &Facts) -> Timestamps {
    // Birth is not told, as clients of this kind of host know it.
    Timestamps { atime: facts.atime, mtime: facts.mtime, ctime: facts.ctime, btime: Some((0, 0)) }
}

/// Bytes from the beginning to the end of a file or device.
pub(crate) fn length(path: &Path, facts: &Facts) -> io::Result<u64> {
    if facts.sort == Sort::Device { Ok(host::image::extent(path)?.physical) } else { Ok(facts.length) }
}

/// The name of a format among those of volumes.
fn format(name: &str) -> &'static str {
    match FileFormat::parse(name) {
        Some(format) => format.as_str(),
        None => FileFormat::Raw.as_str(),
    }
}

/// The image below: where it lies and what is known of it.
fn backing(path: &Path, header: &Header) -> Option<Backing> {
    let name = header.base.as_ref()?;
    let folder = path.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    let place = match Base::parse(name, &folder) {
        Base::File(path) => PathBuf::from(path),
        // A place elsewhere is shown as it is spelled.
        Base::Address(name) | Base::Document(name) => PathBuf::from(name),
    };
    let known = facts(&place).ok();
    let format = match header.base_format.as_deref() {
        Some(name) => format(name),
        None => host::image::head(&place, image::HEAD).map_or("raw", |head| format(probe(&head))),
    };
    Some(Backing {
        path: place.display().to_string(),
        format: Some(format),
        permissions: known.as_ref().map(permissions),
        timestamps: known.as_ref().map(timestamps),
    })
}

/// How a header says that contents are encrypted.
fn encryption(name: &str, header: &Header) -> Option<Encryption> {
    let format = match name {
        "luks" => EncryptionFormat::Luks,
        "qcow2" if header.luks => EncryptionFormat::Luks,
        "qcow" | "qcow2" if header.encrypted => EncryptionFormat::Qcow,
        _ => return None,
    };
    Some(Encryption { format, engine: None, secrets: Vec::new(), cipher: None, ivgen: None })
}

/// Bytes a guest sees of an image.
fn capacity(name: &str, header: &Header, head: &[u8], length: u64) -> u64 {
    if name == "luks" {
        return length.saturating_sub(Header::luks_payload(head).unwrap_or(0));
    }
    header.capacity.unwrap_or(length)
}

/// A path as a volume; `None` for what is none: pipes, sockets, links that lead nowhere.
pub(crate) fn whole(path: &Path, name: &str) -> Option<Volume> {
    let facts = facts(path).ok()?;
    let mut volume = Volume {
        key: Some(path.display().to_string()),
        path: Some(path.display().to_string()),
        permissions: Some(permissions(&facts)),
        timestamps: Some(timestamps(&facts)),
        ..Volume::named(name)
    };
    match facts.sort {
        Sort::Other => return None,
        Sort::Folder => {
            volume.kind = VolumeType::Dir;
            volume.format = Some(FileFormat::Dir.as_str());
            return Some(volume);
        }
        Sort::File => volume.kind = VolumeType::File,
        Sort::Device => volume.kind = VolumeType::Block,
    }
    let head = host::image::head(path, image::HEAD).ok()?;
    let image = probe(&head);
    let header = Header::read(image, &head);
    volume.physical = length(path, &facts).ok()?;
    volume.allocation = if facts.sort == Sort::Device { volume.physical } else { facts.taken };
    volume.capacity = capacity(image, &header, &head, volume.physical);
    volume.format = Some(format(image));
    volume.encryption = encryption(image, &header);
    volume.backing = backing(path, &header);
    volume.compat = header.compat.map(str::to_owned);
    if image == "qcow2" {
        volume.cluster_size = header.cluster.unwrap_or(0);
        volume.features = (header.compat == Some("1.1")).then(|| Features {
            lazy_refcounts: header.lazy_refcounts,
            extended_l2: header.extended_l2,
            data_file: header.data_file.is_some(),
        });
    }
    Some(volume)
}

/// Looks again at what changes in the life of a volume: sizes, owner, moments.
///
/// # Errors
/// When it is gone.
pub(crate) fn update(volume: &mut Volume) -> io::Result<()> {
    let path = PathBuf::from(volume.path.as_deref().unwrap_or_default());
    let facts = facts(&path)?;
    volume.permissions = Some(permissions(&facts));
    volume.timestamps = Some(timestamps(&facts));
    if let Some(backing) = &mut volume.backing
        && let Ok(facts) = host::volume::facts(&path.with_file_name(&backing.path))
    {
        backing.permissions = Some(permissions(&facts));
        backing.timestamps = Some(timestamps(&facts));
    }
    if facts.sort == Sort::Folder {
        (volume.capacity, volume.allocation, volume.physical) = (0, 0, 0);
        return Ok(());
    }
    let head = host::image::head(&path, image::HEAD)?;
    let image = probe(&head);
    volume.physical = length(&path, &facts)?;
    volume.allocation = if facts.sort == Sort::Device { volume.physical } else { facts.taken };
    volume.capacity = capacity(image, &Header::read(image, &head), &head, volume.physical);
    Ok(())
}
