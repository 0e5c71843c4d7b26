//! UUIDs with libvirt's text rules: lower case out, hyphens and spaces skipped in.

use std::fmt;
use std::str::FromStr;

/// 16 bytes in network order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uuid(pub [u8; 16]);

/// The text is not a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed uuid")]
pub struct ParseUuidError;

impl Uuid {
    /// All bytes zero or all bytes equal: the reference refuses such a host UUID.
    pub fn is_trivial(&self) -> bool {
        self.0.iter().all(|byte| *byte == self.0[0])
    }

    /// A version 4, variant 1 UUID from 16 random bytes.
    pub fn from_random(mut bytes: [u8; 16]) -> Uuid {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Uuid(bytes)
    }
}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    /// 32 hexadecimal digits; leading white space, and hyphens and spaces between bytes, are skipped;
    /// white space may follow, nothing else.
    fn from_str(text: &str) -> Result<Uuid, ParseUuidError> {
        let mut rest = text.trim_start().bytes().peekable();
        let mut bytes = [0u8; 16];
        for byte in &mut bytes {
            while rest.peek().is_some_and(|c| matches!(c, b'-' | b' ')) {
                rest.next();
            }
            let mut digit = || rest.next().and_then(|c| char::from(c).to_digit(16)).ok_or(ParseUuidError);
            *byte = (digit()? << 4 | digit()?) as u8;
        }
        if rest.all(|c| c.is_ascii_whitespace()) { Ok(Uuid(bytes)) } else { Err(ParseUuidError) }
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut places = text.iter_mut().enumerate().filter(|(at, _)| !matches!(at, 8 | 13 | 18 | 23));
        for byte in self.0 {
            for half in [byte >> 4, byte & 15] {
                if let Some((_, place)) = places.next() {
                    *place = DIGITS[usize::from(half)];
                }
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let got = text.parse::<Uuid>().ok().map(|uuid| uuid.to_string());
        assert_eq!(got.as_deref(), expected, "{text:?}");
    }

    #[test]
    fn text_forms() {
        let plain = Some("c7a5fdbd-edaf-9455-926a-d65c16db1809");
        check("c7a5fdbd-edaf-9455-926a-d65c16db1809", plain);
        check(" C7A5FDBD edaf9455926ad65c16db1809 ", plain);
        check("c7a5fdbd-edaf-9455-926a-d65c16db180", None);
        check("c7a5fdbd-edaf-9455-926a-d65c16db1809x", None);
        check("", None);
        check("zza5fdbd-edaf-9455-926a-d65c16db1809", None);
    }

    #[test]
    fn random_bits_become_version_4() {
        let bytes: [u8; 16] = std::array::from_fn(|i| i as u8);
        assert_eq!(Uuid::from_random(bytes).to_string(), "00010203-0405-4607-8809-0a0b0c0d0e0f");
    }
}
