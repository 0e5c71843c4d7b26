//! Sets of small numbers as documents write them: `0-3,^2,8`.

use crate::device::Decimal;
use crate::fault::unsupported;
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::collections::BTreeSet;
use xml::Tree;

/// Numbers from here on are refused: no host has so many processors or nodes.
pub const LIMIT: u32 = 1 << 14;

/// Reads a set. `None` when the text is no set.
pub fn parse(text: &str) -> Option<BTreeSet<u32>> {
    let mut numbers = BTreeSet::new();
    let digits = |text: &str| -> Option<u32> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().filter(|number| *number < LIMIT)
    };
    for part in text.split(',') {
        let part = part.trim();
        if let Some(out) = part.strip_prefix('^') {
            // One that is not in the set is not missed.
            numbers.remove(&digits(out)?);
            continue;
        }
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (digits(first)?, digits(last)?);
        if last < first {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

/// Writes a set in its shortest form.
pub fn format(numbers: &BTreeSet<u32>) -> String {
    let mut text = String::new();
    let mut numbers = numbers.iter().copied().peekable();
    while let Some(first) = numbers.next() {
        let mut last = first;
        while numbers.peek() == Some(&(last + 1)) {
            last += 1;
            numbers.next();
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(Decimal::of(first).as_str());
        if last > first {
            text.push('-');
            text.push_str(Decimal::of(last).as_str());
        }
    }
    text
}

/// Reads a set of a document.
///
/// # Errors
/// When the text is no set.
pub(crate) fn read(text: &str) -> Result<BTreeSet<u32>> {
    parse(text).ok_or_else(|| {
        let text = format!("Failed to parse bitmap '{text}'");
        Error::new(ErrorCode::INVALID_ARG, ErrorDomain::NONE, text)
    })
}

/// Reads an attribute that is a set, and spells it in its shortest form.
///
/// # Errors
/// When it is no set, or empty.
pub(crate) fn take(element: &mut Tree, attr: &str) -> Result<Option<BTreeSet<u32>>> {
    let Some(text) = element.attr(attr) else { return Ok(None) };
    let set = read(text)?;
    if set.is_empty() {
        return Err(unsupported(format!("Invalid value of '{attr}': {text}")));
    }
    element.set(attr, format(&set));
    Ok(Some(set))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (text, expected) in [
            ("0-3", Some("0-3")),
            ("0-3,^2", Some("0-1,3")),
            ("3,1,2", Some("1-3")),
            ("5", Some("5")),
            ("", None),
            ("a", None),
            ("3-1", None),
            ("^2", Some("")),
            ("1,^5", Some("1")),
            ("^1,0-1", Some("0-1")),
            ("0-3,^1-2", None),
            ("1,", None),
            ("99999", None),
        ] {
            assert_eq!(parse(text).map(|set| format(&set)).as_deref(), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn round_trip(numbers in proptest::collection::btree_set(0u32..300, 1..40)) {
            proptest::prop_assert_eq!(parse(&format(&numbers)), Some(numbers));
        }
    }
}
