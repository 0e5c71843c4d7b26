//! Pools of memory pages of the machine and of its cells.

use std::fs;
use std::io;
use std::path::PathBuf;

/// What a pool has, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// All.
    pub total: u64,
    /// Those nobody uses.
    pub free: u64,
}

/// Size of plain pages in KiB.
pub fn plain_kib() -> u64 {
    rustix::param::page_size() as u64 / 1024
}

/// Folder of the pool of large pages, of a cell or of the whole machine.
fn folder(cell: Option<u32>, kib: u64) -> PathBuf {
    let name = format!("hugepages-{kib}kB");
    match cell {
        Some(cell) => PathBuf::from(format!("/sys/devices/system/node/node{cell}/hugepages/{name}")),
        // A machine whose kernel knows no cells has this one only.
        None => PathBuf::from(format!("/sys/kernel/mm/hugepages/{name}")),
    }
}

fn number(path: PathBuf) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    text.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

/// Memory of a cell, or of the machine, by its name in `meminfo`, in KiB.
fn memory(cell: Option<u32>, name: &str) -> Option<u64> {
    let path = match cell {
        Some(cell) => format!("/sys/devices/system/node/node{cell}/meminfo"),
        None => "/proc/meminfo".to_owned(),
    };
    let text = fs::read_to_string(path).or_else(|_| fs::read_to_string("/proc/meminfo")).ok()?;
    let wanted = format!("{name}:");
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != wanted).skip(1);
        words.next()?.parse().ok()
    })
}

/// The pool of pages of a size, of a cell or of the whole machine.
///
/// # Errors
/// When there are no pages of this size.
pub fn pool(cell: Option<u32>, kib: u64) -> io::Result<Pool> {
    if kib == plain_kib() {
        let pages = |name: &str| memory(cell, name).unwrap_or(0) / kib.max(1);
        return Ok(Pool { total: pages("MemTotal"), free: pages("MemFree") });
    }
    let folder = folder(cell, kib);
    Ok(Pool { total: number(folder.join("nr_hugepages"))?, free: number(folder.join("free_hugepages"))? })
}

/// Gives a pool of large pages another size. The kernel may give fewer pages than are wished: what there are then is the
/// outcome.
///
/// # Errors
/// When there are no pages of this size, or they cannot be changed.
pub fn resize(cell: Option<u32>, kib: u64, pages: u64) -> io::Result<u64> {
    let path = folder(cell, kib).join("nr_hugepages");
    fs::write(&path, pages.to_string())?;
    number(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_pages_are_there() {
        let pool = pool(None, plain_kib()).unwrap();
        assert!(pool.total >= pool.free && pool.total > 0);
        assert!(super::pool(None, 12).is_err());
    }
}
