//! What stands around the outermost element: the declaration, comments, processing instructions, the document type.
//!
//! ```text
//! <?xml version='1.0'?>  <!-- … -->  <!DOCTYPE a [ <!ENTITY x 'y'> ]>  <a>…</a>  <!-- … -->
//! ```
//!
//! Of the document type only the entities count; declarations of elements and attributes are passed over.

use crate::parse::{Outcome, Parser, is_blank, is_character};
use crate::reference::Value;

/// Encodings whose documents are text here already.
const ENCODINGS: &[&str] =
    &["utf-8", "utf8", "utf-16", "us-ascii", "ascii", "iso-8859-1", "latin1", "iso-8859-15", "windows-1252"];

/// A document type that cannot be understood.
const BROKEN: &str = "internal error: xmlParseInternalSubset: error detected in Markup declaration\n";

impl<'t> Parser<'t> {
    /// Up to the outermost element.
    pub(crate) fn prolog(&mut self) -> Outcome<()> {
        if self.text.is_empty() {
            return self.fail(0, "Document is empty");
        }
        if self.sees("\u{feff}") {
            self.at += 3;
        }
        if self.sees("<?xml") && self.text.as_bytes().get(self.at + 5).copied().is_some_and(is_blank) {
            self.declaration()?;
        }
        let mut typed = false;
        loop {
            self.blanks();
            if self.sees("<!DOCTYPE") && !typed {
                self.document_type()?;
                typed = true;
            } else if !self.passed_over()? {
                break;
            }
        }
        if self.byte() == Some(b'<') {
            Ok(())
        } else {
            self.fail(self.at, "Start tag expected, '<' not found")
        }
    }

