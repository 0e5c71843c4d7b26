//! Properties that the codec of every generated type has. The bytes are written by what a type is made of, not by its
//! encoder, so neither side of the codec checks itself.

use crate::generated::types::TYPES;
use proptest::prelude::*;
use xdr::XdrError;

/// A valid value of a type, out of some bytes that decide.
fn value(shape: &xdr::Shape, dice: &[u8]) -> Vec<u8> {
    let (mut at, mut bytes) = (0, Vec::new());
    let mut choose = |bound: u64| {
        let word = (0..4).fold(0_u64, |word, step| word << 8 | u64::from(dice[(at + step) % dice.len()]));
        at += 1;
        word.wrapping_mul(0x9e37_79b9) % bound
    };
    shape.write(&mut choose, &mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// What was read and is written again is the same, byte for byte; with a byte less it is none, with more neither.
    #[test]
    fn values_survive(dice in prop::collection::vec(any::<u8>(), 16..200)) {
        for kind in TYPES {
            let bytes = value(kind.shape, &dice);
            let again = (kind.again)(&bytes);
            prop_assert_eq!(again.as_ref(), Ok(&bytes), "{}", kind.name);
            let cut = &bytes[..bytes.len() - 1];
            prop_assert_eq!((kind.again)(cut), Err(XdrError::Short), "{}", kind.name);
            let mut more = bytes;
            more.extend_from_slice(&[0; 4]);
            prop_assert_eq!((kind.again)(&more), Err(XdrError::TooMany(4)), "{}", kind.name);
        }
    }

    /// Bytes of any kind are read or refused; what was read is stable from then on.
    #[test]
    fn noise_is_read_or_refused(noise in prop::collection::vec(prop_oneof![4 => Just(0), 1 => 0..9_u8, 1 => any::<u8>()], 0..300)) {
        for kind in TYPES {
            if let Ok(written) = (kind.again)(&noise) {
                let again = (kind.again)(&written);
                prop_assert_eq!(again.as_ref(), Ok(&written), "{}", kind.name);
            }
        }
    }
}

#[test]
fn bounds_hold() {
    let mut tried = 0;
    for kind in TYPES {
        assert_eq!(kind.least, kind.shape.least(), "{}", kind.name);
        for bytes in kind.shape.wrong() {
            let read = (kind.again)(&bytes);
            let refused = matches!(read, Err(XdrError::TooLong { .. } | XdrError::Range(_) | XdrError::Text));
            // The bytes that are left may be too few for the rest before the wrong place is reached.
            assert!(refused || read == Err(XdrError::Short), "{}: {bytes:?}: {read:?}", kind.name);
            tried += usize::from(refused);
        }
    }
    assert!(tried > 3 * TYPES.len(), "only {tried} wrong values were refused for what is wrong with them");
}
