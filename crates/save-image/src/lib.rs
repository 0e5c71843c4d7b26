//! The head of a file that holds a saved guest.
//!
//! ```text
//! 0        16      20        24       28      32             36            92
//! ├ magic ──┼ version ┼ length ┼ running ┼ format ┼ cookie offset ┼ zeros ─────┼─ data ── … ─┼─ stream of the emulator
//! data: definition \0 cookie \0 and zeros, so that both can be replaced by longer ones later
//! ```
//!
//! Numbers are 32 bits wide in the byte order of the host that wrote them. While the stream is written the magic says
//! that the file is not whole; the right one is put there last.
//!
//! *Invariant:* this room is pure and allocates nothing that a length in the file asks for unchecked.

use base::{Error, ErrorDomain, Result};

/// Magic of a whole file.
const WHOLE: &[u8; 16] = b"LibvirtQemudSave";

/// Magic of a file that is being written.
const PART: &[u8; 16] = b"LibvirtQemudPart";

/// The layout this room reads and writes.
const VERSION: u32 = 2;

/// Bytes of the head.
pub const HEADER: usize = 92;

/// Zeros behind the data, for a longer definition.
const ROOM: usize = 64 * 1024;

/// Bytes of data at most: more than any definition and cookie.
const LIMIT: u32 = 64 << 20;

/// How the stream is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// Not at all.
    #[default]
    Raw,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// lzop.
    Lzop,
    /// Zstandard.
    Zstd,
    /// Pages at fixed places of the file.
    Sparse,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Raw, "raw"),
    (Format::Gzip, "gzip"),
    (Format::Bzip2, "bzip2"),
    (Format::Xz, "xz"),
    (Format::Lzop, "lzop"),
    (Format::Zstd, "zstd"),
    (Format::Sparse, "sparse"),
];

impl Format {
    /// As it is written in configuration and as the program that packs is called.
    pub fn word(self) -> &'static str {
        FORMATS.iter().find(|(format, _)| *format == self).map_or("raw", |(_, word)| word)
    }

    /// As it is read.
    pub fn from_word(word: &str) -> Option<Format> {
        FORMATS.iter().find(|(_, known)| *known == word).map(|(format, _)| *format)
    }

    fn number(self) -> u32 {
        FORMATS.iter().position(|(format, _)| *format == self).unwrap_or(0) as u32
    }
}

/// The head of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Bytes of data before the stream begins.
    pub length: u32,
    /// The guest ran when it was saved: 1, or was paused: 0; other numbers are kept.
    pub running: u32,
    /// How the stream is packed.
    pub format: Format,
    /// Where the cookie begins in the data; 0 for none.
    pub cookie_at: u32,
}

/// Definition and cookie of a saved guest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Data {
    /// The definition.
    pub xml: String,
    /// The driver's notes.
    pub cookie: Option<String>,
}

fn failed(text: impl Into<String>) -> Error {
    Error::operation_failed(ErrorDomain::QEMU, text)
}

/// The number at a place of the head, in this host's byte order or in the other.
fn number(bytes: &[u8; HEADER], at: usize, swapped: bool) -> u32 {
    let mut four = [0; 4];
    four.iter_mut().zip(bytes.iter().skip(at)).for_each(|(to, from)| *to = *from);
    let value = u32::from_ne_bytes(four);
    if swapped { value.swap_bytes() } else { value }
}

impl Header {
    /// Reads a head.
    ///
    /// # Errors
    /// When the file is not whole, is none, or is of a layout or packing that is not known.
    pub fn decode(bytes: &[u8; HEADER]) -> Result<Header> {
        if !bytes.starts_with(WHOLE) {
            return Err(if bytes.starts_with(PART) {
                failed("save image is incomplete")
            } else {
                failed("image magic is incorrect")
            });
        }
        // A file from a host of the other byte order has a version far beyond any.
        let swapped = number(bytes, 16, false) > VERSION;
        let version = number(bytes, 16, swapped);
        if version > VERSION {
            return Err(failed(format!("image version is not supported ({version} > {VERSION})")));
        }
        let length = number(bytes, 20, swapped);
        if length == 0 {
            return Err(failed(format!("invalid header data length: {length}")));
        }
        let packed = number(bytes, 28, swapped);
        let format = usize::try_from(packed).ok().and_then(|packed| FORMATS.get(packed));
        let (format, _) = format.ok_or_else(|| failed(format!("unsupported save image format: {packed}")))?;
        let cookie_at = number(bytes, 32, swapped);
        if length > LIMIT || cookie_at >= length {
            return Err(failed("failed to read domain XML"));
        }
        Ok(Header { length, running: number(bytes, 24, swapped), format: *format, cookie_at })
    }

