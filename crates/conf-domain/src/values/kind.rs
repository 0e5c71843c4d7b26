//! Kinds of values.

use xml::{Key, Known};

/// What an attribute may hold.
#[derive(Debug)]
pub(super) enum Kind {
    /// One of the words; those that say what holds anyway are not printed.
    Word {
        words: Vec<Known>,
        unsaid: Vec<Known>,
    },
    /// Any text; an empty one counts as none.
    Text,
    /// Any text.
    String,
    /// An identity.
    Uuid,
    Number(Number),
}

/// A number and its bounds.
#[derive(Debug)]
pub(super) struct Number {
    low: i128,
    high: i128,
    base: u32,
    /// Digits of a hexadecimal spelling.
    hex: Option<usize>,
    nonzero: bool,
    /// Below zero is refused in words of its own.
    count: bool,
    /// A number that says what holds anyway is not printed.
    unsaid: Option<i128>,
    /// An empty text counts as none.
    blank: bool,
}

/// What became of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// It stays as it is.
    Kept,
    /// It is spelled in another way.
    Spelled(String),
    /// It says what holds anyway.
    Dropped,
    /// It is not accepted; what was expected, as the refusal says it.
    Refused(&'static str),
}

/// Whether a word is one of those of a table.
pub(super) fn is_among(words: &[Known], value: &str) -> bool {
    let key = Key::of(value);
    words.iter().any(|word| word.is(key, value))
}

impl Kind {
    pub(super) fn read(name: &str, rest: &[&'static str]) -> Option<Kind> {
        let bits = |bits: u32| (1i128 << bits) - 1;
        let (low, high) = match name {
            "word" => {
                let unsaid = rest.iter().filter_map(|word| word.strip_prefix('~')).map(Known::of).collect();
                let words = rest.iter().map(|word| Known::of(word.trim_start_matches('~'))).collect();
                return Some(Kind::Word { words, unsaid });
            }
            "bool" => {
                return Some(Kind::Word { words: ["yes", "no"].map(Known::of).into(), unsaid: Vec::new() });
            }
            "switch" => {
                return Some(Kind::Word { words: ["on", "off"].map(Known::of).into(), unsaid: Vec::new() });
            }
            "text" => return Some(Kind::Text),
            "string" => return Some(Kind::String),
            "uuid" => return Some(Kind::Uuid),
            "uint" => (0, bits(32)),
            "ulong" => (0, bits(64)),
            "int" | "count" => (-bits(31) - 1, bits(31)),
            "long" => (-bits(63) - 1, bits(63)),
            _ => return None,
        };
        let mut number = Number {
            low,
            high,
            base: 10,
            hex: None,
            nonzero: false,
            count: name == "count",
            unsaid: None,
            blank: false,
        };
        for word in rest {
            if *word == "nonzero" {
                number.nonzero = true;
            } else if *word == "blank" {
                number.blank = true;
            } else if let Some(base) = word.strip_prefix("base") {
                number.base = base.parse().unwrap_or(10);
            } else if let Some(digits) = word.strip_prefix("hex") {
                number.hex = digits.parse().ok();
            } else if let Some(value) = word.strip_prefix('~') {
                number.unsaid = value.parse().ok();
            } else if let Some(high) = word.strip_prefix("max") {
                number.high = high.parse().unwrap_or(number.high);
            }
        }
        Some(Kind::Number(number))
    }

    /// Values of this kind.
    #[cfg(test)]
    pub(super) fn examples(&self) -> Vec<String> {
        match self {
            Kind::Word { words, .. } => words.iter().map(|word| word.as_str().to_owned()).collect(),
            Kind::Number(number) => ["0", "1", "2", "17", "0x20", "4096"]
                .iter()
                .filter(|text| !matches!(number.take(text), Read::Refused(_)))
                .map(|text| (*text).to_owned())
                .collect(),
            Kind::Text | Kind::String | Kind::Uuid => Vec::new(),
        }
    }

    pub(super) fn take(&self, value: &str) -> Read {
        match self {
            Kind::Word { words, unsaid } => match value {
                _ if is_among(unsaid, value) => Read::Dropped,
                _ if is_among(words, value) => Read::Kept,
                _ => Read::Refused(""),
            },
            Kind::Text if value.is_empty() => Read::Dropped,
            Kind::Text | Kind::String => Read::Kept,
            Kind::Uuid => match value.parse::<base::Uuid>() {
                Ok(uuid) if uuid.to_string() == value => Read::Kept,
                Ok(uuid) => Read::Spelled(uuid.to_string()),
                Err(_) => Read::Refused("UUID"),
            },
            Kind::Number(number) => number.take(value),
        }
    }
}

/// A number that stands as it is printed, in so few digits that nothing can go wrong.
fn plain(text: &str, hex: Option<usize>) -> Option<u32> {
    let (digits, base, width) = match hex {
        None => (text, 10, 1),
        Some(width) => (text.strip_prefix("0x")?, 16, width),
    };
    let canonical = digits.len() == width || digits.len() > width && !digits.starts_with('0');
    if digits.is_empty() || digits.len() > 7 || !canonical {
        return None;
    }
    let mut value = 0;
    for byte in digits.bytes() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' if base == 16 => byte - b'a' + 10,
            _ => return None,
        };
        value = value * base + u32::from(digit);
    }
    Some(value)
}

