//! `<graphics>`: where it listens, its ports, who may come in.
//!
//! ```text
//! each <listen> by itself ─▶ attributes `socket` and `listen` stand for the first ─▶ ports ─▶ password
//! ```

use crate::ParseFlags;
use crate::fault::{internal, invalid, unsupported};
use crate::values;
use base::Result;
use xml::Tree;

/// Streams of SPICE in the order in which they are printed.
const CHANNELS: &[&str] =
    &["main", "display", "inputs", "cursor", "playback", "record", "smartcard", "usbredir"];

/// Reads a screen: what it says together.
///
/// # Errors
/// In the reference's words.
pub(crate) fn read(graphics: &mut Tree, flags: ParseFlags) -> Result<()> {
    let kind = graphics.word("type");
    match kind.as_str() {
        "dbus" => {
            if graphics.is("p2p", "yes") && graphics.attr("address").is_some() {
                return Err(invalid("D-Bus p2p with an address is not supported"));
            }
            return Ok(());
        }
        "vnc" | "spice" | "rdp" => {}
        _ => return Ok(()),
    }
    listens(graphics, &kind)?;
    let first = graphics.child("listen").and_then(|listen| listen.attr("type")).unwrap_or_default();
    // A screen that nobody reaches over the network has no ports.
    let ported = matches!(first, "address" | "network");
    match kind.as_str() {
        "vnc" => vnc(graphics, flags)?,
        "spice" => {
            spice(graphics, flags);
            channels(graphics);
        }
        _ => rdp(graphics)?,
    }
    if !ported {
        for name in ["port", "tlsPort", "autoport", "listen"] {
            graphics.unset(name);
        }
    }
    password(graphics, &kind)?;
    if flags.inactive {
        for listen in graphics.all_mut("listen").filter(|listen| listen.is("type", "network")) {
            // The address of a network is known while the guest runs.
            listen.unset("address");
        }
    }
    Ok(())
}

/// A port as it is written; none is 0.
fn port(graphics: &Tree, kind: &str) -> Result<Option<i32>> {
    let Some(text) = graphics.attr("port") else { return Ok(None) };
    let port = values::signed(text).and_then(|port| i32::try_from(port).ok());
    Ok(Some(port.ok_or_else(|| internal(format!("cannot parse {kind} port {text}")))?))
}

fn vnc(graphics: &mut Tree, flags: ParseFlags) -> Result<()> {
    let given = port(graphics, "vnc")?;
    let auto = match graphics.attr("autoport") {
        Some("yes") => true,
        Some("no") => false,
        _ => matches!(given, None | Some(-1)),
    };
    let port = given.filter(|port| *port != -1 && !(auto && flags.inactive)).unwrap_or(0);
    match port {
        0 if auto => graphics.set("port", "-1"),
        0 => graphics.unset("port"),
        port => graphics.set("port", port.to_string()),
    }
    graphics.set("autoport", if auto { "yes" } else { "no" });
    Ok(())
}

fn spice(graphics: &mut Tree, flags: ParseFlags) {
    if graphics.is("port", "0") {
        graphics.unset("port");
    }
    let both = graphics.is("port", "-1") && graphics.is("tlsPort", "-1");
    if both {
        graphics.set("autoport", "yes");
    }
    if graphics.is("autoport", "yes") && (both || flags.inactive) {
        graphics.unset("port");
        graphics.unset("tlsPort");
    }
    graphics.default_to("autoport", "no");
}

fn rdp(graphics: &mut Tree) -> Result<()> {
    for listen in graphics.all("listen") {
        let kind = listen.attr("type").unwrap_or_default();
        if matches!(kind, "none" | "socket") {
            return Err(unsupported(format!(
                "listen type '{kind}' is not available for graphics type 'rdp'"
            )));
        }
    }
    match port(graphics, "rdp")? {
        Some(-1) | None => {
            graphics.set("port", "0");
            graphics.set("autoport", "yes");
        }
        Some(port) => graphics.set("port", port.to_string()),
    }
    if graphics.is("autoport", "yes") {
        graphics.set("port", "0");
    } else {
        graphics.unset("autoport");
    }
    Ok(())
}

/// The last word on each stream of SPICE counts, and any way is what holds anyway.
fn channels(graphics: &mut Tree) {
    let mut kept = Vec::new();
    for name in CHANNELS {
        let last = graphics.all("channel").filter(|channel| channel.is("name", name)).last();
        kept.extend(last.filter(|channel| !channel.is("mode", "any")).cloned());
    }
    graphics.remove("channel");
    graphics.children.extend(kept);
}

