//! Definitions through the public face.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod alone;
mod lines;
mod refusals;
