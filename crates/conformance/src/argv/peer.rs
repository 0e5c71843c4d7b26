//! Peers that a guest's character devices connect to: they accept and say nothing.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Peers of one trial; they go with it.
#[derive(Debug, Default)]
pub(super) struct Peers {
    sockets: Vec<UnixListener>,
    ports: Vec<TcpListener>,
}

impl Peers {
    /// Listens on a socket.
    pub(super) fn unix(&mut self, path: &str) -> Result<(), String> {
        self.sockets.push(bind(path)?);
        Ok(())
    }

    /// Listens on a port of every address.
    pub(super) fn tcp(&mut self, port: u16) -> Result<(), String> {
        let taken =
            |listener: &TcpListener| listener.local_addr().is_ok_and(|address| address.port() == port);
        if !self.ports.iter().any(taken) {
            let listener =
                TcpListener::bind(("::", port)).map_err(|error| format!("port {port}: {error}"))?;
            self.ports.push(listener);
        }
        Ok(())
    }
}

fn bind(path: &str) -> Result<UnixListener, String> {
    let _ = std::fs::remove_file(path);
    if let Some(folder) = Path::new(path).parent() {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    UnixListener::bind(path).map_err(|error| format!("{path}: {error}"))
}

/// Listens on a socket; who connects is sent `greeting`.
pub(super) fn greet(path: &str, greeting: &'static [u8]) -> Result<(), String> {
    let listener = bind(path)?;
    std::thread::spawn(move || {
        let mut guests = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(greeting);
            guests.push(stream);
        }
    });
    Ok(())
}

/// Gives a host's name an address of this room.
pub(super) fn name(host: &str) {
    if host.is_empty() || host.parse::<std::net::IpAddr>().is_ok() || host == "localhost" {
        return;
    }
    let known = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    if !known.lines().any(|line| line.split_whitespace().any(|word| word == host)) {
        let _ = std::fs::write("/etc/hosts", format!("{}\n127.0.0.1 {host}\n", known.trim_end()));
    }
}
