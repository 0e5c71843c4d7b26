//! The places lines go to.

use crate::Target;
use std::fmt::Arguments;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;

/// An open output. Writing never fails loudly: there is nowhere to say so.
#[derive(Debug)]
pub(crate) enum Sink {
    Stderr,
    File(File),
    Syslog(UnixDatagram, String),
    Journald(UnixDatagram),
}

impl Sink {
    pub(crate) fn open(target: &Target) -> io::Result<Sink> {
        let connected = |path: &str| {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>(socket)
        };
        Ok(match target {
            Target::Stderr => Sink::Stderr,
            Target::File(path) => Sink::File(File::options().create(true).append(true).open(path)?),
            Target::Syslog(name) => Sink::Syslog(connected("/dev/log")?, name.clone()),
            Target::Journald => Sink::Journald(connected("/run/systemd/journal/socket")?),
        })
    }

    pub(crate) fn write(&self, level: u8, line: &str, text: &Arguments<'_>) {
        // Numbers of the system log: debug 7, info 6, warning 4, error 3.
        let priority = [7, 7, 6, 4, 3][usize::from(level.min(4))];
        let _ = match self {
            Sink::Stderr => io::stderr().write_all(line.as_bytes()),
            Sink::File(file) => (&*file).write_all(line.as_bytes()),
            Sink::Syslog(socket, name) => {
                let facility = 3 << 3; // system daemons
                let message = format!("<{}>{name}[{}]: {text}", facility | priority, std::process::id());
                socket.send(message.as_bytes()).map(drop)
            }
            Sink::Journald(socket) => {
                let message =
                    format!("MESSAGE={}\nPRIORITY={priority}\nLIBVIRT_SOURCE=log\n", one_line(text));
                socket.send(message.as_bytes()).map(drop)
            }
        };
    }
}

fn one_line(text: &Arguments<'_>) -> String {
    text.to_string().replace('\n', " ")
}
