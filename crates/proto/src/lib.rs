//! The wire protocol: procedure table, wire types, message framing. Sans I/O.
//!
//! * [`generated`]: wire types by object family and the table ([`generated::table`])
//! * [`row`]: what a row of the table says
//! * [`message`]: length word, header, message types
//! * [`fault`]: the boundary error on the wire

pub mod fault;
pub mod generated;
pub mod message;
pub mod row;

#[cfg(test)]
mod codec;
