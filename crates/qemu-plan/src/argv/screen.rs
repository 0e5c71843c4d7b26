//! How a guest's screen is shown: VNC, SPICE, a window, a bus.

use super::piece::Piece;
use super::{Builder, comma, on_off, sound};
use crate::complete::unsupported;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use xml::Tree;

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortUse {
    /// VNC.
    Vnc,
    /// SPICE in the clear.
    Spice,
    /// SPICE with TLS.
    SpiceTls,
}

/// Gives displays that choose their ports automatically what `next` hands out.
///
/// # Errors
/// Those of `next`, and when SPICE shall use TLS but may not.
pub fn choose_ports(
    domain: &mut Domain,
    spice_tls: bool,
    next: &mut dyn FnMut(PortUse) -> Result<u32>,
) -> Result<()> {
    for graphics in domain.devices_mut().iter_mut().filter(|device| device.name == "graphics") {
        match graphics.attr("type") {
            Some("vnc") if graphics.is("autoport", "yes") && listens_on_address(graphics) => {
                let port = next(PortUse::Vnc)?;
                graphics.set("port", port.to_string());
            }
            Some("spice") if listens_on_address(graphics) => spice_ports(graphics, spice_tls, next)?,
            _ => {}
        }
    }
    Ok(())
}

fn listens_on_address(graphics: &Tree) -> bool {
    let kind = graphics.attr_at("listen", "type").unwrap_or("address");
    matches!(kind, "address" | "network")
}

/// Which of SPICE's ports the channels need.
fn spice_ports(
    graphics: &mut Tree,
    may_tls: bool,
    next: &mut dyn FnMut(PortUse) -> Result<u32>,
) -> Result<()> {
    let (mut plain, mut tls) = (graphics.is("port", "-1"), graphics.is("tlsPort", "-1"));
    if graphics.is("autoport", "yes") {
        let channels = graphics.all("channel").filter_map(|channel| channel.attr("mode"));
        let modes = channels.chain(graphics.attr("defaultMode").or(Some("any")));
        for mode in modes {
            match mode {
                "secure" => tls = true,
                "insecure" => plain = true,
                _ => {}
            }
        }
        if graphics.attr("defaultMode").is_none_or(|mode| mode == "any") {
            plain = true;
            tls |= may_tls;
        }
    }
    if plain {
        let port = next(PortUse::Spice)?;
        graphics.set("port", port.to_string());
    }
    if tls {
        if !may_tls {
            return Err(unsupported(
                "Auto allocation of spice TLS port requested but spice TLS is disabled in qemu.conf",
            ));
        }
        let port = next(PortUse::SpiceTls)?;
        graphics.set("tlsPort", port.to_string());
    }
    Ok(())
}

/// Plans screens.
pub(super) fn screens(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for graphics in domain.all("graphics") {
        match graphics.attr("type").unwrap_or_default() {
            "vnc" => vnc(b, graphics)?,
            "spice" => spice(b, graphics)?,
            "sdl" => sdl(b, graphics),
            "egl-headless" => {
                let node = graphics.attr_at("gl", "rendernode").or(b.start.render_node.as_deref());
                let node = node.map(|node| format!(",rendernode={}", comma(node))).unwrap_or_default();
                b.option("-display", format!("egl-headless{node}"));
            }
            "dbus" => dbus(b, graphics),
            // Served by a program that is a client of the bus.
            "rdp" => {}
            other => {
                return Err(Error::new(
                    ErrorCode::CONFIG_UNSUPPORTED,
                    ErrorDomain::QEMU,
                    format!("unsupported graphics type '{other}'"),
                ));
            }
        }
    }
    Ok(())
}

/// Where a screen is shown.
enum Listen {
    Socket(String),
    Address(String),
    Nowhere,
}

