//! Opening a transport.

use crate::target::{Surroundings, Target, Transport};
use base::{Error, ErrorCode, ErrorDomain, Result};
use driver_remote::Remote;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a program that carries the bytes may take for its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

fn system(error: &std::io::Error, text: String) -> Error {
    Error::system(ErrorDomain::RPC, error, text)
}

/// How safe the way to a daemon is.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Nobody else can listen.
    Closed,
    Encrypted,
    /// Anybody between can listen.
    Open,
}

/// A connection to the daemon; nothing is said yet.
pub(crate) fn connect(target: &Target, around: &Surroundings) -> Result<Remote> {
    let (socket, way): (OwnedFd, Way) = match target.transport {
        Transport::Unix => (unix(target, around)?.into(), Way::Closed),
        Transport::Tcp => (tcp(target, 16509)?.into(), Way::Open),
        Transport::Tls => {
            // Files that cannot be read are told before anybody is called.
            target.certificates.read_authority()?;
            let socket = tcp(target, 16514)?;
            let socket = tls::connect(socket, &target.server, &target.certificates, &target.wishes)?;
            (socket.into(), Way::Encrypted)
        }
        Transport::Ssh | Transport::Libssh | Transport::Libssh2 | Transport::Ext => {
            let dialogue = host::dialogue::start(&target.command).map_err(|error| {
                let program = target.command.first().map_or("", String::as_str);
                let reason = base::error::strerror(&error);
                unheard(&format!("libvirt:  error : cannot execute binary {program}: {reason}"))
            })?;
            let complaints = dialogue.complaints;
            let explain = move || Some(unheard(complaints.wait(LAST_WORDS).trim_end_matches('\n')));
            let remote = Remote::over(dialogue.socket.into(), true);
            return Ok(remote.explained(Arc::new(explain)));
        }
    };
    Ok(match way {
        Way::Closed => Remote::over(socket, true),
        Way::Encrypted => Remote::over(socket, true).encrypted(),
        Way::Open => Remote::over(socket, false),
    })
}

/// The program that carries the bytes has ended.
fn unheard(complaints: &str) -> Error {
    let text = format!("Cannot recv data: {complaints}: Connection reset by peer");
    Error::new(ErrorCode::SYSTEM_ERROR, ErrorDomain::RPC, text)
}

/// A socket to the first address of the server that answers.
fn tcp(target: &Target, port: u16) -> Result<TcpStream> {
    let port = if target.port == 0 { port } else { target.port };
    let server = target.server.as_str();
    let addresses = (server, port).to_socket_addrs().map_err(|error| {
        let text = error.to_string();
        let reason = text.rsplit(": ").next().unwrap_or_default();
        let text = format!("Unable to resolve address '{server}' service '{port}': {reason}");
        Error::new(ErrorCode::SYSTEM_ERROR, ErrorDomain::RPC, text)
    })?;
    let mut failure = None;
    for address in addresses {
        match TcpStream::connect(address) {
            Ok(socket) => {
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Err(error) => failure = Some(error),
        }
    }
    let failure = failure.unwrap_or_else(|| std::io::ErrorKind::AddrNotAvailable.into());
    Err(system(&failure, format!("unable to connect to server at '{server}:{port}'")))
}

/// The first socket that somebody listens on; a session's daemon is started when there is none.
fn unix(target: &Target, around: &Surroundings) -> Result<UnixStream> {
    let mut failure = None;
    for path in &target.sockets {
        match UnixStream::connect(Path::new(path)) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = Some(system(&error, format!("Failed to connect socket to '{path}'"))),
        }
    }
    let failure = failure.unwrap_or_else(|| Error::internal(ErrorDomain::REMOTE, "no socket to connect to"));
    let wanted = around.variables.get("LIBVIRT_AUTOSTART").is_none_or(|value| value != "0");
    let (Some(daemon), true) = (&target.autostart, wanted) else { return Err(failure) };
    let given = around.variable("VIRTD_PATH").or_else(|| around.variable("LIBVIRTD_PATH"));
    let program = given
        .map(Into::into)
        .or_else(|| host::program::find(daemon))
        .or_else(|| host::program::find("libvirtd"));
    let Some(program) = program else { return Err(failure) };
    host::dialogue::start_daemon(&program)
        .map_err(|error| system(&error, format!("cannot start {}", program.display())))?;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(socket) = target.sockets.iter().find_map(|path| UnixStream::connect(Path::new(path)).ok())
        {
            return Ok(socket);
        }
        if Instant::now() > deadline {
            return Err(failure);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
