//! The documents of network filters: `<filter>`, and `<filterbinding>` for a filter on an interface of a guest.
//!
//! ```text
//! text ──xml──▶ Node ──parse──▶ Filter ──format──▶ text
//!                                 └── entries: rules of one protocol each, references to other filters
//! ```
//!
//! * [`filter`]: the document: name, chain, entries
//! * [`rule`]: one rule; [`protocol`] says which attributes rules of each protocol have, [`value`] what those may be
//! * [`variable`]: values that stand for others; [`binding`]: where they come from
//!
//! *Invariant:* this room is pure; the tables of [`protocol`] decide, no attribute is known to code by its name alone.

pub mod binding;
pub mod filter;
pub mod protocol;
pub mod rule;
pub mod value;
pub mod variable;

pub use binding::Binding;
pub use filter::{Entry, Filter, Include};
pub use protocol::Protocol;
pub use rule::{Action, Direction, Item, Rule};
pub use value::Value;
pub use variable::{Parameters, VarRef};

use base::{Error, ErrorDomain};

/// A broken expectation of the document.
pub(crate) fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::NWFILTER, text)
}
