//! What has arrived from the daemon: bytes to messages, with the descriptors that follow them.

use proto::message::{self, Frame, Header, LENGTH_MAX};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Bytes read at once; most answers are far smaller.
const CHUNK: usize = 64 << 10;

/// A message with its parts told apart.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
}

/// What reading gave.
#[derive(Debug)]
pub(crate) enum Reading {
    /// Something, or a signal in between.
    Some,
    /// Nothing for now.
    Nothing,
    /// The daemon is gone.
    Gone(Option<std::io::Error>),
}

/// Bytes that are no whole message yet.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    bytes: Vec<u8>,
    start: usize,
    fds: VecDeque<OwnedFd>,
    chunk: Vec<u8>,
}

impl Incoming {
    /// Reads once, waiting for the first byte when asked to.
    pub(crate) fn read(&mut self, socket: BorrowedFd<'_>, wait: bool) -> Reading {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(32))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        self.chunk.resize(CHUNK, 0);
        let flags =
            if wait { RecvFlags::CMSG_CLOEXEC } else { RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT };
        match recvmsg(socket, &mut [IoSliceMut::new(&mut self.chunk)], &mut control, flags) {
            Ok(got) => {
                for item in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(fds) = item {
                        self.fds.extend(fds);
                    }
                }
                if got.bytes == 0 {
                    return Reading::Gone(None);
                }
                self.bytes.drain(..self.start);
                self.start = 0;
                self.bytes.extend_from_slice(&self.chunk[..got.bytes]);
                Reading::Some
            }
            Err(Errno::AGAIN) => Reading::Nothing,
            Err(Errno::INTR) => Reading::Some,
            Err(error) => Reading::Gone(Some(error.into())),
        }
    }

    /// Takes the next whole message; an error when the daemon does not speak the protocol.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, message::BadLength> {
        let Some(frame) = Frame::cut(&self.bytes[self.start..], LENGTH_MAX)? else { return Ok(None) };
        if self.fds.len() < frame.fds {
            return Ok(None);
        }
        let total = frame.total;
        let (header, payload) = (frame.header, frame.payload.to_vec());
        let message = Message { header, payload, fds: self.fds.drain(..frame.fds).collect() };
        self.start += total;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
            self.bytes.shrink_to(CHUNK);
        }
        Ok(Some(message))
    }
}
