//! One connection to a daemon.

use api::Stream;
use api::event::Event;
use base::{Error, ErrorCode, ErrorDomain, Result};
use proto::fault::Fault;
use proto::generated::remote_connection::{
    ConnectDomainEventCallbackRegisterAnyArgs, ConnectDomainEventCallbackRegisterAnyRet, ConnectOpenArgs,
};
use proto::generated::table;
use proto::message::{self, Header, KEEPALIVE_PING, KEEPALIVE_PONG, KEEPALIVE_PROGRAM, Status, Type};
use proto::row::Program;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use xdr::{Decoder, Xdr, XdrError};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// No arguments, or no results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Void;

impl Xdr for Void {
    const MIN: usize = 0;

    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(_input: &mut Decoder<'_>) -> Result<Void, XdrError> {
        Ok(Void)
    }
}

type Answer = Result<Vec<u8>>;

struct Shared {
    socket: UnixStream,
    writing: Mutex<()>,
    /// Callers by serial; gone when the connection is.
    waiting: Mutex<Option<HashMap<u32, Sender<Answer>>>>,
    /// Our ends of open streams by serial.
    streams: Mutex<HashMap<u32, UnixStream>>,
    events: Mutex<Sender<(i32, Event)>>,
}

/// A connection to a daemon.
pub struct Remote {
    shared: Arc<Shared>,
    serial: AtomicU32,
    received: Mutex<Receiver<(i32, Event)>>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("socket", &self.shared.socket).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rpc(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::RPC, ErrorDomain::RPC, text)
}

fn broken() -> Error {
    Error::internal(ErrorDomain::RPC, "client socket is closed")
}

