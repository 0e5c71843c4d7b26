//! `<metadata>`: notes of applications, kept as they came.

use base::Result;
use conf_domain::foreign::{self, Spaces};
use xml::{Node, Writer};

/// Notes by namespace, each as text at the left margin.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metadata {
    /// The element is there, even when nothing in it is kept.
    pub stated: bool,
    /// Namespace and text.
    pub notes: Vec<(String, String)>,
    /// Namespaces that the element declares for its notes: prefix and URI.
    pub spaces: Vec<(String, String)>,
}

impl Metadata {
    pub(crate) fn parse(node: Node<'_>) -> Metadata {
        let stated = node.elements().next().is_some();
        let mut metadata = Metadata { stated, ..Metadata::default() };
        let mut spaces = Spaces::of(Some(node));
        for note in node.elements() {
            // One element of each namespace; what is in none belongs to nobody.
            let Some(uri) = note.namespace() else { continue };
            if !metadata.notes.iter().any(|(known, _)| known == uri) {
                spaces.need(note);
                metadata.notes.push((uri.to_owned(), foreign::text(note)));
            }
        }
        metadata.spaces = spaces.found;
        metadata
    }

    /// The note of a namespace as its application gave it.
    ///
    /// # Errors
    /// When it cannot be read again.
    pub fn get(&self, uri: &str) -> Option<Result<String>> {
        let (_, text) = self.notes.iter().find(|(known, _)| known == uri)?;
        Some(conf_domain::domain::without_namespace(text))
    }

    /// Replaces or removes the note of a namespace.
    ///
    /// # Errors
    /// When the text is no XML.
    pub fn set(&mut self, uri: &str, key: &str, text: Option<&str>) -> Result<()> {
        let new = text.map(|text| conf_domain::domain::with_namespace(text, key, uri)).transpose()?;
        self.notes.retain(|(known, _)| known != uri);
        self.notes.extend(new.map(|text| (uri.to_owned(), text)));
        self.stated = !self.notes.is_empty();
        Ok(())
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        if !self.stated {
            return;
        }
        let opening = foreign::opening("metadata", &self.spaces);
        if self.notes.is_empty() {
            w.block(&opening.replace('>', "/>"));
            return;
        }
        w.block(&opening);
        w.deeper(|w| self.notes.iter().for_each(|(_, text)| w.block(text)));
        w.block("</metadata>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xml::Document;

    #[test]
    fn namespaces_from_further_out_are_declared() {
        let text = "<network xmlns:a='http://a/'><metadata xmlns:b='http://b/'><a:x/><b:y/><z/></metadata></network>";
        let document = Document::parse(text).unwrap();
        let metadata = Metadata::parse(document.root().child("metadata").unwrap());
        let mut w = Writer::new();
        metadata.format(&mut w);
        let printed =
            "<metadata xmlns:b=\"http://b/\" xmlns:a=\"http://a/\">\n  <a:x/>\n  <b:y/>\n</metadata>\n";
        assert_eq!(w.finish(), printed);
    }
}
