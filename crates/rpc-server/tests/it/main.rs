//! The server through its sockets.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod gate;
mod hostile;
mod server;
mod wire;
