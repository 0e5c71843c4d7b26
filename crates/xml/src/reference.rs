//! References: `&lt;`, `&#65;`, and entities of the document's own.
//!
//! An entity may refer to others, which is how a small document becomes a huge one; what all of them expand to is
//! bounded, and so is how deep they refer.

use crate::document::XmlError;
use crate::parse::{NAME, is_character};

/// How deep entities may refer to entities.
const DEPTH: u32 = 8;

/// What an entity stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'t> {
    Text(&'t str),
    /// Something outside of the document. It is never read and counts as empty.
    External,
    /// No XML.
    Unparsed,
}

/// The document's own entities.
#[derive(Debug)]
pub(crate) struct Entities<'t> {
    known: Vec<(&'t str, Value<'t>)>,
    /// Bytes that may still be expanded to.
    left: usize,
}

impl<'t> Entities<'t> {
    pub(crate) fn new(left: usize) -> Entities<'t> {
        Entities { known: Vec::new(), left }
    }

    /// The first definition of a name counts.
    pub(crate) fn define(&mut self, name: &'t str, value: Value<'t>) {
        // Each reference looks through all of them.
        if self.known.len() < 1000 && !self.known.iter().any(|(known, _)| *known == name) {
            self.known.push((name, value));
        }
    }

    fn value(&self, name: &str) -> Option<Value<'t>> {
        self.known.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

pub(crate) struct References;

impl References {
    /// Resolves the reference at a place into `out`; the place behind it.
    pub(crate) fn resolve(
        text: &str,
        at: usize,
        entities: &mut Entities<'_>,
        attribute: bool,
        out: &mut String,
    ) -> Result<usize, XmlError> {
        let fail = |at: usize, message: String| Err(XmlError::at(text, at, message));
        let rest = text.get(at + 1..).unwrap_or_default();
        if let Some(digits) = rest.strip_prefix('#') {
            return match character(digits) {
                Ok((c, length)) => {
                    out.push(c);
                    Ok(at + 2 + length)
                }
                Err((length, message)) => fail(at + 2 + length, message),
            };
        }
        let length = rest.find(|c: char| !(c.is_alphanumeric() || "_:-.".contains(c))).unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default();
        if length > NAME {
            return fail(at + 1, "Name too long: Name".to_owned());
        }
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit() || "-.".contains(c)) {
            return fail(at + 1, "xmlParseEntityRef: no name".to_owned());
        }
        if rest.as_bytes().get(length) != Some(&b';') {
            return fail(at + 1 + length, "EntityRef: expecting ';'".to_owned());
        }
        let behind = at + length + 2;
        if let Some(c) = predefined(name) {
            out.push(c);
            return Ok(behind);
        }
        match entities.value(name) {
            None => return fail(behind, format!("Entity '{name}' not defined")),
            Some(Value::Unparsed) => {
                return fail(behind, format!("Entity reference to unparsed entity {name}"));
            }
            Some(Value::External) if attribute => {
                return fail(behind, format!("Attribute references external entity '{name}'"));
            }
            Some(Value::Text(value)) if attribute && value.contains('<') => {
                let text = format!("'<' in entity '{name}' is not allowed in attributes values");
                return fail(behind, text);
            }
            Some(_) => {}
        }
        let start = out.len();
        match expand(name, entities, DEPTH, out) {
            Ok(()) if attribute => {
                // Blanks of any kind are spaces in an attribute, also those that come by an entity.
                let added = out.split_off(start);
                out.extend(added.chars().map(|c| if matches!(c, '\t' | '\n' | '\r') { ' ' } else { c }));
                Ok(behind)
            }
            Ok(()) => Ok(behind),
            Err(message) => fail(behind, message),
        }
    }
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