fn listen(b: &Builder<'_>, graphics: &Tree, program: &str, auto: bool, usual: &str) -> Listen {
    let element = graphics.child("listen");
    let attr = |name: &str| element.and_then(|element| element.attr(name));
    let own = || format!("{}/{program}.sock", b.start.private_dir);
    match attr("type").unwrap_or("address") {
        "socket" => Listen::Socket(attr("socket").map_or_else(own, str::to_owned)),
        "none" => Listen::Nowhere,
        _ => match attr("address") {
            Some(address) => Listen::Address(address.to_owned()),
            None if auto => Listen::Socket(own()),
            None => Listen::Address(usual.to_owned()),
        },
    }
}

fn vnc(b: &mut Builder<'_>, graphics: &Tree) -> Result<()> {
    let settings = &b.start.settings;
    let mut value = match listen(b, graphics, "vnc", settings.vnc_auto_socket, &settings.vnc_listen) {
        Listen::Socket(path) => format!("vnc=unix:{}", comma(&path)),
        Listen::Nowhere => "none".to_owned(),
        Listen::Address(address) => {
            let address = if address.contains(':') { format!("[{address}]") } else { address };
            let port: u32 = graphics.attr("port").and_then(|text| text.parse().ok()).unwrap_or(5900);
            let Some(screen) = port.checked_sub(5900) else {
                return Err(unsupported("vnc port must be in range [5900,65535]"));
            };
            let websocket = graphics.attr("websocket").map(|port| match port {
                "-1" => ",websocket=on".to_owned(),
                port => format!(",websocket={port}"),
            });
            format!("{address}:{screen}{}", websocket.unwrap_or_default())
        }
    };
    if let Some(policy) = graphics.attr("sharePolicy") {
        value.push_str(&format!(",share={policy}"));
    }
    if graphics.attr("passwd").is_some() || settings.vnc_password {
        value.push_str(",password=on");
    }
    if settings.vnc_tls.on {
        let id = "vnc-tls-creds0";
        let vault = b.start.vault.as_ref();
        let objects =
            settings.vnc_tls.objects(id, "vnc-tls-creds0-secret0", true, vault, &b.start.secrets)?;
        b.add_all(objects);
        value.push_str(&format!(",tls-creds={id}"));
    }
    if let Some(folder) = &settings.vnc_sasl {
        value.push_str(",sasl=on");
        b.set_env("SASL_CONF_PATH", folder);
    }
    if let Some(power) = on_off(graphics.attr("powerControl")) {
        value.push_str(if power { ",power-control=on" } else { ",power-control=off" });
    }
    if let Some(audio) = sound::back_end(b, graphics) {
        value.push_str(&format!(",audiodev={audio}"));
    }
    b.option("-vnc", value);
    if let Some(keymap) = graphics.attr("keymap") {
        b.option("-k", keymap.to_owned());
    }
    Ok(())
}

fn port(graphics: &Tree, name: &str) -> Option<u32> {
    graphics.attr(name).and_then(|text| text.parse().ok()).filter(|port| *port > 0)
}

