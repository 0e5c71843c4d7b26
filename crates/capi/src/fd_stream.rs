//! Streams of a driver within this process: a descriptor, read and written directly.

use api::event_loop::Readiness;
use api::{Conduit, Outcome, Received, Source, Stream};
use base::{Error, ErrorDomain, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{SeekFrom, ftruncate, seek};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that are left to move, and what runs at the end.
#[derive(Default)]
struct Rest {
    length: Option<u64>,
    on_end: Option<Box<dyn FnOnce(Outcome) + Send>>,
}

struct FdStream {
    fd: OwnedFd,
    rest: Mutex<Rest>,
}

/// What a driver handed over as something that can be sent to and received from.
pub(crate) fn conduit(mut stream: Stream) -> Result<Arc<dyn Conduit>> {
    let on_end = stream.take_end();
    match &stream.source {
        Source::Conduit(conduit) => Ok(conduit.clone()),
        Source::Channel(fd) => copy(fd, None, on_end),
        Source::File { fd, length, .. } => copy(fd, *length, on_end),
    }
}

fn copy(
    fd: &OwnedFd,
    length: Option<u64>,
    on_end: Option<Box<dyn FnOnce(Outcome) + Send>>,
) -> Result<Arc<dyn Conduit>> {
    let fd = fd
        .try_clone()
        .map_err(|error| Error::system(ErrorDomain::STREAMS, &error, "cannot copy a descriptor"))?;
    Ok(Arc::new(FdStream { fd, rest: Mutex::new(Rest { length, on_end }) }))
}

impl FdStream {
    fn rest(&self) -> std::sync::MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ready(&self, flags: PollFlags, wait: bool) -> bool {
        let limit = (!wait).then_some(Timespec { tv_sec: 0, tv_nsec: 0 });
        poll(&mut [PollFd::new(&self.fd, flags)], limit.as_ref()).is_ok_and(|count| count > 0)
    }

    fn end(&self, outcome: Outcome) {
        let action = self.rest().on_end.take();
        if let Some(action) = action {
            action(outcome);
        }
    }
}

fn failed(error: Errno, text: &str) -> Error {
    Error::system(ErrorDomain::STREAMS, &error.into(), text)
}

impl Conduit for FdStream {
    fn send(&self, data: &[u8], wait: bool) -> Result<Option<usize>> {
        let left = self.rest().length;
        if left == Some(0) && !data.is_empty() {
            return Err(failed(Errno::NOSPC, "cannot write to stream"));
        }
        let part = &data
            [..data.len().min(left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX)))];
        if !self.ready(PollFlags::OUT, wait) {
            return Ok(None);
        }
        let count =
            rustix::io::write(&self.fd, part).map_err(|error| failed(error, "cannot write to stream"))?;
        if let Some(length) = &mut self.rest().length {
            *length -= count as u64;
        }
        Ok(Some(count))
    }

    fn receive(&self, limit: usize, wait: bool, _stop_at_hole: bool) -> Result<Received> {
        let left = self.rest().length;
        let limit = limit.min(left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX)));
        if limit == 0 {
            return Ok(Received::End);
        }
        if !self.ready(PollFlags::IN, wait) {
            return Ok(Received::WouldBlock);
        }
        let mut data = vec![0; limit.min(1 << 20)];
        let count = match rustix::io::read(&self.fd, &mut data) {
            Ok(count) => count,
            // The other end of a terminal is gone.
            Err(Errno::IO) => 0,
            Err(error) => return Err(failed(error, "cannot read from stream")),
        };
        data.truncate(count);
        if let Some(length) = &mut self.rest().length {
            *length -= count as u64;
        }
        Ok(if count == 0 { Received::End } else { Received::Data(data) })
    }

    fn send_hole(&self, length: i64) -> Result<()> {
        let at =
            seek(&self.fd, SeekFrom::Current(length)).map_err(|error| failed(error, "unable to seek"))?;
        ftruncate(&self.fd, at).map_err(|error| failed(error, "unable to truncate"))
    }

    fn receive_hole(&self) -> Result<i64> {
        Ok(0)
    }

    fn finish(&self) -> Result<()> {
        self.end(Outcome::Finished);
        Ok(())
    }

    fn abort(&self) -> Result<()> {
        self.end(Outcome::Aborted);
        Ok(())
    }

    fn readiness(&self) -> Readiness {
        Readiness {
            readable: self.ready(PollFlags::IN, false),
            writable: self.ready(PollFlags::OUT, false),
            ..Readiness::default()
        }
    }

    fn watch(&self, action: Option<Arc<dyn Fn() + Send + Sync>>) {
        // Whoever asks for readiness does so again and again while there is a watcher.
        if let Some(action) = action {
            action();
        }
    }
}

impl Drop for FdStream {
    fn drop(&mut self) {
        self.end(Outcome::Aborted);
    }
}
