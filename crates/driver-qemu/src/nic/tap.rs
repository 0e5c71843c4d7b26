//! Devices on the host that cards of guests end in.

use super::{Nics, Owner, is_virtio, queues, system};
use crate::FROM;
use crate::start::Undo;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_network::virtual_port::PortKind;
use conf_network::vlan::{NativeMode, Vlan};
use conf_network::{Bandwidth, NetworkPort};
use host::link::{MacvlanMode, Port, Tag};
use host::process::Command;
use network_plan::openvswitch::Owned;
use network_plan::{openvswitch, traffic};
use std::os::fd::OwnedFd;
use std::time::Duration;
use xml::Tree;

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(30);
/// The first byte of the host's end: the highest address, so that a bridge does not take it for its own.
const HIGH: u8 = 0xfe;
const OTHER_HIGH: u8 = 0xfa;

/// Runs a command of a plan.
fn run(call: &firewall::Call) -> Result<String> {
    let failed = |text: String| Error::internal(ErrorDomain::NONE, text);
    let program = host::program::find(call.program).ok_or_else(|| {
        failed(format!("Cannot find '{}' in path: No such file or directory", call.program))
    })?;
    let args: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let line = format!("{} {}", call.program, call.args.join(" "));
    let done = Command::new(program, &args)
        .run(LIMIT)
        .map_err(|cause| system(&cause, format!("Child process ({line})")))?;
    if done.status == Some(0) {
        return Ok(String::from_utf8_lossy(&done.out).into_owned());
    }
    let said = String::from_utf8_lossy(&done.err);
    let status = done.status.unwrap_or(-1);
    Err(failed(format!("Child process ({line}) unexpected exit status {status}: {said}")))
}

/// Runs the commands that limit a device.
pub(super) fn limit(dev: &str, limits: Option<&Bandwidth>, swapped: bool) -> Result<()> {
    let how = traffic::How { classes: false, swapped, clear: true };
    for call in traffic::set(dev, limits, how) {
        let outcome = run(&call);
        // Nothing needs to be there to be cleared, and nothing that was would have been left.
        if !traffic::clear(dev).contains(&call) && call != traffic::show_root(dev) {
            outcome?;
        }
    }
    Ok(())
}

/// Takes a device's limits away.
pub(super) fn unlimit(dev: &str) {
    for call in traffic::clear(dev) {
        // Nothing needs to be there.
        let _ = run(&call);
    }
}

/// Whether a card is a port of a switch.
pub(super) fn is_switch(settings: &NetworkPort) -> bool {
    settings.virtual_port.as_ref().is_some_and(|port| port.kind == Some(PortKind::OpenVswitch))
}

/// The record that a question of the switch is answered with.
fn record(question: &firewall::Call) -> Result<Option<String>> {
    let answer = run(question)?;
    Ok(answer.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned))
}

/// Limits a port of a switch, where it may have limits already.
pub(super) fn limit_at_switch(name: &str, settings: &NetworkPort, limits: &Bandwidth) -> Result<()> {
    let owned = Owned::new(name, &settings.owner_uuid);
    match limits.inbound.filter(|rate| rate.average > 0) {
        Some(rate) => {
            let (queue, found) = (record(&owned.find_queue())?, record(&owned.find_limits())?);
            for call in owned.limit_received(&rate, queue.as_deref(), found.as_deref()) {
                run(&call)?;
            }
        }
        None => forget_received(&owned)?,
    }
    run(&owned.limit_sent(limits.outbound.as_ref())).map(drop)
}

/// Takes the records of a port of a switch away.
fn forget_received(owned: &Owned) -> Result<()> {
    let (queue, found) = (record(&owned.find_queue())?, record(&owned.find_limits())?);
    // A switch keeps limits that a port refers to.
    let used = record(&owned.port_limits())?.is_some();
    for call in owned.forget_received(queue.as_deref(), found.as_deref(), used) {
        run(&call)?;
    }
    Ok(())
}

/// Takes the limits of a port of a switch away.
pub(super) fn unlimit_at_switch(name: &str, settings: &NetworkPort) -> Result<()> {
    let owned = Owned::new(name, &settings.owner_uuid);
    forget_received(&owned)?;
    run(&owned.limit_sent(None)).map(drop)
}

/// Tags of a bridge's port.
fn tags(vlan: &Vlan) -> Vec<Tag> {
    let tag = |id: u16| match vlan.native {
        Some((native, mode)) if native == id => {
            Tag { id, native: true, untagged: mode == NativeMode::Untagged }
        }
        _ => Tag { id, native: !vlan.trunk, untagged: !vlan.trunk },
    };
    vlan.tags.iter().map(|id| tag(*id)).collect()
}

