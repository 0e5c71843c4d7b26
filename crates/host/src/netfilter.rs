//! Changes of the packet filter's rules, by whomever.

use crate::netlink::Socket;
use rustix::net::netlink;
use std::io;
use std::time::Duration;

/// The group that hears of rules, chains and tables.
const RULES_GROUP: u32 = 7;

/// Hears of changes.
#[derive(Debug)]
pub struct Watch(Socket);

impl Watch {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open() -> io::Result<Watch> {
        Socket::open(Some(netlink::NETFILTER), 1 << (RULES_GROUP - 1)).map(Watch)
    }

    /// Waits for a change, at most for `limit`. True when there was one.
    pub fn changed(&self, limit: Duration) -> bool {
        self.0.heard(limit)
    }
}
