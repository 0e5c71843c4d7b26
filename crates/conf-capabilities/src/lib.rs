//! Capabilities as documents: of a host (`virsh capabilities`) and of the guests it can run (`virsh
//! domcapabilities`), for every hypervisor.
//!
//! * [`domain`]: what guests can have, as a value, and its document
//! * [`bhyve`], [`xen`]: that value for hypervisors that are not asked
//! * [`host`]: the host and its guests
//!
//! Everything here is a function of its arguments.

pub mod bhyve;
pub mod domain;
pub mod host;
pub mod xen;

pub use domain::{DomainCapabilities, Part};

#[cfg(test)]
mod tests;
