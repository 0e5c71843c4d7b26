//! Reading, with every length bounded.

use crate::Xdr;

/// Why bytes are not a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum XdrError {
    /// The input ends within a value.
    #[error("message is too short")]
    Short,
    /// A count is beyond the limit of its field.
    #[error("length {got} exceeds the limit {limit}")]
    TooLong {
        /// Count in the message.
        got: usize,
        /// Limit of the field.
        limit: usize,
    },
    /// Bytes follow the last value.
    #[error("{0} bytes too many")]
    TooMany(usize),
    /// Text is not UTF-8 or holds a zero byte.
    #[error("malformed text")]
    Text,
    /// A number is not one of those the type has.
    #[error("value {0} is out of range")]
    Range(i64),
}

/// A cursor over a message.
#[derive(Debug)]
pub struct Decoder<'m> {
    rest: &'m [u8],
}

impl<'m> Decoder<'m> {
    /// Starts at the beginning of `bytes`.
    pub fn new(bytes: &'m [u8]) -> Decoder<'m> {
        Decoder { rest: bytes }
    }

    /// Bytes not read yet.
    pub fn rest(&self) -> &'m [u8] {
        self.rest
    }

    /// Takes `count` bytes.
    ///
    /// # Errors
    /// [`XdrError::Short`].
    pub fn take(&mut self, count: usize) -> Result<&'m [u8], XdrError> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or(XdrError::Short)?;
        self.rest = tail;
        Ok(head)
    }

    /// Takes exactly `N` bytes.
    ///
    /// # Errors
    /// [`XdrError::Short`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], XdrError> {
        let (head, tail) = self.rest.split_first_chunk().ok_or(XdrError::Short)?;
        self.rest = tail;
        Ok(*head)
    }

    /// A counted byte string without its padding.
    ///
    /// # Errors
    /// When the count is beyond `limit` or the input too short.
    pub fn bytes(&mut self, limit: usize) -> Result<&'m [u8], XdrError> {
        let count = self.count(limit, 0)?;
        let bytes = self.take(count)?;
        self.take(count.wrapping_neg() % 4)?;
        Ok(bytes)
    }

    /// A counted list.
    ///
    /// # Errors
    /// When the count is beyond `limit` or the input too short.
    pub fn list<T: Xdr>(&mut self, limit: usize) -> Result<Vec<T>, XdrError> {
        let count = self.count(limit, T::MIN)?;
        // An element in memory may be larger than on the wire: grow with what really arrives.
        let mut list = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            list.push(T::decode(self)?);
        }
        Ok(list)
    }

    fn count(&mut self, limit: usize, element: usize) -> Result<usize, XdrError> {
        let got = u32::decode(self)? as usize;
        if got > limit {
            return Err(XdrError::TooLong { got, limit });
        }
        if got.saturating_mul(element) > self.rest.len() {
            return Err(XdrError::Short);
        }
        Ok(got)
    }

    /// All input must have been read.
    ///
    /// # Errors
    /// [`XdrError::TooMany`].
    pub fn finish(&self) -> Result<(), XdrError> {
        if self.rest.is_empty() { Ok(()) } else { Err(XdrError::TooMany(self.rest.len())) }
    }
}