impl Nics {
    /// Makes a tap and gives it the guest's address, on the host's side.
    fn make_tap(&self, interface: &mut Tree, settings: &NetworkPort) -> Result<(Vec<OwnedFd>, String)> {
        let wanted = interface.attr_at("target", "dev").unwrap_or("vnet%d").to_owned();
        let (fds, name) =
            host::tap::create(&wanted, is_virtio(interface), queues(interface)).map_err(|cause| {
                if host::tap::fits(&wanted) {
                    system(&cause, format!("Unable to create tap device {wanted}"))
                } else {
                    system(&cause, format!("Network interface name '{wanted}' is too long"))
                }
            })?;
        let mut mac = settings.mac.0;
        mac[0] = if mac[0] == HIGH { OTHER_HIGH } else { HIGH };
        self.links.set_mac(&name, mac).map_err(|cause| {
            system(&cause, format!("Cannot set interface MAC to {} on '{name}'", netaddr::Mac(mac)))
        })?;
        interface.child_or_new("target").set("dev", name.clone());
        Ok((fds, name))
    }

    /// Sets the size of packets: what the guest wants, else what the bridge has.
    fn size(&self, interface: &Tree, bridge: &str, name: &str) -> Result<()> {
        let wanted = interface.attr_at("mtu", "size").and_then(|text| text.parse().ok());
        let found = self.links.find(bridge);
        let mtu = match (wanted, found) {
            (Some(wanted), _) => wanted,
            (None, Ok(found)) => found.mtu,
            (None, Err(cause)) => {
                return Err(system(&cause, format!("Cannot get interface MTU on '{bridge}'")));
            }
        };
        if mtu != 0 && self.links.find(name).is_ok_and(|link| link.mtu != mtu) {
            self.links
                .set_mtu(name, mtu)
                .map_err(|cause| system(&cause, format!("Cannot set interface MTU on '{name}'")))?;
        }
        Ok(())
    }

    /// A tap that is a port of a bridge or switch.
    pub(super) fn join(
        &self,
        owner: &Owner,
        interface: &mut Tree,
        actual: &Tree,
        settings: &NetworkPort,
        undo: &mut Undo,
    ) -> Result<Vec<OwnedFd>> {
        let bridge = actual.attr_at("source", "bridge").unwrap_or_default();
        let (fds, name) = self.make_tap(interface, settings)?;
        self.size(interface, bridge, &name)?;
        if let Some(port) = settings.virtual_port.as_ref().filter(|_| is_switch(settings)) {
            let vlan = settings.vlan.as_ref();
            run(&openvswitch::add_port(bridge, &name, settings.mac, &owner.uuid, port, vlan)).map_err(
                |cause| {
                    Error::internal(
                        FROM,
                        format!("Unable to add port {name} to OVS bridge {bridge}: {cause}"),
                    )
                },
            )?;
            let taken = name.clone();
            undo.later(move || drop(run(&openvswitch::delete_port(&taken))));
        } else {
            self.plug_in(actual, settings, bridge, &name)?;
        }
        self.switch_on(&name)?;
        let _ = self.links.set_no_queue(&name);
        if is_switch(settings) {
            if let Some(limits) = &settings.bandwidth {
                limit_at_switch(&name, settings, limits)?;
            }
        } else {
            limit(&name, settings.bandwidth.as_ref(), true)?;
        }
        Ok(fds)
    }

    fn switch_on(&self, name: &str) -> Result<()> {
        self.links
            .set_up(name, true)
            .map_err(|cause| system(&cause, format!("Cannot set interface flags on '{name}'")))
    }

    /// Makes a tap a port of a bridge of the kernel's.
    pub(super) fn plug_in(
        &self,
        actual: &Tree,
        settings: &NetworkPort,
        bridge: &str,
        name: &str,
    ) -> Result<()> {
        self.links
            .set_master(name, Some(bridge))
            .map_err(|cause| system(&cause, format!("Unable to add bridge {bridge} port {name}")))?;
        if settings.isolated == Some(true) {
            let set = self.links.set_port(name, &Port { isolated: Some(true), ..Port::default() });
            let stands = set.is_ok() && host::link::Links::is_isolated(name).unwrap_or(false);
            if !stands {
                let cause = std::io::Error::from_raw_os_error(22);
                let text = format!("Unable to set bridge {bridge} port {name} isolated to 1");
                return Err(system(&cause, text));
            }
        }
        if let Some(vlan) = settings.vlan.as_ref().filter(|vlan| !vlan.tags.is_empty()) {
            let first = [Tag { id: 1, native: true, untagged: true }];
            let outcome = self
                .links
                .set_tags(name, &first, false)
                .and_then(|()| self.links.set_tags(name, &tags(vlan), true));
            outcome.map_err(|cause| {
                system(&cause, format!("error adding vlans to port {name} of bridge {bridge}"))
            })?;
        }
        if actual.attr_at("source", "macTableManager") == Some("libvirt") {
            let port = Port { learning: Some(false), flood: Some(false), isolated: None };
            let outcome = self
                .links
                .set_port(name, &port)
                .and_then(|()| self.links.set_table_entry(name, settings.mac.0, true));
            outcome.map_err(|cause| {
                system(&cause, format!("Unable to set bridge {bridge} port {name} unicast_flood to 0"))
            })?;
        }
        Ok(())
    }

