//! The agent that runs inside a guest: its protocol and what its answers mean.
//!
//! ```text
//! Agent::command ─▶ sync: {"execute":"guest-sync","arguments":{"id":N}} ─▶ lines are skipped until N comes back
//!                ─▶ the command                                        ─▶ {"return": …} or {"error": …}
//! ```
//!
//! Lines have no numbers, so one command is on its way at a time, and each begins with a synchronisation that clears what
//! an earlier one may have left: a guest answers when it likes, or never.
//!
//! * [`Agent`]: the connection
//! * [`Lines`]: what arrives, as documents
//! * [`answer`]: answers as the parameters and records of the interface
//!
//! *Invariant:* the guest is not trusted: lines, lists and texts are bounded.

mod agent;
pub mod answer;
mod line;

pub use agent::{Agent, AgentError, Patience};
pub use line::{LINE_MAX, Lines, Malformed};
