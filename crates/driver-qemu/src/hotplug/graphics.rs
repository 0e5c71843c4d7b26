//! Screens of running guests: passwords, and how long they are good.

use crate::guest::Guest;
use crate::{Driver, error};
use base::{ErrorCode, Result};
use qemu_live::matching;
use serde_json::json;
use std::sync::Arc;
use xml::Tree;

use super::update::unsupported;

/// Refuses changes of a screen other than of its password.
fn check(old: &Tree, new: &Tree, given: &Tree) -> Result<()> {
    let kind = old.attr("type").unwrap_or_default();
    if !matches!(kind, "vnc" | "spice") {
        return Err(error(
            ErrorCode::CONFIG_UNSUPPORTED,
            format!("unable to change config on '{kind}' graphics type"),
        ));
    }
    let listens = |screen: &Tree| screen.all("listen").cloned().collect::<Vec<_>>();
    let (were, are) = (listens(old), listens(new));
    if were.len() != are.len() {
        return Err(unsupported(format!(
            "cannot change the number of listen addresses on '{kind}' graphics"
        )));
    }
    for (was, is) in were.iter().zip(&are) {
        if was.attr("type") != is.attr("type") {
            return Err(unsupported(format!(
                "cannot change the type of listen address on '{kind}' graphics"
            )));
        }
        let named = |name: &str| was.attr(name) != is.attr(name) && is.attr(name).is_some();
        match was.attr("type") {
            Some("address") if named("address") => {
                return Err(unsupported(format!(
                    "cannot change listen address setting on '{kind}' graphics"
                )));
            }
            Some("network") if named("network") => {
                return Err(unsupported(format!(
                    "cannot change listen address setting on '{kind}' graphics"
                )));
            }
            Some("socket") if named("socket") => {
                return Err(unsupported(format!("cannot change listen socket setting on '{kind}' graphics")));
            }
            _ => {}
        }
    }
    let automatic = |screen: &Tree| screen.is("autoport", "yes");
    let port = automatic(old) != automatic(new) || (!automatic(new) && old.attr("port") != new.attr("port"));
    let socket = were.first().is_some_and(|listen| matches!(listen.attr("type"), Some("socket" | "none")));
    if port && !socket {
        return Err(unsupported(format!("cannot change port settings on {kind} graphics")));
    }
    if given.attr("keymap") != old.attr("keymap") {
        return Err(unsupported(format!("cannot change keymap setting on {kind} graphics")));
    }
    Ok(())
}

impl Driver {
    pub(super) fn update_graphics(&self, guest: &Arc<Guest>, given: &Tree) -> Result<()> {
        let live = guest.live()?;
        let kind = given.attr("type").unwrap_or_default().to_owned();
        let Some(at) = matching::find(&live.domain, given, given) else {
            let text = format!("cannot find existing graphics device to modify of type '{kind}'");
            return Err(error(ErrorCode::DEVICE_MISSING, text));
        };
        let old = live.domain.devices().get(at).cloned().unwrap_or_default();
        let new = self.fit_instead(&live.domain, at, given)?.device().clone();
        check(&old, &new, given)?;
        let differs =
            ["passwd", "passwdValidTo", "connected"].iter().any(|name| old.attr(name) != new.attr(name));
        if differs && let Some(password) = new.attr("passwd") {
            let mut arguments = json!({"protocol": kind, "password": password});
            if let (Some(connected), Some(map)) = (new.attr("connected"), arguments.as_object_mut()) {
                map.insert("connected".to_owned(), json!(connected));
            }
            live.command("set_password", arguments)?;
            let end = new.attr("passwdValidTo").and_then(qemu_live::moment::seconds);
            let time = end.map_or_else(|| "never".to_owned(), |seconds| seconds.to_string());
            live.command("expire_password", json!({"protocol": kind, "time": time}))?;
        }
        self.change_live(guest, |domain| {
            let screen = domain.devices_mut().iter_mut().find(|device| **device == old);
            let Some(screen) = screen else { return Ok(()) };
            for name in ["passwd", "passwdValidTo", "connected"] {
                screen.unset(name);
                if let Some(value) = new.attr(name) {
                    screen.set(name, value);
                }
            }
            Ok(())
        })
    }
}
