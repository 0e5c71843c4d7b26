//! Values of attributes: words and numbers that an attribute may have, and the refusal of anything else.
//!
//! The source is `data/domain.values`, read together with the table of elements. Every attribute with a fixed set of
//! words or a number stands there; what depends on more than one attribute is a rule of the element's own file.

use crate::elements::Place;
use crate::fault::{self, invalid, unsupported};
use base::Result;
use xml::Tree;

/// What an attribute may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// One of the words.
    Word,
    /// A number from zero up, in decimal, octal or hexadecimal.
    Unsigned,
    /// Any integer.
    Integer,
    /// An integer that is refused in other words when it is negative.
    Count,
}

/// One line of the table of values.
#[derive(Debug)]
pub(crate) struct Value {
    attr: &'static str,
    kind: Kind,
    required: bool,
    words: Vec<&'static str>,
    refusal: Option<(&'static str, &'static str)>,
}

impl Value {
    /// Reads a line: name of the element and the rule for one of its attributes.
    pub(crate) fn read(line: &'static str) -> Option<(&'static str, Value)> {
        let mut parts = line.splitn(5, '|').map(str::trim);
        let (element, attr, kind) = (parts.next()?, parts.next()?, parts.next()?);
        let words = parts.next().unwrap_or_default().split_whitespace().collect();
        let refusal = parts.next().and_then(|text| text.split_once(": "));
        let required = kind.ends_with('!');
        let kind = match kind.trim_end_matches('!') {
            "word" => Kind::Word,
            "uint" => Kind::Unsigned,
            "int" => Kind::Integer,
            "count" => Kind::Count,
            _ => return None,
        };
        Some((element, Value { attr, kind, required, words, refusal }))
    }

    fn check(&self, element: &Tree) -> Result<()> {
        let Some(value) = element.attr(self.attr) else {
            return if self.required { Err(fault::missing(&element.name, self.attr)) } else { Ok(()) };
        };
        let refused = |kind: &str| Err(fault::number(&element.name, self.attr, value, kind));
        match self.kind {
            Kind::Word if self.words.contains(&value) => Ok(()),
            Kind::Word => Err(match self.refusal {
                Some(("unsupported", text)) => unsupported(text.replace("{}", value)),
                Some((_, text)) => invalid(text.replace("{}", value)),
                None => fault::attribute(&element.name, self.attr, value),
            }),
            Kind::Unsigned if unsigned(value).is_none() => refused("non-negative integer"),
            Kind::Integer | Kind::Count if integer(value).is_none() => refused("integer"),
            Kind::Count if integer(value).is_some_and(|number| number < 0) => refused("non-negative"),
            _ => Ok(()),
        }
    }
}

/// A number in decimal, octal (leading 0) or hexadecimal (leading 0x), as C reads it.
pub(crate) fn unsigned(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok();
    }
    if text.len() > 1
        && let Some(octal) = text.strip_prefix('0')
        && let Ok(number) = u64::from_str_radix(octal, 8)
    {
        return Some(number);
    }
    text.parse().ok()
}

fn integer(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(rest) => unsigned(rest).and_then(|number| i64::try_from(number).ok()).map(|number| -number),
        None => unsigned(text).and_then(|number| i64::try_from(number).ok()),
    }
}

/// Checks an element and all below it.
///
/// # Errors
/// With the first attribute that is missing or has a value that is not accepted, in document order.
pub(crate) fn check(place: Place, element: &Tree) -> Result<()> {
    for value in place.values() {
        value.check(element)?;
    }
    // A mirror is only read back from the form that is written for a running guest.
    for child in element.children.iter().filter(|child| child.name != "mirror") {
        if let Some(place) = place.child(&child.name) {
            check(place, child)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elements::Elements;

    #[test]
    fn refusals() {
        let cases = [
            ("<controller type='usb' index='0'/>", ""),
            (
                "<controller type='ubs'/>",
                "Invalid value for attribute 'type' in element 'controller': 'ubs'.",
            ),
            (
                "<controller type='usb' index='-1'/>",
                "Invalid value for attribute 'index' in element 'controller': '-1'. Expected non-negative value",
            ),
            ("<panic model='kernel'/>", "unknown panic model 'kernel'"),
            (
                "<video><model type='vga' heads='x'/></video>",
                "Invalid value for attribute 'heads' in element 'model': 'x'. Expected non-negative integer value",
            ),
            ("<disk><boot/></disk>", "Missing required attribute 'order' in element 'boot'"),
            ("<disk><boot order='0x1'/></disk>", ""),
        ];
        for (text, refusal) in cases {
            let document = xml::Document::parse(text).unwrap();
            let place = Elements::domain().place("domain/devices").unwrap();
            let place = place.child(document.root().name()).unwrap();
            let outcome = check(place, &place.read(document.root()));
            let message = outcome.err().map(|error| error.message().to_owned()).unwrap_or_default();
            assert!(
                message.ends_with(refusal) && message.is_empty() == refusal.is_empty(),
                "{text}: {message}"
            );
        }
    }

    #[test]
    fn every_value_has_its_place() {
        for line in include_str!("../data/domain.values").lines().filter(|line| !line.starts_with('#')) {
            let (element, value) = Value::read(line).expect(line);
            let place = Elements::domain().place(element).expect(line);
            assert!(place.knows(value.attr), "{line}");
        }
    }
}
