//! One connection to a daemon: calls, opening, authentication.

use crate::channel::{Answer, Channel, Explain, rpc};
use crate::conduit::RemoteStream;
use api::credential::Answerer;
use api::event::Event;
use api::session::CloseReason;
use api::{Call, EventLoop, Stream};
use base::{Error, ErrorCode, ErrorDomain, Result};
use proto::generated::remote_connection::{
    AuthListRet, ConnectDomainEventCallbackRegisterAnyArgs, ConnectDomainEventCallbackRegisterAnyRet,
    ConnectOpenArgs,
};
use proto::generated::table;
use proto::message::{Header, Status, Type, finish};
use proto::row::Program;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use xdr::{Decoder, Shape, Xdr, XdrError};

/// `remote_auth_type`: how a client proves who it is.
const AUTH_NONE: i32 = 0;
pub(crate) const AUTH_SASL: i32 = 1;
const AUTH_POLKIT: i32 = 2;

/// No arguments, or no results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Void;

impl Xdr for Void {
    const MIN: usize = 0;
    const SHAPE: &'static Shape = &Shape::Record(&[]);

    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(_input: &mut Decoder<'_>) -> Result<Void, XdrError> {
        Ok(Void)
    }
}

/// What the loop of the program does for a connection.
pub(crate) struct Attached {
    pub(crate) event_loop: Arc<dyn EventLoop>,
    pub(crate) watch: i32,
    pub(crate) timer: Option<i32>,
}

/// A connection to a daemon.
pub struct Remote {
    pub(crate) channel: Arc<Channel>,
    pub(crate) attached: Mutex<Option<Attached>>,
    /// Nobody between can listen.
    pub(crate) secure: bool,
    /// What travels is encrypted.
    pub(crate) encrypted: bool,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("socket", &self.channel.fd()).finish_non_exhaustive()
    }
}

fn call_header(program: &Program, procedure: u32, serial: u32, fds: bool) -> Header {
    Header {
        program: program.number,
        version: program.version,
        procedure: procedure as i32,
        kind: if fds { Type::CallWithFds } else { Type::Call } as u32,
        serial,
        status: Status::Ok as u32,
    }
}

