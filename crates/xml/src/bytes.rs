//! Bytes that are copied and compared eight at a time: what documents are made of is short, and a call for each piece
//! costs more than the piece.

use crate::Key;

/// Copies bytes to the beginning of a room that is large enough; short ones eight at a time, since there is more room.
#[inline(always)]
pub(crate) fn copy(bytes: &[u8], room: &mut [u8]) {
    match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) if bytes.len() <= 16 => {
            if let Some(to) = room.first_chunk_mut::<8>() {
                *to = *first;
            }
            if let Some(to) = room.get_mut(bytes.len() - 8..).and_then(|room| room.first_chunk_mut::<8>()) {
                *to = *last;
            }
        }
        (None, _) if room.len() >= 8 => {
            if let Some(to) = room.first_chunk_mut::<8>() {
                *to = Key::of_bytes(bytes).to_bytes();
            }
        }
        _ => {
            if let Some(room) = room.get_mut(..bytes.len()) {
                room.copy_from_slice(bytes);
            }
        }
    }
}

/// Whether there is a zero among the bytes, eight at a time.
#[inline]
pub(crate) fn has_nul(bytes: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let zero = |chunk: &[u8; 8]| {
        let word = u64::from_le_bytes(*chunk);
        word.wrapping_sub(ONES) & !word & (ONES << 7) != 0
    };
    match bytes.last_chunk::<8>() {
        Some(last) => {
            let (whole, _) = bytes.as_chunks::<8>();
            whole.iter().any(zero) || zero(last)
        }
        None => bytes.contains(&0),
    }
}

/// Whether two names of one length are the same. Names are short: words compare them faster than a call does.
#[inline(always)]
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    let word = |text: &[u8]| text.first_chunk::<8>().map(|word| u64::from_ne_bytes(*word));
    let half = |text: &[u8]| text.first_chunk::<4>().map(|word| u32::from_ne_bytes(*word));
    match one.len() {
        0..4 => one.iter().zip(other).all(|(one, other)| one == other),
        length @ 4..=8 => {
            let behind = length - 4;
            half(one) == half(other)
                && half(one.get(behind..).unwrap_or_default())
                    == half(other.get(behind..).unwrap_or_default())
        }
        length @ 9..=16 => {
            let behind = length - 8;
            word(one) == word(other)
                && word(one.get(behind..).unwrap_or_default())
                    == word(other.get(behind..).unwrap_or_default())
        }
        _ => one == other,
    }
}
