//! Character devices: serial and parallel ports, consoles, channels, and devices with such a back end.

use crate::ParseFlags;
use crate::fault::{attribute, invalid};
use base::Result;
use xml::{Tree, Trees, Word};

const TYPES: &[&str] = &[
    "null",
    "vc",
    "pty",
    "dev",
    "file",
    "pipe",
    "stdio",
    "udp",
    "tcp",
    "unix",
    "spicevmc",
    "spiceport",
    "nmdm",
    "qemu-vdagent",
    "dbus",
];

pub(crate) fn complete(device: &mut Tree, flags: ParseFlags) -> Result<()> {
    match device.name.as_str() {
        "serial" | "parallel" | "console" | "channel" => {
            device.default_to("type", "pty");
            let kind = device.word("type");
            if !TYPES.contains(&kind.as_str()) {
                return Err(attribute(&device.name, "type", &kind));
            }
            source(device, &kind)?;
            if let Some(port) = device.attr_at("target", "port")
                && device.name != "channel"
                && port.parse::<i32>().is_err()
            {
                return Err(invalid(format!("Invalid port number: {port}")));
            }
            target(device);
            if flags.inactive {
                hide_live(device);
            }
        }
        "redirdev" | "smartcard" => {
            let kind = device.word("type");
            source(device, &kind)?;
            if device.name == "redirdev" {
                device.default_to("bus", "usb");
            }
        }
        "rng" => {
            let Some(backend) = device.child_mut("backend") else { return Ok(()) };
            if backend.is("model", "egd") {
                let kind = backend.word("type");
                if kind.is_empty() {
                    return Err(invalid("missing EGD backend type"));
                }
                source(backend, &kind)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn source(device: &mut Tree, kind: &str) -> Result<()> {
    let many = device.all("source").count();
    if many > 1 && kind != "udp" {
        return Err(invalid("only one source element is allowed for character device"));
    }
    if device.all("protocol").count() > 1 {
        return Err(invalid("only one protocol element is allowed for character device"));
    }
    if device.all("log").count() > 1 {
        return Err(invalid("only one log element is allowed for character device"));
    }
    if kind != "tcp" {
        device.remove("protocol");
    }
    device.children.retain(|child| child.name != "log" || child.attr("file").is_some());
    match kind {
        "tcp" => {
            device.child_or_new("source").default_to("mode", "connect");
            let protocol = device.child_or_new("protocol");
            protocol.default_to("type", "raw");
            if let Some(value) = protocol.attr("type")
                && !["raw", "telnet", "telnets", "tls"].contains(&value)
            {
                return Err(attribute("protocol", "type", value));
            }
        }
        "udp" => {
            if many > 2 {
                return Err(invalid("only two source elements are allowed for character device"));
            }
            for source in device.all_mut("source") {
                source.default_to("mode", "connect");
            }
            device.children.sort_by_key(|child| child.name == "source" && child.is("mode", "connect"));
        }
        "unix" => {
            if let Some(source) = device.child_mut("source") {
                source.default_to("mode", "connect");
            }
            let generated = device.attr_at("source", "path").is_none();
            if generated && device.name == "channel" {
                device.remove("source");
            }
        }
        _ => {}
    }
    for source in device.all("source") {
        if let Some(reconnect) = source.child("reconnect")
            && reconnect.is("enabled", "yes")
            && reconnect.attr("timeout").is_none()
        {
            return Err(crate::fault::missing("reconnect", "timeout"));
        }
    }
    Ok(())
}

fn target(device: &mut Tree) {
    match device.name.as_str() {
        "serial" | "parallel" => {
            device.child_or_new("target");
        }
        "console" => {
            device.child_or_new("target").default_to("port", "0");
        }
        _ => {}
    }
}

/// Numbers ports that have no number: one more than the highest.
pub(crate) fn number(devices: &mut [Tree]) {
    for kind in ["serial", "parallel"] {
        let port = |device: &Tree| device.attr_at("target", "port").and_then(|port| port.parse::<u32>().ok());
        let mut next = devices
            .iter()
            .filter(|device| device.name == kind)
            .filter_map(port)
            .max()
            .map_or(0, |port| port + 1);
        for device in devices.iter_mut().filter(|device| device.name == kind) {
            if device.attr_at("target", "port").is_none() {
                device.child_or_new("target").set("port", next.to_string());
                next += 1;
            }
        }
    }
    for (port, device) in devices.iter_mut().filter(|device| device.name == "console").enumerate() {
        device.child_or_new("target").set("port", port.to_string());
    }
}

/// Makes the first serial port the first console and the other way round.
pub(crate) fn consoles(devices: &mut Trees) {
    let first_console = devices.iter().position(|device| device.name == "console");
    let first_serial = devices.iter().position(|device| device.name == "serial");
    let is_serial = |console: &Tree| matches!(console.attr_at("target", "type"), None | Some("serial"));
    match (first_console, first_serial) {
        (Some(at), None) if is_serial(&devices[at]) => {
            // A console alone stands for the serial port it is on.
            let mut serial = devices[at].clone();
            serial.name = "serial".into();
            serial.unset("tty");
            serial.remove("target");
            serial.children.push(Tree::new("target").with("port", "0"));
            devices.push(serial);
            devices[at].child_or_new("target").set("type", "serial");
            mirror(devices);
        }
        (Some(at), Some(_)) if is_serial(&devices[at]) => {
            devices[at].child_or_new("target").set("type", "serial");
            mirror(devices);
        }
        // A port on a PCI or USB adapter, or for debugging, is no console.
        (console, Some(at))
            if !matches!(port_kind(&devices[at]), "pci-serial" | "usb-serial" | "isa-debug") =>
        {
            for device in devices.iter_mut().filter(|device| device.name == "console") {
                let target = device.child_or_new("target");
                let port = target.attr("port").and_then(|port| port.parse::<u32>().ok()).unwrap_or(0);
                target.set("port", (port + 1).to_string());
            }
            let new =
                Tree::new("console").holding(Tree::new("target").with("type", "serial").with("port", "0"));
            devices.insert(console.unwrap_or(devices.len()), new);
            mirror(devices);
        }
        _ => {}
    }
}

fn port_kind(serial: &Tree) -> &str {
    serial.attr_at("target", "type").unwrap_or_default()
}

/// Card readers get the next free slots of the first controller.
pub(crate) fn card_readers(devices: &mut [Tree]) {
    let slot = |device: &Tree| device.attr_at("address", "slot").and_then(|slot| slot.parse::<u32>().ok());
    let mut taken: Vec<u32> =
        devices.iter().filter(|device| device.name == "smartcard").filter_map(slot).collect();
    for card in devices.iter_mut().filter(|device| device.name == "smartcard") {
        if card.child("address").is_none() {
            let free = (0..).find(|slot| !taken.contains(slot)).unwrap_or_default();
            taken.push(free);
            let address = Tree::new("address").with("type", "ccid").with("controller", "0");
            card.children.push(address.with("slot", free.to_string()));
        }
    }
}

/// The first console shows what its serial port is connected to.
pub(crate) fn mirror(devices: &mut [Tree]) {
    let Some(serial) = devices.iter().find(|device| device.name == "serial").cloned() else { return };
    let Some(console) = devices.iter_mut().find(|device| device.name == "console") else { return };
    if console.attr_at("target", "type").is_none_or(|kind| kind != "serial") {
        return;
    }
    let port = Word::from(serial.attr_at("target", "port").unwrap_or("0"));
    *console = serial;
    console.name = "console".into();
    console.children.retain(|child| child.name != "target");
    console.children.push(Tree::new("target").with("type", "serial").with("port", port));
    let path = console.attr_at("source", "path").filter(|_| console.is("type", "pty")).map(str::to_owned);
    if let Some(path) = path {
        console.set("tty", path);
    }
}

/// A pty has a name only while the guest runs, and a channel a state.
pub(crate) fn hide_live(device: &mut Tree) {
    if device.is("type", "pty") {
        device.remove("source");
    }
    device.unset("tty");
    if device.name == "channel"
        && let Some(target) = device.child_mut("target")
    {
        target.unset("state");
    }
}
