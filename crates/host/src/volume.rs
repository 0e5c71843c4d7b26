//! Disks of guests as files and devices: what they say of themselves; making, growing, copying and wiping them.
//!
//! Nothing here takes a lock or has a limit of time: who calls does not hold one.

use rustix::fs::{AtFlags, FallocateFlags, FileType, StatxFlags};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A block device.
    Device,
    /// Pipes, sockets and the like.
    Other,
}

/// Seconds and nanoseconds since 1970.
pub type Moment = (i64, u32);

/// What the file system says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub sort: Sort,
    /// Bytes from beginning to end; 0 for a device, whose size only opening it tells.
    pub length: u64,
    /// Bytes that are taken.
    pub taken: u64,
    /// Mode bits without the kind.
    pub mode: u32,
    /// Number of the owner.
    pub owner: u32,
    /// Number of the group.
    pub group: u32,
    /// Last reading.
    pub atime: Moment,
    /// Last writing.
    pub mtime: Moment,
    /// Last change.
    pub ctime: Moment,
}

/// What the file system says of a path, behind links.
///
/// # Errors
/// When there is nothing.
pub fn facts(path: &Path) -> io::Result<Facts> {
    let wanted = StatxFlags::BASIC_STATS;
    let stat = rustix::fs::statx(rustix::fs::CWD, path, AtFlags::empty(), wanted)?;
    let sort = match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::RegularFile => Sort::File,
        FileType::Directory => Sort::Folder,
        FileType::BlockDevice => Sort::Device,
        _ => Sort::Other,
    };
    let moment = |time: rustix::fs::StatxTimestamp| (time.tv_sec, time.tv_nsec);
    Ok(Facts {
        sort,
        length: if sort == Sort::Device { 0 } else { stat.stx_size },
        taken: stat.stx_blocks.saturating_mul(512),
        mode: u32::from(stat.stx_mode) & 0o7777,
        owner: stat.stx_uid,
        group: stat.stx_gid,
        atime: moment(stat.stx_atime),
        mtime: moment(stat.stx_mtime),
        ctime: moment(stat.stx_ctime),
    })
}

/// Bytes of the file system of a folder: all, and those that are free.
///
/// # Errors
/// When it cannot be asked.
pub fn room(path: &Path) -> io::Result<(u64, u64)> {
    let room = rustix::fs::statvfs(path)?;
    Ok((room.f_frsize.saturating_mul(room.f_blocks), room.f_frsize.saturating_mul(room.f_bavail)))
}

/// Names in a folder, without those of itself and the one above; what is no text is left out.
///
/// # Errors
/// When it cannot be read.
pub fn names(path: &Path) -> io::Result<Vec<String>> {
    let entries = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// Mode, owner and group of something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Mode bits.
    pub mode: u32,
    /// Number of the owner; whoever makes it, if not said.
    pub owner: Option<u32>,
    /// Number of the group.
    pub group: Option<u32>,
}

/// Gives a path its mode and owner.
///
/// # Errors
/// When it may not be changed.
pub fn own(path: &Path, owner: Owner) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if owner.owner.is_some() || owner.group.is_some() {
        std::os::unix::fs::chown(path, owner.owner, owner.group)?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(owner.mode))
}

/// Makes a folder of a pool or volume, and those above it.
///
/// # Errors
/// When one cannot be made.
pub fn make_folder(path: &Path, owner: Owner) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome.and_then(|()| own(path, owner)),
    }
}

/// Makes a file that is not there yet.
///
/// # Errors
/// When it is there or cannot be made.
pub fn make_file(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Opens a file or device for reading, for writing or both.
///
/// # Errors
/// When it cannot be opened.
pub fn open(path: &Path, read: bool, write: bool) -> io::Result<File> {
    // A pipe in the place of a file would keep us waiting.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    File::options().read(read).write(write).custom_flags(flags.bits() as i32).open(path)
}

/// Turns copying on write off for an empty file.
///
/// # Errors
/// On file systems that know no such thing.
pub fn never_copy(file: &File) -> io::Result<()> {
    let flags = rustix::fs::ioctl_getflags(file)?;
    Ok(rustix::fs::ioctl_setflags(file, flags | rustix::fs::IFlags::NOCOW)?)
}

/// Takes room for bytes from a place on; writes zeros where the file system cannot take room.
///
/// # Errors
/// When there is no room.
pub fn allocate(file: &mut File, start: u64, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(&*file, FallocateFlags::empty(), start, length) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
            file.seek(SeekFrom::Start(start))?;
            zeros(file, length)
        }
        outcome => Ok(outcome?),
    }
}

