//! The domain document: `<domain>` and everything in it.
//!
//! ```text
//! text ──xml──▶ Node ──parse──▶ Domain ──post-parse (driver)──▶ ──validate──▶ ──addresses──▶ Domain
//!                                 │
//!                                 └──format(FormatFlags)──▶ text
//! ```
//!
//! One file per element: its struct, `parse`, `format`, `validate` and tests stand together. A struct holds what
//! the document says, typed: absent attributes are `None`, numbers are numbers with their unit in the field's
//! name or doc, spellings are enumerations. Nothing is decided while formatting except what [`FormatFlags`] hide.
//!
//! *Invariant:* this room is pure and knows no driver; rules of a driver are applied by that driver's planner.

pub mod attr;
pub mod flags;

pub use flags::{FormatFlags, ParseFlags};