    /// Makes the tap of a running guest a port of its bridge again, if it is not.
    pub(super) fn rejoin(&self, actual: &Tree, settings: &NetworkPort) -> Result<()> {
        let bridge = actual.attr_at("source", "bridge").unwrap_or_default();
        let name = actual.attr_at("target", "dev").unwrap_or_default();
        let (Ok(over), Ok(link)) = (self.links.find(bridge), self.links.find(name)) else { return Ok(()) };
        if is_switch(settings) || link.master == Some(over.index) {
            return Ok(());
        }
        self.plug_in(actual, settings, bridge, name)?;
        self.switch_on(name)
    }

    /// A tap that the administrator connects: with a script, with addresses for the host's end, or not at all.
    pub(super) fn lone(
        &self,
        interface: &mut Tree,
        actual: &Tree,
        settings: &NetworkPort,
    ) -> Result<Vec<OwnedFd>> {
        let name = actual.attr_at("target", "dev").unwrap_or_default();
        if actual.attr_at("target", "managed") == Some("no") {
            return self.foreign(interface, actual, name);
        }
        if !name.is_empty() && self.links.find(name).is_ok() {
            let text = format!("The {name} interface already exists");
            return Err(Error::operation_invalid(ErrorDomain::NONE, text));
        }
        let (fds, name) = self.make_tap(interface, settings)?;
        if let Some(mtu) = actual.attr_at("mtu", "size").and_then(|text| text.parse().ok()) {
            self.links
                .set_mtu(&name, mtu)
                .map_err(|cause| system(&cause, format!("Cannot set interface MTU on '{name}'")))?;
        }
        if let Some(script) = actual.attr_at("script", "path") {
            script_run(script, &name)?;
        }
        self.address(actual, &name)?;
        self.switch_on(&name)?;
        let _ = self.links.set_no_queue(&name);
        limit(&name, settings.bandwidth.as_ref(), true)?;
        Ok(fds)
    }

    /// A device that somebody else has made, a tap or a macvtap.
    fn foreign(&self, interface: &Tree, actual: &Tree, name: &str) -> Result<Vec<OwnedFd>> {
        let link = self.links.find(name).map_err(|_| {
            let text = format!("target managed='no' but specified dev doesn't exist: {name}");
            Error::new(
                ErrorCode::OPERATION_INVALID,
                FROM,
                format!("Requested operation is not valid: {text}"),
            )
        })?;
        let (header, queues) = (is_virtio(interface), queues(interface));
        let above = std::path::Path::new(&format!("/dev/tap{}", link.index)).exists();
        let opened = if above {
            host::tap::open_macvtap(link.index, name, header, queues)
        } else {
            host::tap::create(name, header, queues).map(|(fds, _)| fds)
        };
        let fds = opened.map_err(|cause| system(&cause, format!("Unable to create tap device {name}")))?;
        if let Some(script) = actual.attr_at("script", "path") {
            script_run(script, name)?;
        }
        Ok(fds)
    }

    /// Gives the host's end addresses and routes.
    fn address(&self, actual: &Tree, name: &str) -> Result<()> {
        let Some(source) = actual.child("source") else { return Ok(()) };
        for ip in source.all("ip") {
            let Some(address) = ip.attr("address").and_then(|text| text.parse::<std::net::IpAddr>().ok())
            else {
                continue;
            };
            let whole = if address.is_ipv4() { 24 } else { 64 };
            let prefix = ip.attr("prefix").and_then(|text| text.parse().ok()).unwrap_or(whole);
            self.links.add_address(name, address, prefix, None).map_err(|cause| {
                system(&cause, format!("Failed to add IP address {address}/{prefix} to {name}"))
            })?;
        }
        Ok(())
    }

