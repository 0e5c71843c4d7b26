//! Reading the notation.

use crate::{Entry, File, Value};

/// Why a text is no configuration file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct ParseError {
    /// Name of the file, as the caller gave it.
    pub file: String,
    /// 1-based line.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// Lists may contain lists; real ones do not.
const DEPTH: usize = 8;

struct Parser<'t> {
    rest: &'t str,
    line: u32,
}

impl File {
    /// Reads a file's text. `file` is its name, for errors.
    ///
    /// # Errors
    /// With the line where the text stops making sense.
    pub fn parse(file: &str, text: &str) -> Result<File, ParseError> {
        let mut parser = Parser { rest: text, line: 1 };
        let mut entries = Vec::new();
        while !parser.rest.is_empty() {
            let line = parser.line;
            let entry = parser.entry();
            match entry {
                Ok(entry) => entries.push(entry),
                Err(message) => return Err(ParseError { file: file.to_owned(), line, message }),
            }
        }
        Ok(File { entries })
    }
}

impl Parser<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn blank_lines(&mut self) {
        let after = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.count(self.rest.len() - after.len());
    }

    /// Moves on by `bytes`, counting lines.
    fn count(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += passed.bytes().filter(|byte| *byte == b'\n').count() as u32;
        self.rest = rest;
    }

    fn entry(&mut self) -> Result<Entry, String> {
        let mut entry = Entry { line: self.line, ..Entry::default() };
        self.blanks();
        if !self.rest.is_empty() && !self.rest.starts_with(['#', '\n', '\r']) {
            let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"_.-+".contains(c));
            let end = end.unwrap_or(self.rest.len());
            if end == 0 || !self.rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return Err("expecting a name".to_owned());
            }
            let name = self.rest[..end].to_owned();
            self.count(end);
            self.blanks();
            self.rest =
                self.rest.strip_prefix('=').ok_or_else(|| format!("{name}: expecting an assignment"))?;
            self.blanks();
            entry.value = Some(self.value(0).map_err(|message| format!("{name}: {message}"))?);
            entry.name = Some(name);
            self.blanks();
        }
        if let Some(after) = self.rest.strip_prefix('#') {
            let end = after.find('\n').unwrap_or(after.len());
            entry.comment = Some(after[..end].trim_end_matches('\r').to_owned());
            self.count(1 + end);
        }
        self.rest = self.rest.strip_prefix('\r').unwrap_or(self.rest);
        if self.rest.starts_with('\n') {
            self.count(1);
        } else if !self.rest.is_empty() {
            return Err("expecting a separator".to_owned());
        }
        Ok(entry)
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if let Some(after) = self.rest.strip_prefix("\"\"\"") {
            let end = after.find("\"\"\"").ok_or("unterminated string")?;
            let text = after[..end].to_owned();
            self.count(end + 6);
            return Ok(Value::Text(text));
        }
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            let after = &self.rest[1..];
            let end = after.find([quote, '\n']).filter(|end| after[*end..].starts_with(quote));
            let end = end.ok_or("unterminated string")?;
            let text = after[..end].to_owned();
            self.count(end + 2);
            return Ok(Value::Text(text));
        }
        if let Some(after) = self.rest.strip_prefix('[') {
            if depth >= DEPTH {
                return Err("lists are nested too deeply".to_owned());
            }
            self.rest = after;
            return self.list(depth);
        }
        let digits = self.rest.strip_prefix('-').unwrap_or(self.rest);
        let sign = self.rest.len() - digits.len();
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        if end == 0 {
            return Err("expecting a value".to_owned());
        }
        let number = self.rest[..sign + end].parse().map_err(|_| "number is out of range".to_owned())?;
        self.count(sign + end);
        Ok(Value::Number(number))
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        let mut list = Vec::new();
        loop {
            self.blank_lines();
            if let Some(after) = self.rest.strip_prefix(']') {
                self.rest = after;
                return Ok(Value::List(list));
            }
            list.push(self.value(depth + 1)?);
            self.blank_lines();
            if let Some(after) = self.rest.strip_prefix(',') {
                self.rest = after;
            } else if !self.rest.starts_with(']') {
                return Err("list is not closed with ]".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_errors() {
        let text = "# head\n\na = 1 # one\nb = \"x\"\nc = [ \"p\", \"q\" ]\nd = -5\ne = 'say \"y\"'\n";
        let file = File::parse("f", text).unwrap();
        assert_eq!(file.format(), text);
        assert_eq!(file.get("d"), Some((&Value::Number(-5), 6)));
        for (text, message) in [
            ("a = \"x\n", "f:1: a: unterminated string"),
            ("\na 1\n", "f:2: a: expecting an assignment"),
            ("a = \n", "f:1: a: expecting a value"),
            ("= 1", "f:1: expecting a name"),
            ("a = 1 b\n", "f:1: expecting a separator"),
            ("a = [ \"x\" \"y\" ]", "f:1: a: list is not closed with ]"),
            ("a = 99999999999999999999", "f:1: a: number is out of range"),
        ] {
            assert_eq!(File::parse("f", text).unwrap_err().to_string(), message);
        }
    }
}
