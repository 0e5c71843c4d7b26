//! Guests that are connected to networks.
//!
//! A port is asked for with what the guest's interface wants; the network adds what its class of ports and the network
//! itself say, and decides what the port is plugged into.

use crate::hooks::Moment;
use crate::network::{Live, Net};
use crate::restore::port_header;
use crate::{Driver, FROM, bridge, check_flags, command, error, internal};
use api::consts::network_port_create as create;
use base::object::{NetworkPortRef, NetworkRef};
use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, Result, Uuid};
use conf_network::forward::{Device, Member, Mode};
use conf_network::port::{DirectMode, Plug};
use conf_network::virtual_port::PortKind;
use conf_network::{Bandwidth, Network, NetworkPort, Rate, VirtualPort};
use network_plan::mac_map::MacMap;
use network_plan::traffic;
use std::path::PathBuf;
use std::sync::Arc;

/// Largest rate that a parameter carries.
fn shown(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn missing(uuid: Uuid) -> Error {
    error(ErrorCode::NO_NETWORK_PORT, format!("Network port with UUID {uuid} does not exist"))
}

fn invalid(text: impl Into<String>) -> Error {
    error(ErrorCode::INVALID_ARG, text)
}

impl Driver {
    fn ports_dir(&self, network: &str) -> PathBuf {
        self.run_dir().join(network).join("ports")
    }

    fn port_file(&self, network: &str, uuid: Uuid) -> PathBuf {
        self.ports_dir(network).join(format!("{uuid}.xml"))
    }

    /// Removes the documents of all ports of a network.
    pub(crate) fn forget_ports(&self, network: &str) {
        for (uuid, _) in host::store::files(&self.ports_dir(network), "xml") {
            let _ = host::store::remove_volatile(&self.ports_dir(network).join(format!("{uuid}.xml")));
        }
    }

    /// Reads the documents of the ports of a network.
    pub(crate) fn read_ports(&self, network: &str) -> Vec<NetworkPort> {
        let files = host::store::files(&self.ports_dir(network), "xml");
        let read = |(name, text): (String, String)| match NetworkPort::parse(&text) {
            Ok(port) => Some(port),
            Err(cause) => {
                log::error!("port {name} of network '{network}' is not understood: {cause}");
                None
            }
        };
        files.into_iter().filter_map(read).collect()
    }

    fn write_port(&self, network: &str, port: &NetworkPort) -> Result<()> {
        let path = self.port_file(network, port.uuid);
        let text = port_header(&port.uuid) + &port.format();
        let folder = self.ports_dir(network);
        std::fs::create_dir_all(&folder)
            .and_then(|()| host::store::write_volatile(&path, text.as_bytes(), 0o600))
            .map_err(|cause| {
                Error::system(FROM, &cause, format!("cannot write status file '{}'", path.display()))
            })
    }

    /// Keeps the guest's address where names are looked up.
    fn note_mac(&self, network: &Network, port: &NetworkPort, here: bool) {
        if !Mode::own_bridge(network.forward.mode) {
            return;
        }
        let path = self.mac_file(bridge::name(network));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let Some(mut map) = MacMap::parse(&text) else {
            log::error!("{} is not understood and stays as it is", path.display());
            return;
        };
        let mac = port.mac.to_string();
        if here {
            map.add(&port.owner_name, &mac);
        } else {
            map.remove(&port.owner_name, &mac);
        }
        if let Err(cause) = host::store::write_volatile(&path, map.format().as_bytes(), 0o644) {
            log::error!("{}: {cause}", path.display());
        }
    }

    /// Connects a guest.
    pub(crate) fn create_port(&self, network: &NetworkRef, text: &str, flags: u32) -> Result<NetworkPortRef> {
        check_flags(flags, create::RECLAIM | create::VALIDATE, "networkPortCreateXML")?;
        let net = self.find(network)?;
        if self.on_demand && net.value().live.is_none() {
            match self.launch(&net) {
                Ok(()) => log::info!("network '{}' starts because a guest wants it", net.value().name),
                // Another guest may have wanted it at the same time.
                Err(_) if net.value().live.is_some() => {}
                Err(error) => return Err(error),
            }
        }
        let _job = net.begin("create port")?;
        let live = net.live()?;
        if flags & create::VALIDATE != 0 {
            schema::validate_text(schema::Kind::NetworkPort, text)?;
        }
        let mut port = NetworkPort::parse(text)?;
        if live.ports.contains_key(&port.uuid) {
            let text = format!("Network port with UUID {} already exists", port.uuid);
            return Err(error(ErrorCode::NETWORK_PORT_EXIST, text));
        }
        let mut next = (*live).clone();
        if flags & create::RECLAIM != 0 {
            if port.plug == Plug::None {
                return Err(invalid("Port reclaim requested but plug type is none"));
            }
            claim(&mut next.status.network, &port.plug, port.mac)?;
        } else {
            if port.plug != Plug::None {
                return Err(invalid("Port reclaim not requested but plug type is not none"));
            }
            allocate(&mut next.status.network, &mut port)?;
        }
        next.status.network.connections += 1;
        guarantee(&mut next, &mut port)?;
        if let Err(cause) = self.hook(Moment::PortCreated, &next.status.network, Some(&port)) {
            self.withdraw(&mut next, &port);
            return Err(cause);
        }
        let name = net.value().name.clone();
        if let Err(cause) = self.write_port(&name, &port) {
            self.withdraw(&mut next, &port);
            return Err(cause);
        }
        self.note_mac(&next.status.network, &port, true);
        let uuid = port.uuid;
        next.ports.insert(uuid, Arc::new(port));
        self.settle(&net, next)?;
        Ok(NetworkPortRef { net: net.reference(), uuid })
    }

    /// Stores what has become of a running network.
    fn settle(&self, net: &Net, next: Live) -> Result<()> {
        net.change(|value| value.live = Some(Arc::new(next)));
        self.write_status(net)
    }

    /// Takes a guest's guaranteed rate back.
    fn withdraw(&self, live: &mut Live, port: &NetworkPort) {
        let floor = port.bandwidth.map_or(0, |limits| limits.floor());
        let (Some(class), Some(rate)) = (port.class_id, inbound(&live.status.network)) else { return };
        if !live.status.classes.remove(&class) {
            return;
        }
        live.status.floors = live.status.floors.saturating_sub(floor);
        let dev = bridge::name(&live.status.network);
        let mut calls = traffic::unplug(dev, class);
        calls.push(traffic::change(
            dev,
            traffic::COMMON_CLASS,
            &rate,
            traffic::rest(&rate, live.status.floors),
        ));
        for call in calls {
            if let Err(cause) = command::run(&call) {
                log::warn!("{cause}");
            }
        }
    }

    /// The network and the port a client means.
    fn find_port(&self, port: &NetworkPortRef) -> Result<(Arc<Net>, Arc<Live>, Arc<NetworkPort>)> {
        let net = self.find(&port.net)?;
        let live = net.live()?;
        let found = live.ports.get(&port.uuid).cloned().ok_or_else(|| missing(port.uuid))?;
        Ok((net, live, found))
    }

    /// Disconnects a guest.
    pub(crate) fn delete_port(&self, port: &NetworkPortRef, flags: u32) -> Result<()> {
        check_flags(flags, 0, "networkPortDelete")?;
        let net = self.find(&port.net)?;
        let _job = net.begin("delete port")?;
        let (_, live, found) = self.find_port(port)?;
        let mut next = (*live).clone();
        next.ports.remove(&found.uuid);
        self.withdraw(&mut next, &found);
        release(&mut next.status.network, &found.plug);
        let network = &mut next.status.network;
        network.connections = network.connections.saturating_sub(1);
        let name = net.value().name.clone();
        let _ = host::store::remove_volatile(&self.port_file(&name, found.uuid));
        self.note_mac(network, &found, false);
        self.hook_after(Moment::PortDeleted, network, Some(&found));
        self.settle(&net, next)
    }

    /// Ports of a network.
    pub(crate) fn list_ports(&self, network: &NetworkRef, flags: u32) -> Result<Vec<NetworkPortRef>> {
        check_flags(flags, 0, "networkListAllPorts")?;
        let net = self.find(network)?;
        let live = net.live()?;
        Ok(live.ports.keys().map(|uuid| NetworkPortRef { net: net.reference(), uuid: *uuid }).collect())
    }

    /// The port with an identity.
    pub(crate) fn lookup_port(&self, network: &NetworkRef, uuid: Uuid) -> Result<NetworkPortRef> {
        let port = NetworkPortRef { net: network.clone(), uuid };
        let (net, ..) = self.find_port(&port)?;
        Ok(NetworkPortRef { net: net.reference(), uuid })
    }

    /// The document of a port.
    pub(crate) fn port_document(&self, port: &NetworkPortRef, flags: u32) -> Result<String> {
        check_flags(flags, 0, "networkPortGetXMLDesc")?;
        Ok(self.find_port(port)?.2.format())
    }

    /// The limits of a port.
    pub(crate) fn port_parameters(&self, port: &NetworkPortRef, flags: u32) -> Result<Vec<TypedParam>> {
        check_flags(flags, 0, "networkPortGetParameters")?;
        let (_, _, found) = self.find_port(port)?;
        let mut params = Vec::new();
        let mut add = |name: &str, value: u64| params.push(TypedParam::new(name, shown(value)));
        if let Some(rate) = found.bandwidth.and_then(|limits| limits.inbound) {
            add("inbound.average", rate.average);
            add("inbound.peak", rate.peak);
            add("inbound.floor", rate.floor);
            add("inbound.burst", rate.burst);
        }
        if let Some(rate) = found.bandwidth.and_then(|limits| limits.outbound) {
            add("outbound.average", rate.average);
            add("outbound.peak", rate.peak);
            add("outbound.burst", rate.burst);
        }
        Ok(params)
    }

    /// Changes the limits of a port.
    pub(crate) fn set_port_parameters(
        &self,
        port: &NetworkPortRef,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 0, "networkPortSetParameters")?;
        let limits = limits(params)?;
        let net = self.find(&port.net)?;
        let _job = net.begin("set port parameters")?;
        let (_, live, found) = self.find_port(port)?;
        let mut next = (*live).clone();
        let mut changed = (*found).clone();
        changed.bandwidth = Some(limits);
        self.change_guarantee(&mut next, &found, &mut changed)?;
        let name = net.value().name.clone();
        self.write_port(&name, &changed)?;
        next.ports.insert(changed.uuid, Arc::new(changed));
        self.settle(&net, next)
    }

    /// Changes what a port is guaranteed.
    fn change_guarantee(&self, live: &mut Live, old: &NetworkPort, new: &mut NetworkPort) -> Result<()> {
        let floor = |port: &NetworkPort| port.bandwidth.map_or(0, |limits| limits.floor());
        let (before, after) = (floor(old), floor(new));
        match (old.class_id, after) {
            (None, 0) => Ok(()),
            (None, _) => guarantee(live, new),
            (Some(_), 0) => {
                self.withdraw(live, old);
                new.class_id = None;
                Ok(())
            }
            (Some(class), _) => {
                let name = live.status.network.name.clone();
                check_floor(&live.status.network, live.status.floors.saturating_sub(before), new)?;
                let Some(rate) = inbound(&live.status.network) else { return Err(no_limits(new, &name)) };
                let dev = bridge::name(&live.status.network);
                command::run(&traffic::change(dev, class, &rate, after))?;
                live.status.floors = live.status.floors.saturating_sub(before) + after;
                let rest = traffic::rest(&rate, live.status.floors);
                command::run(&traffic::change(dev, traffic::COMMON_CLASS, &rate, rest))
            }
        }
    }
}

