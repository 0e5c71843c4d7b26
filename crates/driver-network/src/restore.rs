//! What an earlier daemon left: definitions, running networks, and those that start by themselves.

use crate::network::{Live, Net, Value};
use crate::{Driver, bridge, ports};
use base::Uuid;
use conf_network::Network;
use conf_network::forward::Mode;
use network_plan::filter;
use network_plan::status::Status;
use std::sync::Arc;

/// What precedes a stored document.
pub(crate) fn header(name: &str) -> String {
    warning(&format!("net-edit {name}"))
}

/// What precedes the document of a port.
pub(crate) fn port_header(uuid: &Uuid) -> String {
    warning(&format!("net-port-create {uuid}"))
}

fn warning(command: &str) -> String {
    format!(
        "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\nOVERWRITTEN AND LOST. \
         Changes to this xml configuration should be made using:\n  virsh {command}\nor other application using the \
         libvirt API.\n-->\n\n"
    )
}

/// The network that guests find on a host where nobody has defined one: named, not started.
const DEFAULT: &str = "<network><name>default</name><forward mode='nat'/><bridge name='virbr0' stp='on' delay='0'/>\
    <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/>\
    </dhcp></ip></network>";

impl Driver {
    /// Reads the stored definitions.
    pub(crate) fn load(&self) {
        let mut found = Vec::new();
        for (name, text) in host::store::files(&self.config_dir(), "xml") {
            let network = match Network::parse(&text, &mut host::random::bytes::<16>) {
                Ok(network) if network.name == name => network,
                Ok(network) => {
                    log::error!("definition '{name}' is of a network '{}' and left aside", network.name);
                    continue;
                }
                Err(error) => {
                    log::error!("definition '{name}' is left aside: {error}");
                    continue;
                }
            };
            // A document without an identity gets one for good, and whatever else a stored one has.
            let network = match self.complete(&text, network) {
                Ok(network) => network,
                Err(error) => {
                    log::error!("definition '{name}' is left aside: {error}");
                    continue;
                }
            };
            let autostart = self.autostart_link(&name).symlink_metadata().is_ok();
            let value = Value { name, config: Some(Arc::new(network.clone())), live: None, autostart };
            found.push(Arc::new(Net::new(network.uuid, value)));
            self.networks.extend(found.drain(..));
        }
    }

    /// Stores the network that guests expect, on a host that has never had networks. Who removes it is believed.
    pub(crate) fn ship_default(&self) {
        if let Err(error) = self.parse(DEFAULT, false).and_then(|network| self.store(&network)) {
            log::error!("the network 'default' cannot be defined: {error}");
        }
    }

    /// Completes a document that an administrator has put there, and stores it.
    fn complete(&self, text: &str, network: Network) -> base::Result<Network> {
        let own = Mode::own_bridge(network.forward.mode);
        let whole =
            text.contains("<uuid>") && (!own || (network.mac.is_some() && network.bridge.name.is_some()));
        if whole {
            return Ok(network);
        }
        let uuid = network.uuid;
        let network = Network {
            uuid,
            ..self.parse(&network.format(conf_network::FormatFlags { inactive: true }), false)?
        };
        self.store(&network)?;
        Ok(network)
    }

    /// Finds networks that still run, and puts what they need in order.
    pub(crate) fn reconnect(&self) {
        let mut running = Vec::new();
        for (name, text) in host::store::files(&self.run_dir(), "xml") {
            match Status::parse(&text) {
                Ok(status) => running.push((name, status)),
                Err(error) => log::error!("status of network '{name}' is not understood: {error}"),
            }
        }
        let mut wanted = Vec::new();
        for (name, mut status) in running {
            let own = Mode::own_bridge(status.network.forward.mode);
            if own && self.links.find(bridge::name(&status.network)).is_err() {
                log::warn!("network '{name}' has lost its bridge and counts as stopped");
                if let Some(removal) = &status.removal {
                    self.rules.remove(status.network.uuid, removal);
                }
                let _ = host::store::remove_volatile(&self.run_dir().join(format!("{name}.xml")));
                continue;
            }
            let uuid = status.network.uuid;
            match filter::intent(&status.network) {
                Ok(Some(intent)) => wanted.push((uuid, intent, status.removal.clone())),
                Ok(None) => {}
                Err(error) => log::error!("network '{name}': {error}"),
            }
            self.recount(&mut status);
            let ports = self.read_ports(&name).into_iter().map(|port| (port.uuid, Arc::new(port))).collect();
            let live = Some(Arc::new(Live { status, ports }));
            match self.networks.by_uuid(uuid) {
                Some(net) => net.change(|value| value.live = live),
                None => {
                    let value = Value { name, config: None, live, autostart: false };
                    self.networks.insert(Arc::new(Net::new(uuid, value)));
                }
            }
        }
        match self.rules.adopt(wanted) {
            Ok(removals) => self.note_removals(removals),
            Err(error) => log::error!("rules of running networks could not be put in order: {error}"),
        }
        for net in self.networks.snapshot().values() {
            let Some(live) = net.value().live.clone() else { continue };
            let network = &live.status.network;
            if Mode::own_bridge(network.forward.mode) {
                if let Err(error) = self.allow_forwarding(network) {
                    log::error!("network '{}': {error}", network.name);
                }
                self.adopt_server(net.uuid, network);
            }
        }
    }

    /// Counts connections anew, from the documents of ports.
    fn recount(&self, status: &mut Status) {
        let found = self.read_ports(&status.network.name);
        status.network.connections = u32::try_from(found.len()).unwrap_or(u32::MAX);
        status.network.forward.members.iter_mut().for_each(|member| member.connections = 0);
        for port in found {
            if let Err(error) = ports::claim(&mut status.network, &port.plug, port.mac) {
                log::error!("{error}");
            }
        }
    }

    /// Starts networks that start by themselves, once per boot of the machine.
    pub(crate) fn autostart(&self) {
        let mark = self.run_dir().join("autostarted");
        if mark.exists() {
            return;
        }
        for net in self.networks.snapshot().values() {
            let value = net.value();
            if !value.autostart || value.live.is_some() {
                continue;
            }
            if let Err(error) = self.launch(net) {
                log::error!("network '{}' does not start: {error}", value.name);
            }
        }
        if let Err(error) = host::store::write_volatile(&mark, b"", 0o600) {
            log::error!("{}: {error}; networks start again with the next daemon", mark.display());
        }
    }
}
