//! `<metadata>`: notes of applications, kept as they came.

use base::Result;
use xml::{Node, Writer};

/// Notes by namespace, each as text at the left margin.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metadata {
    /// The element is there, even when nothing in it is kept.
    pub stated: bool,
    /// Namespace and text.
    pub notes: Vec<(String, String)>,
}

impl Metadata {
    pub(crate) fn parse(node: Node<'_>) -> Metadata {
        let mut metadata = Metadata { stated: node.elements().next().is_some(), notes: Vec::new() };
        for note in node.elements() {
            // One element of each namespace; what is in none belongs to nobody.
            let Some(uri) = note.namespace() else { continue };
            if !metadata.notes.iter().any(|(known, _)| known == uri) {
                metadata.notes.push((uri.to_owned(), conf_domain::foreign::text(note)));
            }
        }
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
        if self.stated {
            w.element("metadata").children(|w| {
                for (_, text) in &self.notes {
                    w.block(text);
                }
            });
        }
    }
}