/// A character by its number: the character and the bytes of number and semicolon, or how far it could be read.
fn character(digits: &str) -> Result<(char, usize), (usize, String)> {
    let (number, hex) = match digits.strip_prefix('x') {
        Some(number) => (number, true),
        None => (digits, false),
    };
    let start = usize::from(hex);
    let fits = |c: char| if hex { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
    let length = number.find(|c: char| !fits(c)).unwrap_or(number.len());
    if number.as_bytes().get(length) != Some(&b';') {
        let what = if hex { "hexadecimal" } else { "decimal" };
        return Err((start + length, format!("CharRef: invalid {what} value")));
    }
    let behind = start + length + 1;
    let figures = number.get(..length).unwrap_or_default();
    let value = match figures {
        "" => 0,
        figures => u32::from_str_radix(figures, if hex { 16 } else { 10 }).unwrap_or(u32::MAX),
    };
    if value > 0x10_FFFF {
        return Err((behind, "xmlParseCharRef: character reference out of bounds".to_owned()));
    }
    match char::from_u32(value).filter(|c| is_character(*c)) {
        Some(c) => Ok((c, behind)),
        None => Err((behind, format!("xmlParseCharRef: invalid xmlChar value {value}"))),
    }
}

/// Puts an entity's text, with all it refers to, into `out`.
fn expand(name: &str, entities: &mut Entities<'_>, depth: u32, out: &mut String) -> Result<(), String> {
    if depth == 0 {
        return Err("Detected an entity reference loop".to_owned());
    }
    let value = match entities.value(name) {
        Some(Value::Text(value)) => value,
        Some(_) => return Ok(()),
        None => return Err(format!("Entity '{name}' not defined")),
    };
    if value.contains('<') {
        return Err(format!("Entity '{name}' holds markup"));
    }
    entities.left = entities
        .left
        .checked_sub(value.len())
        .ok_or("Maximum entity amplification factor exceeded, see xmlCtxtSetMaxAmplification.")?;
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        push_lines(rest.get(..at).unwrap_or_default(), out);
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(digits) = rest.strip_prefix('#') {
            let (c, length) = character(digits).map_err(|(_, message)| message)?;
            out.push(c);
            rest = digits.get(length..).unwrap_or_default();
            continue;
        }
        let Some((inner, behind)) = rest.split_once(';') else {
            return Err("EntityRef: expecting ';'".to_owned());
        };
        match predefined(inner) {
            Some(c) => out.push(c),
            None => expand(inner, entities, depth - 1, out)?,
        }
        rest = behind;
    }
    push_lines(rest, out);
    Ok(())
}

/// Ends of lines are those of the document (XML 1.0, 2.11), also where an entity is declared.
fn push_lines(text: &str, out: &mut String) {
    if text.contains('\r') {
        out.push_str(&text.replace("\r\n", "\n").replace('\r', "\n"));
    } else {
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use crate::Document;
    use crate::parse::tests::check;

    #[test]
    fn refusals() {
        check("<a b='&'/>", "xmlParseEntityRef: no name", 7);
        check("<a>& b</a>", "xmlParseEntityRef: no name", 4);
        check("<a b='&x'/>", "EntityRef: expecting ';'", 8);
        check("<a>&x;</a>", "Entity 'x' not defined", 6);
        check("<a>&#0;</a>", "xmlParseCharRef: invalid xmlChar value 0", 7);
        check("<a>&#x110000;</a>", "xmlParseCharRef: character reference out of bounds", 13);
        check("<a>&#xZ;</a>", "CharRef: invalid hexadecimal value", 6);
        check("<a>&#x;</a>", "xmlParseCharRef: invalid xmlChar value 0", 7);
        check("<a>&#12</a>", "CharRef: invalid decimal value", 7);
    }

    #[test]
    fn ends_of_lines_in_entities() {
        let text = "<!DOCTYPE a [<!ENTITY x '1\r\n2\r3&#13;'>]><a b='&x;'>&x;</a>";
        let document = Document::parse(text).unwrap();
        assert_eq!(document.root().text(), "1\n2\n3\r");
        assert_eq!(document.root().attr("b"), Some("1 2 3 "));
    }

    #[test]
    fn expansion_is_bounded() {
        let mut text = "<!DOCTYPE a [<!ENTITY e0 'xxxxxxxxxxxxxxxx'>".to_owned();
        for level in 1..10 {
            let inner = format!("&e{};", level - 1).repeat(10);
            text.push_str(&format!("<!ENTITY e{level} '{inner}'>"));
        }
        for (level, fits) in [(1, true), (3, true), (5, false), (9, false)] {
            let text = format!("{text}]><a>&e{level};</a>");
            assert_eq!(Document::parse(&text).is_ok(), fits, "{level}");
        }
        let looped = "<!DOCTYPE a [<!ENTITY x '&y;'><!ENTITY y '&x;'>]><a>&x;</a>";
        assert!(Document::parse(looped).is_err());
    }
}