    /// From the outermost element to the end.
    pub(crate) fn epilog(&mut self) -> Outcome<()> {
        loop {
            self.blanks();
            if !self.passed_over()? {
                break;
            }
        }
        if self.at < self.text.len() {
            return self.fail(self.at, "Extra content at the end of the document");
        }
        Ok(())
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Passes over what fits.
    fn span(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// `<?xml version='1.0' encoding='…' standalone='…'?>`
    fn declaration(&mut self) -> Outcome<()> {
        self.at += 5;
        self.blanks();
        if !self.sees("version") {
            return self.fail(self.at, "Malformed declaration expecting version");
        }
        let (version, _) = self.declared("version", |c| c.is_ascii_digit() || c == '.')?;
        match version.split_once('.') {
            Some(("1", _)) => {}
            Some((major, _)) if major.len() == 1 => {
                return self.fail(self.at, format!("Unsupported version '{version}'"));
            }
            _ => return self.fail(self.at, "Malformed declaration expecting version"),
        }
        if self.sees("?>") {
            self.at += 2;
            return Ok(());
        }
        if !self.blanks() {
            return self.fail(self.at, "Blank needed here");
        }
        if self.sees("encoding") {
            let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let (encoding, start) = self.declared("encoding", fits)?;
            if !encoding.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return self.fail(start, "Invalid XML encoding name");
            }
            if !ENCODINGS.iter().any(|known| known.eq_ignore_ascii_case(encoding)) {
                return self.fail(self.at, format!("Unsupported encoding {encoding}"));
            }
            self.blanks();
        }
        if self.sees("standalone") {
            let (standalone, start) = self.declared("standalone", |c| c.is_ascii_lowercase())?;
            if !matches!(standalone, "yes" | "no") {
                return self.fail(start, "standalone accepts only 'yes' or 'no'");
            }
            self.blanks();
        }
        if !self.sees("?>") {
            return self.fail(self.at, "parsing XML declaration: '?>' expected");
        }
        self.at += 2;
        Ok(())
    }

    /// `word='value'` of a declaration: the value and its place.
    fn declared(&mut self, word: &str, fits: impl Fn(char) -> bool) -> Outcome<(&'t str, usize)> {
        self.at += word.len();
        self.blanks();
        if self.byte() != Some(b'=') {
            return self.fail(self.at, "expected '='");
        }
        self.at += 1;
        self.blanks();
        let Some(quote @ (b'"' | b'\'')) = self.byte() else {
            return self.fail(self.at, "String not started expecting ' or \"");
        };
        self.at += 1;
        let start = self.at;
        let value = self.span(fits);
        if self.byte() != Some(quote) {
            return self.fail(self.at, "String not closed expecting \" or '");
        }
        self.at += 1;
        Ok((value, start))
    }

    /// A comment or a processing instruction.
    pub(crate) fn passed_over(&mut self) -> Outcome<bool> {
        if self.sees("<!--") {
            self.comment()?;
        } else if self.sees("<?") {
            self.instruction()?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn comment(&mut self) -> Outcome<()> {
        self.at += 4;
        let rest = self.rest();
        let hyphens = rest.find("--").unwrap_or(rest.len());
        let inside = rest.get(..hyphens).unwrap_or_default();
        if let Some((place, c)) = inside.char_indices().find(|(_, c)| !is_character(*c)) {
            return self
                .fail(self.at + place, format!("xmlParseComment: invalid xmlChar value {}", c as u32));
        }
        self.at += hyphens;
        if self.sees("-->") {
            self.at += 3;
            return Ok(());
        }
        if self.sees("--") {
            let shown: String = inside.chars().take(50).collect();
            return self.fail(self.at, format!("Double hyphen within comment: <!--{shown}"));
        }
        self.fail(self.text.len(), "Comment not terminated")
    }

    fn instruction(&mut self) -> Outcome<()> {
        self.at += 2;
        let Some(name) = self.name() else {
            return self.fail(self.at, "xmlParsePI : no target name");
        };
        self.bounded(name, "Name")?;
        if name.eq_ignore_ascii_case("xml") {
            let plain = name == "xml";
            let text = if plain {
                "XML declaration allowed only at the start of the document"
            } else {
                "Invalid PI name"
            };
            return self.fail(self.at, text);
        }
        if !self.sees("?>") && !self.blanks() {
            return self.fail(self.at, format!("ParsePI: PI {name} space expected"));
        }
        let rest = self.rest();
        let end = rest.find("?>").unwrap_or(rest.len());
        let good = rest.get(..end).and_then(|inside| inside.find(|c| !is_character(c))).unwrap_or(end);
        self.at += good;
        if !self.sees("?>") {
            return self.fail(self.at, format!("ParsePI: PI {name} never end ..."));
        }
        self.at += 2;
        Ok(())
    }

    /// `<!DOCTYPE name SYSTEM '…' [ … ]>`
    fn document_type(&mut self) -> Outcome<()> {
        self.at += 9;
        self.blanks();
        let Some(name) = self.name() else {
            return self.fail(self.at, "xmlParseDocTypeDecl : no DOCTYPE name !");
        };
        self.bounded(name, "Name")?;
        self.blanks();
        self.external()?;
        self.blanks();
        if self.byte() == Some(b'[') {
            self.at += 1;
            self.subset()?;
            self.blanks();
        }
        if self.byte() != Some(b'>') {
            return self.fail(self.at, "DOCTYPE improperly terminated");
        }
        self.at += 1;
        Ok(())
    }

    /// `SYSTEM '…'` or `PUBLIC '…' '…'`.
    fn external(&mut self) -> Outcome<bool> {
        let public = self.sees("PUBLIC");
        if !public && !self.sees("SYSTEM") {
            return Ok(false);
        }
        self.at += 6;
        if !self.blanks() {
            let word = if public { "PUBLIC" } else { "SYSTEM" };
            return self.fail(self.at, format!("Space required after '{word}'"));
        }
        if public {
            self.literal("PubidLiteral \" or ' expected")?;
            if !self.blanks() {
                return self.fail(self.at, "Space required after the Public Identifier");
            }
        }
        self.literal("SystemLiteral \" or ' expected")?;
        Ok(true)
    }

    fn literal(&mut self, missing: &str) -> Outcome<()> {
        let Some(quote @ (b'"' | b'\'')) = self.byte() else {
            return self.fail(self.at, missing);
        };
        self.at += 1;
        self.span(|c| c != char::from(quote) && is_character(c));
        if self.byte() != Some(quote) {
            return self.fail(self.at, "Unfinished System or Public ID \" or ' expected");
        }
        self.at += 1;
        Ok(())
    }

    /// The declarations in a document type.
    fn subset(&mut self) -> Outcome<()> {
        let mut parameters: Vec<&str> = Vec::new();
        loop {
            self.blanks();
            if self.byte() == Some(b']') {
                self.at += 1;
                return Ok(());
            }
            if self.byte() == Some(b'%') {
                self.parameter(&parameters)?;
            } else if self.sees("<!ENTITY") {
                parameters.extend(self.entity()?);
            } else if ["<!ELEMENT", "<!ATTLIST", "<!NOTATION"].iter().any(|word| self.sees(word)) {
                self.declaration_of_structure()?;
            } else if !self.passed_over()? {
                return self.fail(self.at, BROKEN);
            }
        }
    }

    /// `%name;`. What it stands for is not looked at.
    fn parameter(&mut self, known: &[&str]) -> Outcome<()> {
        self.at += 1;
        let Some(name) = self.name() else {
            return self.fail(self.at, "PEReference: no name");
        };
        if self.byte() != Some(b';') {
            return self.fail(self.at, "PEReference: expecting ';'");
        }
        self.at += 1;
        if !known.contains(&name) {
            return self.fail(self.at, format!("PEReference: %{name}; not found"));
        }
        Ok(())
    }

    fn declaration_of_structure(&mut self) -> Outcome<()> {
        let mut quote = None;
        let start = self.at;
        for (place, byte) in self.rest().bytes().enumerate() {
            match (quote, byte) {
                (None, b'>') => {
                    self.at = start + place + 1;
                    return Ok(());
                }
                (None, b'"' | b'\'') => quote = Some(byte),
                (Some(open), byte) if open == byte => quote = None,
                _ => {}
            }
        }
        self.fail(self.text.len(), BROKEN)
    }

    /// `<!ENTITY name "value">` and `<!ENTITY name SYSTEM "…" NDATA name>`. The name of one that stands in document
    /// types only (`<!ENTITY % name …>`).
    fn entity(&mut self) -> Outcome<Option<&'t str>> {
        self.at += 8;
        if !self.blanks() {
            return self.fail(self.at, "Space required after '<!ENTITY'");
        }
        let parameter = self.byte() == Some(b'%');
        if parameter {
            self.at += 1;
            if !self.blanks() {
                return self.fail(self.at, "Space required after '%'");
            }
        }
        let Some(name) = self.name() else {
            return self.fail(self.at, "xmlParseEntityDecl: no name");
        };
        self.bounded(name, "Name")?;
        if !self.blanks() {
            return self.fail(self.at, "Space required after the entity name");
        }
        let value = if let Some(quote @ (b'"' | b'\'')) = self.byte() {
            Value::Text(self.entity_value(quote)?)
        } else if self.external()? {
            self.unparsed()?
        } else {
            return self.fail(self.at, "Entity value required");
        };
        self.blanks();
        if self.byte() != Some(b'>') {
            return self.fail(self.at, format!("xmlParseEntityDecl: entity {name} not terminated"));
        }
        self.at += 1;
        if parameter {
            return Ok(Some(name));
        }
        self.entities.define(name, value);
        Ok(None)
    }

    fn entity_value(&mut self, quote: u8) -> Outcome<&'t str> {
        self.at += 1;
        let value = self.span(|c| c != char::from(quote) && is_character(c));
        if self.byte() != Some(quote) {
            return self.fail(self.at, "EntityValue: \" or ' expected");
        }
        self.at += 1;
        if value.contains('%') {
            return self.fail(self.at, "PEReferences forbidden in internal subset");
        }
        for part in value.split('&').skip(1) {
            let name = part.split(';').next().unwrap_or_default();
            if name.is_empty() || name.len() == part.len() {
                return self.fail(self.at, "EntityValue: '&' forbidden except for entities references");
            }
        }
        Ok(value)
    }

    /// `NDATA name` behind an entity outside of the document.
    fn unparsed(&mut self) -> Outcome<Value<'t>> {
        let parted = self.blanks();
        if !self.sees("NDATA") {
            return Ok(Value::External);
        }
        if !parted {
            return self.fail(self.at, "Space required before 'NDATA'");
        }
        self.at += 5;
        if !self.blanks() {
            return self.fail(self.at, "Space required after 'NDATA'");
        }
        self.name();
        Ok(Value::Unparsed)
    }
}

