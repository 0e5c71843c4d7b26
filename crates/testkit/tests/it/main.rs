//! Tests of the house itself, and live tests: stock virsh, the daemon of this workspace, real QEMU.

#![allow(clippy::print_stdout, reason = "what is skipped is said")]
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod house;
mod live;
