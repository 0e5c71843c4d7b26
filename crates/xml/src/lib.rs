//! Reading and writing XML the way libvirt's documents need it.
//!
//! Reading: [`Document`] owns the text, [`Node`] is a cheap cursor with the questions element parsers ask.
//! Bounds are checked here, once: size of the document, depth, number of nodes; no external entity is ever read.
//!
//! Writing: [`Writer`] knows the layout (two spaces, single quotes, escapes, `<x/>` when nothing is inside), so that
//! an element's formatter only says what it has.
//!
//! *Invariant:* this room knows no element name of any document.

mod attrs;
mod bytes;
mod document;
mod name;
mod node;
mod parse;
mod prolog;
mod reference;
mod tree;
mod writer;

pub use attrs::Attrs;
pub use document::{Document, Limits, XmlError};
pub use name::{Key, Known, Name};
pub use node::{Attribute, Content, Node};
pub use tree::Tree;
pub use writer::{Element, Writer, escape};

/// A short text. Up to fifteen bytes need no memory of their own.
pub type Word = ecow::EcoString;

/// Elements in order. An empty list needs no memory of its own.
pub type Trees = thin_vec::ThinVec<Tree>;
