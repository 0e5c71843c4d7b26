//! Everything that reads what strangers wrote, thrown at what nobody would write.
//!
//! ```text
//! corpus/TARGET/* ─┐
//! fresh inputs     ├─▶ pool ─▶ mutation ─▶ target(bytes) ─▶ kind of outcome ─▶ new kind: the input joins the pool
//! (from grammars) ─┘                            │
//!                                               └─▶ panic, more than a second, more than 100 MB: a finding, kept as a file
//! ```
//!
//! * [`targets`]: one pure function for each reader; it reads, and what was read must be stable from then on
//! * [`mutate`]: changes of bytes, of texts, of elements
//! * [`grammar`]: domain documents out of the tables of elements and their values
//! * [`corpus`]: the inputs to begin with
//! * [`run`]: many inputs, one after the other
//! * [`dice`]: choices that are the same for the same seed
//!
//! The targets know nothing of who runs them: the program of this room, tests, or an engine that is guided by coverage
//! (`fuzz/` at the top of the workspace).

pub mod corpus;
pub mod dice;
pub mod grammar;
pub mod mutate;
pub mod run;
pub mod targets;

pub use targets::{TARGETS, Target};
