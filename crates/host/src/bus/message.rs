//! Messages of the bus: how they are laid out.
//!
//! ```text
//! order kind flags version │ length of the body │ serial │ fields: array of (code, variant) │ padding to 8 │ body
//! ```

use super::{Signal, Target};

/// Bytes that tell how long the message is.
pub(super) const FIXED: usize = 16;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call,
    Return,
    Error,
    Signal,
}

/// A message that was read.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) reply_to: u32,
    pub(super) interface: String,
    pub(super) member: String,
    /// The name of an error.
    pub(super) name: String,
    pub(super) words: Vec<String>,
}

// Codes of fields.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn number(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    pad(bytes, 4);
    bytes.extend(number(text.len()));
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

fn field(bytes: &mut Vec<u8>, code: u8, kind: u8, text: &str) {
    pad(bytes, 8);
    bytes.extend([code, 1, kind, 0]);
    if kind == b'g' {
        bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        bytes.extend(text.as_bytes());
        bytes.push(0);
    } else {
        string(bytes, text);
    }
}

/// A call whose arguments are strings, at most 255.
pub(super) fn call(serial: u32, target: Target<'_>, member: &str, args: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    args.iter().for_each(|arg| string(&mut body, arg));
    let mut bytes = vec![b'l', 1, 0, 1];
    bytes.extend(number(body.len()));
    bytes.extend(serial.to_le_bytes());
    bytes.extend([0; 4]);
    field(&mut bytes, PATH, b'o', target.path);
    field(&mut bytes, INTERFACE, b's', target.interface);
    field(&mut bytes, MEMBER, b's', member);
    field(&mut bytes, DESTINATION, b's', target.service);
    if !args.is_empty() {
        field(&mut bytes, SIGNATURE, b'g', &"s".repeat(args.len()));
    }
    let fields = number(bytes.len() - FIXED);
    bytes.splice(12..FIXED, fields);
    pad(&mut bytes, 8);
    bytes.extend(body);
    bytes
}

/// How long a message is, by its first [`FIXED`] bytes.
pub(super) fn length(fixed: &[u8]) -> Option<usize> {
    let mut reader = Reader { bytes: fixed, at: 0, little: *fixed.first()? == b'l' };
    reader.at = 4;
    let body = reader.number()?;
    reader.at = 12;
    let fields = reader.number()?;
    FIXED.checked_add(fields)?.checked_next_multiple_of(8)?.checked_add(body)
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    little: bool,
}

impl<'b> Reader<'b> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let piece = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(piece)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<usize> {
        self.align(4);
        let bytes: [u8; 4] = self.take(4)?.try_into().ok()?;
        let number = if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) };
        usize::try_from(number).ok()
    }

    fn string(&mut self) -> Option<String> {
        let length = self.number()?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Some(text)
    }

    fn signature(&mut self) -> Option<&'b [u8]> {
        let length = usize::from(self.byte()?);
        let text = self.take(length)?;
        self.take(1)?;
        Some(text)
    }

    /// The words of values; what is no string, number or list of these ends them.
    fn words(&mut self, signature: &[u8]) -> Option<Vec<String>> {
        let mut words = Vec::new();
        let mut kinds = signature.iter();
        while let Some(kind) = kinds.next() {
            match kind {
                b's' | b'o' => words.push(self.string()?),
                b'u' | b'i' | b'b' => words.push(self.number()?.to_string()),
                b'a' if matches!(kinds.as_slice().first(), Some(b's' | b'o')) => {
                    kinds.next();
                    let length = self.number()?;
                    let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
                    while self.at < end {
                        words.push(self.string()?);
                    }
                }
                _ => break,
            }
        }
        Some(words)
    }
}

impl Message {
    /// Reads a whole message; none when it is not understood.
    pub(super) fn read(bytes: &[u8]) -> Option<Message> {
        let little = match bytes.first()? {
            b'l' => true,
            b'B' => false,
            _ => return None,
        };
        let kind = match bytes.get(1)? {
            1 => Kind::Call,
            2 => Kind::Return,
            3 => Kind::Error,
            4 => Kind::Signal,
            _ => return None,
        };
        let mut message = Message {
            kind,
            reply_to: 0,
            interface: String::new(),
            member: String::new(),
            name: String::new(),
            words: Vec::new(),
        };
        let mut reader = Reader { bytes, at: 12, little };
        let end = FIXED.checked_add(reader.number()?).filter(|end| *end <= bytes.len())?;
        let mut signature: &[u8] = &[];
        while reader.at < end {
            reader.align(8);
            let code = reader.byte()?;
            let kind = reader.signature()?;
            match (code, kind) {
                (SIGNATURE, b"g") => signature = reader.signature()?,
                (REPLY_SERIAL, b"u") => message.reply_to = u32::try_from(reader.number()?).ok()?,
                (INTERFACE, b"s") => message.interface = reader.string()?,
                (MEMBER, b"s") => message.member = reader.string()?,
                (ERROR_NAME, b"s") => message.name = reader.string()?,
                (_, b"s" | b"o") => drop(reader.string()?),
                (_, b"u") => drop(reader.number()?),
                (_, b"g") => drop(reader.signature()?),
                _ => return None,
            }
        }
        reader.align(8);
        message.words = reader.words(signature)?;
        Some(message)
    }

    pub(super) fn signal(self) -> Signal {
        Signal { interface: self.interface, member: self.member, words: self.words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target<'_> =
        Target { service: "org.example", path: "/org/example", interface: "org.example.I" };

    #[test]
    fn what_is_written_is_read() {
        let bytes = call(7, TARGET, "Do", &["", "one", "longer than eight"]);
        assert_eq!(length(&bytes[..FIXED]), Some(bytes.len()));
        let message = Message::read(&bytes).unwrap();
        assert_eq!((message.kind, message.member.as_str()), (Kind::Call, "Do"));
        assert_eq!(message.interface, "org.example.I");
        assert_eq!(message.words, ["", "one", "longer than eight"]);
    }

    #[test]
    fn lists_and_numbers_are_words() {
        let mut bytes = call(1, TARGET, "Get", &["a", "bc"]);
        // The same body as one list: its length stands before it.
        let body = bytes.split_off(length(&bytes[..FIXED]).unwrap() - 15);
        assert_eq!(body.len(), 15);
        let mut reader_bytes = number(body.len()).to_vec();
        reader_bytes.extend(&body);
        let mut reader = Reader { bytes: &reader_bytes, at: 0, little: true };
        assert_eq!(reader.words(b"as"), Some(vec!["a".to_owned(), "bc".to_owned()]));
        let mut reader = Reader { bytes: &[0, 0, 1, 2], at: 0, little: false };
        assert_eq!(reader.words(b"u(s)"), Some(vec!["258".to_owned()]));
    }

    #[test]
    fn cut_messages_are_not_understood() {
        let bytes = call(7, TARGET, "Do", &["one"]);
        for end in 0..bytes.len() {
            assert!(Message::read(&bytes[..end]).is_none(), "{end}");
        }
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0xff;
            let _ = (Message::read(&wrong), length(&wrong[..FIXED]));
        }
    }
}
