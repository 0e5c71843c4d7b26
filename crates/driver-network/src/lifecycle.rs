//! Networks come, start, stop and go.

use crate::hooks::Moment;
use crate::network::{Live, Net, Value};
use crate::restore::header;
use crate::{Driver, FROM, bridge, error, internal};
use api::consts::network_event_lifecycle_type as event;
use base::object::NetworkRef;
use base::{Error, ErrorCode, Result};
use conf_network::forward::{Device, Member, Mode};
use conf_network::{FormatFlags, Network};
use firewall::intent::DEFAULT_PORTS;
use netaddr::Mac;
use network_plan::filter;
use network_plan::status::Status;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What undoes the steps done so far.
struct Undo<'d>(Vec<Box<dyn FnOnce() + 'd>>);

impl<'d> Undo<'d> {
    fn later(&mut self, step: impl FnOnce() + 'd) {
        self.0.push(Box::new(step));
    }

    fn forget(mut self) {
        self.0.clear();
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        while let Some(step) = self.0.pop() {
            step();
        }
    }
}

/// Whether anything but the document is needed for a network to run.
fn own_bridge(network: &Network) -> bool {
    Mode::own_bridge(network.forward.mode)
}

impl Driver {
    /// Reads a document, held against its schema when the client asks for that, and completes it for this host.
    pub(crate) fn parse(&self, text: &str, validate: bool) -> Result<Network> {
        if validate {
            schema::validate_text(schema::Kind::Network, text)?;
        }
        let mut network = Network::parse(text, &mut host::random::bytes::<16>)?;
        if own_bridge(&network) {
            self.name_bridge(&mut network)?;
            if network.mac.is_none() {
                let [a, b, c, ..] = host::random::bytes::<16>();
                network.mac = Some(Mac::of_guest([a, b, c]));
            }
        }
        network.validate(&|pci| host::sriov::is_virtual(&pci.to_string()))?;
        Ok(network)
    }

    fn name_bridge(&self, network: &mut Network) -> Result<()> {
        let template = match &network.bridge.name {
            None => "virbr%d",
            Some(name) if name.contains("%d") => name,
            Some(name) => {
                let taken = self.networks.snapshot().values().any(|net| {
                    let value = net.value();
                    let of = |other: &Network| other.bridge.name.as_ref() == Some(name);
                    net.uuid != network.uuid
                        && value.name != network.name
                        && (value.config.as_deref().is_some_and(of)
                            || value.live.as_ref().is_some_and(|live| of(&live.status.network)))
                });
                if taken {
                    return Err(internal(format!("bridge name '{name}' already in use.")));
                }
                return Ok(());
            }
        };
        // The network keeps the bridge it has.
        let known = self
            .networks
            .by_uuid(network.uuid)
            .and_then(|net| net.value().next().and_then(|known| known.bridge.name.clone()));
        network.bridge.name = Some(match known {
            Some(known) => known,
            None => self.free_bridge(template)?,
        });
        Ok(())
    }

    /// Refuses a definition whose name or UUID belongs to another network; gives the network it redefines.
    fn conflict(&self, network: &Network, start: bool) -> Result<Option<Arc<Net>>> {
        let taken = |text: String| Err(error(ErrorCode::OPERATION_FAILED, text));
        if let Some(net) = self.networks.by_uuid(network.uuid) {
            let value = net.value();
            if value.name != network.name {
                return taken(format!(
                    "network '{}' is already defined with uuid {}",
                    value.name, network.uuid
                ));
            }
            if start && value.live.is_some() {
                let text = format!("network is already active as '{}'", value.name);
                return Err(Error::operation_invalid(FROM, text));
            }
            return Ok(Some(net));
        }
        match self.networks.by_name(&network.name) {
            Some(net) => taken(format!("network '{}' already exists with uuid {}", network.name, net.uuid)),
            None => Ok(None),
        }
    }

    pub(crate) fn config_file(&self, name: &str) -> PathBuf {
        self.config_dir().join(format!("{name}.xml"))
    }

    pub(crate) fn autostart_link(&self, name: &str) -> PathBuf {
        self.autostart_dir().join(format!("{name}.xml"))
    }

    fn status_file(&self, name: &str) -> PathBuf {
        self.run_dir().join(format!("{name}.xml"))
    }

    /// Stores a definition.
    pub(crate) fn store(&self, network: &Network) -> Result<()> {
        let text = header(&network.name) + &network.format(FormatFlags { inactive: true });
        let path = self.config_file(&network.name);
        host::store::write(&path, text.as_bytes(), 0o600).map_err(|cause| {
            Error::system(FROM, &cause, format!("cannot write config file '{}'", path.display()))
        })
    }