fn limits(params: &[TypedParam]) -> Result<Bandwidth> {
    let mut limits = Bandwidth::default();
    for param in params {
        let TypedValue::UInt(value) = param.value else {
            let text = format!(
                "invalid type '{}' for parameter '{}', expected 'uint'",
                param.value.type_name(),
                param.field
            );
            return Err(invalid(text));
        };
        let value = u64::from(value);
        let Some((side, what)) = param.field.split_once('.') else { return Err(unknown(&param.field)) };
        let direction = match side {
            "inbound" => limits.inbound.get_or_insert_default(),
            "outbound" => limits.outbound.get_or_insert_default(),
            _ => return Err(unknown(&param.field)),
        };
        match what {
            "average" => direction.average = value,
            "peak" => direction.peak = value,
            "burst" => direction.burst = value,
            "floor" if side == "inbound" => direction.floor = value,
            _ => return Err(unknown(&param.field)),
        }
    }
    // A direction without limits counts as none.
    let stated = |rate: &Rate| rate.average > 0 || rate.floor > 0;
    limits.inbound = limits.inbound.filter(stated);
    limits.outbound = limits.outbound.filter(stated);
    Ok(limits)
}

fn unknown(field: &str) -> Error {
    error(ErrorCode::ARGUMENT_UNSUPPORTED, format!("parameter '{field}' not supported"))
}

