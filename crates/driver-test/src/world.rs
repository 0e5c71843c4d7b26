//! What exists in a world.

use crate::document::{Pool, Volume};
use crate::moment::Moments;
use crate::{fail, invalid};
use api::event::{DomainEventLifecycleMsg, Event};
use base::object::{DomainRef, NetworkRef, StoragePoolRef};
use base::param::TypedParam;
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use conf_domain::{Domain, ParseFlags};
use conf_interface::Interface;
use conf_network::Network;
use std::collections::BTreeMap;
use std::time::SystemTime;
use xml::Tree;

/// States of a domain and why it is in them (`virDomainState` and its reasons).
pub(crate) const RUNNING: i32 = 1;
pub(crate) const PAUSED: i32 = 3;
pub(crate) const SHUTOFF: i32 = 5;
pub(crate) const CRASHED: i32 = 6;

/// Numbers of lifecycle events.
pub(crate) mod life {
    pub(crate) const DEFINED: i32 = 0;
    pub(crate) const UNDEFINED: i32 = 1;
    pub(crate) const STARTED: i32 = 2;
    pub(crate) const SUSPENDED: i32 = 3;
    pub(crate) const RESUMED: i32 = 4;
    pub(crate) const STOPPED: i32 = 5;
    pub(crate) const SHUTDOWN: i32 = 6;
    pub(crate) const CRASHED: i32 = 8;
}

/// A guest.
#[derive(Debug, Clone)]
pub(crate) struct Dom {
    /// What it is now.
    pub(crate) def: Domain,
    /// What it will be at its next start, while it runs and is persistent.
    pub(crate) next: Option<Domain>,
    pub(crate) persistent: bool,
    pub(crate) autostart: bool,
    pub(crate) state: i32,
    pub(crate) reason: i32,
    /// The definition was changed since it was read.
    pub(crate) managed_save: bool,
    pub(crate) frozen: Vec<String>,
    pub(crate) snapshots: Moments,
    pub(crate) checkpoints: Moments,
    /// Processors of each virtual processor, as bitmaps, where they were pinned.
    pub(crate) pins: BTreeMap<u32, Vec<u8>>,
    pub(crate) emulator_pin: Option<Vec<u8>>,
    pub(crate) scheduler_weight: u32,
    /// Settings that are kept and given back: by subject, by name.
    pub(crate) settings: BTreeMap<String, Vec<TypedParam>>,
    pub(crate) perf: BTreeMap<String, bool>,
}

impl Dom {
    pub(crate) fn new(def: Domain, persistent: bool) -> Dom {
        Dom {
            def,
            next: None,
            persistent,
            autostart: false,
            state: SHUTOFF,
            reason: 0,
            managed_save: false,
            frozen: Vec::new(),
            snapshots: Moments::default(),
            checkpoints: Moments::default(),
            pins: BTreeMap::new(),
            emulator_pin: None,
            scheduler_weight: 50,
            settings: BTreeMap::new(),
            perf: BTreeMap::new(),
        }
    }

    /// Gives it a definition to run with; a stored one is kept for later.
    pub(crate) fn run_as(&mut self, def: Domain) {
        let stored = std::mem::replace(&mut self.def, def);
        if self.persistent {
            self.next = Some(stored);
        }
    }

    pub(crate) fn active(&self) -> bool {
        self.def.id.is_some()
    }

    pub(crate) fn reference(&self) -> DomainRef {
        DomainRef { name: self.def.name.clone(), uuid: self.def.uuid, id: self.def.id.unwrap_or(-1) }
    }

    pub(crate) fn must_run(&self) -> Result<()> {
        if self.active() {
            return Ok(());
        }
        Err(Error::operation_invalid(ErrorDomain::DOMAIN, "domain is not running"))
    }

    /// The definition that flags ask for: 1 the running one, 2 the stored one, neither the one in force.
    pub(crate) fn definition(&mut self, flags: u32) -> Result<&mut Domain> {
        if flags & 1 != 0 {
            self.must_run()?;
            return Ok(&mut self.def);
        }
        if flags & 2 != 0 {
            if !self.persistent {
                let text = "transient domains do not have any persistent config";
                return Err(Error::operation_invalid(ErrorDomain::DOMAIN, text));
            }
            return Ok(self.next.as_mut().unwrap_or(&mut self.def));
        }
        Ok(&mut self.def)
    }

