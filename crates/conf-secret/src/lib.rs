//! The document of secrets: `<secret>`, what is known of a secret beside its value.
//!
//! ```text
//! text ──xml──▶ Node ──parse──▶ Secret ──format──▶ text
//! ```
//!
//! A value never stands in the document; it has its own procedures and its own file.
//!
//! *Invariant:* this room is pure.

mod usage;

pub use usage::{Usage, UsageKind};

use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use conf_domain::fault::malformed;
use xml::{Document, Node, Writer};

/// What a secret is: everything but its value.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Secret {
    /// Identity.
    pub uuid: Uuid,
    /// The value is never told to clients.
    pub private: bool,
    /// Neither definition nor value outlives the daemon.
    pub ephemeral: bool,
    /// Text for people.
    pub description: Option<String>,
    /// What it is for.
    pub usage: Usage,
}

fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::SECRET, text)
}

/// A switch of the outermost element; off when it is not there.
fn switch(root: Node<'_>, name: &str) -> Result<bool> {
    match root.attr(name) {
        None | Some("no" | "") => Ok(false),
        Some("yes") => Ok(true),
        Some(_) => Err(Error::xml(ErrorDomain::SECRET, format!("invalid value of '{name}'"))),
    }
}

/// The text of a child, unless it is empty.
fn text(node: Node<'_>, name: &str) -> Option<String> {
    node.child_text(name).filter(|text| !text.is_empty())
}

impl Secret {
    /// Reads a document. `random` gives an identity to one that has none; `validate` holds it against the schema first.
    ///
    /// # Errors
    /// In the reference's words when the text is no XML or no secret, or when a part of it is missing or not understood.
    pub fn parse(text: &str, validate: bool, random: &mut dyn FnMut() -> [u8; 16]) -> Result<Secret> {
        let document =
            Document::parse(text).map_err(|error| malformed(text, &error).in_domain(ErrorDomain::SECRET))?;
        let root = document.root();
        if root.name() != "secret" {
            let text = format!("expecting root element of 'secret', not '{}'", root.name());
            return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text));
        }
        if validate {
            schema::validate(schema::Kind::Secret, root)?;
        }
        let ephemeral = switch(root, "ephemeral")?;
        let private = switch(root, "private")?;
        let uuid = match self::text(root, "uuid") {
            Some(text) => text.parse().map_err(|_| internal("malformed uuid element"))?,
            None => Uuid::from_random(random()),
        };
        let description = self::text(root, "description");
        let usage = root.child("usage").map(Usage::parse).transpose()?.unwrap_or_default();
        Ok(Secret { uuid, private, ephemeral, description, usage })
    }

    /// The document as text, ending in a newline.
    pub fn format(&self) -> String {
        let yes_no = |on: bool| if on { "yes" } else { "no" };
        let mut w = Writer::new();
        w.element("secret")
            .attr("ephemeral", yes_no(self.ephemeral))
            .attr("private", yes_no(self.private))
            .children(|w| {
                w.leaf("uuid", self.uuid);
                w.leaf_opt("description", self.description.as_ref());
                self.usage.format(w);
            });
        w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "8d4cf7f2-1a43-4b05-9a3b-5d9a4f0e2c11";

    fn parse(text: &str) -> Result<Secret> {
        Secret::parse(text, false, &mut || [7; 16])
    }

    fn kept(body: &str) {
        let document =
            format!("<secret ephemeral='yes' private='no'>\n  <uuid>{UUID}</uuid>\n{body}</secret>\n");
        assert_eq!(parse(&document).unwrap().format(), document);
    }

    fn refused(text: &str, message: &str) {
        let error = parse(text).expect_err(text);
        assert_eq!(error.message(), message, "{text}");
    }

    #[test]
    fn every_usage_is_printed_as_it_came() {
        kept("");
        kept("  <description> what &lt; this </description>\n");
        for (kind, child) in
            [("volume", "volume"), ("ceph", "name"), ("iscsi", "target"), ("tls", "name"), ("vtpm", "name")]
        {
            kept(&format!("  <usage type='{kind}'>\n    <{child}>a b</{child}>\n  </usage>\n"));
        }
    }

    #[test]
    fn what_is_missing_gets_its_default() {
        let secret = parse("<secret><usage type='none'/><other/></secret>").unwrap();
        assert_eq!(secret.uuid, Uuid::from_random([7; 16]));
        assert_eq!(secret, Secret { uuid: secret.uuid, ..Secret::default() });
        assert_eq!(secret.usage.id(), "");
    }

    #[test]
    fn refusals() {
        refused("<bogus/>", "XML error: expecting root element of 'secret', not 'bogus'");
        refused("<secret ephemeral='x'/>", "XML error: invalid value of 'ephemeral'");
        refused("<secret private='x'/>", "XML error: invalid value of 'private'");
        refused("<secret><uuid>z</uuid></secret>", "internal error: malformed uuid element");
        refused(
            "<secret><usage/></secret>",
            "XML error: Missing required attribute 'type' in element 'usage'",
        );
        refused(
            "<secret><usage type='x'/></secret>",
            "XML error: Invalid value for attribute 'type' in element 'usage': 'x'.",
        );
        for (kind, words) in [
            ("volume", "volume usage specified, but volume path is missing"),
            ("ceph", "Ceph usage specified, but name is missing"),
            ("iscsi", "iSCSI usage specified, but target is missing"),
            ("tls", "TLS usage specified, but name is missing"),
            ("vtpm", "vTPM usage specified, but name is missing"),
        ] {
            refused(
                &format!("<secret><usage type='{kind}'><name/></usage></secret>"),
                &format!("internal error: {words}"),
            );
        }
        let error = Secret::parse("<secret><bogus/></secret>", true, &mut || [7; 16]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::XML_INVALID_SCHEMA);
    }
}
