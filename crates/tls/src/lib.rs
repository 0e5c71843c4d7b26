//! TLS for connections to other machines.
//!
//! A connection is made in three steps: both prove who they are, the daemon says in one byte whether it accepts the
//! client's certificate, then the protocol begins. From there on a [`relay`] stands between the caller, who keeps a plain
//! local socket, and the encrypted one; so nothing above knows of encryption.
//!
//! ```text
//! caller ── socket pair ── relay (a thread) ── encrypted ── daemon
//! ```
//!
//! Certificates are files in PEM form under the names that are documented for users of libvirt ([`files`]). A name is
//! looked for among a certificate's alternative names, and in its common name when there are none ([`verify`]).

pub mod client;
pub mod files;
mod relay;
mod verify;

pub use client::{Wishes, connect};