fn inbound(network: &Network) -> Option<Rate> {
    network.bandwidth.and_then(|limits| limits.inbound).filter(|rate| rate.average > 0)
}

fn no_limits(port: &NetworkPort, network: &str) -> Error {
    error(
        ErrorCode::OPERATION_UNSUPPORTED,
        format!(
            "Invalid use of 'floor' on interface with MAC address {} - network '{network}' has no inbound QoS set",
            port.mac
        ),
    )
}

/// Refuses a guarantee that the network cannot give.
fn check_floor(network: &Network, others: u64, port: &NetworkPort) -> Result<()> {
    let floor = port.bandwidth.map_or(0, |limits| limits.floor());
    if floor == 0 {
        return Ok(());
    }
    if !Mode::own_bridge(network.forward.mode) {
        let text = format!(
            "Invalid use of 'floor' on interface with MAC address {} - 'floor' is only supported for interface type \
             'network' with forward type 'nat', 'route', 'open' or none",
            port.mac
        );
        return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
    }
    let rate = inbound(network).ok_or_else(|| no_limits(port, &network.name))?;
    let sum = others.saturating_add(floor);
    let (limit, word) = if rate.peak > 0 { (rate.peak, "peak") } else { (rate.average, "average") };
    if sum > limit {
        let text = format!(
            "Cannot plug '{}' interface into '{}' because new combined inbound floor={sum} would overcommit \
             {word}={limit} on network '{}'",
            port.mac,
            bridge::name(network),
            network.name
        );
        return Err(Error::operation_invalid(FROM, text));
    }
    Ok(())
}

