//! Data streams: one thread a stream moves bytes between the client and the driver's descriptor.
//!
//! ```text
//!            ┌────────── packets from the client (bounded; the client is not read while it is full)
//!            ▼
//!  Open ─────┬── end of data on our side ──▶ Drained (waits for the client's word)
//!            ├── client finishes ──▶ write the rest ──▶ answered, Ended(Finished)
//!            ├── client aborts   ──▶ answered, Ended(Aborted)
//!            ├── moving fails    ──▶ error packet, Ended(Aborted)
//!            └── client gone     ──▶ Ended(Aborted)
//! ```

use crate::client::{Client, locked};
use crate::server::Shared;
use api::{Outcome, Source, Stream};
use base::{Error, ErrorDomain};
use proto::message::{self, Header, STREAM_CHUNK, Status, Type};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::{OFlags, SeekFrom, fcntl_getfl, fcntl_setfl, ftruncate, seek};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Bytes waiting for the driver's descriptor beyond which the client is not read.
const INCOMING_MAX: usize = 1 << 20;

/// Something the client sent on the stream.
#[derive(Debug)]
pub(crate) enum Packet {
    Data(Vec<u8>),
    Hole(i64),
    Finish,
    Abort,
}

#[derive(Debug, Default)]
struct Incoming {
    packets: VecDeque<Packet>,
    bytes: usize,
    abandoned: bool,
}

/// The side of a stream that the I/O thread sees.
#[derive(Debug)]
pub(crate) struct Pump {
    header: Header,
    incoming: Mutex<Incoming>,
    wake: OwnedFd,
}

/// How the pump ends.
enum End {
    Finished,
    Aborted,
    Gone,
    Failed(Error),
}

impl Pump {
    /// Takes a packet; true when the client must not be read until there is room.
    pub(crate) fn push(&self, packet: Packet) -> bool {
        let mut incoming = locked(&self.incoming);
        if let Packet::Data(data) = &packet {
            incoming.bytes += data.len();
        }
        incoming.packets.push_back(packet);
        self.nudge();
        incoming.bytes > INCOMING_MAX
    }

    /// The client is gone.
    pub(crate) fn abandon(&self) {
        locked(&self.incoming).abandoned = true;
        self.nudge();
    }

    fn nudge(&self) {
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

/// Makes the place where packets of a stream arrive. There must be one before the call is answered: a client that is fast
/// sends the first packet before whoever answers gets any further.
pub(crate) fn prepare(client: &Client, header: Header) -> Result<Arc<Pump>, Error> {
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|error| {
        Error::system(ErrorDomain::STREAMS, &error.into(), "cannot create an event descriptor")
    })?;
    let pump = Arc::new(Pump { header, incoming: Mutex::default(), wake });
    locked(&client.streams).insert(header.serial, pump.clone());
    Ok(pump)
}

/// Starts moving data for a call that was answered.
pub(crate) fn start(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    pump: Arc<Pump>,
    stream: Stream,
    to_server: bool,
) {
    let header = pump.header;
    let (shared_, client_) = (shared.clone(), client.clone());
    let spawned = std::thread::Builder::new()
        .name("stream".to_owned())
        .spawn(move || run(&shared_, &client_, &pump, stream, to_server));
    if let Err(error) = spawned {
        locked(&client.streams).remove(&header.serial);
        let error = Error::system(ErrorDomain::STREAMS, &error, "cannot start a stream");
        tell(shared, client, &header, Some(&error));
    }
}

fn tell(shared: &Shared, client: &Client, header: &Header, error: Option<&Error>) {
    let message = match error {
        None => header.stream(Status::Ok).message(&[]),
        Some(error) => {
            header.stream(Status::Error).message(&xdr::to_bytes(&proto::fault::Fault(error.clone())))
        }
    };
    client.send(shared, message, Vec::new());
}

fn run(shared: &Arc<Shared>, client: &Arc<Client>, pump: &Arc<Pump>, mut stream: Stream, to_server: bool) {
    let action = stream.take_end();
    let mover = Mover { shared, client, pump };
    let end = match &stream.source {
        Source::Channel(fd) => mover.channel(fd),
        Source::File { fd, length, sparse } if to_server => mover.write_file(fd, *length, *sparse),
        Source::File { fd, length, sparse } => mover.read_file(fd, *length, *sparse),
        Source::Conduit(_) => End::Failed(Error::internal(
            ErrorDomain::STREAMS,
            "a stream of another process cannot be passed on",
        )),
    };
    // Closed before the client is told: what it does next may need the descriptor's other end.
    drop(stream);
    if let Some(action) = action {
        action(if matches!(end, End::Finished) { Outcome::Finished } else { Outcome::Aborted });
    }
    locked(&client.streams).remove(&pump.header.serial);
    match end {
        End::Finished | End::Aborted => tell(shared, client, &pump.header, None),
        End::Failed(error) => tell(shared, client, &pump.header, Some(&error)),
        End::Gone => {}
    }
}

struct Mover<'s> {
    shared: &'s Arc<Shared>,
    client: &'s Arc<Client>,
    pump: &'s Pump,
}

