//! Hardware addresses.

use std::fmt;
use std::str::FromStr;

/// Six bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Mac(pub [u8; 6]);

/// The text is not a hardware address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed MAC address")]
pub struct ParseMacError;

impl Mac {
    /// An address for a group of receivers.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// An address under the prefix of guests and bridges, `52:54:00`.
    pub fn of_guest(tail: [u8; 3]) -> Mac {
        let [a, b, c] = tail;
        Mac([0x52, 0x54, 0, a, b, c])
    }
}

impl FromStr for Mac {
    type Err = ParseMacError;

    /// Six groups of one or two hexadecimal digits with colons between.
    fn from_str(text: &str) -> Result<Mac, ParseMacError> {
        let mut bytes = [0; 6];
        let mut groups = text.split(':');
        for byte in &mut bytes {
            let group = groups.next().ok_or(ParseMacError)?;
            if !(1..=2).contains(&group.len()) || !group.bytes().all(|c| c.is_ascii_hexdigit()) {
                return Err(ParseMacError);
            }
            *byte = u8::from_str_radix(group, 16).map_err(|_| ParseMacError)?;
        }
        if groups.next().is_some() { Err(ParseMacError) } else { Ok(Mac(bytes)) }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Option<&str>) {
        assert_eq!(input.parse::<Mac>().ok().map(|mac| mac.to_string()).as_deref(), expected, "{input:?}");
    }

    #[test]
    fn forms() {
        check("52:54:00:AB:cd:0", Some("52:54:00:ab:cd:00"));
        check("52:54:00:ab:cd", None);
        check("52:54:00:ab:cd:ef:01", None);
        check("52-54-00-ab-cd-ef", None);
        check("525400abcdef", None);
        check("52:54:00:ab:cd:+f", None);
        check("", None);
        assert!("01:00:00:00:00:00".parse::<Mac>().is_ok_and(Mac::is_multicast));
    }
}