#[cfg(test)]
mod tests {
    use crate::Document;
    use crate::parse::tests::check;

    #[test]
    fn around_the_root() {
        check("", "Document is empty", 0);
        check(" ", "Start tag expected, '<' not found", 1);
        check("x", "Start tag expected, '<' not found", 0);
        check("<a/><b/>", "Extra content at the end of the document", 4);
        check("<a><!-- x </a>", "Comment not terminated", 14);
        check("<a><!-- -- --></a>", "Double hyphen within comment: <!-- ", 8);
        check("<a><!-- a\u{1} --></a>", "xmlParseComment: invalid xmlChar value 1", 9);
        check("<a><?p </a>", "ParsePI: PI p never end ...", 11);
        check("<a><?p", "ParsePI: PI p space expected", 6);
        check("<a><? p?></a>", "xmlParsePI : no target name", 5);
        check(" <?xml version='1.0'?><a/>", "XML declaration allowed only at the start of the document", 6);
        check("<?XML version='1.0'?><a/>", "Invalid PI name", 5);
    }

    #[test]
    fn declarations() {
        check("<?xml ?><a/>", "Malformed declaration expecting version", 6);
        check("<?xml version='9'?><a/>", "Malformed declaration expecting version", 17);
        check("<?xml version='2.0'?><a/>", "Unsupported version '2.0'", 19);
        check("<?xml version='x'?><a/>", "String not closed expecting \" or '", 15);
        check("<?xml version='1.0'?", "Blank needed here", 19);
        check("<?xml version='1.0' encoding=''?><a>", "Invalid XML encoding name", 30);
        check("<?xml version='1.0' encoding='foo'?><a/>", "Unsupported encoding foo", 34);
        check("<?xml version='1.0' standalone='maybe'?><a/>", "standalone accepts only 'yes' or 'no'", 32);
        check("<?xml version='1.0' foo='x'?><a/>", "parsing XML declaration: '?>' expected", 20);
    }

