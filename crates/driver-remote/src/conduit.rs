//! A data stream over the connection.
//!
//! ```text
//! Open ── data, holes in both directions ──▶ the daemon's end of data: End packet
//!   │ finish: our word, then the daemon's confirmation      │ abort: our word, then the daemon's
//!   └───────────────▶ gone                                  └───────────────▶ gone
//! ```

use crate::channel::{Channel, State};
use api::event_loop::Readiness;
use api::{Conduit, Received};
use base::{Error, ErrorDomain, Result};
use proto::message::{Header, STREAM_CHUNK, Status, Type};
use std::sync::Arc;

/// Something the daemon sent on a stream.
#[derive(Debug)]
pub(crate) enum Packet {
    /// Data and how much of it was taken.
    Data(Vec<u8>, usize),
    Hole(i64),
    End,
}

/// The client's end of a stream.
pub(crate) struct RemoteStream {
    channel: Arc<Channel>,
    /// Header of data packets.
    header: Header,
}

/// A hole read as data is delivered in pieces of this size.
const ZEROS: usize = 64 << 10;

impl RemoteStream {
    pub(crate) fn new(channel: Arc<Channel>, call: Header) -> RemoteStream {
        RemoteStream { channel, header: call.stream(Status::Continue) }
    }

    fn refused(&self, state: &mut State) -> Option<Error> {
        match state.streams.get_mut(&self.header.serial) {
            Some(inbox) => inbox.error.clone(),
            None => Some(Error::internal(ErrorDomain::STREAMS, "data stream is closed")),
        }
    }

    /// Sends the last word and waits for the daemon's.
    fn end(&self, status: Status) -> Result<()> {
        let serial = self.header.serial;
        if let Some(error) = self.refused(&mut self.channel.state()) {
            self.forget();
            return if matches!(status, Status::Ok) { Err(error) } else { Ok(()) };
        }
        self.channel.write(&self.header.stream(status).message(&[]), &[])?;
        let outcome = self.channel.wait(None, |state| match state.streams.get_mut(&serial) {
            None => Some(Ok(())),
            Some(inbox) if inbox.confirmed => Some(Ok(())),
            Some(inbox) => inbox.error.take().map(Err),
        });
        self.forget();
        match (outcome?, status) {
            (Some(Err(error)), Status::Ok) => Err(error),
            _ => Ok(()),
        }
    }

    fn forget(&self) {
        self.channel.state().streams.remove(&self.header.serial);
    }

    /// Takes from the front of the inbox.
    fn take(&self, state: &mut State, limit: usize, stop_at_hole: bool) -> Option<Result<Received>> {
        let Some(inbox) = state.streams.get_mut(&self.header.serial) else {
            let error = Error::internal(ErrorDomain::STREAMS, "data stream is closed");
            return Some(Err(error));
        };
        loop {
            return Some(Ok(match inbox.packets.front_mut() {
                Some(Packet::Data(data, from)) => {
                    let end = data.len().min(*from + limit);
                    let taken = data[*from..end].to_vec();
                    *from = end;
                    if end == data.len() {
                        inbox.packets.pop_front();
                    }
                    Received::Data(taken)
                }
                Some(Packet::Hole(_)) if stop_at_hole => Received::Hole,
                Some(Packet::Hole(length)) => {
                    let count = usize::try_from(*length).unwrap_or(0).min(limit).min(ZEROS);
                    *length -= count as i64;
                    if *length <= 0 {
                        inbox.packets.pop_front();
                    }
                    if count == 0 {
                        continue;
                    }
                    Received::Data(vec![0; count])
                }
                // It stays, so that whoever reads on finds it again.
                Some(Packet::End) => Received::End,
                None if inbox.confirmed => Received::End,
                None => return inbox.error.clone().map(Err),
            }));
        }
    }
}

impl Conduit for RemoteStream {
    fn send(&self, data: &[u8], wait: bool) -> Result<Option<usize>> {
        if let Some(error) = self.refused(&mut self.channel.state()) {
            return Err(error);
        }
        let part = &data[..data.len().min(STREAM_CHUNK)];
        if part.is_empty() {
            return Ok(Some(0));
        }
        let message = self.header.message(part);
        if wait {
            self.channel.write(&message, &[])?;
            return Ok(Some(part.len()));
        }
        Ok(self.channel.try_write(&message)?.map(|()| part.len()))
    }

    fn receive(&self, limit: usize, wait: bool, stop_at_hole: bool) -> Result<Received> {
        if wait {
            let got = self.channel.wait(None, |state| self.take(state, limit, stop_at_hole))?;
            return got.unwrap_or(Ok(Received::End));
        }
        if let Some(got) = self.take(&mut self.channel.state(), limit, stop_at_hole) {
            return got;
        }
        self.channel.read_if_free();
        let got = self.take(&mut self.channel.state(), limit, stop_at_hole);
        got.unwrap_or(Ok(Received::WouldBlock))
    }

    fn send_hole(&self, length: i64) -> Result<()> {
        if let Some(error) = self.refused(&mut self.channel.state()) {
            return Err(error);
        }
        let header = Header { kind: Type::StreamHole as u32, ..self.header };
        let mut payload = length.to_be_bytes().to_vec();
        payload.extend_from_slice(&[0; 4]);
        self.channel.write(&header.message(&payload), &[])
    }

    fn receive_hole(&self) -> Result<i64> {
        let serial = self.header.serial;
        let got = self.channel.wait(None, |state| {
            let inbox = state.streams.get_mut(&serial)?;
            match inbox.packets.front() {
                Some(Packet::Hole(length)) => {
                    let length = *length;
                    inbox.packets.pop_front();
                    Some(Ok(length))
                }
                Some(_) => Some(Ok(0)),
                None if inbox.confirmed => Some(Ok(0)),
                None => inbox.error.clone().map(Err),
            }
        })?;
        got.unwrap_or(Ok(0))
    }

    fn finish(&self) -> Result<()> {
        self.end(Status::Ok)
    }

    fn abort(&self) -> Result<()> {
        self.end(Status::Error)
    }

    fn readiness(&self) -> Readiness {
        let state = self.channel.state();
        let Some(inbox) = state.streams.get(&self.header.serial) else { return Readiness::default() };
        let readable = !inbox.packets.is_empty() || inbox.confirmed;
        let error = inbox.error.is_some() || state.closed.is_some();
        Readiness { readable, writable: !inbox.confirmed, error, hangup: false }
    }

    fn watch(&self, action: Option<Arc<dyn Fn() + Send + Sync>>) {
        if let Some(inbox) = self.channel.state().streams.get_mut(&self.header.serial) {
            inbox.watcher = action;
        }
    }
}

impl Drop for RemoteStream {
    fn drop(&mut self) {
        if self.channel.state().streams.remove(&self.header.serial).is_some() && self.channel.is_alive() {
            // Nobody will read on: the daemon may let go.
            let _ = self.channel.try_write(&self.header.stream(Status::Error).message(&[]));
        }
    }
}
