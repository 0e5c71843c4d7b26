//! What a document may contain: elements, attributes, values, and how often.
//!
//! ```text
//! data/KIND.schema ──▶ Table ──check(root)──▶ nothing, or the first Violation with its place
//! data/types.table ──▶ Types ──┘
//! ```
//!
//! A client that asks for validation (`VIR_DOMAIN_DEFINE_VALIDATE` and its kin) wants to be told about the word it
//! misspelt; reading alone passes over what it does not know. Every kind of document has its table; documents that hold
//! others refer to theirs.
//!
//! *Invariant:* the tables decide; this room's code knows no element by its name.

mod check;
mod kind;
pub mod sample;
mod table;
mod types;
mod words;

pub use check::Violation;
pub use kind::Kind;
pub use words::Fault;

use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::{Document, Node};

/// Where clients know the schemas to be.
const FOLDER: &str = "/usr/share/libvirt/schemas";

/// Holds a document against its schema.
///
/// # Errors
/// Code `XML_INVALID_SCHEMA`, with what is wrong first and where; `XML_ERROR` for a document of another kind.
pub fn validate(kind: Kind, root: Node<'_>) -> Result<()> {
    if root.name() != kind.root() {
        let text = format!("expecting root element of '{}', not '{}'", kind.root(), root.name());
        return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text));
    }
    match check::document(kind, root) {
        Ok(()) => Ok(()),
        Err(violation) => {
            let text = format!("Unable to validate doc against {FOLDER}/{}\n{violation}", kind.file());
            Err(Error::new(ErrorCode::XML_INVALID_SCHEMA, ErrorDomain::XML, text))
        }
    }
}

/// Holds the text of a document against its schema; one that is no XML is left to its reader.
///
/// # Errors
/// As [`validate`].
pub fn validate_text(kind: Kind, text: &str) -> Result<()> {
    match Document::parse(text) {
        Ok(document) => validate(kind, document.root()),
        Err(_) => Ok(()),
    }
}

/// Holds a document against its schema.
///
/// # Errors
/// The first violation, in the order of the document.
pub fn check(kind: Kind, root: Node<'_>) -> std::result::Result<(), Violation> {
    check::document(kind, root)
}
