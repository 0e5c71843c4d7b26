//! Changes of inputs: of bytes, of texts, of elements.

use crate::dice::Dice;
use std::ops::Range;

/// What an input looks like; it decides which changes make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Numbers and bytes.
    Binary,
    /// Words and marks.
    Text,
    /// Elements and attributes.
    Xml,
    /// JSON documents, one a line.
    Json,
}

/// Numbers at which code changes its mind.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "2",
    "7",
    "8",
    "15",
    "16",
    "31",
    "32",
    "63",
    "64",
    "127",
    "128",
    "255",
    "256",
    "4095",
    "4096",
    "32767",
    "32768",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "0x10",
    "0xffffffff",
    "0xffffffffffffffff",
    "010",
    "1e9",
    "0.5",
    "+1",
    " 1",
    "1 ",
    "",
];

/// Texts that are hard to bear.
const WORDS: &[&str] = &[
    "",
    " ",
    "\n",
    "\t",
    "é",
    "\u{10ffff}",
    "\u{feff}",
    "\u{85}",
    "%s",
    "%n",
    "../..",
    "/",
    "//",
    "-",
    "--",
    ":",
    ",",
    ",,",
    "=",
    ";",
    "&",
    "&amp;",
    "&#0;",
    "&#x10ffff;",
    "<",
    ">",
    "\"",
    "'",
    "\\",
    "\\u0000",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "yes",
    "no",
    "on",
    "off",
    "null",
    "true",
    "0000:00:00.0",
    "00:00:00:00:00:00",
    "::",
    "::1",
    "255.255.255.255",
    "0-",
    "^0",
    "0-4294967295",
    "0-0,^0",
];

/// What a change may take from.
#[derive(Debug, Clone, Copy)]
pub struct Stock<'s> {
    /// Another input.
    pub other: &'s [u8],
    /// Words of the format.
    pub words: &'s [String],
    /// Longest input.
    pub most: usize,
}

/// Changes an input in one to a few places.
pub fn mutate(input: &mut Vec<u8>, form: Form, stock: Stock<'_>, dice: &mut Dice) {
    let mut again = true;
    while again {
        match form {
            Form::Binary => bytes(input, stock, dice),
            _ if dice.once_in(12) => bytes(input, stock, dice),
            Form::Xml if !dice.once_in(3) => element(input, stock, dice),
            _ => text(input, form, stock, dice),
        }
        input.truncate(stock.most);
        again = dice.once_in(2);
    }
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8], most: usize) {
    if input.len() + piece.len() <= most {
        let at = at.min(input.len());
        input.splice(at..at, piece.iter().copied());
    }
}

fn replace(input: &mut Vec<u8>, range: Range<usize>, piece: &[u8], most: usize) {
    if input.len() + piece.len() - range.len() <= most {
        input.splice(range, piece.iter().copied());
    }
}

fn bytes(input: &mut Vec<u8>, stock: Stock<'_>, dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    let range = dice.range(input.len());
    match dice.below(11) {
        0 => {
            let bit = 1 << dice.below(8);
            if let Some(byte) = input.get_mut(at) {
                *byte ^= bit;
            }
        }
        1 => {
            let new = dice.roll() as u8;
            if let Some(byte) = input.get_mut(at) {
                *byte = new;
            }
        }
        2 => insert(input, at, &dice.roll().to_le_bytes()[..1 + (at % 8)], stock.most),
        3 => drop(input.drain(range)),
        4 => {
            let piece = input[range].to_vec();
            insert(input, at, &piece, stock.most);
        }
        5 => {
            let from = dice.range(stock.other.len());
            insert(input, at, &stock.other[from], stock.most);
        }
        6 => {
            let from = dice.range(stock.other.len());
            replace(input, range, &stock.other[from], stock.most);
        }
        7 => input.truncate(at),
        _ => word(input, dice),
    }
}

