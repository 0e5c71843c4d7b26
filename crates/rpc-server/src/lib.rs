//! The RPC server: everything between a socket and a driver.
//!
//! ```text
//!  sockets ──▶ thread that leads ──▶ worker pool ──▶ dispatch ──▶ driver
//!     ▲          │  framing, bounds,                   │
//!     │          │  streams, keepalive                 │
//!     └── outbox ◀──────────────── reply ◀─────────────┘     (whoever serves a call writes its reply)
//! ```
//!
//! * `server`: sockets, limits, what all threads share
//! * `lead`: the thread that leads; `linger`: how it waits; `service`: serving one call
//! * [`client`]: one connection: identity, session, subscriptions, streams
//! * [`outbox`]: bounded output of a client
//! * [`workers`]: the pool, with workers reserved for high-priority procedures; `permits`: how many of them compute; `turns`:
//!   whose call is next
//! * [`session`]: procedures about the connection itself
//! * [`stream`]: data streams of calls
//! * [`saved`]: the state that a daemon leaves to its successor
//! * [`dispatch`], [`gate`]: a call's bytes to a driver's method, and who may call what
//!
//! *Invariant:* whoever leads never waits: not for a driver, not for a client, not for a stream's other end.
//! *Invariant:* a client's output is bounded; who does not read is not served either, or cut off, and nobody else notices.

pub mod client;
pub mod dispatch;
pub mod gate;
mod generated;
mod inbox;
mod lead;
mod linger;
pub mod outbox;
mod permits;
pub mod saved;
mod server;
mod service;
pub mod session;
pub mod stream;
pub mod subscription;
mod turns;
pub mod workers;

pub use server::{Limits, Server, ServerHandle, Service};
