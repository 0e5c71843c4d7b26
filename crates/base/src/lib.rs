//! Ground floor: values that every room shares and that depend on nothing.
//!
//! * [`Uuid`], 16 bytes with libvirt's text rules
//! * [`object`]: how a client names a domain, network, pool …
//! * [`param`]: typed parameters
//! * [`error`]: the error that crosses driver boundaries, with its numbers and message templates
//! * [`text_enum!`]: enumerations whose members have a fixed spelling
//! * [`size`]: numbers and scaled sizes as libvirt reads them

pub mod error;
pub mod object;
pub mod param;
pub mod size;
mod text_enum;
mod uuid;

pub use error::{Error, ErrorCode, ErrorDomain, ErrorLevel, Result};
pub use text_enum::TextEnum;
pub use uuid::{ParseUuidError, Uuid};
