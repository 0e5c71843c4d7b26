//! The RPC server: everything between a socket and a driver.
//!
//! * [`dispatch`]: a call's bytes to a driver's method and back (handlers are generated)
//! * [`gate`]: who may call what, decided before arguments are decoded

pub mod dispatch;
pub mod gate;
mod generated;
