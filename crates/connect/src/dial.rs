//! Opening a transport.

use crate::target::{Surroundings, Target, Transport};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

fn system(error: &std::io::Error, text: String) -> Error {
    Error::system(ErrorDomain::RPC, error, text)
}

/// A socket that leads to the daemon, and whether nobody else can listen.
pub(crate) fn connect(target: &Target, around: &Surroundings) -> Result<(OwnedFd, bool)> {
    match target.transport {
        Transport::Unix => unix(target, around).map(|socket| (socket.into(), true)),
        Transport::Tcp => {
            let port = if target.port == 0 { 16509 } else { target.port };
            let socket = TcpStream::connect((target.server.as_str(), port)).map_err(|error| {
                system(&error, format!("unable to connect to server at '{}:{port}'", target.server))
            })?;
            let _ = socket.set_nodelay(true);
            Ok((socket.into(), false))
        }
        Transport::Ssh | Transport::Ext => {
            let socket = host::dialogue::start(&target.command)
                .map_err(|error| system(&error, format!("Cannot run '{}'", target.command.join(" "))))?;
            Ok((socket.into(), true))
        }
        Transport::Tls | Transport::Libssh | Transport::Libssh2 => {
            let text = format!("transport {:?} is not supported", target.transport).to_lowercase();
            Err(Error::new(ErrorCode::INVALID_ARG, ErrorDomain::REMOTE, text))
        }
    }
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
        .or_else(|| host::process::find(daemon))
        .or_else(|| host::process::find("libvirtd"));
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
