//! From a call's bytes to a driver and back to bytes.
//!
//! ```text
//! (program, procedure) ──table──▶ row ──gate──▶ allowed? ──handler──▶ decode ─▶ driver ─▶ encode
//!                          │                      │
//!                          └ unknown: RPC error    └ refused: nothing was decoded but what the rule needs
//! ```

use crate::{gate, generated};
use api::{Call, DriverSet, Stream};
use base::{Error, ErrorCode, ErrorDomain, Result};
use proto::row::{Procedure, Program};
use xdr::Xdr;

/// What a procedure answers.
#[derive(Debug)]
pub struct Reply {
    /// Payload of the reply message.
    pub payload: Vec<u8>,
    /// The stream the call opened.
    pub stream: Option<Stream>,
}

impl Reply {
    pub(crate) fn empty(stream: Option<Stream>) -> Reply {
        Reply { payload: Vec::new(), stream }
    }

    pub(crate) fn of(ret: &impl Xdr, stream: Option<Stream>) -> Reply {
        Reply { payload: xdr::to_bytes(ret), stream }
    }
}

/// Decodes, calls the driver, encodes.
pub(crate) type Handler = fn(&Call, &DriverSet, &[u8]) -> Result<Reply>;

/// The error for a payload that is not what the procedure takes.
pub(crate) fn undecodable() -> Error {
    Error::new(ErrorCode::RPC, ErrorDomain::RPC, "Unable to decode message payload")
}

pub(crate) fn decode<T: Xdr>(payload: &[u8]) -> Result<T> {
    xdr::from_bytes(payload).map_err(|cause| {
        log::debug!("payload refused: {cause}");
        undecodable()
    })
}

pub(crate) fn nothing(payload: &[u8]) -> Result<()> {
    if payload.is_empty() { Ok(()) } else { Err(undecodable()) }
}

/// The handler of a procedure that drivers serve.
fn handler(program: &Program, number: u32) -> Option<Handler> {
    let handlers = match program.name {
        "remote" => generated::REMOTE,
        "qemu" => generated::QEMU,
        "lxc" => generated::LXC,
        "admin" => generated::ADMIN,
        _ => return None,
    };
    *handlers.get(number as usize)?
}

/// The row of a procedure, or the error for a number that has none.
///
/// # Errors
/// Code `RPC`: `unknown procedure: N`.
pub fn row(program: &'static Program, number: i32) -> Result<&'static Procedure> {
    let row = u32::try_from(number).ok().and_then(|number| program.procedure(number));
    row.ok_or_else(|| Error::new(ErrorCode::RPC, ErrorDomain::RPC, format!("unknown procedure: {number}")))
}

/// Calls a procedure that drivers serve.
///
/// # Errors
/// The gate's refusal, a payload that does not decode, or what the driver says.
pub fn call(
    cx: &Call,
    drivers: &DriverSet,
    program: &'static Program,
    row: &Procedure,
    payload: &[u8],
) -> Result<Reply> {
    gate::admit(cx, program, row, payload)?;
    match handler(program, row.number) {
        Some(handler) => handler(cx, drivers, payload),
        None => Err(Error::no_support(row.c_name).in_domain(ErrorDomain(row.error_domain))),
    }
}