    #[test]
    fn document_types() {
        check("<!DOCTYPE", "xmlParseDocTypeDecl : no DOCTYPE name !", 9);
        check("<!DOCTYPE a b>", "DOCTYPE improperly terminated", 12);
        check("<!DOCTYPE a SYSTEM>", "Space required after 'SYSTEM'", 18);
        check("<!DOCTYPE a PUBLIC 'x'>", "Space required after the Public Identifier", 22);
        check("<!DOCTYPE a [%x;]><a/>", "PEReference: %x; not found", 16);
        check("<!DOCTYPE a [<!ENTITY x>]><a", "Space required after the entity name", 23);
        check("<!DOCTYPE a [<!ENTITY x y>]><a", "Entity value required", 24);
        check(
            "<!DOCTYPE a [<!ENTITY x '&'>]><a>",
            "EntityValue: '&' forbidden except for entities references",
            27,
        );
        check("<!DOCTYPE a [<!ENTITY x 'y' z>]><a", "xmlParseEntityDecl: entity x not terminated", 28);
        check("<!DOCTYPE a [x]><a", super::BROKEN, 13);
        check("<!DOCTYPE a><!DOCTYPE a><a/>", "StartTag: invalid element name", 13);
        let external = "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:/etc/hosts'>]>";
        assert_eq!(Document::parse(&format!("{external}<a>-&x;-</a>")).unwrap().root().text(), "--");
        check(&format!("{external}<a b='&x;'/>"), "Attribute references external entity 'x'", 60);
    }
}