/// Changes a number of one to eight bytes, at a multiple of its size or of four.
fn word(input: &mut [u8], dice: &mut Dice) {
    const VALUES: [u64; 15] = [
        0,
        1,
        2,
        4,
        5,
        0x7f,
        0x80,
        0xff,
        0x100,
        0x7fff,
        0xffff,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        u64::MAX,
    ];
    let size = 1 << dice.below(4);
    let at = dice.below(input.len() / 4 + 1) * 4;
    let Some(place) = input.get_mut(at..at + size) else { return };
    let big = dice.once_in(2);
    let mut old = [0; 8];
    place.iter().enumerate().for_each(|(index, byte)| {
        old[if big { 8 - size + index } else { index }] = *byte;
    });
    let old = if big { u64::from_be_bytes(old) } else { u64::from_le_bytes(old) };
    let new = match dice.below(3) {
        0 => old.wrapping_add(dice.below(9) as u64).wrapping_sub(4),
        1 => dice.pick(&VALUES).copied().unwrap_or_default(),
        _ => (dice.below(1 << 12)) as u64,
    };
    let bytes = if big { new.to_be_bytes() } else { new.to_le_bytes() };
    let from = if big { &bytes[8 - size..] } else { &bytes[..size] };
    place.copy_from_slice(from);
}

/// Runs of bytes for which `is` holds.
fn runs(input: &[u8], is: impl Fn(u8) -> bool) -> Vec<Range<usize>> {
    let (mut found, mut start) = (Vec::new(), None);
    for (at, byte) in input.iter().enumerate() {
        match (is(*byte), start) {
            (true, None) => start = Some(at),
            (false, Some(begin)) => {
                found.push(begin..at);
                start = None;
            }
            _ => {}
        }
    }
    found.extend(start.map(|begin| begin..input.len()));
    found
}

/// What stands between quotes, without them.
fn quoted(input: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut open) = (Vec::new(), None);
    for (at, byte) in input.iter().enumerate() {
        match open {
            None if matches!(byte, b'"' | b'\'') => open = Some((at + 1, *byte)),
            Some((start, mark)) if *byte == mark => {
                found.push(start..at);
                open = None;
            }
            _ => {}
        }
    }
    found
}

/// What stands between brackets that belong together, with them.
fn bracketed(input: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    for (at, byte) in input.iter().enumerate() {
        match byte {
            b'{' | b'[' | b'(' => open.push(at),
            b'}' | b']' | b')' => found.extend(open.pop().map(|start| start..at + 1)),
            _ => {}
        }
    }
    found
}

/// A word to put somewhere.
fn some_word(stock: Stock<'_>, dice: &mut Dice) -> Vec<u8> {
    match dice.below(5) {
        0 => dice.pick(NUMBERS).copied().unwrap_or_default().into(),
        1 => dice.pick(WORDS).copied().unwrap_or_default().into(),
        2 => {
            let word = dice.pick(WORDS).copied().unwrap_or_default();
            word.repeat(1 << dice.below(10)).into()
        }
        _ => dice.pick(stock.words).cloned().unwrap_or_default().into(),
    }
}

fn text(input: &mut Vec<u8>, form: Form, stock: Stock<'_>, dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    let places = match dice.below(6) {
        0 => runs(input, |byte| byte.is_ascii_digit()),
        1 => runs(input, |byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'),
        2 => quoted(input),
        3 if form == Form::Json => bracketed(input),
        3 => runs(input, |byte| !byte.is_ascii_alphanumeric()),
        4 => runs(input, |byte| byte != b'\n'),
        _ => {
            let word = some_word(stock, dice);
            return insert(input, at, &word, stock.most);
        }
    };
    let Some(place) = dice.pick(&places).cloned() else { return };
    let piece = input[place.clone()].to_vec();
    match dice.below(6) {
        0 => drop(input.drain(place)),
        1 => insert(input, place.end, &piece, stock.most),
        // Nesting, when the piece holds brackets; length otherwise.
        2 => insert(input, place.end, &piece.repeat(1 << dice.below(8)), stock.most),
        3 => {
            let to = dice.pick(&places).map_or(at, |place| place.start);
            insert(input, to, &piece, stock.most);
        }
        _ => {
            let word = some_word(stock, dice);
            replace(input, place, &word, stock.most);
        }
    }
}

/// Elements of a document: from the opening mark to the end of what closes it, as far as a glance can tell.
fn elements(input: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(start) = input.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'<')) {
        let start = at + start;
        let Some(end) = input[start..].iter().position(|byte| *byte == b'>') else { break };
        let end = start + end + 1;
        match input.get(start + 1) {
            Some(b'/') => found.extend(open.pop().map(|start| start..end)),
            Some(b'!' | b'?') => {}
            _ if input[..end].ends_with(b"/>") => found.push(start..end),
            _ => open.push(start),
        }
        at = end;
    }
    found
}

