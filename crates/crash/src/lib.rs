//! Gets a daemon into trouble in the middle of its work, again and again, and looks at what it finds afterwards: it is
//! killed, its writes fail, its disk is full, its calls panic.
//!
//! ```text
//!  clients: define, start, destroy, undefine ──▶ daemon ──kill -9──▶ (nothing) ──start──▶ daemon
//!     │ each notes what was acknowledged and what was under way                             │
//!     └───────────────────────────── every domain is in its old or its new state ◀──────────┘
//! ```
//!
//! Each client owns one domain, so what may be found of it is known exactly: the state after the last acknowledged
//! call, or that after the call that was under way. Besides, there is one emulator for each running domain and none
//! for the others, and nothing is left in the folders of those that do not run.

mod daemon;
mod disk;
mod model;
mod round;
mod traces;

pub use daemon::Daemon;
pub use round::{Options, Outcome, Trouble, run};