fn spice(b: &mut Builder<'_>, graphics: &Tree) -> Result<()> {
    let settings = &b.start.settings;
    let mut words: Vec<String> = Vec::new();
    let mut tls = false;
    match listen(b, graphics, "spice", settings.spice_auto_socket, &settings.spice_listen) {
        Listen::Socket(path) => {
            words.push("unix=on".to_owned());
            words.push(format!("addr={}", comma(&path)));
        }
        // One of the ports has to be said, even if it is none.
        Listen::Nowhere => words.push("port=0".to_owned()),
        Listen::Address(address) => {
            let plain = port(graphics, "port");
            let secure = port(graphics, "tlsPort");
            tls = secure.is_some();
            if tls && !settings.spice_tls.on {
                return Err(unsupported(
                    "spice TLS port set in XML configuration, but TLS is disabled in qemu.conf",
                ));
            }
            words.extend(plain.map(|port| format!("port={port}")));
            words.extend(secure.map(|port| format!("tls-port={port}")));
            if plain.is_some() || tls {
                words.push(format!("addr={}", comma(&address)));
            }
        }
    }
    if let Some(folder) = &settings.spice_sasl {
        words.push("sasl=on".to_owned());
        b.set_env("SASL_CONF_PATH", folder);
    }
    match graphics.attr_at("mouse", "mode") {
        Some("server") => words.push("agent-mouse=off".to_owned()),
        Some("client") => words.push("agent-mouse=on".to_owned()),
        _ => {}
    }
    if graphics.attr("passwd").is_none() && !settings.spice_password {
        words.push("disable-ticketing=on".to_owned());
    }
    if tls {
        words.push(format!("x509-dir={}", comma(&settings.spice_tls.dir)));
    }
    channels(graphics, &mut words);
    let told = |words: &mut Vec<String>, path: &str, name: &str, option: &str| {
        words.extend(graphics.attr_at(path, name).map(|value| format!("{option}={value}")));
    };
    told(&mut words, "image", "compression", "image-compression");
    told(&mut words, "jpeg", "compression", "jpeg-wan-compression");
    told(&mut words, "zlib", "compression", "zlib-glz-wan-compression");
    told(&mut words, "playback", "compression", "playback-compression");
    told(&mut words, "streaming", "mode", "streaming-video");
    if graphics.attr_at("clipboard", "copypaste") == Some("no") {
        words.push("disable-copy-paste=on".to_owned());
    }
    if graphics.attr_at("filetransfer", "enable") == Some("no") {
        words.push("disable-agent-file-xfer=on".to_owned());
    }
    if graphics.attr_at("gl", "enable") == Some("yes") {
        words.push("gl=on".to_owned());
        let node = graphics.attr_at("gl", "rendernode").or(b.start.render_node.as_deref());
        words.extend(node.map(|node| format!("rendernode={}", comma(node))));
    }
    words.push("seamless-migration=on".to_owned());
    b.option("-spice", words.join(","));
    if let Some(keymap) = graphics.attr("keymap") {
        b.option("-k", keymap.to_owned());
    }
    Ok(())
}

/// Channels that must or must not be encrypted.
fn channels(graphics: &Tree, words: &mut Vec<String>) {
    let mut put = |name: &str, mode: Option<&str>| match mode {
        Some("secure") => words.push(format!("tls-channel={name}")),
        Some("insecure") => words.push(format!("plaintext-channel={name}")),
        _ => {}
    };
    put("default", graphics.attr("defaultMode"));
    const ORDER: &[&str] =
        &["main", "display", "inputs", "cursor", "playback", "record", "smartcard", "usbredir"];
    for name in ORDER {
        let channel = graphics.all("channel").find(|channel| channel.is("name", name));
        put(name, channel.and_then(|channel| channel.attr("mode")));
    }
}

fn sdl(b: &mut Builder<'_>, graphics: &Tree) {
    if let Some(file) = graphics.attr("xauth") {
        b.set_env("XAUTHORITY", file);
    }
    if let Some(display) = graphics.attr("display") {
        b.set_env("DISPLAY", display);
    }
    if graphics.is("fullscreen", "yes") {
        b.flag("-full-screen");
    }
    let gl = match on_off(graphics.attr_at("gl", "enable")) {
        Some(true) => ",gl=on",
        Some(false) => ",gl=off",
        None => "",
    };
    b.option("-display", format!("sdl{gl}"));
}

fn dbus(b: &mut Builder<'_>, graphics: &Tree) {
    let mut words = vec!["dbus".to_owned()];
    if graphics.is("p2p", "yes") {
        words.push("p2p=on".to_owned());
    } else {
        let (folder, short) = (&b.start.settings.dbus_dir, &b.start.short_name);
        let own = format!("unix:path={folder}/{short}-dbus.sock");
        words.push(format!("addr={}", comma(graphics.attr("address").unwrap_or(&own))));
    }
    if let Some(gl) = on_off(graphics.attr_at("gl", "enable")) {
        words.push(if gl { "gl=on" } else { "gl=off" }.to_owned());
        let node = graphics.attr_at("gl", "rendernode").or(b.start.render_node.as_deref());
        words.extend(node.filter(|_| gl).map(|node| format!("rendernode={}", comma(node))));
    }
    if graphics.child("audio").is_some() {
        words.extend(sound::back_end(b, graphics).map(|audio| format!("audiodev={audio}")));
    }
    b.add(Piece::Plain("-display", words.join(",")));
}
