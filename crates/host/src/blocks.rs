//! Small blocks of memory, kept by the thread that gave them back: a layer above the allocator of the C library.
//!
//! ```text
//! alloc ──small──▶ shelf of this thread ──empty──▶ allocator of the C library
//! free  ──small──▶ shelf of this thread ──full───▶ allocator of the C library
//! ```
//!
//! Reading and completing a definition takes some hundred blocks of a few sizes and gives most of them back. The C library keeps
//! seven of each size per thread and joins and splits the others, which takes a tenth of the time of a definition. Allocators
//! that are made for this hold several megabytes for themselves, more than a daemon at rest needs in all. Here threads that
//! say so ([`keep`]) keep [`MOST`] bytes each at most, and give them back when they end; for the others nothing changes.
//!
//! *Invariant:* whatever is kept or handed out comes from the C library and is as large as its kind, so that any thread may
//! give it back, to either.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

/// Kinds of blocks are so many bytes apart, which is also how all of them are aligned.
const STEP: usize = 16;

/// Bytes of the smallest kind. The C library puts eight of its own before each block and rounds up to a [`STEP`], so that kinds
/// of these sizes waste nothing.
const SMALLEST: usize = 24;

const KINDS: usize = 32;

/// Larger blocks are not kept.
const LARGEST: usize = bytes(KINDS - 1);

/// Bytes that a thread keeps at most: what one large definition takes.
const MOST: usize = 64 << 10;

/// The allocator, to be named as `#[global_allocator]` by programs that read documents all the time.
#[derive(Debug, Default, Clone, Copy)]
pub struct Blocks;

/// A block that is kept begins with the place of the next one.
struct Kept {
    next: *mut Kept,
}

/// What a thread keeps.
struct Shelves {
    first: [Cell<*mut Kept>; KINDS],
    bytes: Cell<usize>,
    /// How many there may be.
    most: Cell<usize>,
}

thread_local! {
    static SHELVES: Shelves = const {
        Shelves {
            first: [const { Cell::new(ptr::null_mut()) }; KINDS],
            bytes: Cell::new(0),
            most: Cell::new(0),
        }
    };
}

/// The kind that serves a request. `None` for what is not kept.
#[inline]
fn kind(size: usize, align: usize) -> Option<usize> {
    (size <= LARGEST && align <= STEP).then(|| size.saturating_sub(SMALLEST).div_ceil(STEP))
}

/// Bytes of a block of a kind.
#[inline]
const fn bytes(kind: usize) -> usize {
    SMALLEST + kind * STEP
}

/// What is asked of the C library for a kind. `None` never happens.
#[inline]
fn whole(kind: usize) -> Option<Layout> {
    Layout::from_size_align(bytes(kind), STEP).ok()
}

impl Shelves {
    #[inline]
    fn take(&self, kind: usize) -> Option<*mut u8> {
        let shelf = self.first.get(kind)?;
        let block = shelf.get();
        if block.is_null() {
            return None;
        }
        // SAFETY: what stands on a shelf was put there by `keep`, which wrote its beginning, and nobody else has it.
        shelf.set(unsafe { (*block).next });
        self.bytes.set(self.bytes.get() - bytes(kind));
        Some(block.cast())
    }

    /// Whether there was room.
    ///
    /// # Safety
    /// The block has the size of its kind, comes from the C library, and the caller does not use it any more.
    #[inline]
    unsafe fn keep(&self, kind: usize, block: *mut u8) -> bool {
        let held = self.bytes.get() + bytes(kind);
        let Some(shelf) = self.first.get(kind).filter(|_| held <= self.most.get()) else { return false };
        let block: *mut Kept = block.cast();
        // SAFETY: the smallest kind has room for a place, and all are aligned for it.
        unsafe { block.write(Kept { next: shelf.get() }) };
        shelf.set(block);
        self.bytes.set(held);
        true
    }

    fn clear(&self) {
        for kind in 0..KINDS {
            while let (Some(block), Some(layout)) = (self.take(kind), whole(kind)) {
                // SAFETY: it came from there with this layout.
                unsafe { System.dealloc(block, layout) };
            }
        }
    }
}

