//! The agent in the guest.

use crate::Driver;
use crate::guest::Guest;
use api::domain_info::DomainInterface;
use base::Result;

impl Driver {
    /// Lets the guest use so many of its processors.
    pub(crate) fn set_guest_vcpu_count(&self, guest: &Guest, _count: u32, _flags: u32) -> Result<()> {
        guest.live()?;
        Err(crate::lifecycle::no_agent())
    }

    /// Addresses of the guest's interfaces as the guest itself tells them.
    pub(crate) fn agent_addresses(&self, guest: &Guest) -> Result<Vec<DomainInterface>> {
        guest.live()?;
        Err(crate::lifecycle::no_agent())
    }
}