impl Remote {
    /// Connects without opening: nothing is sent yet.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(path: &Path) -> Result<Remote> {
        let socket = UnixStream::connect(path).map_err(|error| {
            Error::system(
                ErrorDomain::RPC,
                &error,
                format!("Failed to connect socket to '{}'", path.display()),
            )
        })?;
        Ok(Remote::over(socket.into(), true))
    }

    /// A connection over a socket that leads to a daemon.
    pub fn over(socket: OwnedFd, secure: bool) -> Remote {
        Remote {
            channel: Arc::new(Channel::new(socket)),
            attached: Mutex::default(),
            secure,
            encrypted: false,
        }
    }

    /// The same connection, with somebody who knows better why its end has come.
    #[must_use]
    pub fn explained(self, explain: Explain) -> Remote {
        self.channel.state().explain = Some(explain);
        self
    }

    /// The same connection, said to be encrypted on its way.
    #[must_use]
    pub fn encrypted(mut self) -> Remote {
        self.encrypted = true;
        self
    }

    /// Connects, authenticates and opens a URI.
    ///
    /// # Errors
    /// When a step is refused.
    pub fn open(path: &Path, uri: &str, read_only: bool) -> Result<Remote> {
        let remote = Remote::connect(path)?;
        remote.authenticate(None, None)?;
        remote.open_uri(Some(uri), u32::from(read_only))?;
        Ok(remote)
    }

    /// Proves who we are, as the daemon asks for it; `wanted` is the method the user insists on, `answerer` knows name and
    /// password.
    ///
    /// # Errors
    /// When no method fits, or the proof is refused.
    pub fn authenticate(&self, wanted: Option<&str>, answerer: Option<&dyn Answerer>) -> Result<()> {
        let refused = |text: String| Error::new(ErrorCode::AUTH_FAILED, ErrorDomain::REMOTE, text);
        let methods: AuthListRet = self.call(&table::REMOTE, 66, &Void)?;
        let (method, mechanism) = match wanted {
            None => (methods.types.first().copied().unwrap_or(AUTH_NONE), None),
            Some(wanted) => {
                let (method, mechanism) = match wanted {
                    "polkit" => (AUTH_POLKIT, None),
                    "sasl" => (AUTH_SASL, None),
                    other => match other.strip_prefix("sasl.") {
                        Some(mechanism) => (AUTH_SASL, Some(mechanism)),
                        None => return Err(refused(format!("unknown authentication type {other}"))),
                    },
                };
                if !methods.types.contains(&method) {
                    return Err(refused(format!("requested authentication type {wanted} rejected")));
                }
                (method, mechanism)
            }
        };
        match method {
            AUTH_NONE => Ok(()),
            AUTH_SASL => self.prove(mechanism, answerer),
            AUTH_POLKIT => self.call::<_, i32>(&table::REMOTE, 70, &Void).map(drop),
            other => Err(refused(format!("unsupported authentication type {other}"))),
        }
    }

    /// Opens a URI on a connection that was authenticated; without one the daemon chooses.
    ///
    /// # Errors
    /// What the daemon answers.
    pub fn open_uri(&self, uri: Option<&str>, flags: u32) -> Result<()> {
        let args = ConnectOpenArgs { name: uri.map(str::to_owned), flags };
        self.call::<_, Void>(&table::REMOTE, 1, &args).map(drop)
    }

    /// The URI that the daemon has opened.
    ///
    /// # Errors
    /// What the daemon answers.
    pub fn uri(&self) -> Result<String> {
        self.call(&table::REMOTE, 110, &Void)
    }

    /// Calls a procedure with any payload and gives the payload of the answer.
    ///
    /// # Errors
    /// What the daemon answers, or that the connection is gone.
    pub fn raw(&self, program: &Program, procedure: u32, payload: &[u8]) -> Result<Vec<u8>> {
        let serial = self.channel.next_serial();
        let message = call_header(program, procedure, serial, false).message(payload);
        self.exchange(serial, &message, &[]).map(|answer| answer.payload)
    }

    fn exchange(&self, serial: u32, message: &[u8], fds: &[OwnedFd]) -> Result<Answer> {
        self.channel.expect(serial)?;
        self.channel.write(message, fds)?;
        self.channel.answer(serial)
    }

    /// Calls a procedure.
    ///
    /// # Errors
    /// As [`Remote::raw`], and when the answer does not decode.
    pub fn call<A: Xdr, R: Xdr>(&self, program: &Program, procedure: u32, args: &A) -> Result<R> {
        let serial = self.channel.next_serial();
        let mut message = call_header(program, procedure, serial, false).begin();
        args.encode(&mut message);
        finish(&mut message);
        decode(&self.exchange(serial, &message, &[])?.payload)
    }

    /// Calls a procedure with the descriptors of the call; those that come back are left with it.
    ///
    /// # Errors
    /// As [`Remote::call`].
    pub fn call_for<A: Xdr, R: Xdr>(
        &self,
        cx: &Call,
        program: &Program,
        procedure: u32,
        args: &A,
    ) -> Result<R> {
        let serial = self.channel.next_serial();
        let answer = self.ask(cx, serial, program, procedure, args)?;
        decode(&answer.payload)
    }

    fn ask<A: Xdr>(
        &self,
        cx: &Call,
        serial: u32,
        program: &Program,
        procedure: u32,
        args: &A,
    ) -> Result<Answer> {
        let fds = cx.take_fds();
        let mut message = call_header(program, procedure, serial, !fds.is_empty()).begin();
        if !fds.is_empty() {
            message.extend_from_slice(&(fds.len() as u32).to_be_bytes());
        }
        args.encode(&mut message);
        finish(&mut message);
        let mut answer = self.exchange(serial, &message, &fds)?;
        answer.fds.drain(..).for_each(|fd| cx.return_fd(fd));
        Ok(answer)
    }

    /// Calls a procedure that opens a stream.
    ///
    /// # Errors
    /// As [`Remote::call`].
    pub fn call_stream<A: Xdr, R: Xdr>(
        &self,
        cx: &Call,
        program: &Program,
        procedure: u32,
        args: &A,
        _to_server: bool,
    ) -> Result<(R, Stream)> {
        let serial = self.channel.next_serial();
        // Data may follow the answer at once.
        self.channel.state().streams.insert(serial, Default::default());
        let stream = RemoteStream::new(self.channel.clone(), call_header(program, procedure, serial, false));
        match self.ask(cx, serial, program, procedure, args) {
            Ok(answer) => Ok((decode(&answer.payload)?, Stream::conduit(Arc::new(stream)))),
            Err(error) => {
                self.channel.state().streams.remove(&serial);
                Err(error)
            }
        }
    }

    /// Subscribes to an event of all domains; gives the callback's number.
    ///
    /// # Errors
    /// What the daemon answers.
    pub fn subscribe_domains(&self, event_id: i32) -> Result<i32> {
        let args = ConnectDomainEventCallbackRegisterAnyArgs { event_id, dom: None };
        let ret: ConnectDomainEventCallbackRegisterAnyRet = self.call(&table::REMOTE, 316, &args)?;
        Ok(ret.callback_id)
    }

    /// The next event with its callback's number; `None` when none comes within `limit`.
    pub fn event(&self, limit: Duration) -> Option<(i32, Event)> {
        self.channel.next_event(limit)
    }
}

fn decode<R: Xdr>(payload: &[u8]) -> Result<R> {
    xdr::from_bytes(payload).map_err(|_| rpc("Unable to decode message payload"))
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.detach();
        self.channel.close(CloseReason::Client, Error::internal(ErrorDomain::RPC, "client socket is closed"));
    }
}
