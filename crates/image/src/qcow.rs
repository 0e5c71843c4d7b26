//! Headers of qcow2 and its predecessor.

use crate::header::Header;
use crate::{be32, be64};

/// Longest name of a base that is believed.
const NAME: usize = 4096;

/// The method of encryption that is LUKS.
const LUKS: u32 = 2;
/// Bit of the compatible features.
const LAZY_REFCOUNTS: u64 = 1;
/// Bits of the incompatible features.
const EXTERNAL_DATA: u64 = 1 << 2;
const EXTENDED_L2: u64 = 1 << 4;

/// Kinds of header extensions.
const END: u32 = 0;
const BASE_FORMAT: u32 = 0xe279_2aca;
const DATA_FILE: u32 = 0x4441_5441;

/// A name in the header.
pub(crate) fn name(head: &[u8], at: usize, length: usize) -> Option<String> {
    if at == 0 || length == 0 || length > NAME {
        return None;
    }
    let text = head.get(at..at.checked_add(length)?)?;
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8(text.to_vec()).ok().filter(|text| !text.is_empty())
}

/// The name of the base: offset and length stand at the same place in all versions.
pub(crate) fn base(head: &[u8]) -> Option<String> {
    let at = usize::try_from(be64(head, 8)?).ok()?;
    name(head, at, be32(head, 16)? as usize)
}

pub(crate) fn read(head: &[u8]) -> Option<Header> {
    let version = be32(head, 4)?;
    let base = base(head);
    let mut header = Header {
        capacity: be64(head, 24),
        encrypted: be32(head, 32).is_some_and(|method| method != 0),
        luks: be32(head, 32) == Some(LUKS),
        external_data: version >= 3 && be64(head, 72).is_some_and(|bits| bits & EXTERNAL_DATA != 0),
        lazy_refcounts: version >= 3 && be64(head, 80).is_some_and(|bits| bits & LAZY_REFCOUNTS != 0),
        extended_l2: version >= 3 && be64(head, 72).is_some_and(|bits| bits & EXTENDED_L2 != 0),
        cluster: be32(head, 20).filter(|bits| *bits < 32).map(|bits| 1u64 << bits),
        compat: Some(if version >= 3 { "1.1" } else { "0.10" }),
        ..Header::default()
    };
    let mut at = if version >= 3 { be32(head, 100)? as usize } else { 72 };
    let end = match be64(head, 8) {
        Some(offset) if offset != 0 => usize::try_from(offset).unwrap_or(head.len()).min(head.len()),
        _ => head.len(),
    };
    while at.checked_add(8).is_some_and(|next| next <= end) {
        let (kind, length) = (be32(head, at)?, be32(head, at + 4)? as usize);
        match kind {
            END => break,
            BASE_FORMAT => header.base_format = name(head, at + 8, length),
            DATA_FILE => header.data_file = name(head, at + 8, length),
            _ => {}
        }
        // Extensions are padded to eight bytes.
        at = at.checked_add(8)?.checked_add(length.checked_add(7)? & !7)?;
    }
    if base.is_none() {
        header.base_format = None;
    }
    header.base = base;
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A version 3 header with a base, as `qemu-img` writes it.
    fn sample() -> Vec<u8> {
        let mut head = vec![0u8; 1024];
        head[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        head[8..16].copy_from_slice(&200u64.to_be_bytes());
        head[16..20].copy_from_slice(&9u32.to_be_bytes());
        head[20..24].copy_from_slice(&16u32.to_be_bytes());
        head[24..32].copy_from_slice(&(1u64 << 30).to_be_bytes());
        head[100..104].copy_from_slice(&104u32.to_be_bytes());
        head[104..108].copy_from_slice(&BASE_FORMAT.to_be_bytes());
        head[108..112].copy_from_slice(&3u32.to_be_bytes());
        head[112..115].copy_from_slice(b"raw");
        head[200..209].copy_from_slice(b"base.img\0");
        head
    }

    #[test]
    fn base_and_size() {
        let header = read(&sample()).unwrap();
        assert_eq!(header.capacity, Some(1 << 30));
        assert_eq!(header.base.as_deref(), Some("base.img"));
        assert_eq!(header.base_format.as_deref(), Some("raw"));
        assert_eq!(header.cluster, Some(65536));
        assert_eq!(header.compat, Some("1.1"));
    }

    #[test]
    fn lies_are_not_followed() {
        let mut head = sample();
        head[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(read(&head).unwrap().base, None);
        let mut head = sample();
        head[108..112].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(read(&head).unwrap().base_format, None);
        for length in 0..200 {
            let _ = read(&sample()[..length]);
        }
    }
}
