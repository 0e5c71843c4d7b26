//! Messages: a length word that counts itself, a header of six words, then the payload.
//!
//! ```text
//! | length | program | version | procedure | type | serial | status | [fd count] | payload ... |
//!   4        4         4         4           4      4        4         4
//! ```
//!
//! The count of descriptors is there for the `WithFds` types only; the descriptors follow the message, each with one
//! byte of data.

/// Largest message with its length word.
pub const LENGTH_MAX: usize = 33_554_436;
/// Bytes of the length word.
pub const LENGTH_WORD: usize = 4;
/// Bytes of the header behind the length word.
pub const HEADER: usize = 24;
/// Largest payload.
pub const PAYLOAD_MAX: usize = 33_554_408;
/// Payload size that every peer takes, used for stream data.
pub const STREAM_CHUNK: usize = 262_120;
/// Most descriptors with one message.
pub const FDS_MAX: usize = 32;

/// Program number of keepalive messages.
pub const KEEPALIVE_PROGRAM: u32 = 0x6b65_6570;
/// Version of the keepalive program.
pub const KEEPALIVE_VERSION: u32 = 1;
/// Procedure: are you there?
pub const KEEPALIVE_PING: i32 = 1;
/// Procedure: I am.
pub const KEEPALIVE_PONG: i32 = 2;

macro_rules! numbers {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $member:ident = $number:literal),+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum $name { $($(#[$doc])* $member = $number),+ }

        impl $name {
            /// The member with this number.
            pub fn from_number(number: u32) -> Option<$name> {
                match number { $($number => Some($name::$member),)+ _ => None }
            }
        }
    };
}

numbers! {
    /// Kind of a message.
    Type {
        /// Client asks.
        Call = 0,
        /// Server answers.
        Reply = 1,
        /// Neither question nor answer: events, keepalive.
        Message = 2,
        /// Data of a stream.
        Stream = 3,
        /// Client asks and passes descriptors.
        CallWithFds = 4,
        /// Server answers and passes descriptors.
        ReplyWithFds = 5,
        /// A hole in a stream.
        StreamHole = 6
    }
}

numbers! {
    /// How it went.
    Status {
        /// Well; the end of a stream.
        Ok = 0,
        /// Not; the payload is an error. From a client: the stream is aborted.
        Error = 1,
        /// More data of a stream follows.
        Continue = 2
    }
}

/// The six words behind the length. `kind` and `status` are kept as numbers: what is not known is refused by whoever
/// handles it, with the number in the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Program.
    pub program: u32,
    /// Version of the program.
    pub version: u32,
    /// Procedure of the program.
    pub procedure: i32,
    /// A [`Type`].
    pub kind: u32,
    /// Ties answers and stream data to the call.
    pub serial: u32,
    /// A [`Status`].
    pub status: u32,
}

impl Header {
    /// Reads the header of a message that starts at its length word; `None` when it is shorter.
    pub fn read(message: &[u8]) -> Option<Header> {
        let word = |index: usize| {
            let at = LENGTH_WORD + 4 * index;
            message.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
        };
        Some(Header {
            program: word(0)?,
            version: word(1)?,
            procedure: word(2)? as i32,
            kind: word(3)?,
            serial: word(4)?,
            status: word(5)?,
        })
    }

    /// The header of an answer to this call.
    pub fn reply(&self, status: Status) -> Header {
        Header { kind: Type::Reply as u32, status: status as u32, ..*self }
    }

    /// The header of stream data that belongs to this call.
    pub fn stream(&self, status: Status) -> Header {
        Header { kind: Type::Stream as u32, status: status as u32, ..*self }
    }

    /// Begins a message: room for the length, then the header.
    pub fn begin(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&[0; LENGTH_WORD]);
        for word in [self.program, self.version, self.procedure as u32, self.kind, self.serial, self.status] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out
    }

    /// A whole message.
    pub fn message(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = self.begin();
        out.extend_from_slice(payload);
        finish(&mut out);
        out
    }
}

