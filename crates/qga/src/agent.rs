//! The connection to an agent.

use crate::line::{FLUSH, Lines, Malformed};
use rustix::net::Shutdown;
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an agent may take to synchronise where nobody says otherwise.
const SYNC: Duration = Duration::from_secs(5);
/// How long it may take until a guest that was told to end does.
const ENDING: Duration = Duration::from_secs(60);
/// How often a wait looks around.
const STEP: Duration = Duration::from_millis(100);

/// How long a command may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// As long as the guest likes; it has to synchronise in time nevertheless.
    Endless,
    /// So long, for the command and for synchronising.
    Most(Duration),
    /// The answer is not waited for.
    None,
}

impl Patience {
    /// From the interface's number: seconds, or -2 without end, -1 as is usual, 0 not at all.
    pub fn of(seconds: i32) -> Patience {
        match seconds {
            -1 => Patience::Most(SYNC),
            0 => Patience::None,
            1.. => Patience::Most(Duration::from_secs(u64::from(seconds.unsigned_abs()))),
            _ => Patience::Endless,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The guest has closed the channel.
    #[error("the guest agent is not connected")]
    Closed,
    /// It did not synchronise in time.
    #[error("the guest agent does not synchronise")]
    Unsynced,
    /// It did not answer in time.
    #[error("the guest agent does not answer")]
    Timeout,
    /// It has refused the command.
    #[error("{description}")]
    Refused {
        /// Its class of error.
        class: String,
        /// Its words.
        description: String,
    },
    /// Its answer is none.
    #[error("the guest agent's answer is not understood: {0}")]
    Malformed(String),
    /// The channel does not work.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<Malformed> for AgentError {
    fn from(cause: Malformed) -> AgentError {
        AgentError::Malformed(cause.0)
    }
}

#[derive(Debug)]
struct Channel {
    stream: UnixStream,
    unread: Lines,
}

/// A connection to an agent.
#[derive(Debug)]
pub struct Agent {
    channel: Mutex<Channel>,
    /// The same stream, to be closed while another waits for an answer.
    stream: UnixStream,
    closed: AtomicBool,
    /// The guest did what ends the wait for a command that is not answered.
    happened: AtomicBool,
    next: AtomicU64,
}

impl Agent {
    /// Connects to the channel's socket.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(path: &Path) -> io::Result<Agent> {
        Agent::over(UnixStream::connect(path)?)
    }

    /// An agent at the other end of a stream.
    ///
    /// # Errors
    /// When the stream cannot be used.
    pub fn over(stream: UnixStream) -> io::Result<Agent> {
        let channel = Channel { stream: stream.try_clone()?, unread: Lines::default() };
        Ok(Agent {
            channel: Mutex::new(channel),
            stream,
            closed: AtomicBool::new(false),
            happened: AtomicBool::new(false),
            next: AtomicU64::new(1),
        })
    }

    /// Closes the connection; whoever waits for an answer gets none.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let _ = rustix::net::shutdown(&self.stream, Shutdown::Both);
    }

    /// The guest did what commands that end it, or let it sleep, are for.
    pub fn happened(&self) {
        self.happened.store(true, Ordering::Release);
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub fn command(&self, name: &str, arguments: &Value, patience: Patience) -> Result<Value, AgentError> {
        let mut request = json!({"execute": name});
        if let (Some(request), false) = (request.as_object_mut(), arguments.is_null()) {
            request.insert("arguments".to_owned(), arguments.clone());
        }
        accepted(self.raw(&request, patience)?.unwrap_or_default())
    }

    /// Sends a command as a client wrote it. `None` when the answer is not waited for.
    ///
    /// # Errors
    /// See [`AgentError`]; a refusal is an answer here.
    pub fn raw(&self, request: &Value, patience: Patience) -> Result<Option<Value>, AgentError> {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        self.synchronise(&mut channel, patience)?;
        self.write(&mut channel, &line(request))?;
        let end = match patience {
            Patience::None => return Ok(None),
            Patience::Endless => None,
            Patience::Most(limit) => Some(Instant::now() + limit),
        };
        loop {
            let answer = self.read(&mut channel, end)?.ok_or(AgentError::Timeout)?;
            if answer.get("return").is_some() || answer.get("error").is_some() {
                return Ok(Some(answer));
            }
        }
    }

    /// Sends a command that is answered only when it is refused, and waits for what it does.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub fn ending(&self, name: &str, arguments: &Value, patience: Patience) -> Result<(), AgentError> {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        self.synchronise(&mut channel, patience)?;
        self.happened.store(false, Ordering::Release);
        let mut request = json!({"execute": name});
        if let (Some(request), false) = (request.as_object_mut(), arguments.is_null()) {
            request.insert("arguments".to_owned(), arguments.clone());
        }
        self.write(&mut channel, &line(&request))?;
        let end = Instant::now() + ENDING;
        while Instant::now() < end {
            let next = (Instant::now() + STEP).min(end);
            let read = self.read(&mut channel, Some(next));
            if self.happened.load(Ordering::Acquire) {
                return Ok(());
            }
            match read {
                Ok(Some(answer)) if answer.get("error").is_some() => return accepted(answer).map(drop),
                Ok(_) => {}
                // A guest that is going away closes its channels before its end is heard of.
                Err(AgentError::Closed) => std::thread::sleep(STEP),
                Err(cause) => return Err(cause),
            }
        }
        Err(AgentError::Timeout)
    }

