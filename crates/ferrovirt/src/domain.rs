//! Guests.

use crate::{Connection, Data, Result, Uuid};
use api::Call;
use base::object::{DomainRef, DomainSnapshotRef};

/// State of a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum State {
    /// None of the others.
    Unknown,
    /// It runs.
    Running,
    /// It waits for something.
    Blocked,
    /// It was paused.
    Paused,
    /// It is shutting down.
    ShuttingDown,
    /// It does not run.
    ShutOff,
    /// It broke.
    Crashed,
    /// It sleeps, by its own power management.
    Suspended,
}

impl From<i32> for State {
    fn from(number: i32) -> State {
        match number {
            1 => State::Running,
            2 => State::Blocked,
            3 => State::Paused,
            4 => State::ShuttingDown,
            5 => State::ShutOff,
            6 => State::Crashed,
            7 => State::Suspended,
            _ => State::Unknown,
        }
    }
}

/// Facts about a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// State.
    pub state: State,
    /// Most memory it may have, KiB.
    pub max_memory_kib: u64,
    /// Memory it has, KiB.
    pub memory_kib: u64,
    /// Virtual processors.
    pub vcpus: u16,
    /// Time its processors have run, nanoseconds.
    pub cpu_time: u64,
}

/// A guest, by its identity; it may be gone meanwhile.
#[derive(Clone, Debug)]
pub struct Domain {
    host: Connection,
    reference: DomainRef,
}

/// A snapshot of a domain.
#[derive(Clone, Debug)]
pub struct Snapshot {
    host: Connection,
    reference: DomainSnapshotRef,
}

impl Connection {
    fn wrap(&self, reference: DomainRef) -> Domain {
        Domain { host: self.clone(), reference }
    }

    /// All domains.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn domains(&self) -> Result<Vec<Domain>> {
        let list = self.shared.drivers.hypervisor.connect_list_all_domains(&self.call(), 1, 0)?;
        Ok(list.domains.into_iter().map(|reference| self.wrap(reference)).collect())
    }

    /// The domain with this name.
    ///
    /// # Errors
    /// Code `NO_DOMAIN` when there is none.
    pub fn domain(&self, name: &str) -> Result<Domain> {
        Ok(self.wrap(self.shared.drivers.hypervisor.domain_lookup_by_name(&self.call(), name)?))
    }

    /// The domain with this identity.
    ///
    /// # Errors
    /// Code `NO_DOMAIN` when there is none.
    pub fn domain_by_uuid(&self, uuid: Uuid) -> Result<Domain> {
        Ok(self.wrap(self.shared.drivers.hypervisor.domain_lookup_by_uuid(&self.call(), uuid)?))
    }

    /// Stores a definition.
    ///
    /// # Errors
    /// What is wrong with the document.
    pub fn define(&self, xml: &str) -> Result<Domain> {
        Ok(self.wrap(self.shared.drivers.hypervisor.domain_define_xml_flags(&self.call(), xml, 0)?))
    }

    /// Starts a domain that is forgotten when it ends.
    ///
    /// # Errors
    /// What is wrong with the document, or why it does not start.
    pub fn create(&self, xml: &str) -> Result<Domain> {
        Ok(self.wrap(self.shared.drivers.hypervisor.domain_create_xml(&self.call(), xml, 0)?))
    }
}

impl Domain {
    fn parts(&self) -> (&dyn api::Hypervisor, Call, &DomainRef) {
        (self.host.shared.drivers.hypervisor.as_ref(), self.host.call(), &self.reference)
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.reference.name
    }

    /// Identity.
    pub fn uuid(&self) -> Uuid {
        self.reference.uuid
    }

    /// Its connection.
    pub fn connection(&self) -> &Connection {
        &self.host
    }

    /// What drivers know it by, for calls that have no method here.
    pub fn reference(&self) -> &DomainRef {
        &self.reference
    }

    /// Whether it runs.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn is_active(&self) -> Result<bool> {
        let (driver, cx, dom) = self.parts();
        Ok(driver.domain_is_active(&cx, dom)? != 0)
    }

    /// State.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn state(&self) -> Result<State> {
        let (driver, cx, dom) = self.parts();
        Ok(driver.domain_get_state(&cx, dom, 0)?.state.into())
    }

    /// Facts.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn info(&self) -> Result<Info> {
        let (driver, cx, dom) = self.parts();
        let info = driver.domain_get_info(&cx, dom)?;
        Ok(Info {
            state: i32::from(info.state).into(),
            max_memory_kib: info.max_mem,
            memory_kib: info.memory,
            vcpus: info.nr_virt_cpu,
            cpu_time: info.cpu_time,
        })
    }

    /// Its document as it is now.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn xml(&self) -> Result<String> {
        let (driver, cx, dom) = self.parts();
        driver.domain_get_xml_desc(&cx, dom, 0)
    }

    /// Starts it.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn start(&self) -> Result<()> {
        let (driver, cx, dom) = self.parts();
        driver.domain_create_with_flags(&cx, dom, 0).map(drop)
    }

    /// Asks it to shut down.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn shutdown(&self) -> Result<()> {
        let (driver, cx, dom) = self.parts();
        driver.domain_shutdown_flags(&cx, dom, 0)
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn destroy(&self) -> Result<()> {
        let (driver, cx, dom) = self.parts();
        driver.domain_destroy_flags(&cx, dom, 0)
    }

    /// Pauses it.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn suspend(&self) -> Result<()> {
        let (driver, cx, dom) = self.parts();
        driver.domain_suspend(&cx, dom)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn resume(&self) -> Result<()> {
        let (driver, cx, dom) = self.parts();
        driver.domain_resume(&cx, dom)
    }

    /// Forgets its definition.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn undefine(&self) -> Result<()> {
        let (driver, cx, dom) = self.parts();
        driver.domain_undefine_flags(&cx, dom, 0)
    }

    /// Its console.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn console(&self) -> Result<Data> {
        let (driver, cx, dom) = self.parts();
        Ok(Data::new(driver.domain_open_console(&cx, dom, None, 0)?))
    }

    /// A picture of its screen and the picture's type.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn screenshot(&self) -> Result<(Option<String>, Data)> {
        let (driver, cx, dom) = self.parts();
        let (kind, stream) = driver.domain_screenshot(&cx, dom, 0, 0)?;
        Ok((kind, Data::new(stream)))
    }

    /// Takes a snapshot.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn snapshot(&self, xml: &str) -> Result<Snapshot> {
        let (driver, cx, dom) = self.parts();
        let reference = driver.domain_snapshot_create_xml(&cx, dom, xml, 0)?;
        Ok(Snapshot { host: self.host.clone(), reference })
    }

    /// All snapshots.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        let (driver, cx, dom) = self.parts();
        let list = driver.domain_list_all_snapshots(&cx, dom, 1, 0)?.snapshots;
        Ok(list.into_iter().map(|reference| Snapshot { host: self.host.clone(), reference }).collect())
    }
}

impl Snapshot {
    /// Name.
    pub fn name(&self) -> &str {
        &self.reference.name
    }

    /// Brings the domain back to it.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn revert(&self) -> Result<()> {
        self.host.shared.drivers.hypervisor.domain_revert_to_snapshot(&self.host.call(), &self.reference, 0)
    }

    /// Removes it.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn delete(&self) -> Result<()> {
        self.host.shared.drivers.hypervisor.domain_snapshot_delete(&self.host.call(), &self.reference, 0)
    }
}
