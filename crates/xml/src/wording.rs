//! The first fault of a document that is no XML, in the words of libxml2 and at the place where it stands when it says them.
//!
//! Clients show these words, so they are part of the interface. The reader is another one, which says other words; this one
//! looks for the fault only after that has refused the document, and finds nothing where it knows no words.

/// A fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Byte offset of the place.
    pub offset: usize,
    /// What is wrong.
    pub words: String,
}

/// The place in the text.
struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// Open elements: name and line.
    open: Vec<(&'t str, usize)>,
}

type Step = Result<(), Fault>;

/// The first fault that there are words for.
pub fn first_fault(text: &str) -> Option<Fault> {
    let mut scan = Scan { text, at: 0, open: Vec::new() };
    scan.document().err()
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '_' | ':')
}

fn is_name(c: char) -> bool {
    is_name_start(c) || c.is_numeric() || matches!(c, '-' | '.' | '\u{b7}')
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Whether a character may stand in a document.
fn is_allowed(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

impl<'t> Scan<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn fault(&self, words: impl Into<String>) -> Fault {
        Fault { offset: self.at, words: words.into() }
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    fn line(&self) -> usize {
        self.text.get(..self.at).unwrap_or_default().matches('\n').count() + 1
    }

    fn name(&mut self) -> Option<&'t str> {
        self.peek().filter(|c| is_name_start(*c))?;
        Some(self.take_while(is_name))
    }

    /// Skips to the end of a section; without one the fault stands at the end of the text.
    fn skip_past(&mut self, end: &str, words: &str) -> Step {
        match self.rest().find(end) {
            Some(found) => {
                self.at += found + end.len();
                Ok(())
            }
            None => {
                self.at = self.text.len();
                Err(self.fault(words))
            }
        }
    }

    /// Blanks, comments and instructions around the outermost element.
    fn misc(&mut self) -> Step {
        loop {
            self.take_while(is_blank);
            if self.take("<!--") {
                self.skip_past("-->", "Comment not terminated")?;
            } else if self.rest().starts_with("<?") {
                self.skip_past("?>", "PI target never end ...")?;
            } else if self.rest().starts_with("<!DOCTYPE") {
                self.skip_past(">", "DOCTYPE improperly terminated")?;
            } else {
                return Ok(());
            }
        }
    }

    fn document(&mut self) -> Step {
        self.take("\u{feff}");
        self.misc()?;
        if self.peek() != Some('<') {
            return Err(self.fault("Start tag expected, '<' not found"));
        }
        self.start_tag()?;
        while !self.open.is_empty() {
            self.content()?;
        }
        self.misc()?;
        if self.at < self.text.len() {
            return Err(self.fault("Extra content at the end of the document"));
        }
        Ok(())
    }

    fn start_tag(&mut self) -> Step {
        let line = self.line();
        self.at += 1;
        let Some(name) = self.name() else { return Err(self.fault("StartTag: invalid element name")) };
        let mut known: Vec<&str> = Vec::new();
        loop {
            let blanks = self.take_while(is_blank);
            if self.take("/>") {
                return Ok(());
            }
            match self.peek() {
                Some('>') => {
                    self.at += 1;
                    self.open.push((name, line));
                    return Ok(());
                }
                None if known.is_empty() || !blanks.is_empty() => {
                    return Err(self.fault(format!("Couldn't find end of Start Tag {name} line {line}")));
                }
                _ if blanks.is_empty() && !known.is_empty() => {
                    return Err(self.fault("attributes construct error"));
                }
                _ => {}
            }
            let Some(attribute) = self.name() else { return Err(self.fault("error parsing attribute name")) };
            self.take_while(is_blank);
            if !self.take("=") {
                let words = format!("Specification mandates value for attribute {attribute}");
                return Err(self.fault(words));
            }
            self.take_while(is_blank);
            self.value()?;
            if known.contains(&attribute) {
                return Err(self.fault(format!("Attribute {attribute} redefined")));
            }
            known.push(attribute);
        }
    }

    fn value(&mut self) -> Step {
        let Some(quote) = self.peek().filter(|c| matches!(c, '"' | '\'')) else {
            return Err(self.fault("AttValue: \" or ' expected"));
        };
        self.at += 1;
        loop {
            self.take_while(|c| c != quote && c != '<' && c != '&' && is_allowed(c));
            match self.peek() {
                Some('<') => return Err(self.fault("Unescaped '<' not allowed in attributes values")),
                Some('&') => self.reference()?,
                Some(c) if c == quote => {
                    self.at += 1;
                    return Ok(());
                }
                Some(c) => {
                    return Err(self.fault(format!("invalid character in attribute value {}", c as u32)));
                }
                None => return Err(self.fault(format!("AttValue: {quote} expected"))),
            }
        }
    }

    fn reference(&mut self) -> Step {
        self.at += 1;
        if self.take("#") {
            let digits = self.take_while(|c| c != ';' && c != '<' && c != '&');
            let number = match digits.strip_prefix('x') {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
                None => digits.parse().ok(),
            };
            self.take(";");
            return match number.and_then(char::from_u32).filter(|c| is_allowed(*c)) {
                Some(_) => Ok(()),
                None => {
                    let number = number.unwrap_or(0);
                    Err(self.fault(format!("xmlParseCharRef: invalid xmlChar value {number}")))
                }
            };
        }
        let Some(name) = self.name() else { return Err(self.fault("xmlParseEntityRef: no name")) };
        if !self.take(";") {
            return Err(self.fault("EntityRef: expecting ';'"));
        }
        if matches!(name, "lt" | "gt" | "amp" | "quot" | "apos") {
            return Ok(());
        }
        Err(self.fault(format!("Entity '{name}' not defined")))
    }

    fn content(&mut self) -> Step {
        let from = self.at;
        let text = self.take_while(|c| c != '<' && c != '&' && is_allowed(c));
        if let Some(found) = text.find("]]>") {
            self.at = from + found;
            return Err(self.fault("Sequence ']]>' not allowed in content"));
        }
        match self.peek() {
            Some('&') => self.reference(),
            Some('<') if self.take("<!--") => self.skip_past("-->", "Comment not terminated"),
            Some('<') if self.take("<![CDATA[") => self.skip_past("]]>", "CData section not finished\n"),
            Some('<') if self.rest().starts_with("<?") => self.skip_past("?>", "PI target never end ..."),
            Some('<') if self.take("</") => self.end_tag(),
            Some('<') => self.start_tag(),
            Some(c) => Err(self.fault(format!("PCDATA invalid Char value {}", c as u32))),
            None => {
                let (name, line) = self.open.last().copied().unwrap_or_default();
                Err(self.fault(format!("Premature end of data in tag {name} line {line}")))
            }
        }
    }

    fn end_tag(&mut self) -> Step {
        let name = self.name().unwrap_or_default();
        self.take_while(is_blank);
        if !self.take(">") {
            return Err(self.fault("expected '>'"));
        }
        let (open, line) = self.open.pop().unwrap_or_default();
        if open == name {
            return Ok(());
        }
        Err(self.fault(format!("Opening and ending tag mismatch: {open} line {line} and {name}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_places() {
        for (text, offset, words) in [
            (" ", 1, "Start tag expected, '<' not found"),
            ("x", 0, "Start tag expected, '<' not found"),
            ("<", 1, "StartTag: invalid element name"),
            ("<a", 2, "Couldn't find end of Start Tag a line 1"),
            ("<a ", 3, "Couldn't find end of Start Tag a line 1"),
            ("<a/", 2, "error parsing attribute name"),
            ("<a b", 4, "Specification mandates value for attribute b"),
            ("<a b=c", 5, "AttValue: \" or ' expected"),
            ("<a b='c", 7, "AttValue: ' expected"),
            ("<a b='c'", 8, "attributes construct error"),
            ("<a b='1'c='2'/>", 8, "attributes construct error"),
            ("<a b='<'/>", 6, "Unescaped '<' not allowed in attributes values"),
            ("<a><b></a>", 10, "Opening and ending tag mismatch: b line 1 and a"),
            ("<a>&foo;</a>", 8, "Entity 'foo' not defined"),
            ("<a>&foo</a>", 7, "EntityRef: expecting ';'"),
            ("<a>&</a>", 4, "xmlParseEntityRef: no name"),
            ("<a>&#0;</a>", 7, "xmlParseCharRef: invalid xmlChar value 0"),
            ("<a/><b/>", 4, "Extra content at the end of the document"),
            ("<a b='1' b='2'/>", 14, "Attribute b redefined"),
            ("<a>]]></a>", 3, "Sequence ']]>' not allowed in content"),
            ("<a></a", 6, "expected '>'"),
            ("<a>\u{1}</a>", 3, "PCDATA invalid Char value 1"),
            ("<a>\n<b>\n", 8, "Premature end of data in tag b line 2"),
        ] {
            let words = words.to_owned();
            assert_eq!(first_fault(text), Some(Fault { offset, words }), "{text}");
        }
    }

    #[test]
    fn whole_documents_have_none() {
        for text in
            ["<a/>", "<?xml version='1.0'?>\n<!-- x --><a b='&lt;'>&#65;<![CDATA[<]]></a>\n", "<a ></a >"]
        {
            assert_eq!(first_fault(text), None, "{text}");
        }
    }
}
