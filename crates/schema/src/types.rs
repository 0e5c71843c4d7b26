//! Types of attributes and texts.

use regex_lite::Regex;
use std::collections::HashMap;

/// What a name stands for.
#[derive(Debug)]
struct Type {
    base: Base,
    pattern: Option<Regex>,
    min: Option<i128>,
    max: Option<i128>,
    longest: Option<usize>,
}

#[derive(Debug)]
enum Base {
    /// Any text.
    Text,
    /// An integer between two bounds.
    Integer(i128, i128),
    /// A number with a fraction.
    Real,
    /// A name without colons.
    Name,
    /// A date and a time of day.
    Moment,
    /// A URI or a part of one.
    Uri,
    /// One of some words.
    Words(Vec<&'static str>),
    /// Another type of the table.
    Other(&'static str),
}

/// The table of types.
#[derive(Debug)]
pub(crate) struct Types {
    lines: HashMap<&'static str, Vec<Type>>,
}

/// Types that need no line of their own.
fn base(name: &'static str) -> Base {
    match name {
        "string" | "text" => Base::Text,
        "anyURI" => Base::Uri,
        "int" => Base::Integer(i32::MIN.into(), i32::MAX.into()),
        "long" => Base::Integer(i64::MIN.into(), i64::MAX.into()),
        "short" => Base::Integer(i16::MIN.into(), i16::MAX.into()),
        "integer" => Base::Integer(i128::MIN, i128::MAX),
        "positiveInteger" => Base::Integer(1, i128::MAX),
        "unsignedShort" => Base::Integer(0, u16::MAX.into()),
        "unsignedInt" => Base::Integer(0, u32::MAX.into()),
        "unsignedLong" => Base::Integer(0, u64::MAX.into()),
        "double" => Base::Real,
        "NCName" => Base::Name,
        "dateTime" => Base::Moment,
        other => Base::Other(other),
    }
}

impl Types {
    pub(crate) fn read(text: &'static str) -> Types {
        let mut lines: HashMap<&'static str, Vec<Type>> = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let mut cells = line.split(" | ").map(str::trim);
            let (Some(name), Some(kind)) = (cells.next(), cells.next()) else { continue };
            let mut entry = Type { base: Base::Text, pattern: None, min: None, max: None, longest: None };
            if kind == "word" {
                entry.base = Base::Words(cells.next().unwrap_or_default().split_whitespace().collect());
            } else {
                // A type may restrict the one of the same name that everybody knows.
                entry.base = base(kind);
                for cell in cells {
                    match cell.split_once(' ') {
                        Some(("pattern", pattern)) => {
                            entry.pattern = Regex::new(&format!("^(?:{pattern})$")).ok();
                        }
                        Some(("min", number)) => entry.min = number.parse().ok(),
                        Some(("max", number)) => entry.max = number.parse().ok(),
                        Some(("longest", number)) => entry.longest = number.parse().ok(),
                        _ => {}
                    }
                }
            }
            lines.entry(name).or_default().push(entry);
        }
        Types { lines }
    }

    /// Whether there is a type of this name.
    #[cfg(test)]
    pub(crate) fn knows(&self, name: &'static str) -> bool {
        self.lines.contains_key(name) || !matches!(base(name), Base::Other(_))
    }

    /// Whether a text is of a type.
    pub(crate) fn fits(&self, name: &'static str, text: &str) -> bool {
        match self.lines.get(name) {
            Some(entries) => entries.iter().any(|entry| self.one(entry, text)),
            None => self.is(&base(name), text),
        }
    }

    fn one(&self, entry: &Type, text: &str) -> bool {
        // White space around what is no plain text does not count.
        let text = if matches!(entry.base, Base::Text) { text } else { text.trim() };
        let number = || text.parse::<f64>().ok();
        self.is(&entry.base, text)
            && entry.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
            && entry.longest.is_none_or(|longest| text.chars().count() <= longest)
            && (entry.min.is_none() && entry.max.is_none()
                || match integer(text) {
                    Some(value) => {
                        entry.min.is_none_or(|min| value >= min) && entry.max.is_none_or(|max| value <= max)
                    }
                    None => {
                        let beyond = |bound: i128, sign: f64| {
                            number().is_none_or(|value| (value - bound as f64) * sign < 0.0)
                        };
                        !entry.min.is_some_and(|min| beyond(min, 1.0))
                            && !entry.max.is_some_and(|max| beyond(max, -1.0))
                    }
                })
    }

    fn is(&self, base: &Base, text: &str) -> bool {
        match base {
            Base::Text => true,
            Base::Integer(min, max) => {
                integer(text.trim()).is_some_and(|value| value >= *min && value <= *max)
            }
            Base::Real => text.trim().parse::<f64>().is_ok(),
            Base::Name => {
                let text = text.trim();
                text.starts_with(|c: char| c.is_alphabetic() || c == '_')
                    && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
            }
            Base::Moment => moment(text.trim()),
            Base::Uri => reference(text.trim()),
            Base::Words(words) => words.contains(&text.trim()),
            Base::Other(name) => self.lines.contains_key(name) && self.fits(name, text),
        }
    }
}

/// Whether what stands before a first colon is a scheme, or there is none before the path ends.
fn reference(text: &str) -> bool {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    match text.get(..end).and_then(|first| first.split_once(':')) {
        Some((scheme, _)) => {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        }
        None => true,
    }
}

/// An integer in decimal.
fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let fits = !digits.is_empty() && digits.len() <= 38 && digits.bytes().all(|c| c.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// `YYYY-MM-DDThh:mm:ss`, perhaps with a fraction and a zone.
fn moment(text: &str) -> bool {
    let shape = b"0000-00-00T00:00:00";
    text.len() >= shape.len()
        && text
            .bytes()
            .zip(shape)
            .all(|(c, like)| if *like == b'0' { c.is_ascii_digit() } else { c == *like })
}

#[cfg(test)]
mod tests {
    fn check(name: &'static str, good: &[&str], bad: &[&str]) {
        let types = crate::kind::types();
        for text in good {
            assert!(types.fits(name, text), "{name}: {text}");
        }
        for text in bad {
            assert!(!types.fits(name, text), "{name}: {text}");
        }
    }

    #[test]
    fn names_stand_for_texts() {
        check("absFilePath", &["/a", "c:\\x"], &["a", "/", ""]);
        check("pciSlot", &["0x1f", "31", "7"], &["0x20", "32", "-1"]);
        check("unsignedInt", &["0", " 12 ", "4294967295"], &["", "-1", "4294967296", "0x1"]);
        check("PortNumber", &["-1", "65535"], &["-2", "65536"]);
        check("ipAddr", &["10.0.0.1", "::1", "fe80::1:2"], &["10.0.0.256", "x"]);
        check("UUID", &["6f5a0a62-8d5c-4c6e-9c0a-8c1f27c04a11"], &["6f5a"]);
        check("timeval", &["0", "1.5"], &["-1", "x"]);
        check("ipProtocolType", &["tcp", "0x1f", "255", "$X"], &["foo"]);
        check("dateTime", &["2010-04-05T20:26:52", "2010-04-05T20:26:52.5Z"], &["2010-04-05"]);
        check("virtualPortProfileID", &["x"], &["1234567890123456789012345678901234567890"]);
    }
}
