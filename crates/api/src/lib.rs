//! Driver traits and what crosses them: calls, events, streams.
//!
//! One trait per object family, generated from the procedure table; every method has a default body that answers "this
//! function is not supported by the connection driver". A driver implements the traits it has something to say to; a
//! surface (daemon, C library) holds a [`DriverSet`] and never knows which driver answers.
//!
//! *Invariant:* traits are synchronous and object safe; no wire handling, no sockets, no policy in here.

mod call;
pub mod credential;
mod drivers;
pub mod event_loop;
pub mod generated;
pub mod session;
mod stream;

pub use call::{Call, ConnectionId, Identity};
pub use drivers::{DriverSet, EventSink, Hypervisor, OpenRequest, Opener};
pub use event_loop::EventLoop;
pub use generated::*;
pub use proto::generated::remote_shared::DomainIpAddr;
pub use session::Session;
pub use stream::{Conduit, Outcome, Received, Source, Stream};

pub use base::{Error, ErrorCode, ErrorDomain, Result};

/// The default body of every trait method.
fn unsupported(c_name: &str, error_domain: i32) -> Error {
    Error::no_support(c_name).in_domain(ErrorDomain(error_domain))
}