    /// Stores the status document of a running network.
    pub(crate) fn write_status(&self, net: &Net) -> Result<()> {
        let value = net.value();
        let Some(live) = &value.live else { return Ok(()) };
        let text = header(&value.name) + &live.status.format();
        let path = self.status_file(&value.name);
        host::store::write_volatile(&path, text.as_bytes(), 0o600).map_err(|cause| {
            Error::system(FROM, &cause, format!("cannot write status file '{}'", path.display()))
        })
    }

    /// Defines a network.
    pub(crate) fn define(&self, text: &str, validate: bool) -> Result<NetworkRef> {
        let net = self.networks.exclusively(|| {
            let network = Arc::new(self.parse(text, validate)?);
            let existing = self.conflict(&network, false)?;
            self.store(&network)?;
            let net = match existing {
                Some(net) => {
                    net.change(|value| value.config = Some(network.clone()));
                    net
                }
                None => {
                    let value = Value {
                        name: network.name.clone(),
                        config: Some(network.clone()),
                        live: None,
                        autostart: false,
                    };
                    let net = Arc::new(Net::new(network.uuid, value));
                    self.networks.insert(net.clone());
                    net
                }
            };
            Ok::<_, Error>(net)
        })?;
        let reference = net.reference();
        self.announce(reference.clone(), event::DEFINED);
        Ok(reference)
    }

    /// Forgets a definition; a running network goes on without one.
    pub(crate) fn undefine(&self, net: &NetworkRef) -> Result<()> {
        let net = self.find(net)?;
        let _job = net.begin("undefine")?;
        let value = net.value();
        if value.config.is_none() {
            return Err(Error::operation_invalid(FROM, "can't undefine transient network"));
        }
        let reference = net.reference();
        for path in [self.autostart_link(&value.name), self.config_file(&value.name)] {
            host::store::remove(&path).map_err(|cause| {
                Error::system(FROM, &cause, format!("cannot remove config file '{}'", path.display()))
            })?;
        }
        if value.live.is_some() {
            net.change(|value| {
                value.config = None;
                value.autostart = false;
            });
        } else {
            if let Some(config) = &value.config {
                self.forget_server(config);
            }
            self.networks.remove(net.uuid);
        }
        self.announce(reference, event::UNDEFINED);
        Ok(())
    }

    /// Starts a network from a document; it is gone when it stops, unless it is defined as well.
    pub(crate) fn create(&self, text: &str, validate: bool) -> Result<NetworkRef> {
        let (net, network, new) = self.networks.exclusively(|| {
            let network = self.parse(text, validate)?;
            match self.conflict(&network, true)? {
                Some(net) => Ok::<_, Error>((net, network, false)),
                None => {
                    let value =
                        Value { name: network.name.clone(), config: None, live: None, autostart: false };
                    let net = Arc::new(Net::new(network.uuid, value));
                    self.networks.insert(net.clone());
                    Ok((net, network, true))
                }
            }
        })?;
        let started = net.begin("create").and_then(|_job| self.run(&net, network));
        if let Err(cause) = started {
            if new {
                self.networks.remove(net.uuid);
            }
            return Err(cause);
        }
        Ok(net.reference())
    }

    /// Starts a defined network.
    pub(crate) fn launch(&self, net: &Arc<Net>) -> Result<()> {
        let _job = net.begin("start")?;
        let value = net.value();
        if value.live.is_some() {
            return Err(Error::operation_invalid(FROM, "network is already active"));
        }
        let network = value.config.as_deref().cloned();
        self.run(net, network.ok_or_else(|| internal("network without a definition"))?)
    }

    /// Starts a network whose job is held, and tells.
    fn run(&self, net: &Arc<Net>, mut network: Network) -> Result<()> {
        if network.forward.mode == Some(Mode::Nat) && network.forward.nat.ports == (0, 0) {
            network.forward.nat.ports = DEFAULT_PORTS;
        }
        self.hook(Moment::Start, &network, None)?;
        let mut status = Status::new(network);
        let mut undo = Undo(Vec::new());
        if own_bridge(&status.network) {
            self.bring_up(net, &mut status, &mut undo)?;
        } else {
            find_devices(&mut status.network)?;
        }
        let network = status.network.clone();
        net.change(|value| value.live = Some(Arc::new(Live { status, ports: BTreeMap::new() })));
        undo.later(|| net.change(|value| value.live = None));
        let path = self.status_file(&network.name);
        undo.later(move || drop(host::store::remove_volatile(&path)));
        self.write_status(net)?;
        self.hook(Moment::Started, &network, None)?;
        undo.forget();
        self.announce(net.reference(), event::STARTED);
        Ok(())
    }

