//! The schema by which QEMU describes its own monitor protocol: what is in it, and whether a value fits it.
//!
//! ```text
//! reply to query-qmp-schema ──Schema::read──▶ entries by name
//!                                               ├── find("blockdev-add/arg-type/+file/filename")
//!                                               └── check("blockdev-add/arg-type", value)
//! ```
//!
//! * [`schema`]: the entries
//! * [`path`]: asking whether something is in a schema
//! * [`check`]: whether a value fits a type

pub mod check;
pub mod path;
pub mod schema;

pub use check::{Leniency, Mismatch};
pub use path::Found;
pub use schema::{Entry, Schema};

#[cfg(test)]
mod tests;
