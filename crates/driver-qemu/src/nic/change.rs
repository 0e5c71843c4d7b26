//! Cards of running guests that are plugged in elsewhere, isolated or limited otherwise.

use super::tap::{is_switch, limit, unlimit};
use super::{Nics, Owner, port, system};
use crate::{FROM, error};
use base::{Error, ErrorCode, Result};
use conf_network::NetworkPort;
use host::link::Port;
use xml::Tree;

/// Whether the device of a card can be limited.
pub(crate) fn has_limits(interface: &Tree) -> bool {
    matches!(interface.attr("type"), Some("network" | "bridge" | "ethernet" | "direct"))
}

/// Whether a card is a port of a bridge.
fn is_bridged(actual: &Tree) -> bool {
    matches!(actual.attr("type"), Some("network" | "bridge"))
}

/// Refuses a guaranteed bandwidth where no network of ours gives it.
pub(crate) fn check_floor(interface: &Tree, limits: &Tree) -> Result<()> {
    let floor = limits.attr_at("inbound", "floor").is_some_and(|floor| floor != "0");
    if floor && !interface.is("type", "network") {
        let address = interface.attr_at("mac", "address").unwrap_or_default();
        let text = format!(
            "Invalid use of 'floor' on interface with MAC address {address} - 'floor' is only supported for interface type 'network' with forward type 'nat', 'route', 'open' or none"
        );
        return Err(Error::new(ErrorCode::OPERATION_UNSUPPORTED, FROM, text));
    }
    Ok(())
}

fn settings(owner: &Owner, actual: &Tree) -> Result<NetworkPort> {
    NetworkPort::parse(&port::document(owner, actual))
}

fn device(actual: &Tree) -> &str {
    actual.attr_at("target", "dev").unwrap_or_default()
}

impl Nics {
    /// Gives the device of a card the limits that its definition states.
    ///
    /// # Errors
    /// When a command of the plan fails; what it had before has to be stated again.
    pub(crate) fn shape(&self, owner: &Owner, interface: &Tree) -> Result<()> {
        let actual = conf_domain::device::actual(interface);
        if !has_limits(&actual) {
            let text = "setting bandwidth on interfaces of this type is not implemented yet";
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
        }
        let settings = settings(owner, &actual)?;
        match &settings.bandwidth {
            Some(limits) => limit(device(&actual), Some(limits), !actual.is("type", "direct")),
            None => {
                unlimit(device(&actual));
                Ok(())
            }
        }
    }

    /// Changes what a card is connected to from what `old` says to what `new` says; the device stays.
    ///
    /// # Errors
    /// When a step fails; the card is as it was.
    pub(crate) fn change(&self, owner: &Owner, old: &Tree, new: &mut Tree) -> Result<()> {
        let port = if new.is("type", "network") { Some(self.ask(owner, new)?) } else { None };
        let outcome = self.follow(owner, old, new);
        let unused = match &outcome {
            Ok(()) => self.port_of(old),
            Err(_) => port,
        };
        if let Some(port) = unused {
            self.give_back(&port);
        }
        outcome
    }

    fn follow(&self, owner: &Owner, old: &Tree, new: &Tree) -> Result<()> {
        let (was, is) = (conf_domain::device::actual(old), conf_domain::device::actual(new));
        let (before, after) = (settings(owner, &was)?, settings(owner, &is)?);
        let bridged = is_bridged(&was) && is_bridged(&is) && !is_switch(&before) && !is_switch(&after);
        let bridge = |actual: &Tree| actual.attr_at("source", "bridge").unwrap_or_default().to_owned();
        let moved = bridged && bridge(&was) != bridge(&is);
        if moved {
            self.move_to(&is, &after).inspect_err(|_| drop(self.move_to(&was, &before)))?;
        } else if bridged && before.isolated.unwrap_or(false) != after.isolated.unwrap_or(false) {
            self.isolate(&bridge(&is), device(&was), after.isolated.unwrap_or(false))?;
        }
        if before.bandwidth != after.bandwidth && has_limits(&is) {
            self.shape(owner, new).inspect_err(|_| {
                let _ = self.shape(owner, old);
                if moved {
                    let _ = self.move_to(&was, &before);
                }
            })?;
        }
        Ok(())
    }

    fn move_to(&self, actual: &Tree, settings: &NetworkPort) -> Result<()> {
        let bridge = actual.attr_at("source", "bridge").unwrap_or_default();
        self.plug_in(actual, settings, bridge, device(actual))
    }

    fn isolate(&self, bridge: &str, name: &str, isolated: bool) -> Result<()> {
        let set = self.links.set_port(name, &Port { isolated: Some(isolated), ..Port::default() });
        if set.is_ok() && host::link::Links::is_isolated(name).unwrap_or(false) == isolated {
            return Ok(());
        }
        let _ = self.links.set_port(name, &Port { isolated: Some(!isolated), ..Port::default() });
        let cause = std::io::Error::from_raw_os_error(22);
        let number = u8::from(isolated);
        Err(system(&cause, format!("Unable to set bridge {bridge} port {name} isolated to {number}")))
    }
}
