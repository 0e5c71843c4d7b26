//! Network cards of running guests that change: their link, bridge, limits.

use super::update::unsupported;
use crate::guest::Guest;
use crate::nic::{self, Owner};
use crate::{Driver, error};
use base::{ErrorCode, ErrorDomain, Result};
use qemu_live::matching;
use serde_json::json;
use std::sync::Arc;
use xml::Tree;

/// How messages call a part, and where it stands.
const FIXED: [(&str, &str, &str); 4] = [
    ("script attribute", "script", "path"),
    ("rom bar setting", "rom", "bar"),
    ("rom file", "rom", "file"),
    ("boot index setting", "boot", "order"),
];

fn differs(old: &Tree, new: &Tree, place: &str, name: &str) -> bool {
    old.attr_at(place, name) != new.attr_at(place, name)
}

fn same_child(old: &Tree, new: &Tree, name: &str) -> bool {
    old.child(name).cloned().unwrap_or_default() == new.child(name).cloned().unwrap_or_default()
}

/// Refuses changes that the emulator cannot make while it runs.
fn check(old: &Tree, new: &Tree, given: &Tree) -> Result<()> {
    let refuse = |text: String| Err(unsupported(text));
    let bridged = |interface: &Tree| matches!(interface.attr("type"), Some("bridge" | "network"));
    if old.attr("type") != new.attr("type") && !(bridged(old) && bridged(new)) {
        return refuse(format!(
            "cannot change interface type from {} to {}",
            old.attr("type").unwrap_or_default(),
            new.attr("type").unwrap_or_default()
        ));
    }
    if differs(old, new, "model", "type") {
        return refuse(format!(
            "cannot modify network device model from {} to {}",
            old.attr_at("model", "type").unwrap_or("(null)"),
            new.attr_at("model", "type").unwrap_or("(null)")
        ));
    }
    if !same_child(old, new, "driver") {
        return refuse("cannot modify virtio network device driver attributes".to_owned());
    }
    let stated = given.attr_at("target", "dev").filter(|name| !name.starts_with("vnet"));
    if stated.is_some_and(|name| old.attr_at("target", "dev") != Some(name)) {
        return refuse("cannot modify network device tap name".to_owned());
    }
    for (what, place, name) in FIXED {
        if differs(old, new, place, name) {
            return refuse(format!("cannot modify network device {what}"));
        }
    }
    let networks = old.is("type", "network") && new.is("type", "network");
    if networks && differs(old, new, "source", "portgroup") {
        return refuse("cannot modify network device portgroup attribute".to_owned());
    }
    if differs(old, new, "mtu", "size") {
        return refuse("cannot modify MTU".to_owned());
    }
    if !same_child(old, new, "teaming") {
        return refuse("cannot modify network device teaming setting".to_owned());
    }
    if new.child("vlan").is_some() && new.child("virtualport").is_none() {
        let mac = new.attr_at("mac", "address").unwrap_or_default();
        let text = format!("interface {mac} - vlan tag not supported for this connection type");
        return Err(base::Error::unsupported(ErrorDomain::DOMAIN, text));
    }
    if !bridged(new) && !same_child(old, new, "source") {
        let kind = new.attr("type").unwrap_or_default();
        return Err(error(
            ErrorCode::OPERATION_UNSUPPORTED,
            format!("unable to change config on '{kind}' network type"),
        ));
    }
    Ok(())
}

fn link_state(interface: &Tree) -> &str {
    interface.attr_at("link", "state").unwrap_or("up")
}

impl Driver {
    pub(super) fn update_interface(&self, guest: &Arc<Guest>, given: &Tree) -> Result<()> {
        let live = guest.live()?;
        let at = matching::interface(&live.domain, given)?;
        let old = live.domain.devices().get(at).cloned().unwrap_or_default();
        let mut new = self.fit_instead(&live.domain, at, given)?.device().clone();
        check(&old, &new, given)?;
        let alias = old.attr_at("alias", "name").unwrap_or_default().to_owned();
        let device = old.attr_at("target", "dev").map(str::to_owned);
        if let Some(device) = &device {
            new.child_or_new("target").set("dev", device.clone());
        }
        new.child_or_new("alias").set("name", alias.clone());
        if let Some(limits) = new.child("bandwidth") {
            nic::check_floor(&new, limits)?;
        }
        let owner = Owner::of(&live.domain);
        self.nics.refilter(&owner, &old, &new)?;
        let filtered = new.clone();
        self.nics
            .change(&owner, &old, &mut new)
            .inspect_err(|_| drop(self.nics.refilter(&owner, &filtered, &old)))?;
        if link_state(&old) != link_state(&new) {
            live.command("set_link", json!({"name": alias, "up": link_state(&new) == "up"}))?;
        }
        self.change_live(guest, |domain| {
            let found = domain
                .devices_mut()
                .iter_mut()
                .find(|device| device.attr_at("alias", "name") == Some(&alias));
            if let Some(found) = found {
                *found = new;
            }
            Ok(())
        })
    }
}