    /// Gives a network its bridge, addresses, rules and server.
    fn bring_up<'d>(&'d self, net: &Arc<Net>, status: &mut Status, undo: &mut Undo<'d>) -> Result<()> {
        let uuid = net.uuid;
        self.await_gone();
        self.check_addresses(&status.network)?;
        self.make_bridge(&status.network)?;
        let bridge_name = bridge::name(&status.network).to_owned();
        undo.later(move || {
            if let Err(cause) = self.links.delete(&bridge_name) {
                log::error!("bridge '{bridge_name}' stays: {cause}");
            }
        });
        let network = &status.network;
        self.rules.prepare()?;
        self.set_bridge(network)?;
        let intent = filter::intent(network)?;
        self.set_zone(network)?;
        let zoned = network.clone();
        undo.later(move || self.unset_zone(&zoned));
        // Rules and server know nothing of each other, and both take a while.
        let (ruled, served) = std::thread::scope(|scope| {
            let rules = scope.spawn(|| intent.map(|intent| self.rules.install(uuid, intent)).transpose());
            let served = self
                .give_addresses(network)
                .and_then(|()| self.allow_forwarding(network))
                .and_then(|()| self.start_server(uuid, network));
            let ruled = rules.join().unwrap_or_else(|_| Err(internal("installing rules failed")));
            (ruled, served)
        });
        let removal = ruled.as_ref().ok().cloned().flatten().flatten();
        if let Some(removal) = removal.clone() {
            undo.later(move || self.rules.remove(uuid, &removal));
        }
        undo.later(move || {
            if let Some(process) = self.stop_server(uuid) {
                process.wait(std::time::Duration::from_secs(1));
            }
        });
        ruled?;
        served?;
        self.limit_bridge(network)?;
        status.removal = removal;
        Ok(())
    }

    /// Stops a network.
    pub(crate) fn destroy(&self, net: &NetworkRef) -> Result<()> {
        let net = self.find(net)?;
        let _job = net.begin("destroy")?;
        let live = net.live()?;
        let network = &live.status.network;
        let reference = net.reference();
        self.forget_ports(&reference.name);
        if own_bridge(network) {
            self.bring_down(&net, &live);
        }
        let _ = host::store::remove_volatile(&self.status_file(&reference.name));
        self.hook_after(Moment::Stopped, network, None);
        net.change(|value| value.live = None);
        if net.value().config.is_none() {
            self.forget_server(network);
            self.networks.remove(net.uuid);
        }
        self.announce(reference, event::STOPPED);
        Ok(())
    }

    fn bring_down(&self, net: &Net, live: &Live) {
        let network = &live.status.network;
        let server = self.stop_server(net.uuid);
        if network.bandwidth.is_some() {
            for call in network_plan::traffic::clear(bridge::name(network)) {
                crate::command::ask(&call, "");
            }
        }
        self.unset_zone(network);
        let begun = self.links.begin_delete(bridge::name(network));
        if let Some(removal) = &live.status.removal {
            self.rules.remove(net.uuid, removal);
        }
        self.drop_bridge(network, begun);
        if let Some(process) = server
            && !process.wait(std::time::Duration::from_secs(5))
        {
            process.kill();
        }
    }

    /// Whether a network starts with the host.
    pub(crate) fn set_autostart(&self, net: &NetworkRef, wanted: bool) -> Result<()> {
        let net = self.find(net)?;
        let _job = net.begin("set autostart")?;
        let value = net.value();
        if value.config.is_none() {
            return Err(Error::operation_invalid(FROM, "cannot set autostart for transient network"));
        }
        if value.autostart == wanted {
            return Ok(());
        }
        let path = self.autostart_link(&value.name);
        let target = self.config_file(&value.name);
        let outcome = if wanted { host::store::link(&target, &path) } else { host::store::remove(&path) };
        outcome.map_err(|cause| {
            let text = if wanted {
                format!("Failed to create symlink '{}' to '{}'", path.display(), target.display())
            } else {
                format!("Failed to delete symlink '{}'", path.display())
            };
            Error::system(FROM, &cause, text)
        })?;
        net.change(|value| value.autostart = wanted);
        Ok(())
    }
}

/// Fills a pool with the functions of a physical one.
fn find_devices(network: &mut Network) -> Result<()> {
    let Some(physical) = network.forward.physical.clone() else { return Ok(()) };
    let functions = host::sriov::functions(&physical);
    let members: Vec<Member> = functions
        .into_iter()
        .filter_map(|function| {
            let device = match network.forward.mode {
                Some(Mode::Hostdev) => Device::Pci(function.address.parse().ok()?),
                _ => Device::Interface(function.interface?),
            };
            Some(Member { device, connections: 0 })
        })
        .collect();
    if members.is_empty() {
        return Err(internal(format!("No usable Vf's present on SRIOV PF {physical}")));
    }
    network.forward.members = members;
    Ok(())
}
