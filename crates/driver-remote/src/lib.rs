//! The driver whose implementation is a socket: every procedure is sent to a daemon.
//!
//! ```text
//! Remote::connect ─▶ authenticate ─▶ open_uri ─▶ calls from any thread, streams, events
//!                                                 no thread of its own: see `channel`
//! ```
//!
//! It is also the client of the project's own tests and benches: [`Remote::raw`] sends any bytes to any procedure.

mod channel;
mod conduit;
mod connection;
mod generated;
mod incoming;
mod sasl;
mod session;

pub use channel::Explain;
pub use connection::{Remote, Void};

use api::Hypervisor;

impl Hypervisor for Remote {
    fn supports_feature(&self, feature: i32) -> bool {
        self.knows(feature)
    }
}