    /// Writes a head; of a file that is not whole yet until its stream is written.
    pub fn encode(&self, whole: bool) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let numbers = [VERSION, self.length, self.running, self.format.number(), self.cookie_at];
        let magic = if whole { WHOLE } else { PART };
        let all = magic.iter().copied().chain(numbers.iter().flat_map(|number| number.to_ne_bytes()));
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        bytes
    }

    /// Reads the data of [`Header::length`] bytes.
    ///
    /// # Errors
    /// When it is no text.
    pub fn data(&self, bytes: &[u8]) -> Result<Data> {
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            let bytes = bytes.get(..end).unwrap_or_default();
            String::from_utf8(bytes.to_vec()).map_err(|_| failed("save image holds no text"))
        };
        let cookie = match self.cookie_at {
            0 => None,
            at => Some(text(bytes.get(at as usize..).unwrap_or_default())?),
        };
        Ok(Data { xml: text(bytes)?, cookie })
    }

    /// Puts other data into the room of a file that exists.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn replace(&mut self, data: &Data) -> Result<Vec<u8>> {
        let (mut bytes, cookie_at) = data.bytes();
        let length = self.length as usize;
        if bytes.len() > length {
            return Err(failed("new xml too large to fit in file"));
        }
        bytes.resize(length, 0);
        self.cookie_at = cookie_at;
        Ok(bytes)
    }
}

impl Data {
    fn bytes(&self) -> (Vec<u8>, u32) {
        let mut bytes = self.xml.clone().into_bytes();
        bytes.push(0);
        let at = bytes.len();
        match &self.cookie {
            None => (bytes, 0),
            Some(cookie) => {
                bytes.extend_from_slice(cookie.as_bytes());
                bytes.push(0);
                (bytes, u32::try_from(at).unwrap_or(0))
            }
        }
    }

    /// The head and the data of a new file.
    ///
    /// # Errors
    /// When the data is longer than any can be.
    pub fn begin(&self, running: bool, format: Format) -> Result<(Header, Vec<u8>)> {
        let (mut bytes, cookie_at) = self.bytes();
        bytes.resize(bytes.len() + ROOM, 0);
        let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= LIMIT);
        let length = length.ok_or_else(|| failed("save image data is too large"))?;
        Ok((Header { length, running: u32::from(running), format, cookie_at }, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(cookie: Option<&str>) -> Data {
        Data { xml: "<domain/>\n".to_owned(), cookie: cookie.map(str::to_owned) }
    }

    #[test]
    fn what_is_written_is_read() {
        for (format, word) in FORMATS {
            for cookie in [None, Some("<cookie/>\n")] {
                let (header, bytes) = data(cookie).begin(true, *format).unwrap();
                assert_eq!(bytes.len(), header.length as usize);
                let again = Header::decode(&header.encode(true)).unwrap();
                assert_eq!(again, header);
                assert_eq!(again.data(&bytes).unwrap(), data(cookie));
                assert_eq!(Format::from_word(word), Some(*format));
            }
        }
    }

    #[test]
    fn data_can_grow_into_its_room() {
        let (mut header, bytes) = data(None).begin(false, Format::Raw).unwrap();
        let longer = Data { xml: "x".repeat(60_000), cookie: Some("c".to_owned()) };
        let replaced = header.replace(&longer).unwrap();
        assert_eq!((replaced.len(), header.cookie_at), (bytes.len(), 60_001));
        assert_eq!(header.data(&replaced).unwrap(), longer);
        let huge = Data { xml: "x".repeat(70_000), cookie: None };
        assert_eq!(
            header.replace(&huge).unwrap_err().message(),
            "operation failed: new xml too large to fit in file"
        );
    }

    #[test]
    fn refusals() {
        let (header, _) = data(None).begin(false, Format::Raw).unwrap();
        let check = |change: &dyn Fn(&mut [u8; HEADER]), text: &str| {
            let mut bytes = header.encode(true);
            change(&mut bytes);
            let message = Header::decode(&bytes).map_err(|error| error.message().to_owned());
            assert_eq!(message, Err(format!("operation failed: {text}")));
        };
        let put = |bytes: &mut [u8; HEADER], at: usize, value: u32| {
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        };
        check(&|bytes| *bytes = header.encode(false), "save image is incomplete");
        check(&|bytes| bytes[0] = b'x', "image magic is incorrect");
        check(&|bytes| put(bytes, 16, 3), "image version is not supported (50331648 > 2)");
        check(&|bytes| put(bytes, 20, 0), "invalid header data length: 0");
        check(&|bytes| put(bytes, 20, u32::MAX), "failed to read domain XML");
        check(&|bytes| put(bytes, 28, 99), "unsupported save image format: 99");
        check(&|bytes| put(bytes, 32, 1 << 30), "failed to read domain XML");
        // The other byte order.
        let mut bytes = header.encode(true);
        for at in (16..36).step_by(4) {
            bytes[at..at + 4].reverse();
        }
        assert_eq!(Header::decode(&bytes).unwrap(), header);
    }
}
