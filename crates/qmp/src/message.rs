//! Lines and what they say.

use serde_json::Value;

/// Longest line that is read. Replies to schema queries take about a megabyte.
pub const LINE_MAX: usize = 32 << 20;

/// Something QEMU said.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The first line of a connection.
    Greeting {
        /// Major, minor, micro.
        version: (u32, u32, u32),
        /// The packager's words.
        package: String,
    },
    /// Answer to a command.
    Reply {
        /// Id of the command, when it had one.
        id: Option<String>,
        /// What it returned, or the class and description of the error.
        result: Result<Value, (String, String)>,
    },
    /// Something that happened.
    Event(Event),
    /// A document of another form; newer emulators may have some.
    Unknown,
}

/// Something that happened in the emulator.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Name, e.g. `SHUTDOWN`.
    pub name: String,
    /// Details; null when there are none.
    pub data: Value,
    /// Seconds since 1970.
    pub seconds: i64,
    /// Microseconds within the second.
    pub micros: u32,
}

/// The peer does not speak the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Garbage {
    /// A line beyond [`LINE_MAX`].
    #[error("monitor line is too long")]
    TooLong,
    /// A line that is no JSON document.
    #[error("monitor line is no JSON document")]
    NoJson,
}

impl Message {
    /// What a document says.
    pub fn of(mut document: Value) -> Message {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if let Some(name) = document.get("event") {
            let number =
                |field: &str| document.pointer(&format!("/timestamp/{field}")).and_then(Value::as_i64);
            let (seconds, micros) = (number("seconds").unwrap_or(0), number("microseconds").unwrap_or(0));
            let name = text(name);
            let data = document.get_mut("data").map_or(Value::Null, Value::take);
            return Message::Event(Event { name, data, seconds, micros: u32::try_from(micros).unwrap_or(0) });
        }
        let id = document.get("id").and_then(Value::as_str).map(str::to_owned);
        if let Some(value) = document.get_mut("return") {
            return Message::Reply { id, result: Ok(value.take()) };
        }
        if let Some(error) = document.get("error") {
            let field = |name: &str| error.get(name).map(text).unwrap_or_default();
            return Message::Reply { id, result: Err((field("class"), field("desc"))) };
        }
        if let Some(version) = document.pointer("/QMP/version") {
            let number = |name: &str| {
                version.pointer(&format!("/qemu/{name}")).and_then(Value::as_u64).unwrap_or(0) as u32
            };
            let package = version.get("package").map(text).unwrap_or_default();
            return Message::Greeting {
                version: (number("major"), number("minor"), number("micro")),
                package,
            };
        }
        Message::Unknown
    }
}

/// Cuts arriving bytes into messages.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Bytes known to hold no line end.
    searched: usize,
}

impl Lines {
    /// Takes bytes and gives the messages that are complete.
    ///
    /// # Errors
    /// When the peer does not speak the protocol.
    pub fn feed(&mut self, arrived: &[u8]) -> Result<Vec<Message>, Garbage> {
        self.bytes.extend_from_slice(arrived);
        let mut messages = Vec::new();
        let mut start = 0;
        while let Some(at) = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n') {
            let end = self.searched + at;
            let line = self.bytes[start..end].trim_ascii();
            if !line.is_empty() {
                messages.push(Message::of(serde_json::from_slice(line).map_err(|_| Garbage::NoJson)?));
            }
            start = end + 1;
            self.searched = start;
        }
        self.bytes.drain(..start);
        self.searched = self.bytes.len();
        if self.bytes.len() > LINE_MAX { Err(Garbage::TooLong) } else { Ok(messages) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_in_pieces() {
        let text = concat!(
            "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2, \"minor\": 0, \"major\": 10}, \"package\": \"p\"}}}\r\n",
            "{\"return\": {\"a\": 1}, \"id\": \"libvirt-1\"}\n\n",
            "{\"error\": {\"class\": \"C\", \"desc\": \"d\"}, \"id\": \"x\"}\n",
            "{\"timestamp\": {\"seconds\": 5, \"microseconds\": 7}, \"event\": \"STOP\"}\n{\"new\": 1}\n"
        );
        let expected = vec![
            Message::Greeting { version: (10, 0, 2), package: "p".into() },
            Message::Reply { id: Some("libvirt-1".into()), result: Ok(json!({"a": 1})) },
            Message::Reply { id: Some("x".into()), result: Err(("C".into(), "d".into())) },
            Message::Event(Event { name: "STOP".into(), data: Value::Null, seconds: 5, micros: 7 }),
            Message::Unknown,
        ];
        for piece in [1, 7, 1000] {
            let mut lines = Lines::default();
            let got: Vec<Message> =
                text.as_bytes().chunks(piece).flat_map(|chunk| lines.feed(chunk).unwrap()).collect();
            assert_eq!(got, expected, "pieces of {piece}");
        }
        assert_eq!(Lines::default().feed(b"nonsense\n"), Err(Garbage::NoJson));
    }
}
