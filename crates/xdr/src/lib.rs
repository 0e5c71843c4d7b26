//! XDR (RFC 4506): how values look on the wire.
//!
//! Everything is a multiple of four bytes, most significant byte first. Lengths are checked twice before anything is
//! allocated: against the limit of the field, and against the bytes that are left (a list of `n` elements needs at
//! least `n` times the smallest element).
//!
//! *Invariant:* decoding never allocates more than a small multiple of the input's size.

mod decode;
mod impls;
mod record;
pub mod shape;

pub use decode::{Decoder, XdrError};
pub use shape::Shape;

/// A value with a wire form.
pub trait Xdr: Sized {
    /// Fewest bytes a value takes.
    const MIN: usize;
    /// What the wire form is made of.
    const SHAPE: &'static Shape;

    /// Appends the wire form.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads the wire form.
    ///
    /// # Errors
    /// When the input ends early, a length is beyond its limit or a value is none of the type.
    fn decode(input: &mut Decoder<'_>) -> Result<Self, XdrError>;
}

/// Most bytes in a string: `REMOTE_STRING_MAX`.
pub const STRING_MAX: usize = 4_194_304;

/// The wire form of a value.
pub fn to_bytes(value: &impl Xdr) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    value.encode(&mut out);
    out
}

/// Reads a value that fills the whole input.
///
/// # Errors
/// As [`Xdr::decode`], and when bytes are left over.
pub fn from_bytes<T: Xdr>(bytes: &[u8]) -> Result<T, XdrError> {
    let mut input = Decoder::new(bytes);
    let value = T::decode(&mut input)?;
    input.finish()?;
    Ok(value)
}

/// Appends a counted byte string with its padding.
pub fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
    out.resize(out.len() + bytes.len().wrapping_neg() % 4, 0);
}

/// Appends a counted list.
pub fn put_list<T: Xdr>(list: &[T], out: &mut Vec<u8>) {
    out.extend_from_slice(&(list.len() as u32).to_be_bytes());
    for value in list {
        value.encode(out);
    }
}
