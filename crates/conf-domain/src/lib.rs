//! The domain document: `<domain>` and everything in it.
//!
//! ```text
//! text ──xml──▶ Node ──table of elements──▶ Tree ──rules per element──▶ Domain ──driver's completion──▶ Domain
//!                                                                         │
//!                                                                         └──format(FormatFlags)──▶ text
//! ```
//!
//! One table (`data/domain.elements`, read by [`elements`]) says what belongs to the document and in which order it is
//! printed. A definition is held as a [`xml::Tree`] in that order; what an element means beyond that (defaults, units,
//! spellings, what contradicts what) stands in one file per element, as rules that run once after reading.
//!
//! *Invariant:* this room is pure and knows no driver; rules of a driver are applied by that driver's planner.
//! *Invariant:* formatting decides nothing but what [`FormatFlags`] hide.

pub mod bitmap;
mod checks;
pub mod device;
pub mod domain;
pub mod elements;
pub mod fault;
mod flags;
pub mod foreign;
#[cfg(test)]
mod generated;
mod reader;
pub mod section;
pub mod validate;
mod values;

pub use domain::Domain;
pub use flags::{FormatFlags, ParseFlags};
pub use reader::{Complete, Reader};
pub use section::{lifecycle, memory};