/// Gives a port its guaranteed rate, if it asks for one.
fn guarantee(live: &mut Live, port: &mut NetworkPort) -> Result<()> {
    check_floor(&live.status.network, live.status.floors, port)?;
    let rates = (inbound(&live.status.network), port.bandwidth.and_then(|limits| limits.inbound));
    let (Some(rate), Some(guest)) = rates else { return Ok(()) };
    if guest.floor == 0 {
        return Ok(());
    }
    let class = live.status.take_class().ok_or_else(|| {
        internal(format!("no free traffic class on network '{}'", live.status.network.name))
    })?;
    let dev = bridge::name(&live.status.network).to_owned();
    let floors = live.status.floors + guest.floor;
    let mut calls = traffic::plug(&dev, &rate, port.mac, &guest, class);
    calls.push(traffic::change(&dev, traffic::COMMON_CLASS, &rate, traffic::rest(&rate, floors)));
    for call in calls {
        if let Err(cause) = command::run(&call) {
            for call in traffic::unplug(&dev, class) {
                command::ask(&call, "");
            }
            live.status.classes.remove(&class);
            return Err(cause);
        }
    }
    live.status.floors = floors;
    port.class_id = Some(class);
    Ok(())
}

/// What the interface, its class of ports and the network say of the switch's profile, together.
fn merged(parts: [Option<&VirtualPort>; 3]) -> Result<Option<VirtualPort>> {
    let mut whole: Option<VirtualPort> = None;
    for part in parts.into_iter().flatten() {
        let Some(known) = &mut whole else {
            whole = Some(part.clone());
            continue;
        };
        match (known.kind, part.kind) {
            (Some(one), Some(other)) if one != other => {
                let text = format!("attempt to merge virtualports with mismatched type ({one} and {other})");
                return Err(mismatched(text));
            }
            (None, kind) => known.kind = kind,
            _ => {}
        }
        merge(&mut known.manager_id, part.manager_id.as_ref(), "managerid")?;
        merge(&mut known.type_id, part.type_id.as_ref(), "typeid")?;
        merge(&mut known.type_version, part.type_version.as_ref(), "typeidversion")?;
        merge(&mut known.instance_id, part.instance_id.as_ref(), "instanceid")?;
        merge(&mut known.interface_id, part.interface_id.as_ref(), "interfaceid")?;
        merge(&mut known.profile_id, part.profile_id.as_ref(), "profileid")?;
    }
    Ok(whole)
}

