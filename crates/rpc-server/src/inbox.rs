//! What has arrived from a client: bytes to messages, with the descriptors that follow them.
//!
//! ```text
//! bytes ─▶ length word ─▶ whole message ─▶ [count of descriptors] ─▶ one byte and one descriptor each ─▶ message
//! ```
//!
//! Memory grows with what arrives, not with what a length word claims.

use proto::message::{self, FDS_MAX, Frame, Header, LENGTH_MAX};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Largest message of a client that has not proven who it is.
const UNAUTHENTICATED_MAX: usize = 65_536;

/// A message with its parts told apart.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
}

/// What reading gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The socket has nothing more for now.
    Empty,
    /// There may be more; others get their turn first.
    More,
    /// The peer is gone or must be cut off.
    Gone,
}

/// Input of one client.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Bytes at the front that were consumed already.
    start: usize,
    fds: VecDeque<OwnedFd>,
}

impl Inbox {
    /// Reads once from the socket.
    pub(crate) fn read(&mut self, socket: BorrowedFd<'_>, chunk: &mut [u8]) -> Reading {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(32))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let size = chunk.len();
        let got = recvmsg(
            socket,
            &mut [IoSliceMut::new(chunk)],
            &mut control,
            RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
        );
        match got {
            Ok(got) => {
                for item in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(fds) = item {
                        self.fds.extend(fds);
                    }
                }
                if got.bytes == 0 || self.fds.len() > FDS_MAX {
                    return Reading::Gone;
                }
                if self.start > 0 {
                    self.bytes.drain(..self.start);
                    self.start = 0;
                }
                self.bytes.extend_from_slice(&chunk[..got.bytes]);
                if got.bytes < size && self.fds.is_empty() { Reading::Empty } else { Reading::More }
            }
            Err(Errno::AGAIN) => Reading::Empty,
            Err(Errno::INTR) => Reading::More,
            Err(_) => Reading::Gone,
        }
    }

    /// Bytes that have arrived and were not taken.
    pub(crate) fn held(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Takes the next whole message; an error when the peer must be cut off.
    pub(crate) fn next(&mut self, authenticated: bool) -> Result<Option<Message>, message::BadLength> {
        let most = if authenticated { LENGTH_MAX } else { UNAUTHENTICATED_MAX };
        let Some(frame) = Frame::cut(&self.bytes[self.start..], most)? else { return Ok(None) };
        if self.fds.len() < frame.fds {
            return Ok(None);
        }
        let (header, payload, total) = (frame.header, frame.payload.to_vec(), frame.total);
        let fds = self.fds.drain(..frame.fds).collect();
        self.start += total;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
            // A large message must not leave its memory with an idle client.
            self.bytes.shrink_to(8 << 10);
        }
        Ok(Some(Message { header, payload, fds }))
    }
}