fn zeros(file: &mut File, mut length: u64) -> io::Result<()> {
    let piece = vec![0; PIECE];
    while length > 0 {
        let count = length.min(PIECE as u64) as usize;
        file.write_all(&piece[..count])?;
        length -= count as u64;
    }
    Ok(())
}

/// Bytes that are moved at once.
const PIECE: usize = 1 << 20;

/// Shares the content of another file, where the file system can.
///
/// # Errors
/// Where it cannot.
pub fn share(from: &File, to: &File) -> io::Result<()> {
    Ok(rustix::fs::ioctl_ficlone(to, from)?)
}

/// Copies at most `length` bytes to the beginning of another file; pieces without content are skipped, so that what is
/// a hole there stays one. The number of bytes that were there to copy.
///
/// # Errors
/// When reading or writing fails.
pub fn copy(from: &mut File, to: &mut File, length: u64) -> io::Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut done = 0;
    while done < length {
        let most = (length - done).min(PIECE as u64) as usize;
        let count = from.read(&mut piece[..most])?;
        if count == 0 {
            break;
        }
        for (at, part) in piece[..count].chunks(4096).enumerate() {
            if part.iter().any(|byte| *byte != 0) {
                to.seek(SeekFrom::Start(done + at as u64 * 4096))?;
                to.write_all(part)?;
            }
        }
        done += count as u64;
    }
    to.sync_all()?;
    Ok(done)
}

/// Overwrites a file or device with zeros; a file with holes becomes one hole.
///
/// # Errors
/// When it cannot be written.
pub fn wipe(file: &mut File) -> io::Result<()> {
    let metadata = file.metadata()?;
    let length = if metadata.is_file() { metadata.len() } else { file.seek(SeekFrom::End(0))? };
    if metadata.is_file() && metadata.blocks() * 512 < length {
        file.set_len(0)?;
        file.set_len(length)?;
    } else {
        file.seek(SeekFrom::Start(0))?;
        zeros(file, length)?;
    }
    file.sync_all()
}

/// What is mounted where: source, target, kind of file system.
pub fn mounts() -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let line = |line: &str| {
        let mut words = line.split(' ').map(unescape);
        Some((words.next()?, words.next()?, words.next()?))
    };
    text.lines().filter_map(line).collect()
}

/// A word of the kernel's table: blanks and backslashes are octal numbers there.
fn unescape(word: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(word.to_owned(), |word, (code, plain)| word.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_holes() {
        let folder = std::env::temp_dir().join(format!("volume-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (one, two) = (folder.join("one"), folder.join("two"));
        let mut file = make_file(&one).unwrap();
        file.set_len(4 << 20).unwrap();
        file.seek(SeekFrom::Start(2 << 20)).unwrap();
        file.write_all(b"here").unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut other = make_file(&two).unwrap();
        other.set_len(4 << 20).unwrap();
        assert_eq!(copy(&mut file, &mut other, 8 << 20).unwrap(), 4 << 20);
        let facts = facts(&two).unwrap();
        assert!(facts.sort == Sort::File && facts.length == 4 << 20 && facts.taken < 1 << 20);
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        wipe(&mut other).unwrap();
        assert!(std::fs::read(&two).unwrap().iter().all(|byte| *byte == 0));
        allocate(&mut other, 0, 1 << 20).unwrap();
        assert!(super::facts(&two).unwrap().taken >= 1 << 20);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn names_in_the_table_of_mounts() {
        assert_eq!(unescape("/a\\040b\\134c"), "/a b\\c");
        assert!(mounts().iter().any(|(_, target, _)| target == "/"));
    }
}
