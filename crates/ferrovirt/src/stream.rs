//! Data streams: read and written like files, finished or dropped.

use crate::{Error, ErrorDomain, Result};
use api::{Conduit, Received, Source, Stream};
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

enum Inner {
    Remote(Arc<dyn Conduit>),
    Local(File, Option<u64>, #[allow(dead_code, reason = "kept: dropping it ends the stream")] Stream),
    Broken,
}

/// A stream that a call has opened. Dropping it breaks it off.
pub struct Data {
    inner: Inner,
}

impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Data")
    }
}

fn other(error: &Error) -> io::Error {
    io::Error::other(error.message().to_owned())
}

impl Data {
    pub(crate) fn new(stream: Stream) -> Data {
        let copied = match &stream.source {
            Source::Conduit(conduit) => return Data { inner: Inner::Remote(conduit.clone()) },
            Source::Channel(fd) => fd.try_clone().map(|fd| (fd, None)),
            Source::File { fd, length, .. } => fd.try_clone().map(|fd| (fd, *length)),
        };
        let inner = copied.map_or(Inner::Broken, |(fd, length)| Inner::Local(fd.into(), length, stream));
        Data { inner }
    }

    /// Everything that comes, then finishes.
    ///
    /// # Errors
    /// What broke the stream.
    pub fn read_all(mut self) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        self.read_to_end(&mut data)
            .map_err(|error| Error::system(ErrorDomain::STREAMS, &error, "cannot read from stream"))?;
        self.finish()?;
        Ok(data)
    }

    /// Says that all was read or written, and waits for the other side to say the same.
    ///
    /// # Errors
    /// What the other side could not do.
    pub fn finish(self) -> Result<()> {
        match &self.inner {
            Inner::Remote(conduit) => conduit.finish(),
            Inner::Local(..) => Ok(()),
            Inner::Broken => Err(Error::internal(ErrorDomain::STREAMS, "data stream is closed")),
        }
    }
}

impl Read for Data {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Remote(conduit) => {
                match conduit.receive(buffer.len(), true, false).map_err(|error| other(&error))? {
                    Received::Data(data) => {
                        buffer[..data.len()].copy_from_slice(&data);
                        Ok(data.len())
                    }
                    _ => Ok(0),
                }
            }
            Inner::Local(file, length, _) => {
                let limit =
                    length.map_or(buffer.len(), |left| buffer.len().min(usize::try_from(left).unwrap_or(0)));
                let count = file.read(&mut buffer[..limit])?;
                if let Some(left) = length {
                    *left -= count as u64;
                }
                Ok(count)
            }
            Inner::Broken => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Write for Data {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Remote(conduit) => {
                Ok(conduit.send(data, true).map_err(|error| other(&error))?.unwrap_or(0))
            }
            Inner::Local(file, _, _) => file.write(data),
            Inner::Broken => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
