//! The message bus of the system, as far as strings go: calls of other services, and what they announce.
//!
//! Services of the host that are told of networks take strings and lists of strings, and so does this client; other
//! values in answers are read as their text, or end the reading.

mod message;

use message::{Kind, Message};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where the bus listens unless the environment says otherwise.
const SOCKET: &str = "/run/dbus/system_bus_socket";
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most bytes of a message that are read.
const LONGEST: usize = 16 << 20;

/// A part of a service.
#[derive(Debug, Clone, Copy)]
pub struct Target<'t> {
    /// Name of the service on the bus.
    pub service: &'t str,
    /// Its object.
    pub path: &'t str,
    /// The interface of the object.
    pub interface: &'t str,
}

/// The bus itself.
const BUS: Target<'_> = Target {
    service: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
};

/// What a service has announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Whose announcement.
    pub interface: String,
    /// Which one.
    pub member: String,
    /// Its strings.
    pub words: Vec<String>,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service refuses.
    #[error("{text}")]
    Refused {
        /// The name of the error.
        name: String,
        /// In the service's words.
        text: String,
    },
    /// The bus is out of reach.
    #[error("the message bus: {0}")]
    Bus(#[from] io::Error),
}

/// A connection to the bus.
#[derive(Debug)]
pub struct Bus {
    stream: UnixStream,
    serial: u32,
    heard: VecDeque<Signal>,
}

fn broken(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl Bus {
    /// Connects to the bus of the system.
    ///
    /// # Errors
    /// When there is none, or it refuses.
    pub fn system() -> Result<Bus, CallError> {
        let address = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_default();
        let named = address.split(';').find_map(|one| one.strip_prefix("unix:path="));
        Bus::at(named.and_then(|rest| rest.split(',').next()).unwrap_or(SOCKET).as_ref())
    }

    fn at(socket: &Path) -> Result<Bus, CallError> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let user: String = rustix::process::geteuid()
            .as_raw()
            .to_string()
            .bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        stream.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            line.extend(byte);
            if line.len() > 512 {
                return Err(broken("a greeting without an end").into());
            }
        }
        if !line.starts_with(b"OK ") {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied).into());
        }
        stream.write_all(b"BEGIN\r\n")?;
        let mut bus = Bus { stream, serial: 0, heard: VecDeque::new() };
        bus.call(BUS, "Hello", &[])?;
        Ok(bus)
    }

    /// Whether a service is there.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub fn has(&mut self, service: &str) -> Result<bool, CallError> {
        Ok(self.call(BUS, "NameHasOwner", &[service])? == ["1"])
    }

    /// Calls a service; gives the strings of its answer.
    ///
    /// # Errors
    /// When it refuses or does not answer.
    pub fn call(
        &mut self,
        target: Target<'_>,
        member: &str,
        args: &[&str],
    ) -> Result<Vec<String>, CallError> {
        self.serial += 1;
        self.stream.write_all(&message::call(self.serial, target, member, args))?;
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let answer = self.read()?;
            match answer.kind {
                Kind::Signal => self.heard.push_back(answer.signal()),
                Kind::Return if answer.reply_to == self.serial => return Ok(answer.words),
                Kind::Error if answer.reply_to == self.serial => {
                    let text = answer.words.into_iter().next().unwrap_or_else(|| answer.name.clone());
                    return Err(CallError::Refused { name: answer.name, text });
                }
                _ => {}
            }
        }
        Err(io::Error::from(io::ErrorKind::TimedOut).into())
    }

    /// Has the bus tell of what services announce.
    ///
    /// # Errors
    /// When the bus does not take the rule.
    pub fn listen(&mut self, rule: &str) -> Result<(), CallError> {
        self.call(BUS, "AddMatch", &[rule]).map(drop)
    }

    /// The next announcement; none when there is none within the limit.
    ///
    /// # Errors
    /// When the bus is gone.
    pub fn next(&mut self, limit: Duration) -> io::Result<Option<Signal>> {
        if let Some(signal) = self.heard.pop_front() {
            return Ok(Some(signal));
        }
        if !crate::process::readable(&self.stream, limit)? {
            return Ok(None);
        }
        let message = self.read()?;
        Ok((message.kind == Kind::Signal).then(|| message.signal()))
    }

    fn read(&mut self) -> io::Result<Message> {
        let mut bytes = vec![0; message::FIXED];
        self.stream.read_exact(&mut bytes)?;
        let length = message::length(&bytes).filter(|length| *length <= LONGEST);
        let length = length.ok_or_else(|| broken("a message of the bus that is too long"))?;
        bytes.resize(length, 0);
        self.stream.read_exact(bytes.get_mut(message::FIXED..).unwrap_or_default())?;
        Message::read(&bytes).ok_or_else(|| broken("a message of the bus that is not understood"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;

    /// A message with one string: an answer, an error or an announcement.
    fn message(kind: u8, reply_to: u32, text: &str) -> Vec<u8> {
        let mut bytes = vec![b'l', kind, 0, 1];
        let padded = text.len() as u32;
        bytes.extend((padded + 5).to_le_bytes());
        bytes.extend(9u32.to_le_bytes());
        let mut fields = vec![5, 1, b'u', 0];
        fields.extend(reply_to.to_le_bytes());
        // Code 3 is the member, code 4 the name of an error.
        fields.extend([if kind == 3 { 4 } else { 3 }, 1, b's', 0]);
        fields.extend(4u32.to_le_bytes());
        fields.extend(b"Word\0\0\0\0");
        fields.extend([8, 1, b'g', 0, 1, b's', 0]);
        bytes.extend((fields.len() as u32).to_le_bytes());
        bytes.extend(&fields);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(padded.to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.push(0);
        bytes
    }

    #[test]
    fn calls_and_announcements() {
        let socket = std::env::temp_dir().join(format!("bus-{}", std::process::id()));
        let listener = UnixListener::bind(&socket).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            assert!(line.starts_with("\0AUTH EXTERNAL 3"), "{line:?}");
            stream.write_all(b"OK 0123\r\n").unwrap();
            line.clear();
            reader.read_line(&mut line).unwrap();
            assert_eq!(line, "BEGIN\r\n");
            let mut calls = Vec::new();
            for serial in 1..=3 {
                let mut bytes = vec![0; message::FIXED];
                reader.read_exact(&mut bytes).unwrap();
                bytes.resize(message::length(&bytes).unwrap(), 0);
                reader.read_exact(&mut bytes[message::FIXED..]).unwrap();
                let call = Message::read(&bytes).unwrap();
                calls.push(format!("{} {}", call.member, call.words.join(" ")));
                stream.write_all(&message(4, 0, "news")).unwrap();
                stream.write_all(&message(if serial == 3 { 3 } else { 2 }, serial, "said")).unwrap();
            }
            calls
        });
        let mut bus = Bus::at(&socket).unwrap();
        let target = Target { service: "a.b", path: "/a/b", interface: "a.b.c" };
        assert_eq!(bus.call(target, "Do", &["one", "two"]).unwrap(), ["said"]);
        let refused = bus.call(target, "Undo", &[]).unwrap_err();
        assert!(matches!(&refused, CallError::Refused { name, text } if name == "Word" && text == "said"));
        let heard = bus.next(Duration::from_secs(5)).unwrap().unwrap();
        assert_eq!((heard.member.as_str(), heard.words.as_slice()), ("Word", ["news".to_owned()].as_slice()));
        assert_eq!(server.join().unwrap(), ["Hello ", "Do one two", "Undo "]);
        std::fs::remove_file(socket).unwrap();
    }
}
