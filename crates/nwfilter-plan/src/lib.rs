//! What filters become on an interface of a guest: rules of ebtables, iptables and ip6tables.
//!
//! ```text
//! filter + filters it refers to + variables ──flatten──▶ placed rules
//!      ──combinations──▶ each rule once for every set of values ──frames, packets──▶ commands
//!      ──install──▶ all commands in order: new chains beside the old ones, links, old chains removed, new ones renamed
//! ```
//!
//! * [`flatten`]: rules of a filter and of those it refers to, with their variables
//! * [`combination`]: sets of values that a rule's variables have
//! * [`frames`]: rules for frames; [`packets`]: rules for packets of IPv4 and IPv6
//! * [`chains`]: chains of an interface, and what makes and removes them
//! * [`install`]: the order of all that
//!
//! *Invariant:* nothing here runs anything.

pub mod chains;
pub mod combination;
pub mod flatten;
pub mod frames;
pub mod install;
pub mod packets;

pub use flatten::{Placed, flatten, missing};
pub use install::{Plan, plan};

use base::{Error, ErrorDomain};

/// A broken expectation of a filter.
pub(crate) fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::NWFILTER, text)
}
