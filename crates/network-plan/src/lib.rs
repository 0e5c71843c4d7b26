//! What a virtual network needs on the host, as values.
//!
//! * [`dnsmasq`]: files of the server for names, addresses and booting
//! * [`filter`]: what the network wants of the packet filter
//! * [`traffic`]: commands of traffic control
//! * [`openvswitch`]: commands of Open vSwitch, and its answers
//! * [`leases`]: addresses that are lent, as the lease helper keeps them
//! * [`mac_map`]: hardware addresses of guests
//! * [`names`]: guests' names looked up in the files above
//! * [`status`]: the document of a running network
//!
//! *Invariant:* this room is pure: it decides, others run.

pub mod dnsmasq;
pub mod filter;
pub mod leases;
pub mod mac_map;
pub mod names;
pub mod openvswitch;
pub mod status;
pub mod traffic;
pub mod zone;