    fn synchronise(&self, channel: &mut Channel, patience: Patience) -> Result<(), AgentError> {
        let limit = match patience {
            Patience::Most(limit) => limit,
            Patience::Endless | Patience::None => SYNC,
        };
        let end = Some(Instant::now() + limit);
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        channel.unread.clear();
        let mut text = vec![FLUSH];
        text.extend(line(&json!({"execute": "guest-sync", "arguments": {"id": id}})));
        self.write(channel, &text)?;
        loop {
            let answer = match self.read(channel, end) {
                Ok(answer) => answer.ok_or(AgentError::Unsynced)?,
                // The rest of an answer that was cut off.
                Err(AgentError::Malformed(_)) => continue,
                Err(cause) => return Err(cause),
            };
            if answer.get("return").and_then(Value::as_u64) == Some(id) {
                return Ok(());
            }
        }
    }

    fn write(&self, channel: &mut Channel, bytes: &[u8]) -> Result<(), AgentError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(AgentError::Closed);
        }
        channel.stream.set_write_timeout(Some(SYNC))?;
        channel.stream.write_all(bytes).map_err(|cause| match cause.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AgentError::Unsynced,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => AgentError::Closed,
            _ => AgentError::Io(cause),
        })
    }

    /// The next line as a document; `None` when the time is over.
    fn read(&self, channel: &mut Channel, end: Option<Instant>) -> Result<Option<Value>, AgentError> {
        loop {
            if let Some(document) = channel.unread.document()? {
                return Ok(Some(document));
            }
            let now = Instant::now();
            let left = end.map_or(STEP, |end| end.saturating_duration_since(now).min(STEP));
            if left.is_zero() {
                return Ok(None);
            }
            channel.stream.set_read_timeout(Some(left))?;
            let mut buffer = [0; 16 * 1024];
            match channel.stream.read(&mut buffer) {
                Ok(0) => return Err(AgentError::Closed),
                Ok(count) => channel.unread.feed(buffer.get(..count).unwrap_or_default()),
                Err(cause) => match cause.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset => return Err(AgentError::Closed),
                    _ => return Err(AgentError::Io(cause)),
                },
            }
            if self.closed.load(Ordering::Acquire) {
                return Err(AgentError::Closed);
            }
        }
    }
}

fn line(request: &Value) -> Vec<u8> {
    let mut text = request.to_string().into_bytes();
    text.push(b'\n');
    text
}

/// What an answer returns.
fn accepted(mut answer: Value) -> Result<Value, AgentError> {
    if let Some(error) = answer.get("error") {
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        return Err(AgentError::Refused { class: text("class"), description: text("desc") });
    }
    Ok(answer.get_mut("return").map(Value::take).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    /// A guest whose agent answers commands with `answer`; it first says something that nobody asked for.
    fn guest(answer: impl Fn(&str, &Value) -> Option<Value> + Send + 'static) -> Agent {
        let (ours, theirs) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            let mut out = theirs.try_clone().unwrap();
            out.write_all(b"{\"return\": 99999}\nhalf of a li").unwrap();
            let mut lines = BufReader::new(theirs);
            loop {
                let mut text = Vec::new();
                if lines.read_until(b'\n', &mut text).unwrap_or(0) == 0 {
                    return;
                }
                text.retain(|byte| *byte != FLUSH);
                let request: Value = serde_json::from_slice(&text).unwrap();
                let reply = if request["execute"] == "guest-sync" {
                    Some(json!({"return": request["arguments"]["id"]}))
                } else {
                    answer(request["execute"].as_str().unwrap(), &request["arguments"])
                };
                if let Some(reply) = reply {
                    out.write_all(format!("\n{reply}\n").as_bytes()).unwrap();
                }
            }
        });
        Agent::over(ours).unwrap()
    }

    #[test]
    fn answers_and_refusals() {
        let agent = guest(|name, arguments| {
            Some(match name {
                "guest-ping" => json!({"return": {}}),
                "guest-set-time" => json!({"return": arguments["time"]}),
                _ => json!({"error": {"class": "CommandNotFound", "desc": "no such command"}}),
            })
        });
        let limit = Patience::Most(Duration::from_secs(5));
        assert_eq!(agent.command("guest-ping", &Value::Null, limit).unwrap(), json!({}));
        assert_eq!(
            agent.command("guest-set-time", &json!({"time": 7}), Patience::Endless).unwrap(),
            json!(7)
        );
        assert!(agent.raw(&json!({"execute": "guest-ping"}), Patience::None).unwrap().is_none());
        match agent.command("guest-bogus", &Value::Null, limit) {
            Err(AgentError::Refused { class, .. }) => assert_eq!(class, "CommandNotFound"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn silence_and_ends() {
        let agent = guest(|_, _| None);
        let limit = Patience::Most(Duration::from_millis(300));
        assert!(matches!(agent.command("guest-ping", &Value::Null, limit), Err(AgentError::Timeout)));
        std::thread::scope(|scope| {
            let ended = scope.spawn(|| agent.ending("guest-shutdown", &Value::Null, Patience::Endless));
            std::thread::sleep(Duration::from_millis(300));
            agent.happened();
            ended.join().unwrap().unwrap();
            let waiting = scope.spawn(|| agent.command("guest-ping", &Value::Null, Patience::Endless));
            std::thread::sleep(Duration::from_millis(100));
            agent.close();
            assert!(matches!(waiting.join().unwrap(), Err(AgentError::Closed)));
        });
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mute = Agent::over(ours).unwrap();
        assert!(matches!(mute.command("guest-ping", &Value::Null, limit), Err(AgentError::Unsynced)));
    }

    #[test]
    fn numbers_of_the_interface() {
        assert_eq!(Patience::of(-2), Patience::Endless);
        assert_eq!(Patience::of(-1), Patience::Most(SYNC));
        assert_eq!(Patience::of(0), Patience::None);
        assert_eq!(Patience::of(7), Patience::Most(Duration::from_secs(7)));
    }
}