impl Drop for Shelves {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Has the calling thread keep small blocks from now on. For threads that read documents, or the like, all the time.
pub fn keep() {
    // A thread that ends keeps nothing.
    let _ = SHELVES.try_with(|shelves| shelves.most.set(MOST));
}

/// Gives back what the calling thread keeps.
pub fn give_back() {
    // A thread that ends has given it back already.
    let _ = SHELVES.try_with(Shelves::clear);
}

// SAFETY: every block is one of the system's allocator and as large as its kind, which is not smaller than what was asked for;
// it is on a shelf or with its owner, never both. Nothing panics, and `thread_local` does not allocate by this allocator.
unsafe impl GlobalAlloc for Blocks {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(kind) = kind(layout.size(), layout.align()) else {
            // SAFETY: the caller's request as it is.
            return unsafe { System.alloc(layout) };
        };
        if let Ok(Some(block)) = SHELVES.try_with(|shelves| shelves.take(kind)) {
            return block;
        }
        match whole(kind) {
            // SAFETY: no kind is without bytes.
            Some(layout) => unsafe { System.alloc(layout) },
            None => ptr::null_mut(),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let own = kind(layout.size(), layout.align());
        if let Some(kind) = own {
            // SAFETY: a block of such a layout was handed out by `alloc` as one of this kind.
            if SHELVES.try_with(|shelves| unsafe { shelves.keep(kind, block) }) == Ok(true) {
                return;
            }
        }
        if let Some(layout) = own.map_or(Some(layout), whole) {
            // SAFETY: it came from there with this layout.
            unsafe { System.dealloc(block, layout) };
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if kind(layout.size(), layout.align()).is_none() {
            // SAFETY: the caller's request as it is.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: as the caller's; what was handed out has the bytes that were asked for.
        unsafe {
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (own, wanted) = (kind(layout.size(), layout.align()), kind(size, layout.align()));
        match (own, wanted) {
            // SAFETY: the caller's request as it is.
            (None, None) => return unsafe { System.realloc(block, layout, size) },
            (own, wanted) if own == wanted => return block,
            _ => {}
        }
        // SAFETY: the caller says that the size fits the alignment; both blocks have the bytes that are copied.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    fn kept() -> usize {
        SHELVES.with(|shelves| shelves.bytes.get())
    }

    /// A block filled with a byte.
    struct Filled {
        block: *mut u8,
        size: usize,
        byte: u8,
    }

    // SAFETY: a block belongs to whoever has it, on any thread.
    unsafe impl Send for Filled {}

    impl Filled {
        fn new(size: usize, byte: u8) -> Filled {
            // SAFETY: the block has that many bytes.
            unsafe {
                let block = Blocks.alloc_zeroed(layout(size));
                assert!(!block.is_null() && block.addr().is_multiple_of(STEP));
                assert!((0..size).all(|at| *block.add(at) == 0), "not empty");
                block.write_bytes(byte, size);
                Filled { block, size, byte }
            }
        }

        fn check(&self, size: usize) {
            // SAFETY: the block has that many bytes.
            assert!((0..size).all(|at| unsafe { *self.block.add(at) } == self.byte), "another's bytes");
        }

        fn resize(&mut self, size: usize) {
            // SAFETY: the block was handed out with that layout.
            self.block = unsafe { Blocks.realloc(self.block, layout(self.size), size) };
            self.check(self.size.min(size));
            self.size = size;
            // SAFETY: it has so many bytes now.
            unsafe { self.block.write_bytes(self.byte, size) };
        }
    }

    impl Drop for Filled {
        fn drop(&mut self) {
            self.check(self.size);
            // SAFETY: the block was handed out with that layout.
            unsafe { Blocks.dealloc(self.block, layout(self.size)) };
        }
    }

    #[test]
    fn no_two_have_the_same_bytes() {
        keep();
        let mut seed = 1_usize;
        let mut below = |bound: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % bound
        };
        let mut held: Vec<Filled> = Vec::new();
        for round in 0..20_000 {
            match below(5) {
                0 | 1 => held.push(Filled::new(1 + below(700), round as u8)),
                2 if !held.is_empty() => drop(held.swap_remove(below(held.len()))),
                3 if !held.is_empty() => {
                    let at = below(held.len());
                    held[at].resize(1 + below(700));
                }
                4 if held.len() > 100 => {
                    let gone = held.split_off(50);
                    std::thread::spawn(move || drop(gone)).join().unwrap();
                }
                _ => {}
            }
            assert!(kept() <= MOST);
        }
        drop(held);
        assert!(kept() > 0);
        give_back();
        assert_eq!(kept(), 0);
    }

    #[test]
    fn the_same_block_comes_again() {
        drop(Filled::new(40, 1));
        assert_eq!(kept(), 0, "nobody said so");
        keep();
        let first = Filled::new(40, 1);
        let place = first.block.addr();
        drop(first);
        let second = Filled::new(25, 2);
        assert_eq!(second.block.addr(), place);
        let before = second.block.addr();
        let mut second = second;
        second.resize(40);
        assert_eq!(second.block.addr(), before);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        keep();
        drop((0..1000).map(|_| Filled::new(LARGEST, 3)).collect::<Vec<_>>());
        assert!(kept() <= MOST && kept() > MOST - 2 * LARGEST);
    }
}
