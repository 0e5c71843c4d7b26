//! Tests of the house itself, and live tests: stock virsh, the daemon of this workspace, real QEMU.

mod house;
mod live;
