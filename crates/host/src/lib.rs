//! The host: the only place of the tree that spawns, opens for others, asks the kernel, the clock or for randomness.
//!
//! * [`image`]: what an image file says of itself
//! * [`kvm`]: what the kernel's hypervisor offers
//! * [`layout`]: where libvirt's files lie, below a root
//! * [`store`]: files that are either old or new, never half
//! * [`process`]: commands as values, detached emulators, processes of other parents
//! * [`cgroup`]: placing guests
//! * [`blocks`]: the allocator of programs that read documents all the time
//! * [`memory`]: giving back what is not needed
//! * [`neighbours`]: addresses of machines nearby
//! * [`program`]: programs on the search path
//! * [`node`]: what the machine is: processors, memory, statistics
//! * [`link`], [`sriov`], [`sysctl`], [`netfilter`], [`tap`]: the network
//! * [`bus`]: the message bus of the system
//! * [`hooks`]: scripts of the administrator
//! * [`offload`]: what interfaces do in the place of the processor
//! * [`uevent`]: what happens to devices
//! * [`service`]: the service manager: sockets it made, readiness
//! * [`thread`]: threads of other processes
//! * [`volume`]: disks of guests as files and devices
//! * [`random`], [`clock`]: random bytes, the time

pub mod blocks;
pub mod bus;
pub mod cgroup;
pub mod clock;
pub mod cpuid;
pub mod dialogue;
pub mod hooks;
pub mod image;
pub mod kvm;
pub mod layout;
pub mod link;
pub mod memory;
pub mod neighbours;
pub mod netfilter;
mod netlink;
pub mod node;
pub mod offload;
pub mod pages;
pub mod pidfile;
pub mod process;
pub mod program;
pub mod random;
pub mod service;
pub mod sriov;
pub mod store;
pub mod sysctl;
pub mod tap;
pub mod thread;
pub mod uevent;
pub mod volume;

pub use layout::Layout;