impl Remote {
    /// Connects without opening: nothing is sent yet.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(path: &Path) -> Result<Remote> {
        let system = |error: &std::io::Error, text: String| Error::system(ErrorDomain::RPC, error, text);
        let socket = UnixStream::connect(path)
            .map_err(|error| system(&error, format!("Failed to connect socket to '{}'", path.display())))?;
        let (events, received) = channel();
        let shared = Arc::new(Shared {
            socket,
            writing: Mutex::default(),
            waiting: Mutex::new(Some(HashMap::new())),
            streams: Mutex::default(),
            events: Mutex::new(events),
        });
        let reader = shared.clone();
        std::thread::Builder::new()
            .name("remote".to_owned())
            .spawn(move || reader.read())
            .map_err(|error| system(&error, "cannot start a thread".to_owned()))?;
        Ok(Remote { shared, serial: AtomicU32::new(0), received: Mutex::new(received) })
    }

    /// Connects, authenticates and opens a URI.
    ///
    /// # Errors
    /// When a step is refused.
    pub fn open(path: &Path, uri: &str, read_only: bool) -> Result<Remote> {
        let remote = Remote::connect(path)?;
        remote.raw(&table::REMOTE, 66, &[])?;
        let args = ConnectOpenArgs { name: Some(uri.to_owned()), flags: read_only.into() };
        remote.call::<_, Void>(&table::REMOTE, 1, &args)?;
        Ok(remote)
    }

    fn next(&self) -> u32 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Calls a procedure with any payload and gives the payload of the answer.
    ///
    /// # Errors
    /// What the daemon answers, or that the connection is gone.
    pub fn raw(&self, program: &Program, procedure: u32, payload: &[u8]) -> Result<Vec<u8>> {
        self.send(self.next(), program, procedure, payload)
    }

    fn send(&self, serial: u32, program: &Program, procedure: u32, payload: &[u8]) -> Result<Vec<u8>> {
        let header = Header {
            program: program.number,
            version: program.version,
            procedure: procedure as i32,
            kind: Type::Call as u32,
            serial,
            status: Status::Ok as u32,
        };
        let (sender, receiver) = channel();
        locked(&self.shared.waiting).as_mut().ok_or_else(broken)?.insert(serial, sender);
        self.shared.write(&header.message(payload))?;
        match receiver.recv_timeout(PATIENCE) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Disconnected) => Err(broken()),
            Err(RecvTimeoutError::Timeout) => Err(rpc("the daemon does not answer")),
        }
    }

    /// Calls a procedure.
    ///
    /// # Errors
    /// As [`Remote::raw`], and when the answer does not decode.
    pub fn call<A: Xdr, R: Xdr>(&self, program: &Program, procedure: u32, args: &A) -> Result<R> {
        let payload = self.raw(program, procedure, &xdr::to_bytes(args))?;
        xdr::from_bytes(&payload).map_err(|_| rpc("Unable to decode message payload"))
    }

    /// Calls a procedure that opens a stream.
    ///
    /// # Errors
    /// As [`Remote::call`].
    pub fn call_stream<A: Xdr, R: Xdr>(
        &self,
        program: &Program,
        procedure: u32,
        args: &A,
        to_server: bool,
    ) -> Result<(R, Stream)> {
        let serial = self.next();
        let (ours, theirs) = UnixStream::pair()
            .map_err(|error| Error::system(ErrorDomain::STREAMS, &error, "cannot make a pair of sockets"))?;
        let copy = |stream: &UnixStream| {
            stream
                .try_clone()
                .map_err(|error| Error::system(ErrorDomain::STREAMS, &error, "cannot copy a socket"))
        };
        locked(&self.shared.streams).insert(serial, copy(&ours)?);
        let answer = self.send(serial, program, procedure, &xdr::to_bytes(args));
        let payload = answer.inspect_err(|_| drop(locked(&self.shared.streams).remove(&serial)))?;
        let header = Header {
            program: program.number,
            version: program.version,
            procedure: procedure as i32,
            kind: Type::Stream as u32,
            serial,
            status: Status::Continue as u32,
        };
        let shared = self.shared.clone();
        std::thread::Builder::new()
            .name("remote-stream".to_owned())
            .spawn(move || shared.pump(header, ours))
            .map_err(|error| Error::system(ErrorDomain::STREAMS, &error, "cannot start a thread"))?;
        let _ = to_server;
        let ret = xdr::from_bytes(&payload).map_err(|_| rpc("Unable to decode message payload"))?;
        Ok((ret, Stream::channel(theirs.into())))
    }

    /// Subscribes to an event of all domains; gives the callback's number.
    ///
    /// # Errors
    /// What the daemon answers.
    pub fn subscribe(&self, event_id: i32) -> Result<i32> {
        let args = ConnectDomainEventCallbackRegisterAnyArgs { event_id, dom: None };
        let ret: ConnectDomainEventCallbackRegisterAnyRet = self.call(&table::REMOTE, 316, &args)?;
        Ok(ret.callback_id)
    }

    /// The next event with its callback's number; `None` when none comes within `limit`.
    pub fn event(&self, limit: Duration) -> Option<(i32, Event)> {
        locked(&self.received).recv_timeout(limit).ok()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.shared.socket.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn write(&self, bytes: &[u8]) -> Result<()> {
        let _turn = locked(&self.writing);
        (&self.socket).write_all(bytes).map_err(|_| broken())
    }

    fn read(&self) {
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 64 << 10];
        'connected: while let Ok(count) = (&self.socket).read(&mut chunk) {
            if count == 0 {
                break;
            }
            bytes.extend_from_slice(&chunk[..count]);
            let mut start = 0;
            loop {
                let rest = &bytes[start..];
                match message::length(rest) {
                    Ok(Some(length)) if rest.len() >= length => {
                        self.heard(&rest[..length]);
                        start += length;
                    }
                    Ok(_) => break,
                    Err(_) => break 'connected,
                }
            }
            bytes.drain(..start);
        }
        // All who wait learn that nothing will come.
        locked(&self.waiting).take();
        locked(&self.streams).clear();
    }

    fn heard(&self, whole: &[u8]) {
        let Some(header) = Header::read(whole) else { return };
        let payload = &whole[message::LENGTH_WORD + message::HEADER..];
        if header.program == KEEPALIVE_PROGRAM {
            if header.procedure == KEEPALIVE_PING {
                let _ = self.write(&Header { procedure: KEEPALIVE_PONG, ..header }.message(&[]));
            }
            return;
        }
        match Type::from_number(header.kind) {
            Some(Type::Reply | Type::ReplyWithFds) => {
                let sender =
                    locked(&self.waiting).as_mut().and_then(|waiting| waiting.remove(&header.serial));
                let answer = if header.status == Status::Ok as u32 {
                    Ok(payload.to_vec())
                } else {
                    Err(xdr::from_bytes::<Fault>(payload)
                        .map_or_else(|_| rpc("Unable to decode an error"), |fault| fault.0))
                };
                if let Some(sender) = sender {
                    let _ = sender.send(answer);
                }
            }
            Some(Type::Message) => {
                let program = [&table::REMOTE, &table::QEMU]
                    .into_iter()
                    .find(|program| program.number == header.program);
                let Some(program) = program else { return };
                if let Ok(Some(event)) = Event::decode_callback(program, header.procedure as u32, payload) {
                    let _ = locked(&self.events).send(event);
                }
            }
            Some(Type::Stream) => {
                let ended = header.status != Status::Continue as u32 || payload.is_empty();
                let mut streams = locked(&self.streams);
                if let Some(mut stream) = streams.get(&header.serial) {
                    let _ = stream.write_all(payload);
                    if ended {
                        let _ = stream.shutdown(Shutdown::Write);
                        streams.remove(&header.serial);
                    }
                }
            }
            _ => {}
        }
    }

    /// Sends what is written to a stream; its end finishes the stream.
    fn pump(&self, header: Header, mut ours: UnixStream) {
        let mut chunk = vec![0; message::STREAM_CHUNK];
        while let Ok(count) = ours.read(&mut chunk) {
            if count == 0 || self.write(&header.message(&chunk[..count])).is_err() {
                break;
            }
        }
        let _ = self.write(&Header { status: Status::Ok as u32, ..header }.message(&[]));
    }
}
