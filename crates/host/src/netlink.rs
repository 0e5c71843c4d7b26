//! The kernel's network configuration over netlink: a socket that asks one thing at a time.
//!
//! A message is a header, a structure of fixed size for its kind, and attributes; an attribute is its length, its number
//! and its value, padded to four bytes, and may hold attributes itself. Numbers are those of the kernel's interface
//! (`linux/rtnetlink.h`, `linux/if_link.h`).

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

const HEADER: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// The message is a request.
const REQUEST: u16 = 1;
/// The outcome is answered.
const ACKNOWLEDGE: u16 = 4;
/// Every object of the kind is asked for.
const DUMP: u16 = 0x300;
/// The object must not be there yet; with [`CREATE`].
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// Another object in this place makes way; with [`CREATE`].
pub(crate) const REPLACE: u16 = 0x100;
/// The object is made when it is not there.
pub(crate) const CREATE: u16 = 0x400;
/// Most bytes of one answer.
const ANSWER_MAX: usize = 64 << 10;
/// Attributes that hold attributes are marked.
const NESTED: u16 = 0x8000;

/// A message under construction.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    /// A message of a kind with its fixed structure.
    pub(crate) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Message {
        let mut message = Message { kind, flags, body: fixed.to_vec() };
        message.pad();
        message
    }

    fn pad(&mut self) {
        self.body.resize(self.body.len().next_multiple_of(4), 0);
    }

    /// Adds an attribute.
    pub(crate) fn attr(&mut self, number: u16, value: &[u8]) -> &mut Message {
        // Values are bounded by those who call: names, addresses, numbers.
        let length = (4 + value.len()) as u16;
        self.body.extend(length.to_ne_bytes());
        self.body.extend(number.to_ne_bytes());
        self.body.extend(value);
        self.pad();
        self
    }

    /// Adds a number of 32 bits.
    pub(crate) fn attr_u32(&mut self, number: u16, value: u32) -> &mut Message {
        self.attr(number, &value.to_ne_bytes())
    }

    /// Adds text with its end.
    pub(crate) fn attr_text(&mut self, number: u16, value: &str) -> &mut Message {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attr(number, &bytes)
    }

    /// Adds an attribute that holds attributes.
    pub(crate) fn nest(&mut self, number: u16, inside: impl FnOnce(&mut Message)) -> &mut Message {
        let start = self.body.len();
        self.attr(number | NESTED, &[]);
        inside(self);
        let length = (self.body.len() - start) as u16;
        self.body[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    fn bytes(&self, flags: u16, sequence: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.body.len());
        bytes.extend(((HEADER + self.body.len()) as u32).to_ne_bytes());
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend((REQUEST | flags | self.flags).to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend(&self.body);
        bytes
    }
}

/// Numbers in the machine's byte order, out of bytes from the kernel.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The same with 32 bits.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The attributes in `bytes`: number and value.
pub(crate) fn attributes(bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let (Some(length), Some(number)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let length = usize::from(length);
        let Some(value) = rest.get(4..length) else { break };
        found.push((number & !NESTED, value));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// An answer: kind and what follows the header.
pub(crate) type Answer = (u16, Vec<u8>);

/// A socket to the routing part of the kernel.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    /// One question at a time; the number of the last.
    turn: Mutex<u32>,
}

impl Socket {
    /// Opens a socket to a part of the kernel; joins these groups of messages.
    pub(crate) fn open(protocol: Option<rustix::net::Protocol>, groups: u32) -> io::Result<Socket> {
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?;
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, groups))?;
        Ok(Socket { fd, turn: Mutex::new(0) })
    }

    /// A socket for links, addresses and routes.
    pub(crate) fn routes() -> io::Result<Socket> {
        // Routing is protocol 0.
        Socket::open(None, 0)
    }

    /// Asks for one change.
    pub(crate) fn change(&self, message: &Message) -> io::Result<()> {
        self.ask(message, ACKNOWLEDGE).map(drop)
    }

    /// Asks for one object.
    pub(crate) fn one(&self, message: &Message) -> io::Result<Vec<Answer>> {
        self.ask(message, ACKNOWLEDGE)
    }

    /// Asks for all objects of a kind.
    pub(crate) fn dump(&self, message: &Message) -> io::Result<Vec<Answer>> {
        self.ask(message, DUMP)
    }

    fn ask(&self, message: &Message, flags: u16) -> io::Result<Vec<Answer>> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        *turn = turn.wrapping_add(1);
        let sequence = *turn;
        rustix::net::send(&self.fd, &message.bytes(flags, sequence), SendFlags::empty())?;
        let mut answers = Vec::new();
        let mut buffer = vec![0; ANSWER_MAX];
        loop {
            let (_, size) = rustix::net::recv(&self.fd, buffer.as_mut_slice(), RecvFlags::empty())?;
            for (kind, number, body) in messages_in(buffer.get(..size).unwrap_or(&buffer)) {
                // An answer to a question that was given up.
                if number != sequence {
                    continue;
                }
                match kind {
                    DONE => return Ok(answers),
                    ERROR => match u32_at(body, 0).map(u32::cast_signed).unwrap_or(0) {
                        0 => return Ok(answers),
                        errno => return Err(io::Error::from_raw_os_error(errno.saturating_neg())),
                    },
                    _ => answers.push((kind, body.to_vec())),
                }
            }
        }
    }

    /// Sends messages that belong together, framed by their begin and end. The last but one is answered, errors of all
    /// are.
    pub(crate) fn batch(&self, messages: &[Message]) -> io::Result<()> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut bytes, first) = (Vec::new(), turn.wrapping_add(1));
        let answered = messages.len().saturating_sub(2);
        for (at, message) in messages.iter().enumerate() {
            *turn = turn.wrapping_add(1);
            bytes.extend(message.bytes(if at == answered { ACKNOWLEDGE } else { 0 }, *turn));
        }
        rustix::net::send(&self.fd, &bytes, SendFlags::empty())?;
        let awaited = first.wrapping_add(answered as u32);
        let mut buffer = vec![0; ANSWER_MAX];
        let mut outcome = Ok(());
        loop {
            let (_, size) = rustix::net::recv(&self.fd, buffer.as_mut_slice(), RecvFlags::empty())?;
            for (kind, number, body) in messages_in(buffer.get(..size).unwrap_or(&buffer)) {
                // An answer to a question that was given up.
                if kind != ERROR || number.wrapping_sub(first) > awaited.wrapping_sub(first) {
                    continue;
                }
                let errno = u32_at(body, 0).map(u32::cast_signed).unwrap_or(0);
                if errno != 0 && outcome.is_ok() {
                    outcome = Err(io::Error::from_raw_os_error(errno.saturating_neg()));
                }
                // A refusal of the frame is one of everything in it.
                if number == awaited || number == first {
                    return outcome;
                }
            }
        }
    }

    /// Gives up on answers that take longer.
    pub(crate) fn limit(&self, time: std::time::Duration) {
        let side = rustix::net::sockopt::Timeout::Recv;
        let _ = rustix::net::sockopt::set_socket_timeout(&self.fd, side, Some(time));
    }

    /// The number of a link.
    pub(crate) fn index(&self, name: &str) -> io::Result<u32> {
        Ok(rustix::net::netdevice::name_to_index(&self.fd, name)?)
    }

    /// Lets many messages of the joined groups wait.
    pub(crate) fn widen(&self, bytes: usize) {
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&self.fd, bytes);
    }

    /// The next message of the joined groups as it is; nothing when that takes longer than `limit`.
    pub(crate) fn message(&self, limit: std::time::Duration) -> Option<Vec<u8>> {
        let timeout = rustix::event::Timespec {
            tv_sec: limit.as_secs() as i64,
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        let mut fds = [rustix::event::PollFd::new(&self.fd, rustix::event::PollFlags::IN)];
        let _ = rustix::event::poll(&mut fds, Some(&timeout));
        let mut buffer = vec![0; ANSWER_MAX];
        let (_, size) = rustix::net::recv(&self.fd, buffer.as_mut_slice(), RecvFlags::DONTWAIT).ok()?;
        buffer.truncate(size);
        Some(buffer)
    }

    /// Waits until messages of the joined groups come, at most for `limit`; takes them all.
    pub(crate) fn heard(&self, limit: std::time::Duration) -> Heard {
        let timeout = rustix::event::Timespec {
            tv_sec: limit.as_secs() as i64,
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        let mut fds = [rustix::event::PollFd::new(&self.fd, rustix::event::PollFlags::IN)];
        let _ = rustix::event::poll(&mut fds, Some(&timeout));
        let mut buffer = vec![0; ANSWER_MAX];
        let mut all = Vec::new();
        let mut lost = false;
        loop {
            match rustix::net::recv(&self.fd, buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
                Ok((_, size)) => {
                    let messages = messages_in(buffer.get(..size).unwrap_or(&buffer));
                    all.extend(messages.map(|(kind, _, body)| (kind, body.to_vec())));
                }
                Err(rustix::io::Errno::NOBUFS) => lost = true,
                Err(_) => return if lost { Heard::Lost } else { Heard::Messages(all) },
            }
        }
    }
}

/// What came of the joined groups.
#[derive(Debug)]
pub(crate) enum Heard {
    /// These.
    Messages(Vec<Answer>),
    /// More than could wait.
    Lost,
}

/// The messages in `bytes`: kind, number of the question, what follows the header.
fn messages_in(bytes: &[u8]) -> impl Iterator<Item = (u16, u32, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (length, kind, number) = (u32_at(rest, 0)?, u16_at(rest, 4)?, u32_at(rest, 8)?);
        let length = length as usize;
        let body = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, number, body))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_nested() {
        let mut message = Message::new(1, 0, &[7]);
        message.attr_text(3, "ab").nest(18, |message| {
            message.attr_u32(1, 5);
        });
        assert_eq!(message.body.len(), 4 + 8 + 12);
        let outer = attributes(&message.body[4..]);
        assert_eq!(outer[0], (3, &b"ab\0"[..]));
        assert_eq!(attributes(outer[1].1), [(1, &5u32.to_ne_bytes()[..])]);
        assert!(attributes(&[9, 0, 1, 0]).is_empty());
    }
}
