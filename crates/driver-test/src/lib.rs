//! The driver of tests.
use std::sync::Arc;
#[derive(Debug)]
pub struct Test;
pub fn open(_p:&str)->base::Result<Arc<Test>>{Ok(Arc::new(Test))}
impl api::Session for Test{}
impl api::Hypervisor for Test{}
impl api::Host for Test{}
impl api::DomainLookup for Test{}
impl api::DomainConfig for Test{}
impl api::DomainLifecycle for Test{}
impl api::DomainInfo for Test{}
impl api::DomainTuning for Test{}
impl api::DomainDevice for Test{}
impl api::DomainBlock for Test{}
impl api::DomainJob for Test{}
impl api::DomainMigration for Test{}
impl api::DomainSnapshot for Test{}
impl api::DomainCheckpoint for Test{}
impl api::DomainAgent for Test{}
impl api::DomainConsole for Test{}
impl api::QemuMonitor for Test{}
impl api::LxcNamespace for Test{}
impl api::Network for Test{}
impl api::Interface for Test{}
impl api::Storage for Test{}
impl api::NodeDevice for Test{}
impl api::Secret for Test{}
impl api::Nwfilter for Test{}