/// Until when a password holds, and what happens to those who are connected.
fn password(graphics: &mut Tree, kind: &str) -> Result<()> {
    if graphics.attr("passwd").is_none() {
        graphics.unset("passwdValidTo");
        graphics.unset("connected");
        return Ok(());
    }
    if let Some(text) = graphics.attr("passwdValidTo") {
        let time = time(text).ok_or_else(|| {
            internal(format!("cannot parse password validity time '{text}', expect YYYY-MM-DDTHH:MM:SS"))
        })?;
        graphics.set("passwdValidTo", time);
    }
    match graphics.attr("connected") {
        None | Some("keep") => Ok(()),
        Some("fail" | "disconnect") if kind == "vnc" => {
            Err(unsupported("VNC supports connected='keep' only"))
        }
        Some("fail" | "disconnect") => Ok(()),
        Some(word) => Err(unsupported(format!("unknown connected value {word}"))),
    }
}

/// A moment as it is printed. One that no calendar has is the first of all.
fn time(text: &str) -> Option<String> {
    let (date, clock) = text.split_once('T')?;
    let parts = |text: &str, by: char| -> Option<[u32; 3]> {
        let parts: Vec<u32> = text
            .split(by)
            .map(|part| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten())
            .collect::<Option<_>>()?;
        parts.try_into().ok()
    };
    let [year, month, day] = parts(date, '-')?;
    let [hour, minute, second] = parts(clock, ':')?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    let known = (1..=days).contains(&day) && hour < 24 && minute < 60 && second < 60 && year < 10_000;
    Some(match known {
        true => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"),
        false => "1970-01-01T00:00:00".to_owned(),
    })
}

/// The attribute `listen` (or `socket`) and the first element agree; the element is made when it is missing.
fn listens(graphics: &mut Tree, kind: &str) -> Result<()> {
    for listen in graphics.all_mut("listen") {
        for name in ["network", "socket"] {
            match listen.attr(name) {
                Some("") => listen.unset(name),
                Some(_) if !listen.is("type", name) => {
                    return Err(invalid(format!(
                        "'{name}' attribute is valid only for listen type '{name}'"
                    )));
                }
                _ => {}
            }
        }
    }
    let made = |name: &str, value: Option<String>| {
        let mut listen =
            Tree::new("listen").with("type", if name == "socket" { "socket" } else { "address" });
        if let Some(value) = value {
            listen.set(name, value);
        }
        listen
    };
    let address = graphics.attr("listen").map(str::to_owned);
    let socket = graphics.attr("socket").map(str::to_owned);
    let place = graphics.children.iter().position(|child| child.name == "listen");
    let first = place.and_then(|place| graphics.children.get_mut(place));
    match (first, socket) {
        (Some(first), Some(path)) if first.is("type", "socket") => match first.attr("socket") {
            Some(other) if other != path => {
                return Err(unsupported(format!(
                    "graphics 'socket' attribute '{path}' must match 'socket' attribute of first listen element (found '{other}')"
                )));
            }
            _ => first.set("socket", path),
        },
        (Some(first), Some(path)) if kind == "vnc" && !first.is("type", "none") => {
            *first = made("socket", Some(path));
        }
        (None, Some(path)) if kind == "vnc" => graphics.children.insert(0, made("socket", Some(path))),
        (Some(first), _) if first.is("type", "address") => {
            if let Some(address) = address {
                match first.attr("address") {
                    Some(other) if other != address => {
                        return Err(unsupported(format!(
                            "graphics 'listen' attribute '{address}' must match 'address' attribute of first listen element (found '{other}')"
                        )));
                    }
                    _ => first.set("address", address),
                }
            }
        }
        (None, _) => graphics.children.insert(0, made("address", address)),
        _ => {}
    }
    for listen in graphics.all_mut("listen") {
        if listen.is("address", "") {
            listen.unset("address");
        }
        if listen.is("type", "network") && listen.attr("network").is_none() {
            return Err(invalid("'network' attribute is required for listen type 'network'"));
        }
    }
    for name in ["listen", "socket"] {
        graphics.unset(name);
    }
    let Some(first) = graphics.child("listen") else { return Ok(()) };
    let shown = match first.attr("type") {
        Some("address") => first.attr("address").map(|address| ("listen", address.to_owned())),
        Some("socket") if kind == "vnc" => first.attr("socket").map(|path| ("socket", path.to_owned())),
        _ => None,
    };
    if let Some((name, value)) = shown {
        graphics.set(name, value);
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
