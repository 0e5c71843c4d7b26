//! Carries bytes between a plain local socket and an encrypted one, in a thread, until one side ends.
//!
//! Each direction holds at most [`ROOM`] bytes; a side that takes nothing stops its own direction only.

use rustix::event::{PollFd, PollFlags, poll};
use rustls::ClientConnection;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

/// Bytes that may wait for a side.
const ROOM: usize = 256 << 10;

struct Relay {
    session: ClientConnection,
    far: TcpStream,
    near: UnixStream,
    /// Decrypted, not yet taken by the caller.
    arrived: Vec<u8>,
    /// The caller will send nothing more.
    near_done: bool,
    /// The daemon will send nothing more.
    far_done: bool,
}

/// Starts the relay; the caller's socket.
pub(crate) fn start(session: ClientConnection, far: TcpStream) -> io::Result<UnixStream> {
    let (ours, near) = UnixStream::pair()?;
    near.set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    let relay = Relay { session, far, near, arrived: Vec::new(), near_done: false, far_done: false };
    std::thread::Builder::new().name("tls".to_owned()).spawn(move || relay.run())?;
    Ok(ours)
}

/// What could be done now; `Ok(0)` stands for the end.
fn now(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Relay {
    fn run(mut self) {
        let mut chunk = vec![0; 64 << 10];
        // What came with the daemon's word is in the session already.
        let mut going = self.decrypted(&mut chunk);
        while going.is_ok() && !self.over() {
            going = self.step(&mut chunk);
        }
        let _ = self.near.shutdown(Shutdown::Both);
        let _ = self.far.shutdown(Shutdown::Both);
    }

    fn over(&self) -> bool {
        (self.far_done && self.arrived.is_empty()) || (self.near_done && !self.session.wants_write())
    }

    fn step(&mut self, chunk: &mut [u8]) -> io::Result<()> {
        let mut far = PollFlags::empty();
        far.set(PollFlags::IN, self.arrived.len() < ROOM && !self.far_done);
        far.set(PollFlags::OUT, self.session.wants_write());
        let mut near = PollFlags::empty();
        near.set(PollFlags::IN, !self.session.wants_write() && !self.near_done);
        near.set(PollFlags::OUT, !self.arrived.is_empty());
        let mut fds = [PollFd::new(&self.far, far), PollFd::new(&self.near, near)];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [far, near] = fds.map(|fd| fd.revents());
        let ended = PollFlags::HUP | PollFlags::ERR;
        if far.intersects(PollFlags::IN | ended) && !self.far_done && self.arrived.len() < ROOM {
            match now(self.session.read_tls(&mut self.far))? {
                Some(0) => self.far_done = true,
                Some(_) => self.decrypted(chunk)?,
                None => {}
            }
        }
        if near.intersects(PollFlags::IN | ended) && !self.near_done && !self.session.wants_write() {
            match now(self.near.read(chunk))? {
                Some(0) => {
                    self.near_done = true;
                    self.session.send_close_notify();
                }
                Some(count) => self.session.writer().write_all(&chunk[..count])?,
                None => {}
            }
        }
        while self.session.wants_write() {
            if now(self.session.write_tls(&mut self.far))?.is_none() {
                break;
            }
        }
        if !self.arrived.is_empty()
            && let Some(count) = now(self.near.write(&self.arrived))?
        {
            self.arrived.drain(..count);
        }
        Ok(())
    }

    /// Takes what the session has decrypted.
    fn decrypted(&mut self, chunk: &mut [u8]) -> io::Result<()> {
        self.session.process_new_packets().map_err(io::Error::other)?;
        loop {
            match now(self.session.reader().read(chunk))? {
                Some(0) => {
                    self.far_done = true;
                    return Ok(());
                }
                Some(count) => self.arrived.extend_from_slice(&chunk[..count]),
                None => return Ok(()),
            }
        }
    }
}
