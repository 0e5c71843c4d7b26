//! What every driver of objects needs: the registry of objects and the jobs on them.
//!
//! * [`registry`]: objects by UUID, name and run-time number; readers take a snapshot and wait for nobody
//! * [`job`]: who may change an object now, as a pure table and as a place to wait
//!
//! *Invariant:* this room knows the name of no hypervisor.

pub mod job;
pub mod registry;

pub use job::{JobGuard, JobKind, JobSlot, Refusal};
pub use registry::{Key, Registry};