impl Number {
    fn take(&self, text: &str) -> Read {
        // Nearly all numbers are small and stand as they are printed.
        let fits = if self.hex.is_some() { matches!(self.base, 0 | 16) } else { matches!(self.base, 0 | 10) };
        if fits
            && let Some(value) = plain(text, self.hex).map(i128::from)
            && (self.low..=self.high).contains(&value)
            && (value != 0 || !self.nonzero)
            && self.unsaid != Some(value)
        {
            return Read::Kept;
        }
        let expected = match self.low {
            0 => "non-negative integer",
            low if low < i128::from(i32::MIN) => "long long integer",
            _ => "integer",
        };
        if self.blank && text.is_empty() {
            return Read::Dropped;
        }
        let Some(value) = integer(text, self.base).filter(|value| (self.low..=self.high).contains(value))
        else {
            return Read::Refused(expected);
        };
        if self.count && value < 0 {
            return Read::Refused("non-negative");
        }
        if self.nonzero && value == 0 {
            return Read::Refused("nonzero");
        }
        if self.unsaid == Some(value) {
            return Read::Dropped;
        }
        // Rights of files stay in their own notation.
        if self.base == 8 {
            return Read::Spelled(format!("{value:o}"));
        }
        let spelled = match self.hex {
            Some(digits) => format!("0x{value:0digits$x}"),
            None => value.to_string(),
        };
        if spelled == text { Read::Kept } else { Read::Spelled(spelled) }
    }
}

/// A number as C's library reads it: space before it, a sign, and for base 0 a prefix that tells the base.
fn integer(text: &str, base: u32) -> Option<i128> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (base, digits) = match (base, hex) {
        (0 | 16, Some(rest)) => (16, rest),
        (0, None) if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        (0, None) => (10, digits),
        (base, _) => (base, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i128::from_str_radix(digits, base).ok().map(|value| if negative { -value } else { value })
}

/// A decimal number from zero up, as C's library reads it.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    integer(text, 10).and_then(|value| u64::try_from(value).ok())
}

/// A decimal number of either sign, as C's library reads it.
pub(crate) fn signed(text: &str) -> Option<i64> {
    integer(text, 10).and_then(|value| i64::try_from(value).ok())
}

/// Formats of images.
pub(crate) fn is_format(name: &str) -> bool {
    const FORMATS: &[&str] = &[
        "none", "raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd", "ploop", "cow",
        "qcow", "qcow2", "qed", "vmdk",
    ];
    FORMATS.contains(&name)
}

/// A number from zero up with C's prefixes.
pub(crate) fn number(text: &str) -> Option<u64> {
    integer(text, 0).and_then(|value| u64::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (kind, options, text, expected) in [
            ("uint", &[][..], "12", Read::Kept),
            ("uint", &[], " +12", Read::Spelled("12".to_owned())),
            ("uint", &[], "-1", Read::Refused("non-negative integer")),
            ("uint", &[], "4294967296", Read::Refused("non-negative integer")),
            ("uint", &[], "0x10", Read::Refused("non-negative integer")),
            ("uint", &["base0"], "0x10", Read::Spelled("16".to_owned())),
            ("uint", &["base0", "hex2"], "010", Read::Spelled("0x08".to_owned())),
            ("uint", &["base0"], "010", Read::Spelled("8".to_owned())),
            ("uint", &["base0", "hex2"], "0x08", Read::Kept),
            ("uint", &["base0", "hex2"], "0x008", Read::Spelled("0x08".to_owned())),
            ("uint", &["base0", "hex2"], "0x1a0", Read::Kept),
            ("uint", &["base0", "hex2"], "0x1A0", Read::Spelled("0x1a0".to_owned())),
            ("uint", &["base16"], "10", Read::Spelled("16".to_owned())),
            ("uint", &["nonzero"], "0", Read::Refused("nonzero")),
            ("uint", &["~0"], "0", Read::Dropped),
            ("int", &[], "-1", Read::Kept),
            ("int", &[], "1.5", Read::Refused("integer")),
            ("count", &[], "-1", Read::Refused("non-negative")),
        ] {
            let kind = Kind::read(kind, options).unwrap();
            assert_eq!(kind.take(text), expected, "{text}");
        }
    }
}