    /// Definitions that a change with these flags applies to.
    pub(crate) fn each(&mut self, flags: u32, mut work: impl FnMut(&mut Domain) -> Result<()>) -> Result<()> {
        if flags & 3 == 0 {
            return work(self.definition(0)?);
        }
        for bit in [1, 2] {
            if flags & bit != 0 {
                work(self.definition(bit)?)?;
            }
        }
        Ok(())
    }
}

/// A virtual network.
#[derive(Debug, Clone)]
pub(crate) struct Net {
    pub(crate) def: Network,
    pub(crate) next: Option<Network>,
    pub(crate) active: bool,
    pub(crate) persistent: bool,
    pub(crate) autostart: bool,
}

impl Net {
    pub(crate) fn reference(&self) -> NetworkRef {
        NetworkRef { name: self.def.name.clone(), uuid: self.def.uuid }
    }
}

/// A storage pool with its volumes.
#[derive(Debug, Clone)]
pub(crate) struct PoolState {
    pub(crate) def: Pool,
    pub(crate) active: bool,
    pub(crate) persistent: bool,
    pub(crate) autostart: bool,
    pub(crate) volumes: Vec<Volume>,
}

impl PoolState {
    pub(crate) fn reference(&self) -> StoragePoolRef {
        StoragePoolRef { name: self.def.name.clone(), uuid: self.def.uuid }
    }
}

/// A host interface.
#[derive(Debug, Clone)]
pub(crate) struct IfaceState {
    pub(crate) def: Interface,
    pub(crate) active: bool,
}

/// A device of the host.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) tree: Tree,
}

/// Everything.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) domains: Vec<Dom>,
    pub(crate) networks: Vec<Net>,
    pub(crate) pools: Vec<PoolState>,
    pub(crate) interfaces: Vec<IfaceState>,
    /// What the interfaces were when a transaction began.
    pub(crate) interfaces_before: Option<Vec<IfaceState>>,
    pub(crate) devices: Vec<Device>,
    pub(crate) next_id: i32,
    /// Who is let in, with their passwords; everybody when there are none.
    pub(crate) users: Vec<(String, Option<String>)>,
    /// Told once the world is unlocked.
    pub(crate) events: Vec<Event>,
}

/// Seconds and microseconds since 1970.
pub(crate) fn now() -> (u64, u64) {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), u64::from(since.subsec_micros()))
}

/// Reads a domain document as this driver does.
pub(crate) fn parse_domain(xml: &str, inactive: bool) -> Result<Domain> {
    let flags = ParseFlags { inactive, generic: true, ..ParseFlags::default() };
    let mut domain = Domain::parse(xml, flags, &mut || host::random::bytes())?;
    let document = xml::Document::parse(xml).map_err(|error| conf_domain::fault::malformed(xml, &error))?;
    let given = document.root().descend("os/type").is_some_and(|kind| kind.attr("arch").is_some());
    complete(&mut domain, given);
    Ok(domain)
}

/// What this driver adds: the architecture it has, and names for interfaces.
fn complete(domain: &mut Domain, arch_given: bool) {
    if let Some(kind) = domain.tree.child_or_new("os").child_mut("type")
        && !arch_given
    {
        kind.set("arch", "i686");
    }
    let mut next = 0;
    let used: Vec<String> = domain
        .all("interface")
        .filter_map(|interface| interface.attr_at("target", "dev").map(str::to_owned))
        .collect();
    for interface in domain.devices_mut().iter_mut().filter(|device| device.name == "interface") {
        let target = interface.child_or_new("target");
        if target.attr("dev").is_some() {
            continue;
        }
        while used.contains(&format!("testnet{next}")) {
            next += 1;
        }
        target.set("dev", format!("testnet{next}"));
        next += 1;
    }
    domain.sort();
}

impl World {
    pub(crate) fn dom(&mut self, dom: &DomainRef) -> Result<&mut Dom> {
        match self.domains.iter_mut().find(|known| known.def.uuid == dom.uuid) {
            Some(found) => Ok(found),
            None => fail(
                ErrorCode::NO_DOMAIN,
                format!("no domain with matching uuid '{}' ({})", dom.uuid, dom.name),
            ),
        }
    }

    /// A domain that must be running.
    pub(crate) fn running(&mut self, dom: &DomainRef) -> Result<&mut Dom> {
        let dom = self.dom(dom)?;
        dom.must_run()?;
        Ok(dom)
    }