    /// A device above an interface of the host.
    pub(super) fn above(
        &self,
        interface: &mut Tree,
        actual: &Tree,
        settings: &NetworkPort,
        undo: &mut Undo,
    ) -> Result<Vec<OwnedFd>> {
        let below = actual.attr_at("source", "dev").unwrap_or_default();
        let mode = match actual.attr_at("source", "mode") {
            Some("private") => MacvlanMode::Private,
            Some("bridge") => MacvlanMode::Bridge,
            Some("passthrough") => MacvlanMode::Passthrough,
            _ => MacvlanMode::Vepa,
        };
        if settings.virtual_port.as_ref().is_some_and(|port| port.kind.is_some()) {
            let text = "profiles of switches are not supported yet";
            return Err(Error::unsupported(FROM, text));
        }
        let below_link = self
            .links
            .find(below)
            .map_err(|cause| system(&cause, format!("Unable to get index for interface {below}")))?;
        let name = self.make_macvtap(actual, settings, below, mode)?;
        let taken = name.clone();
        undo.later(move || {
            if let Ok(links) = host::link::Links::open() {
                let _ = links.delete(&taken);
            }
        });
        interface.child_or_new("target").set("dev", name.clone());
        if mode == MacvlanMode::Passthrough && below_link.mac != Some(settings.mac.0) {
            self.links.set_mac(&name, settings.mac.0).map_err(|cause| {
                system(&cause, format!("Cannot set interface MAC to {} on '{below}'", settings.mac))
            })?;
        }
        if let Some(mtu) = actual.attr_at("mtu", "size").and_then(|text| text.parse().ok()) {
            self.links
                .set_mtu(&name, mtu)
                .map_err(|cause| system(&cause, format!("Cannot set interface MTU on '{name}'")))?;
        }
        let index = self
            .links
            .find(&name)
            .map_err(|cause| system(&cause, format!("Unable to get index for interface {name}")))?
            .index;
        let fds = host::tap::open_macvtap(index, &name, is_virtio(interface), queues(interface))
            .map_err(|cause| system(&cause, format!("cannot open macvtap tap device /dev/tap{index}")))?;
        self.switch_on(&name)?;
        limit(&name, settings.bandwidth.as_ref(), false)?;
        Ok(fds)
    }

    fn make_macvtap(
        &self,
        actual: &Tree,
        settings: &NetworkPort,
        below: &str,
        mode: MacvlanMode,
    ) -> Result<String> {
        let named = actual.attr_at("target", "dev").map(str::to_owned);
        let names: Vec<String> = match named {
            Some(name) => vec![name],
            None => (0..8192).map(|number| format!("macvtap{number}")).collect(),
        };
        for name in names {
            match self.links.create_macvtap(&name, settings.mac.0, below, mode) {
                Ok(()) => return Ok(name),
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(cause) => {
                    return Err(system(
                        &cause,
                        format!("error creating macvtap interface {name}@{below} ({})", settings.mac),
                    ));
                }
            }
        }
        Err(Error::internal(FROM, "Unable to create macvtap device"))
    }

    /// Takes away what a card leaves on the host.
    pub(super) fn clear(&self, actual: &Tree, settings: &NetworkPort) {
        let Some(name) = actual.attr_at("target", "dev") else { return };
        match actual.attr("type").unwrap_or_default() {
            "direct" => {
                // The name may be another's by now.
                if self.links.find(name).is_ok_and(|link| link.mac == Some(settings.mac.0))
                    && let Err(cause) = self.links.delete(name)
                {
                    log::warn!("'{name}' stays: {cause}");
                }
            }
            "network" | "bridge" if is_switch(settings) => {
                if settings.bandwidth.is_some()
                    && let Err(cause) = unlimit_at_switch(name, settings)
                {
                    log::warn!("{cause}");
                }
                if let Err(cause) = run(&openvswitch::delete_port(name)) {
                    log::warn!("{cause}");
                }
            }
            "ethernet" => {
                if let Some(script) = actual.attr_at("downscript", "path")
                    && let Err(cause) = script_run(script, name)
                {
                    log::warn!("{cause}");
                }
            }
            _ => {}
        }
    }
}

/// Runs an administrator's script for a device.
fn script_run(script: &str, name: &str) -> Result<()> {
    let done = Command::new(script, &[name])
        .run(LIMIT)
        .map_err(|cause| system(&cause, format!("Child process ({script} {name})")))?;
    if done.status == Some(0) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.err);
    let status = done.status.unwrap_or(-1);
    let text = format!("Child process ({script} {name}) unexpected exit status {status}: {said}");
    Err(Error::internal(ErrorDomain::NONE, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_one_network_and_of_a_trunk() {
        let one = Vlan { trunk: false, tags: vec![7], native: None };
        assert_eq!(tags(&one), [Tag { id: 7, native: true, untagged: true }]);
        let trunk = Vlan { trunk: true, tags: vec![7, 8], native: Some((8, NativeMode::Tagged)) };
        assert_eq!(
            tags(&trunk),
            [Tag { id: 7, native: false, untagged: false }, Tag { id: 8, native: true, untagged: false }]
        );
    }
}
