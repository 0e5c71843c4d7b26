//! firewalld, where it runs: the zones of bridges, and rules made again after it has loaded its own anew.

use crate::{Driver, FROM, bridge};
use base::{Error, ErrorCode, Result};
use conf_network::Network;
use conf_network::forward::Mode;
use host::bus::{Bus, CallError, Target};
use network_plan::zone::{self, Known, ZoneError};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

const SERVICE: &str = "org.fedoraproject.FirewallD1";
const ZONES: Target<'_> = Target {
    service: SERVICE,
    path: "/org/fedoraproject/FirewallD1",
    interface: "org.fedoraproject.FirewallD1.zone",
};
const POLICIES: Target<'_> = Target { interface: "org.fedoraproject.FirewallD1.policy", ..ZONES };

/// How often a bus that is not there is looked for.
const RETRY: Duration = Duration::from_secs(10);
/// How long announcements are waited for before the thread looks whether the driver is still there.
const GLANCE: Duration = Duration::from_secs(2);

fn refused(what: &str, error: &CallError) -> Error {
    Error::internal(FROM, format!("{what}: {error}"))
}

/// Whether firewalld runs; none as long as it is not known.
#[derive(Debug, Default)]
pub(crate) struct Presence(Mutex<Option<bool>>);

impl Presence {
    fn set(&self, known: Option<bool>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// The bus, if firewalld is on it.
    fn bus(&self) -> Option<Bus> {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known == Some(false) {
            return None;
        }
        let mut bus =
            Bus::system().inspect_err(|error| log::debug!("firewalld is not asked: {error}")).ok()?;
        (known == Some(true) || bus.has(SERVICE).unwrap_or(false)).then_some(bus)
    }
}

/// What firewalld knows. Old ones know no policies.
fn known(bus: &mut Bus) -> Result<Known> {
    let zones = bus.call(ZONES, "getZones", &[]).map_err(|error| refused("Failed to get zones", &error))?;
    let policies = bus.call(POLICIES, "getPolicies", &[]).unwrap_or_default();
    Ok(Known { zones, policies })
}

impl Driver {
    /// Puts the bridge of a network into its zone.
    ///
    /// # Errors
    /// When there is no such zone, or no firewalld for a network that asks for one.
    pub(crate) fn set_zone(&self, network: &Network) -> Result<()> {
        let mut bus = self.zones.bus();
        let known = bus.as_mut().map(known).transpose()?;
        let zone = zone::choose(network, known.as_ref()).map_err(|error| match error {
            ZoneError::Inactive { .. } => Error::new(ErrorCode::CONFIG_UNSUPPORTED, FROM, error.to_string()),
            ZoneError::Missing => Error::internal(FROM, error.to_string()),
        })?;
        let (Some(bus), Some(zone)) = (&mut bus, zone) else { return Ok(()) };
        let bridge = bridge::name(network);
        bus.call(ZONES, "changeZoneOfInterface", &[&zone, bridge])
            .map_err(|error| refused(&format!("Failed to put '{bridge}' into zone '{zone}'"), &error))?;
        Ok(())
    }

    /// Takes the bridge of a network out of its zone.
    pub(crate) fn unset_zone(&self, network: &Network) {
        let Some(mut bus) = self.zones.bus() else { return };
        if let Err(error) = bus.call(ZONES, "removeInterface", &["", bridge::name(network)]) {
            log::debug!("'{}' stays in its zone: {error}", bridge::name(network));
        }
    }

    /// Gives firewalld and the packet filter everything again.
    fn replay(&self) {
        for net in self.networks.snapshot().values() {
            let Some(live) = net.value().live.clone() else { continue };
            let network = &live.status.network;
            if Mode::own_bridge(network.forward.mode)
                && let Err(error) = self.set_zone(network)
            {
                log::error!("network '{}': {error}", network.name);
            }
        }
        self.remake_rules();
    }
}

/// Hears of firewalld's reloads and starts from a thread of its own, as long as the driver lives.
pub(crate) fn listen(driver: &Arc<Driver>) {
    let driver: Weak<Driver> = Arc::downgrade(driver);
    let body = move || {
        while driver.strong_count() > 0 {
            if let Err(error) = hear(&driver) {
                log::debug!("firewalld is not heard: {error}");
            }
            if let Some(driver) = driver.upgrade() {
                driver.zones.set(None);
            }
            std::thread::sleep(RETRY);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("net-firewalld".to_owned()).spawn(body) {
        log::warn!("firewalld is not heard: {error}");
    }
}

fn hear(driver: &Weak<Driver>) -> std::result::Result<(), CallError> {
    let mut bus = Bus::system()?;
    bus.listen(&format!("type='signal',interface='{SERVICE}',member='Reloaded'"))?;
    bus.listen(&format!(
        "type='signal',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{SERVICE}'"
    ))?;
    let there = bus.has(SERVICE)?;
    if let Some(driver) = driver.upgrade() {
        driver.zones.set(Some(there));
    }
    loop {
        let signal = bus.next(GLANCE)?;
        let Some(driver) = driver.upgrade() else { return Ok(()) };
        let Some(signal) = signal else { continue };
        // Words are the name, its owner before, its owner now. One that leaves takes its rules along, not ours.
        let mut starts = false;
        if let ("NameOwnerChanged", [name, _, now]) = (signal.member.as_str(), signal.words.as_slice())
            && name == SERVICE
        {
            starts = !now.is_empty();
            driver.zones.set(Some(starts));
        }
        if starts || (signal.interface == SERVICE && signal.member == "Reloaded") {
            log::info!("firewalld has loaded its rules; those of networks are made again");
            driver.replay();
        }
    }
}
