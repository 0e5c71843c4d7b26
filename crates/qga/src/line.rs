//! Lines of an agent: bytes to documents, bounded.

use serde_json::Value;

/// Longest line of an agent.
pub const LINE_MAX: usize = 16 << 20;
/// A byte that no text has: whoever reads it drops what came before on the line.
pub(crate) const FLUSH: u8 = 0xff;

/// A line that is no document, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// Cuts arriving bytes into documents.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Bytes at the front that were taken already.
    taken: usize,
    /// Bytes at the front that hold no end of a line that was not taken.
    searched: usize,
}

impl Lines {
    /// Takes bytes that have arrived.
    pub fn feed(&mut self, arrived: &[u8]) {
        self.bytes.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        self.bytes.extend_from_slice(arrived);
    }

    /// Forgets what has arrived.
    pub fn clear(&mut self) {
        *self = Lines::default();
    }

    /// The next document; `None` until its line is there as a whole.
    ///
    /// # Errors
    /// When the line is none, or beyond [`LINE_MAX`] without an end; the line is dropped.
    pub fn document(&mut self) -> Result<Option<Value>, Malformed> {
        loop {
            let rest = self.bytes.get(self.searched..).unwrap_or_default();
            let Some(at) = rest.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.bytes.len();
                if self.searched - self.taken > LINE_MAX {
                    self.clear();
                    return Err(Malformed("the line has no end".to_owned()));
                }
                return Ok(None);
            };
            let end = self.searched + at;
            let line = self.bytes.get(self.taken..end).unwrap_or_default();
            let text: Vec<u8> = line.iter().copied().filter(|byte| *byte != FLUSH).collect();
            self.taken = end + 1;
            self.searched = self.taken;
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return serde_json::from_slice(&text).map(Some).map_err(|cause| Malformed(cause.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_in_pieces() {
        let text = b"\xff{\"return\": 1}\n\n{\"a\":\xff2}\nnone\n{\"b\":3}";
        for piece in [1, 3, 100] {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for chunk in text.chunks(piece) {
                lines.feed(chunk);
                while let Some(next) = lines.document().transpose() {
                    found.push(next.ok());
                }
            }
            assert_eq!(found, [Some(json!({"return": 1})), Some(json!({"a": 2})), None]);
            lines.feed(b"\n");
            assert_eq!(lines.document(), Ok(Some(json!({"b": 3}))));
        }
    }

    #[test]
    fn a_line_without_an_end_is_dropped() {
        let mut lines = Lines::default();
        lines.feed(&vec![b' '; LINE_MAX + 1]);
        assert!(lines.document().is_err());
        assert_eq!(lines.document(), Ok(None));
    }
}