fn mismatched(text: String) -> Error {
    Error::new(ErrorCode::XML_ERROR, base::ErrorDomain::NET, text)
}

fn merge<T: PartialEq + Clone>(known: &mut Option<T>, more: Option<&T>, name: &str) -> Result<()> {
    match (&known, more) {
        (_, None) => {}
        (None, Some(more)) => *known = Some(more.clone()),
        (Some(known), Some(more)) if known == more => {}
        _ => return Err(mismatched(format!("attempt to merge virtualports with mismatched {name}"))),
    }
    Ok(())
}

/// Fills in what the network says and decides what the port is plugged into.
fn allocate(network: &mut Network, port: &mut NetworkPort) -> Result<()> {
    let group = network.portgroup(port.group.as_deref()).cloned();
    let group = group.as_ref();
    if port.bandwidth.is_none() {
        port.bandwidth = group.and_then(|group| group.bandwidth);
    }
    if port.vlan.is_none() {
        port.vlan = group.and_then(|group| group.vlan.clone()).or_else(|| network.vlan.clone());
    }
    port.trust_guest_rx_filters = port
        .trust_guest_rx_filters
        .or(group.and_then(|group| group.trust_guest_rx_filters))
        .or(network.trust_guest_rx_filters);
    port.isolated = port.isolated.or(network.port_isolated);
    let parts = [
        port.virtual_port.as_ref(),
        network.virtual_port.as_ref(),
        group.and_then(|group| group.virtual_port.as_ref()),
    ];
    port.virtual_port = merged(parts)?;
    if let Some(virtual_port) = &mut port.virtual_port {
        virtual_port.generate(&mut host::random::bytes::<16>);
        virtual_port.check_complete()?;
    }
    let kind = port.virtual_port.as_ref().map(|port| port.kind);
    let unsupported = |uses: &str| {
        let word = kind.flatten().map_or("none", PortKind::as_str);
        Error::unsupported(
            FROM,
            format!(
                "<virtualport type='{word}'> not supported for network '{}' which uses {uses}",
                network.name
            ),
        )
    };
    match network.forward.mode {
        mode if Mode::own_bridge(mode) => {
            if kind.is_some() {
                return Err(unsupported("IP forwarding"));
            }
            port.plug = Plug::Network {
                bridge: bridge::name(network).to_owned(),
                mac_table_manager: network.bridge.mac_table_manager,
            };
        }
        Some(Mode::Bridge) if network.bridge.name.is_some() => {
            if kind.is_some_and(|kind| kind != Some(PortKind::OpenVswitch)) {
                return Err(unsupported("a bridge device"));
            }
            port.plug = Plug::Bridge {
                bridge: bridge::name(network).to_owned(),
                mac_table_manager: network.bridge.mac_table_manager,
            };
        }
        Some(Mode::Hostdev) => {
            if kind.is_some_and(|kind| kind != Some(PortKind::Extender)) {
                return Err(unsupported("an SR-IOV Virtual Function via PCI passthrough"));
            }
            let managed = Some(network.forward.managed);
            let (driver, model) = (network.forward.driver, network.forward.driver_model.clone());
            let member = network
                .forward
                .members
                .iter_mut()
                .find(|member| member.connections == 0)
                .ok_or_else(|| exclusive(&network.name))?;
            member.connections += 1;
            let Device::Pci(address) = member.device else { return Err(exclusive(&network.name)) };
            port.plug = Plug::Hostdev { address, managed, driver, model };
        }
        mode => {
            if kind.is_some_and(|kind| !matches!(kind, Some(PortKind::Evb | PortKind::Extender))) {
                return Err(unsupported("a macvtap device"));
            }
            port.plug = direct(network, mode, kind.flatten())?;
        }
    }
    Ok(())
}