    pub(crate) fn happened(&mut self, dom: DomainRef, event: i32, detail: i32) {
        self.events.push(Event::DomainLifecycle(DomainEventLifecycleMsg { dom, event, detail }));
    }

    /// Takes a definition in: a new domain, or a new definition for one that has the same name and identity.
    pub(crate) fn take(&mut self, def: Domain, live: bool) -> Result<(usize, bool)> {
        let same = self.domains.iter().position(|known| known.def.uuid == def.uuid);
        if let Some(at) = same {
            let known = &self.domains[at];
            if known.def.name != def.name {
                let text = format!("domain '{}' is already defined with uuid {}", known.def.name, def.uuid);
                return Err(Error::operation_failed(ErrorDomain::DOMAIN, text));
            }
            if live && known.active() {
                let text = format!("domain '{}' is already active", known.def.name);
                return Err(Error::operation_invalid(ErrorDomain::DOMAIN, text));
            }
            return Ok((at, false));
        }
        if let Some(known) = self.domains.iter().find(|known| known.def.name == def.name) {
            let text = format!("domain '{}' already exists with uuid {}", known.def.name, known.def.uuid);
            return Err(Error::operation_failed(ErrorDomain::DOMAIN, text));
        }
        self.domains.push(Dom::new(def, !live));
        Ok((self.domains.len() - 1, true))
    }

    /// Starts a domain.
    pub(crate) fn start(&mut self, at: usize, reason: i32) -> DomainRef {
        self.next_id = self.next_id.max(0) + 1;
        let id = self.next_id;
        let dom = &mut self.domains[at];
        if dom.persistent && dom.next.is_none() {
            dom.next = Some(dom.def.clone());
        }
        dom.def.id = Some(id);
        dom.state = RUNNING;
        dom.reason = reason;
        dom.managed_save = false;
        dom.reference()
    }

    /// Stops a domain; one that is not persistent is gone.
    pub(crate) fn stop(&mut self, uuid: Uuid, reason: i32) {
        let Some(at) = self.domains.iter().position(|known| known.def.uuid == uuid) else { return };
        let dom = &mut self.domains[at];
        if let Some(next) = dom.next.take() {
            dom.def = next;
        }
        dom.def.id = None;
        dom.state = SHUTOFF;
        dom.reason = reason;
        if !dom.persistent {
            self.domains.remove(at);
        }
    }

    pub(crate) fn net(&mut self, net: &NetworkRef) -> Result<&mut Net> {
        match self.networks.iter_mut().find(|known| known.def.uuid == net.uuid) {
            Some(found) => Ok(found),
            None => fail(ErrorCode::NO_NETWORK, format!("no network with matching uuid '{}'", net.uuid)),
        }
    }

    pub(crate) fn pool(&mut self, name: &str) -> Result<&mut PoolState> {
        match self.pools.iter_mut().find(|known| known.def.name == name) {
            Some(found) => Ok(found),
            None => fail(ErrorCode::NO_STORAGE_POOL, format!("no storage pool with matching name '{name}'")),
        }
    }

    pub(crate) fn active_pool(&mut self, name: &str) -> Result<&mut PoolState> {
        let pool = self.pool(name)?;
        if pool.active { Ok(pool) } else { invalid(format!("storage pool '{name}' is not active")) }
    }

    pub(crate) fn inactive_pool(&mut self, name: &str) -> Result<&mut PoolState> {
        let pool = self.pool(name)?;
        if pool.active { invalid(format!("storage pool '{name}' is active")) } else { Ok(pool) }
    }

    pub(crate) fn interface(&mut self, name: &str) -> Result<&mut IfaceState> {
        match self.interfaces.iter_mut().find(|known| known.def.name == name) {
            Some(found) => Ok(found),
            None => fail(ErrorCode::NO_INTERFACE, format!("no interface with matching name '{name}'")),
        }
    }

    pub(crate) fn device(&mut self, name: &str) -> Result<&mut Device> {
        match self.devices.iter_mut().find(|known| known.name == name) {
            Some(found) => Ok(found),
            None => fail(ErrorCode::NO_NODE_DEVICE, format!("no node device with matching name '{name}'")),
        }
    }
}

/// The first `limit` of a list of names.
pub(crate) fn first(names: impl Iterator<Item = String>, limit: i32) -> Vec<String> {
    names.take(usize::try_from(limit).unwrap_or(0)).collect()
}