fn failed(text: &str, error: Errno) -> End {
    End::Failed(Error::system(ErrorDomain::STREAMS, &error.into(), text))
}

impl Mover<'_> {
    /// Next packet, if one is there.
    fn take(&self) -> Result<Option<Packet>, End> {
        let mut incoming = locked(&self.pump.incoming);
        if incoming.abandoned {
            return Err(End::Gone);
        }
        let was_full = incoming.bytes > INCOMING_MAX;
        let packet = incoming.packets.pop_front();
        if let Some(Packet::Data(data)) = &packet {
            incoming.bytes -= data.len();
        }
        if was_full && incoming.bytes <= INCOMING_MAX {
            self.shared.resume(self.client.id);
        }
        Ok(packet)
    }

    /// Waits for a packet.
    fn wait(&self) -> Result<Packet, End> {
        loop {
            if let Some(packet) = self.take()? {
                return Ok(packet);
            }
            let _ = poll(&mut [PollFd::new(&self.pump.wake, PollFlags::IN)], None);
            self.calm();
        }
    }

    fn calm(&self) {
        let _ = rustix::io::read(&self.pump.wake, &mut [0; 8]);
    }

    /// Sends data once there is room.
    fn send(&self, data: &[u8]) -> Result<(), End> {
        self.wait_for_room()?;
        self.client.send(self.shared, self.pump.header.stream(Status::Continue).message(data), Vec::new());
        Ok(())
    }

    fn wait_for_room(&self) -> Result<(), End> {
        loop {
            match self.client.outbox().wait_for_room(Duration::from_secs(1)) {
                Ok(true) => return Ok(()),
                Ok(false) if locked(&self.pump.incoming).abandoned => return Err(End::Gone),
                Ok(false) => {}
                Err(_) => return Err(End::Gone),
            }
        }
    }

    /// Our side has nothing more: tells so and waits for the client's word.
    fn drained(&self) -> End {
        if let Err(end) = self.send(&[]) {
            return end;
        }
        loop {
            match self.wait() {
                Ok(Packet::Finish) => return End::Finished,
                Ok(Packet::Abort) => return End::Aborted,
                Ok(_) => {}
                Err(end) => return end,
            }
        }
    }

    fn channel(&self, fd: &OwnedFd) -> End {
        if let Ok(flags) = fcntl_getfl(fd) {
            let _ = fcntl_setfl(fd, flags | OFlags::NONBLOCK);
        }
        let mut unwritten: VecDeque<u8> = VecDeque::new();
        let mut chunk = vec![0; 64 << 10];
        let mut finishing = false;
        let mut ended = false;
        loop {
            while unwritten.len() < STREAM_CHUNK && !finishing {
                match self.take() {
                    Ok(Some(Packet::Data(data))) => unwritten.extend(data),
                    Ok(Some(Packet::Finish)) => finishing = true,
                    Ok(Some(Packet::Abort)) => return End::Aborted,
                    Ok(Some(Packet::Hole(_))) | Ok(None) => break,
                    Err(end) => return end,
                }
            }
            while !unwritten.is_empty() {
                match rustix::io::write(fd, unwritten.as_slices().0) {
                    Ok(count) => drop(unwritten.drain(..count)),
                    Err(Errno::AGAIN) => break,
                    Err(Errno::INTR) => {}
                    Err(Errno::PIPE | Errno::IO | Errno::CONNRESET) => unwritten.clear(),
                    Err(error) => return failed("cannot write to stream", error),
                }
            }
            if finishing && unwritten.is_empty() {
                return End::Finished;
            }
            let mut wanted = if ended { PollFlags::empty() } else { PollFlags::IN };
            if !unwritten.is_empty() {
                wanted |= PollFlags::OUT;
            }
            let mut fds = [PollFd::new(&self.pump.wake, PollFlags::IN), PollFd::new(fd, wanted)];
            // A descriptor whose other end is closed would be reported all the time.
            let count = if wanted.is_empty() { 1 } else { 2 };
            match poll(&mut fds[..count], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return failed("cannot wait for stream", error),
            }
            let ready = fds[1].revents();
            self.calm();
            if count == 2 && ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                if let Err(end) = self.wait_for_room() {
                    return end;
                }
                match rustix::io::read(fd, &mut chunk) {
                    Ok(0) | Err(Errno::IO | Errno::CONNRESET) => {
                        ended = true;
                        if let Err(end) = self.send(&[]) {
                            return end;
                        }
                    }
                    Ok(count) => {
                        if let Err(end) = self.send(&chunk[..count]) {
                            return end;
                        }
                    }
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(error) => return failed("cannot read from stream", error),
                }
            }
        }
    }

    fn read_file(&self, fd: &OwnedFd, length: Option<u64>, sparse: bool) -> End {
        let mut left = length.unwrap_or(u64::MAX);
        let mut chunk = vec![0; STREAM_CHUNK];
        while left > 0 {
            match self.take() {
                Ok(Some(Packet::Abort)) => return End::Aborted,
                Ok(Some(Packet::Finish)) => return End::Finished,
                Ok(_) => {}
                Err(end) => return end,
            }
            let mut most = left.min(STREAM_CHUNK as u64);
            if sparse && let Some((hole, data)) = extent(fd) {
                if hole > 0 {
                    let hole = hole.min(left);
                    if let Err(end) = self.wait_for_room() {
                        return end;
                    }
                    let mut header = self.pump.header.stream(Status::Continue);
                    header.kind = Type::StreamHole as u32;
                    let mut bytes = header.begin();
                    bytes.extend_from_slice(&(hole as i64).to_be_bytes());
                    bytes.extend_from_slice(&0u32.to_be_bytes());
                    message::finish(&mut bytes);
                    self.client.send(self.shared, bytes, Vec::new());
                    left -= hole;
                    if seek(fd, SeekFrom::Current(hole as i64)).is_err() {
                        return failed("cannot seek in stream", Errno::IO);
                    }
                    continue;
                }
                most = most.min(data);
                if data == 0 {
                    break;
                }
            }
            match rustix::io::read(fd, &mut chunk[..most as usize]) {
                Ok(0) => break,
                Ok(count) => {
                    left -= count as u64;
                    if let Err(end) = self.send(&chunk[..count]) {
                        return end;
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return failed("cannot read from stream", error),
            }
        }
        self.drained()
    }

    fn write_file(&self, fd: &OwnedFd, length: Option<u64>, sparse: bool) -> End {
        let mut left = length.unwrap_or(u64::MAX);
        loop {
            let data = match self.wait() {
                Ok(Packet::Finish) => return End::Finished,
                Ok(Packet::Abort) => return End::Aborted,
                Ok(Packet::Hole(hole)) => {
                    let hole = hole.max(0) as u64;
                    if !sparse || hole > left {
                        return End::Failed(Error::internal(ErrorDomain::STREAMS, "unexpected stream hole"));
                    }
                    left -= hole;
                    match seek(fd, SeekFrom::Current(hole as i64)) {
                        // What was there does not show through; a device cannot be cut.
                        Ok(at) => drop(ftruncate(fd, at)),
                        Err(error) => return failed("cannot seek in stream", error),
                    }
                    continue;
                }
                Ok(Packet::Data(data)) => data,
                Err(end) => return end,
            };
            if data.len() as u64 > left {
                return failed("cannot write to stream", Errno::NOSPC);
            }
            left -= data.len() as u64;
            let mut rest = &data[..];
            while !rest.is_empty() {
                match rustix::io::write(fd.as_fd(), rest) {
                    Ok(count) => rest = &rest[count..],
                    Err(Errno::INTR) => {}
                    Err(error) => return failed("cannot write to stream", error),
                }
            }
        }
    }
}

/// Bytes of hole, then bytes of data, from where the file stands; `None` where the file system cannot tell.
fn extent(fd: &OwnedFd) -> Option<(u64, u64)> {
    let here = seek(fd, SeekFrom::Current(0)).ok()?;
    let outcome = match seek(fd, SeekFrom::Data(here)) {
        Ok(data) if data > here => Some((data - here, 0)),
        Ok(_) => seek(fd, SeekFrom::Hole(here)).ok().map(|hole| (0, hole - here)),
        Err(Errno::NXIO) => seek(fd, SeekFrom::End(0)).ok().map(|end| (end.saturating_sub(here), 0)),
        Err(_) => None,
    };
    seek(fd, SeekFrom::Start(here)).ok()?;
    outcome
}
