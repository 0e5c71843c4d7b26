//! Image files of disks: their beginning, the room they take, new ones.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The room an image takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Bytes from its beginning to its end.
    pub physical: u64,
    /// Bytes that are allocated.
    pub allocated: u64,
    /// It is a block device.
    pub device: bool,
}

/// Opens an image without waiting: a pipe would block.
fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32).open(path)
}

/// The first bytes of an image, at most `most`.
///
/// # Errors
/// When it cannot be opened or read.
pub fn head(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The room an image takes.
///
/// # Errors
/// When it is not there.
pub fn extent(path: &Path) -> io::Result<Extent> {
    let metadata = std::fs::metadata(path)?;
    if metadata.file_type().is_block_device() {
        let physical = open(path)?.seek(SeekFrom::End(0))?;
        return Ok(Extent { physical, allocated: physical, device: true });
    }
    Ok(Extent { physical: metadata.len(), allocated: metadata.blocks() * 512, device: false })
}

/// Bytes of a file from a place on; fewer than `size` at its end.
///
/// # Errors
/// When it cannot be opened or read.
pub fn peek(path: &Path, offset: u64, size: u64) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a file with bytes at places. It must not be there yet.
///
/// # Errors
/// When it is there or cannot be written; then nothing is left of it.
pub fn create(path: &Path, parts: &[(u64, Vec<u8>)], length: u64) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.set_len(length).and_then(|()| put(&mut file, parts)).inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}

/// Makes a file with bytes at places in the place of one that may be there. One that is there keeps its owner and mode.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, parts: &[(u64, Vec<u8>)], length: u64) -> io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_len(length)?;
    put(&mut file, parts)
}

/// Writes bytes to places of what is there.
///
/// # Errors
/// When it is not there or cannot be written.
pub fn write(path: &Path, parts: &[(u64, Vec<u8>)]) -> io::Result<()> {
    put(&mut File::options().write(true).open(path)?, parts)
}

fn put(file: &mut File, parts: &[(u64, Vec<u8>)]) -> io::Result<()> {
    for (place, bytes) in parts {
        file.seek(SeekFrom::Start(*place))?;
        file.write_all(bytes)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparse_file() {
        let path = std::env::temp_dir().join(format!("image-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        file.set_len(1 << 20).unwrap();
        let extent = extent(&path).unwrap();
        assert_eq!(extent.physical, 1 << 20);
        assert!(extent.allocated < 1 << 20 && !extent.device);
        assert_eq!(head(&path, 10).unwrap(), [0; 10]);
        assert_eq!(peek(&path, (1 << 20) - 4, 10).unwrap().len(), 4);
        std::fs::remove_file(path).unwrap();
    }
}
