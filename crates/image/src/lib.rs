//! What a disk image says of itself: its format, its size, the image it is based on; and new images.
//!
//! Everything is read from the first [`HEAD`] bytes of the image, big or little endian as its format has it; nothing an
//! image says is believed beyond the bounds of these bytes.
//!
//! * [`probe`]: which format the bytes are of
//! * [`Header::read`]: size and base of an image of a known format
//! * [`Base`]: where the base lies
//! * [`Place`]: where an image is, as a definition says it, from the name another image has for it
//! * [`chain`]: images that lie on each other
//! * [`overlay`]: new images on top of others

pub mod backing;
mod base;
pub mod chain;
mod header;
pub mod overlay;
mod qcow;

pub use backing::Place;
pub use base::Base;
pub use header::{Header, probe};

/// Bytes of an image that are looked at.
pub const HEAD: usize = 33 * 1024;

pub(crate) fn bytes<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub(crate) fn be32(head: &[u8], at: usize) -> Option<u32> {
    bytes(head, at).map(u32::from_be_bytes)
}

pub(crate) fn be64(head: &[u8], at: usize) -> Option<u64> {
    bytes(head, at).map(u64::from_be_bytes)
}

pub(crate) fn le32(head: &[u8], at: usize) -> Option<u32> {
    bytes(head, at).map(u32::from_le_bytes)
}

pub(crate) fn le64(head: &[u8], at: usize) -> Option<u64> {
    bytes(head, at).map(u64::from_le_bytes)
}
