//! Names of elements and attributes, and the numbers that tell them apart.
//!
//! Documents are looked through for names all the time. Comparing texts takes a walk through both; so each name
//! carries a number, and the number of a name in the program is a constant of the program:
//!
//! ```text
//! up to eight bytes   the bytes themselves: the same number is the same name
//! more                mixed from the first and the last eight, with the highest bit set: the texts are looked at too
//! ```

use ecow::EcoString;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// Spreads what stands in low bits into high ones (2⁶⁴ divided by the golden ratio).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// The number of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Key(u64);

impl Key {
    /// Of a name.
    #[inline(always)]
    pub fn of(name: &str) -> Key {
        Key::of_bytes(name.as_bytes())
    }

    #[inline(always)]
    pub(crate) fn of_bytes(bytes: &[u8]) -> Key {
        let wide = |chunk: &[u8; 8]| u64::from_le_bytes(*chunk);
        let half = |chunk: &[u8; 4]| u64::from(u32::from_le_bytes(*chunk));
        if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            return match bytes.len() {
                8 => Key(wide(first)),
                length => {
                    let mixed = (wide(first).rotate_left(23) ^ wide(last)).wrapping_mul(SPREAD);
                    Key(mixed.wrapping_add(length as u64) | 1 << 63)
                }
            };
        }
        if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            return Key(half(first) | half(last) << (8 * (bytes.len() - 4)));
        }
        Key(match *bytes {
            [one] => u64::from(one),
            [one, two] => u64::from(one) | u64::from(two) << 8,
            [one, two, three] => u64::from(one) | u64::from(two) << 8 | u64::from(three) << 16,
            _ => 0,
        })
    }

    /// The bytes of a name of up to eight, and zeros.
    #[inline(always)]
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// Whether a text that begins with these bytes begins with the name of this number, which has up to eight.
    #[inline(always)]
    pub(crate) fn begins(self, bytes: [u8; 8], length: usize) -> bool {
        let behind = (64 - 8 * length as u32).min(63);
        let own = u64::from_le_bytes(bytes);
        length == 0 || own << behind == self.0 << behind
    }

    /// Whether names of this number are the same for sure.
    #[inline(always)]
    pub(crate) fn is_exact(self) -> bool {
        self.0 >> 63 == 0
    }

    /// One of 32 bits, which tells at a glance that a name is not among some others.
    #[inline(always)]
    pub(crate) fn bit(self) -> u32 {
        1 << (self.0.wrapping_mul(SPREAD) >> 59)
    }
}

/// A name of a table that is part of the program, with its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    text: &'static str,
    key: Key,
}

impl Known {
    /// Of a name.
    #[inline]
    pub fn of(text: &'static str) -> Known {
        Known { text, key: Key::of(text) }
    }

    /// The name.
    #[inline]
    pub fn as_str(self) -> &'static str {
        self.text
    }

    /// Its number.
    #[inline]
    pub fn key(self) -> Key {
        self.key
    }

    /// Whether it is this name, whose number is known.
    #[inline(always)]
    pub fn is(self, key: Key, name: &str) -> bool {
        self.is_bytes(key, name.as_bytes())
    }

    #[inline(always)]
    pub(crate) fn is_bytes(self, key: Key, name: &[u8]) -> bool {
        self.key == key && (key.is_exact() || self.text.as_bytes() == name)
    }
}

/// The name of an element. Up to fifteen bytes need no memory of their own.
#[derive(Clone, Default)]
pub struct Name {
    text: EcoString,
    key: Key,
}

impl Name {
    /// The name.
    #[inline]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// Its number.
    #[inline]
    pub fn key(&self) -> Key {
        self.key
    }

    /// Whether it is this name, whose number is known.
    #[inline(always)]
    pub fn is(&self, key: Key, name: &str) -> bool {
        self.key == key && (key.is_exact() || self.text == name)
    }

    /// A name whose number is known.
    #[inline]
    pub(crate) fn keyed(key: Key, name: &str) -> Name {
        Name { text: name.into(), key }
    }
}

impl Deref for Name {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.text.as_str()
    }
}

impl From<&str> for Name {
    #[inline]
    fn from(name: &str) -> Name {
        Name::keyed(Key::of(name), name)
    }
}

impl From<String> for Name {
    fn from(name: String) -> Name {
        Name::from(name.as_str())
    }
}

impl PartialEq for Name {
    #[inline]
    fn eq(&self, other: &Name) -> bool {
        self.is(other.key, &other.text)
    }
}

impl Eq for Name {}

impl PartialEq<str> for Name {
    #[inline(always)]
    fn eq(&self, other: &str) -> bool {
        self.is(Key::of(other), other)
    }
}

impl PartialEq<&str> for Name {
    #[inline(always)]
    fn eq(&self, other: &&str) -> bool {
        self.is(Key::of(other), other)
    }
}

impl PartialEq<String> for Name {
    #[inline]
    fn eq(&self, other: &String) -> bool {
        self.is(Key::of(other), other)
    }
}

impl PartialEq<Name> for str {
    #[inline(always)]
    fn eq(&self, other: &Name) -> bool {
        other == self
    }
}

impl PartialEq<Name> for &str {
    #[inline(always)]
    fn eq(&self, other: &Name) -> bool {
        other == *self
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.as_str().hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_names_apart() {
        let names = [
            "",
            "a",
            "b",
            "ab",
            "ba",
            "abc",
            "acb",
            "abcd",
            "abcde",
            "abced",
            "address",
            "aadress",
            "addresss",
            "total_bytes_sec",
            "total_iops_sec",
            "read_bytes_sec",
            "write_bytes_sec",
            "ééé",
            "éééé",
            "éééééé",
        ];
        for one in names {
            for other in names {
                let same = one == other;
                assert_eq!(Key::of(one) == Key::of(other), same, "{one} {other}");
                let (name, another) = (Name::from(one), Name::from(other));
                assert_eq!(name == other, same, "{one} {other}");
                assert_eq!(name == another, same, "{one} {other}");
            }
        }
    }

    #[test]
    fn the_same_number_is_not_enough_for_long_names() {
        let (one, other) = ("suspend-to-mem", "suspend-to-disk");
        let name = Name::from(one);
        assert!(name.is(name.key(), one) && !name.is(name.key(), other));
    }
}
