//! What stands for the hypervisor behind the URI of a single other driver: `secret:///system` and its kin.
//!
//! Such a connection says what it is and nothing of guests.

use api::{
    Call, DomainAgent, DomainBlock, DomainCheckpoint, DomainConfig, DomainConsole, DomainDevice, DomainInfo,
    DomainJob, DomainLifecycle, DomainLookup, DomainMigration, DomainSnapshot, DomainTuning, Host,
    Hypervisor, LxcNamespace, QemuMonitor,
};
use base::Result;

/// A driver without guests, by the scheme of its URI.
#[derive(Debug)]
pub(crate) struct Alone(pub(crate) &'static str);

impl Host for Alone {
    fn connect_get_type(&self, _cx: &Call) -> Result<String> {
        Ok(self.0.to_owned())
    }

    fn connect_get_lib_version(&self, _cx: &Call) -> Result<u64> {
        let mut parts = crate::VERSION.split('.').filter_map(|part| part.parse::<u64>().ok());
        Ok(parts.by_ref().take(3).fold(0, |version, part| version * 1000 + part))
    }

    fn connect_is_secure(&self, _cx: &Call) -> Result<i32> {
        // Unix sockets do not leave the machine.
        Ok(1)
    }
}

impl Hypervisor for Alone {}

macro_rules! silent {
    ($($family:ident),*) => { $(impl $family for Alone {})* };
}

silent!(
    DomainAgent,
    DomainBlock,
    DomainCheckpoint,
    DomainConfig,
    DomainConsole,
    DomainDevice,
    DomainInfo,
    DomainJob,
    DomainLifecycle,
    DomainLookup,
    DomainMigration,
    DomainSnapshot,
    DomainTuning,
    LxcNamespace,
    QemuMonitor
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_is() {
        let alone = Alone("secret");
        assert_eq!(alone.connect_get_type(&Call::internal()).unwrap(), "secret");
        assert_eq!(alone.connect_get_lib_version(&Call::internal()).unwrap(), 11_003_000);
    }
}