/// Writes the length of a message that was begun by [`Header::begin`].
pub fn finish(message: &mut [u8]) {
    let length = message.len() as u32;
    message[..LENGTH_WORD].copy_from_slice(&length.to_be_bytes());
}

/// Length of the message that begins with these bytes: `Ok(None)` when the length word is not there yet, an error when
/// it is out of bounds and the peer must be cut off.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, BadLength> {
    let Some(word) = bytes.first_chunk::<LENGTH_WORD>() else { return Ok(None) };
    let length = u32::from_be_bytes(*word) as usize;
    if (LENGTH_WORD + HEADER..=LENGTH_MAX).contains(&length) {
        Ok(Some(length))
    } else {
        Err(BadLength(length))
    }
}

/// The first message among bytes that have arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'b> {
    /// Its header.
    pub header: Header,
    /// What follows the header, without the count of descriptors.
    pub payload: &'b [u8],
    /// Descriptors that come with it.
    pub fds: usize,
    /// Bytes it takes, those of the descriptors with it.
    pub total: usize,
}

impl Frame<'_> {
    /// Tells the first message apart when it is there as a whole; descriptors are on their way beside the bytes.
    ///
    /// # Errors
    /// When it is longer than `most` bytes, or its length or its count of descriptors is one that no message can have.
    pub fn cut(bytes: &[u8], most: usize) -> Result<Option<Frame<'_>>, BadLength> {
        let Some(length) = length(bytes)? else { return Ok(None) };
        if length > most {
            return Err(BadLength(length));
        }
        let (Some(whole), Some(header)) = (bytes.get(..length), Header::read(bytes)) else { return Ok(None) };
        let mut payload = whole.get(LENGTH_WORD + HEADER..).unwrap_or_default();
        let mut fds = 0;
        if matches!(Type::from_number(header.kind), Some(Type::CallWithFds | Type::ReplyWithFds)) {
            let (word, rest) = payload.split_first_chunk::<4>().ok_or(BadLength(length))?;
            fds = u32::from_be_bytes(*word) as usize;
            payload = rest;
            if fds > FDS_MAX {
                return Err(BadLength(fds));
            }
        }
        let total = length + fds;
        Ok((bytes.len() >= total).then_some(Frame { header, payload, fds, total }))
    }
}

/// A length word that no message can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadLength(pub usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_survives() {
        let header =
            Header { program: 0x2000_8086, version: 1, procedure: 66, kind: 0, serial: 7, status: 0 };
        let message = header.message(&[1, 2, 3, 4]);
        assert_eq!(length(&message), Ok(Some(32)));
        assert_eq!(Header::read(&message), Some(header));
        assert_eq!(length(&message[..3]), Ok(None));
        assert_eq!(length(&[0xff; 4]), Err(BadLength(0xffff_ffff)));
        assert_eq!(length(&[0, 0, 0, 3]), Err(BadLength(3)));
        assert_eq!(Header::read(&message[..20]), None);
        let frame = Frame { header, payload: &[1, 2, 3, 4], fds: 0, total: 32 };
        assert_eq!(Frame::cut(&message, 32), Ok(Some(frame)));
        assert_eq!(Frame::cut(&message, 31), Err(BadLength(32)));
        assert_eq!(Frame::cut(&message[..31], 64), Ok(None));
    }

    #[test]
    fn descriptors_follow_their_message() {
        let header = Header {
            program: 1,
            version: 1,
            procedure: 1,
            kind: Type::CallWithFds as u32,
            serial: 1,
            status: 0,
        };
        let mut message = header.message(&[0, 0, 0, 2, 9, 9, 9, 9]);
        assert_eq!(Frame::cut(&message, 64), Ok(None));
        message.extend_from_slice(&[0, 0, 7]);
        assert_eq!(Frame::cut(&message, 64), Ok(Some(Frame { header, payload: &[9; 4], fds: 2, total: 38 })));
        assert_eq!(Frame::cut(&header.message(&[0, 0, 0, 33]), 64), Err(BadLength(33)));
        assert_eq!(Frame::cut(&header.message(&[]), 64), Err(BadLength(28)));
    }
}