/// Attributes within a range: from the blank before the name to the closing quote.
fn attributes(input: &[u8], range: Range<usize>) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), range.start);
    while let Some(equals) = input[at..range.end].iter().position(|byte| *byte == b'=') {
        let equals = at + equals;
        let mark = input.get(equals + 1).copied().filter(|mark| matches!(mark, b'"' | b'\''));
        let end = mark
            .and_then(|mark| input[..range.end].get(equals + 2..)?.iter().position(|byte| *byte == mark))
            .map(|length| equals + 3 + length);
        let start = input[range.start..equals].iter().rposition(|byte| byte.is_ascii_whitespace());
        if let (Some(start), Some(end)) = (start, end) {
            found.push(range.start + start..end);
        }
        at = end.unwrap_or(equals + 1);
    }
    found
}

fn element(input: &mut Vec<u8>, stock: Stock<'_>, dice: &mut Dice) {
    let places = elements(input);
    let Some(place) = dice.pick(&places).cloned() else { return text(input, Form::Xml, stock, dice) };
    let piece = input[place.clone()].to_vec();
    match dice.below(9) {
        0 => drop(input.drain(place)),
        1 => insert(input, place.end, &piece, stock.most),
        2 => {
            let to =
                dice.pick(&places).map_or(place.end, |to| if dice_even(&piece) { to.start } else { to.end });
            insert(input, to, &piece, stock.most);
        }
        3 => {
            let from = elements(stock.other);
            if let Some(from) = dice.pick(&from) {
                insert(input, place.end, &stock.other[from.clone()], stock.most);
            }
        }
        4 => {
            let from = elements(stock.other);
            if let Some(from) = dice.pick(&from) {
                replace(input, place, &stock.other[from.clone()], stock.most);
            }
        }
        _ => attribute(input, place, stock, dice),
    }
}

fn dice_even(piece: &[u8]) -> bool {
    piece.len().is_multiple_of(2)
}

fn attribute(input: &mut Vec<u8>, place: Range<usize>, stock: Stock<'_>, dice: &mut Dice) {
    let attributes = attributes(input, place.clone());
    let Some(attribute) = dice.pick(&attributes).cloned() else {
        // Text between the marks, if that is all there is.
        let within: Vec<_> = runs(&input[place.clone()], |byte| byte.is_ascii_alphanumeric());
        if let Some(run) = dice.pick(&within) {
            let word = some_word(stock, dice);
            replace(input, place.start + run.start..place.start + run.end, &word, stock.most);
        }
        return;
    };
    let equals = input[attribute.clone()].iter().position(|byte| *byte == b'=').unwrap_or(0);
    let value = attribute.start + equals + 2..attribute.end - 1;
    match dice.below(6) {
        0 => drop(input.drain(attribute)),
        1 => {
            let word = dice.pick(stock.words).cloned().unwrap_or_default();
            let other = format!(" {word}='{}'", String::from_utf8_lossy(&some_word(stock, dice)));
            insert(input, attribute.end, other.as_bytes(), stock.most);
        }
        _ => {
            let word = some_word(stock, dice);
            replace(input, value, &word, stock.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_attributes_are_found() {
        let input = b"<a x='1'><b y=\"2\" z='3'/>t</a>";
        let found = elements(input);
        assert_eq!(found, [9..25, 0..30]);
        let names: Vec<_> = attributes(input, 9..25).into_iter().map(|at| &input[at]).collect();
        assert_eq!(names, [&b" y=\"2\""[..], b" z='3'"]);
    }

    #[test]
    fn nothing_grows_beyond_its_bound() {
        let words = vec!["word".to_owned()];
        let mut dice = Dice::new(1);
        for form in [Form::Binary, Form::Text, Form::Xml, Form::Json] {
            let mut input = b"<a x='1'>[{\"b\": 2}]</a>\n".to_vec();
            for _ in 0..5000 {
                mutate(&mut input, form, Stock { other: b"<c d='e'/>", words: &words, most: 500 }, &mut dice);
                assert!(input.len() <= 500);
            }
        }
    }
}
