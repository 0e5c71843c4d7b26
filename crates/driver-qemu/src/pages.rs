//! Memory pages of the host: how many are free, and how many large ones there are.

use crate::{Driver, FROM, check_flags};
use base::{Error, ErrorCode, ErrorDomain, Result};
use host::node::Tree;
use host::pages;

fn refuse(code: ErrorCode, text: String) -> Error {
    Error::new(code, ErrorDomain::NONE, text)
}

/// Cells from one on; -1 is the whole machine.
fn cells(start: i32, count: u32) -> Result<Vec<Option<u32>>> {
    if start == -1 {
        return Ok(vec![None]);
    }
    let known = Tree::machine().node().nodes.max(1);
    let first = u32::try_from(start).ok().filter(|first| *first < known).ok_or_else(|| {
        Error::internal(ErrorDomain::NONE, format!("start cell {start} out of range (0-{})", known - 1))
    })?;
    Ok((first..first.saturating_add(count).min(known)).map(Some).collect())
}

fn unknown(cell: Option<u32>, size: u32) -> Error {
    let text = match cell {
        Some(cell) => format!("page size {size} is not available on node {cell}"),
        None => format!("page size {size} is not available"),
    };
    refuse(ErrorCode::OPERATION_FAILED, text)
}

fn pool(cell: Option<u32>, size: u32) -> Result<pages::Pool> {
    pages::pool(cell, u64::from(size)).map_err(|_| unknown(cell, size))
}

impl Driver {
    /// Free pages of each size in each cell.
    pub(crate) fn free_pages(&self, sizes: &[u32], start: i32, count: u32, flags: u32) -> Result<Vec<u64>> {
        check_flags(flags, 0, "qemuNodeGetFreePages")?;
        let mut free = Vec::new();
        for cell in cells(start, count)? {
            for size in sizes {
                free.push(pool(cell, *size)?.free);
            }
        }
        Ok(free)
    }

    /// Changes how many large pages there are. Gives how many pools were changed.
    pub(crate) fn resize_pools(
        &self,
        wanted: &[(u32, u64)],
        start: i32,
        count: u32,
        flags: u32,
    ) -> Result<i32> {
        const SET: u32 = 1;
        check_flags(flags, SET, "qemuNodeAllocPages")?;
        let mut changed = 0;
        for cell in cells(start, count)? {
            for (size, pages) in wanted {
                if u64::from(*size) == pages::plain_kib() {
                    let text = "system pages pool can't be modified".to_owned();
                    return Err(refuse(ErrorCode::OPERATION_UNSUPPORTED, text));
                }
                let before = pool(cell, *size)?.total;
                let goal = if flags & SET != 0 { *pages } else { before.saturating_add(*pages) };
                let now = pages::resize(cell, u64::from(*size), goal)
                    .map_err(|cause| Error::system(FROM, &cause, "Unable to change the number of pages"))?;
                if now < goal {
                    let text = format!(
                        "Unable to allocate {pages} pages. Allocated only {}",
                        now.saturating_sub(before)
                    );
                    return Err(refuse(ErrorCode::OPERATION_FAILED, text));
                }
                changed += 1;
            }
        }
        Ok(changed)
    }
}