fn exclusive(network: &str) -> Error {
    internal(format!("network '{network}' requires exclusive access to interfaces, but none are available"))
}

fn direct(network: &mut Network, mode: Option<Mode>, kind: Option<PortKind>) -> Result<Plug> {
    let name = network.name.clone();
    if network.forward.members.is_empty() {
        return Err(internal(format!(
            "network '{name}' uses a direct mode, but has no forward dev and no interface pool"
        )));
    }
    let mode = match mode {
        Some(Mode::Private) => DirectMode::Private,
        Some(Mode::Vepa) => DirectMode::Vepa,
        Some(Mode::Passthrough) => DirectMode::Passthrough,
        _ => DirectMode::Bridge,
    };
    // A device that is passed through, or has a profile at the switch, belongs to one guest.
    let alone =
        mode == DirectMode::Passthrough || (mode == DirectMode::Private && kind == Some(PortKind::Extender));
    let members = network.forward.members.iter_mut();
    let member: Option<&mut Member> = if alone {
        members.into_iter().find(|member| member.connections == 0)
    } else {
        members.into_iter().min_by_key(|member| member.connections)
    };
    let member = member.ok_or_else(|| exclusive(&name))?;
    member.connections += 1;
    match &member.device {
        Device::Interface(dev) => Ok(Plug::Direct { dev: dev.clone(), mode }),
        Device::Pci(_) => Err(exclusive(&name)),
    }
}

/// Counts a port that an earlier daemon has plugged.
pub(crate) fn claim(network: &mut Network, plug: &Plug, mac: netaddr::Mac) -> Result<()> {
    let name = network.name.clone();
    let member = match plug {
        Plug::Direct { dev, .. } => {
            let found = network
                .forward
                .members
                .iter_mut()
                .find(|member| matches!(&member.device, Device::Interface(known) if known == dev));
            found.ok_or_else(|| {
                internal(format!("network '{name}' doesn't have dev='{dev}' in use by network port '{mac}'"))
            })?
        }
        Plug::Hostdev { address, .. } => {
            let found =
                network.forward.members.iter_mut().find(
                    |member| matches!(&member.device, Device::Pci(known) if known.same_device(address)),
                );
            found.ok_or_else(|| {
                internal(format!(
                    "network '{name}' doesn't have PCI device {address} in use by network port '{mac}'"
                ))
            })?
        }
        _ => return Ok(()),
    };
    member.connections += 1;
    Ok(())
}

/// Gives a device back to its pool.
fn release(network: &mut Network, plug: &Plug) {
    for member in &mut network.forward.members {
        let used = match (plug, &member.device) {
            (Plug::Direct { dev, .. }, Device::Interface(known)) => dev == known,
            (Plug::Hostdev { address, .. }, Device::Pci(known)) => known.same_device(address),
            _ => false,
        };
        if used {
            member.connections = member.connections.saturating_sub(1);
        }
    }
}
