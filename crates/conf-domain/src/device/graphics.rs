//! `<graphics>`: ports and where it listens.

use crate::ParseFlags;
use crate::fault::{attribute, internal, invalid, unsupported};
use base::Result;
use xml::Tree;

const TYPES: &[&str] = &["sdl", "vnc", "rdp", "desktop", "spice", "egl-headless", "dbus"];

pub(crate) fn complete(graphics: &mut Tree, flags: ParseFlags) -> Result<()> {
    let kind = graphics.attr("type").unwrap_or_default().to_owned();
    if !TYPES.contains(&kind.as_str()) {
        return Err(attribute("graphics", "type", &kind));
    }
    if !matches!(kind.as_str(), "vnc" | "spice" | "rdp") {
        return Ok(());
    }
    if graphics.attr("passwd").is_none() {
        graphics.unset("passwdValidTo");
        graphics.unset("connected");
    }
    for name in ["replaceUser", "multiUser"] {
        if graphics.attr(name).is_some_and(|value| value != "yes") {
            graphics.unset(name);
        }
    }
    if let Some(value) = graphics.attr("autoport").filter(|value| !matches!(*value, "yes" | "no"))
        && kind == "spice"
    {
        return Err(attribute("graphics", "autoport", value));
    }
    if matches!(kind.as_str(), "vnc" | "rdp")
        && let Some(port) = graphics.attr("port").filter(|port| port.parse::<i32>().is_err())
    {
        return Err(internal(format!("cannot parse {kind} port {port}")));
    }
    let connected = graphics.attr("connected").is_some_and(|connected| connected != "keep");
    if kind == "vnc" && connected && graphics.attr("passwd").is_some() {
        return Err(unsupported("VNC supports connected='keep' only"));
    }
    listens(graphics, &kind)?;
    let socket =
        graphics.child("listen").is_some_and(|listen| matches!(listen.attr("type"), Some("socket" | "none")));
    if kind == "vnc" {
        if graphics.is("autoport", "yes")
            || graphics.is("port", "-1")
            || graphics.attr("port").is_none() && !socket
        {
            if graphics.is("autoport", "no") {
                graphics.unset("port");
            } else if !socket {
                if flags.inactive || graphics.attr("port").is_none() {
                    graphics.set("port", "-1");
                }
                graphics.set("autoport", "yes");
            }
        } else if !socket {
            graphics.default_to("autoport", "no");
        }
        if socket {
            graphics.unset("port");
            graphics.unset("autoport");
        }
    } else if kind == "rdp" && graphics.is("autoport", "yes") {
        graphics.set("port", "0");
    } else if kind == "spice" {
        if graphics.is("autoport", "yes") && flags.inactive {
            graphics.unset("port");
            graphics.unset("tlsPort");
        }
        without_ports(graphics);
    } else if kind == "rdp" {
        if graphics.attr("port").is_none() {
            graphics.set("port", "0");
            graphics.set("autoport", "yes");
        }
        if graphics.is("autoport", "no") {
            graphics.unset("autoport");
        }
    }
    if flags.inactive {
        for listen in graphics.all_mut("listen").filter(|listen| listen.is("type", "network")) {
            // The address of a network is known while the guest runs.
            listen.unset("address");
        }
    }
    Ok(())
}

/// SPICE without any port is for a client that is given a socket.
fn without_ports(graphics: &mut Tree) {
    let portless = graphics.attr("port").is_none() && graphics.attr("tlsPort").is_none();
    if !portless || graphics.is("autoport", "yes") {
        graphics.default_to("autoport", "no");
        return;
    }
    let address = graphics.child("listen").is_some_and(|listen| listen.is("type", "address"));
    if let Some(listen) = graphics.child_mut("listen").filter(|_| address) {
        listen.attrs.clear();
        listen.set("type", "none");
    }
    match graphics.child("listen").and_then(|listen| listen.attr("type")) {
        Some("none") => {
            graphics.unset("autoport");
            graphics.unset("listen");
        }
        Some("socket") => {}
        _ => graphics.default_to("autoport", "no"),
    }
}

/// The attribute `listen` (or `socket`) and the element of the same meaning agree; the element is made when it is missing.
fn listens(graphics: &mut Tree, kind: &str) -> Result<()> {
    for listen in graphics.all("listen") {
        match listen.attr("type") {
            Some("address" | "network" | "socket" | "none") => {}
            Some(other) => return Err(attribute("listen", "type", other)),
            None => return Err(crate::fault::missing("listen", "type")),
        }
        if listen.is("type", "network") && listen.attr("network").is_none() {
            return Err(invalid("'network' attribute is required for listen type 'network'"));
        }
    }
    if let Some(path) = graphics.attr("socket").map(str::to_owned) {
        match graphics.child("listen").and_then(|listen| listen.attr("socket")) {
            Some(other) if other != path => {
                return Err(unsupported(format!(
                    "graphics 'socket' attribute '{path}' must match 'socket' attribute of first listen element (found '{other}')"
                )));
            }
            Some(_) => {}
            None => {
                graphics.remove("listen");
                graphics.children.insert(0, Tree::new("listen").with("type", "socket").with("socket", path));
            }
        }
        graphics.unset("listen");
        return Ok(());
    }
    let address = graphics.attr("listen").map(str::to_owned);
    match graphics.child_mut("listen") {
        None => {
            let mut listen = Tree::new("listen").with("type", "address");
            if let Some(address) = &address {
                listen.set("address", address.clone());
            }
            graphics.children.insert(0, listen);
        }
        Some(listen) => {
            if let Some(address) = &address {
                match listen.attr("address").map(str::to_owned) {
                    Some(other) if listen.is("type", "address") && other != *address => {
                        return Err(unsupported(format!(
                            "graphics 'listen' attribute '{address}' must match 'address' attribute of first listen element (found '{other}')"
                        )));
                    }
                    None if listen.is("type", "address") => listen.set("address", address.clone()),
                    _ => {}
                }
            }
            if listen.is("type", "socket")
                && let Some(path) = listen.attr("socket").map(str::to_owned)
                && kind == "vnc"
            {
                graphics.set("socket", path);
            }
        }
    }
    let first = graphics.child("listen");
    let shown = first.filter(|listen| listen.is("type", "address")).and_then(|listen| listen.attr("address"));
    match shown.map(str::to_owned) {
        Some(address) => graphics.set("listen", address),
        None => graphics.unset("listen"),
    }
    Ok(())
}

pub(crate) fn hide_live(graphics: &mut Tree) {
    if graphics.is("autoport", "yes") {
        if graphics.is("type", "vnc") {
            graphics.set("port", "-1");
        } else if graphics.is("type", "rdp") {
            graphics.set("port", "0");
        } else {
            graphics.unset("port");
            graphics.unset("tlsPort");
        }
    }
}
