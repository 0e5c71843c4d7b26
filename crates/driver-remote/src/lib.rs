//! The driver whose implementation is a socket: every procedure is sent to a daemon.
//!
//! ```text
//! Remote::open ─▶ AUTH_LIST ─▶ CONNECT_OPEN ─▶ calls from any thread
//!                    one reader thread: replies to their callers, events to a queue, stream data to its stream
//! ```
//!
//! It is also the client of the project's own tests and benches: [`Remote::raw`] sends any bytes to any procedure.

mod connection;
mod generated;

pub use connection::{Remote, Void};

use api::Hypervisor;

impl Hypervisor for Remote {
    fn supports_feature(&self, feature: i32) -> bool {
        let args = proto::generated::remote_connection::ConnectSupportsFeatureArgs { feature };
        let answer: base::Result<proto::generated::remote_connection::ConnectSupportsFeatureRet> =
            self.call(&proto::generated::table::REMOTE, 60, &args);
        answer.is_ok_and(|answer| answer.supported != 0)
    }
}
