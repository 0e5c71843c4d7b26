//! Screens, how they are shown, and sound back ends.

use super::{Builder, Json, comma};
use crate::complete::unsupported;
use base::Result;
use conf_domain::Domain;
use xml::Tree;

/// Gives displays that choose their port automatically the next one.
pub fn choose_ports(domain: &mut Domain, next: &mut u32) {
    for graphics in domain.devices_mut().iter_mut().filter(|device| device.name == "graphics") {
        if graphics.is("type", "vnc") && graphics.is("autoport", "yes") {
            graphics.set("port", next.to_string());
            *next += 1;
        }
    }
}

pub(super) fn audio(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for audio in domain.all("audio") {
        let id = format!("audio{}", audio.attr("id").unwrap_or("1"));
        match audio.attr("type").unwrap_or_default() {
            driver @ ("none" | "spice" | "dbus") => {
                b.option("-audiodev", Json::new().put("id", id).put("driver", driver).text());
            }
            other => return Err(unsupported(format!("audio of type '{other}' is not supported yet"))),
        }
    }
    Ok(())
}

pub(super) fn screens(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for graphics in domain.all("graphics") {
        match graphics.attr("type").unwrap_or_default() {
            "vnc" => vnc(b, graphics)?,
            other => return Err(unsupported(format!("graphics of type '{other}' are not supported yet"))),
        }
    }
    Ok(())
}

fn vnc(b: &mut Builder<'_>, graphics: &Tree) -> Result<()> {
    let listen = graphics.child("listen");
    let mut value = match listen.and_then(|listen| listen.attr("type")).unwrap_or("address") {
        "socket" => {
            let path = listen.and_then(|listen| listen.attr("socket"));
            let own = format!("{}/vnc.sock", b.start.private_dir);
            format!("vnc=unix:{}", comma(path.unwrap_or(&own)))
        }
        "none" => "none".to_owned(),
        "network" => return Err(unsupported("listening on networks is not supported yet")),
        _ => {
            let address = listen.and_then(|listen| listen.attr("address")).unwrap_or("127.0.0.1");
            let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            let port: u32 = graphics.attr("port").and_then(|text| text.parse().ok()).unwrap_or(5900);
            if port < 5900 {
                return Err(unsupported("vnc port must be in range [5900,65535]"));
            }
            let mut value = format!("{address}:{}", port - 5900);
            if let Some(websocket) = graphics.attr("websocket") {
                value.push_str(&format!(",websocket={}", websocket.replace("-1", "on")));
            }
            value
        }
    };
    if let Some(policy) = graphics.attr("sharePolicy") {
        value.push_str(&format!(",share={policy}"));
    }
    if graphics.attr("passwd").is_some() {
        value.push_str(",password=on");
    }
    if let Some(power) = graphics.attr("powerControl") {
        value.push_str(&format!(",power-control={}", if power == "yes" { "on" } else { "off" }));
    }
    let audio = graphics.attr_at("audio", "id").unwrap_or("1");
    value.push_str(&format!(",audiodev=audio{audio}"));
    b.option("-vnc", value);
    if let Some(keymap) = graphics.attr("keymap") {
        b.option("-k", keymap.to_owned());
    }
    Ok(())
}
