//! Serial and parallel ports, channels and consoles: what the guest sees of character devices.

use super::piece::Piece;
use super::{Builder, Json, alias_of, chardev};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

/// Plans ports of all kinds.
pub(super) fn ports(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for serial in domain.all("serial") {
        let mut pieces = chardev::of_device(b, serial)?;
        pieces.push(self::serial(b, serial));
        b.add_all(pieces);
    }
    for parallel in domain.all("parallel") {
        let mut pieces = chardev::of_device(b, parallel)?;
        pieces.push(Piece::Device(on_chardev("isa-parallel", parallel)));
        b.add_all(pieces);
    }
    for channel in domain.all("channel") {
        let mut pieces = chardev::of_device(b, channel)?;
        pieces.push(self::channel(b, channel)?);
        b.add_all(pieces);
    }
    for console in domain.all("console") {
        let device = match console.attr_at("target", "type").unwrap_or_default() {
            // Stands for the first serial port.
            "serial" => continue,
            "virtio" => virtio_port(b, console, "virtconsole"),
            "sclp" => on_chardev("sclpconsole", console),
            "sclplm" => on_chardev("sclplmconsole", console),
            other => return Err(unsupported(format!("unsupported console target type {other}"))),
        };
        let mut pieces = chardev::of_device(b, console)?;
        pieces.push(Piece::Device(device));
        b.add_all(pieces);
    }
    Ok(())
}

/// A device on its own character device.
fn on_chardev(driver: &str, device: &Tree) -> Json {
    let alias = alias_of(device);
    Json::driver(driver).put("chardev", format!("char{alias}")).put("id", alias)
}

fn serial(b: &Builder<'_>, serial: &Tree) -> Piece {
    let model = serial.attr_at("target/model", "name").unwrap_or_default();
    let number = |element: &str, name: &str| serial.attr_at(element, name).and_then(parse);
    let json = match model {
        "isa-serial" => {
            let json = on_chardev("isa-serial", serial).put("index", number("target", "port").unwrap_or(0));
            json.put_opt("iobase", number("address", "iobase")).put_opt("irq", number("address", "irq"))
        }
        "isa-debugcon" => on_chardev("isa-debugcon", serial).put_opt("iobase", number("address", "iobase")),
        "pci-serial" | "usb-serial" | "spapr-vty" => b.place(on_chardev(model, serial), serial),
        "sclpconsole" | "sclplmconsole" => on_chardev(model, serial),
        // Built into the board.
        _ => return Piece::Plain("-serial", format!("chardev:char{}", alias_of(serial))),
    };
    Piece::Device(json)
}

/// A number, decimal or hexadecimal.
fn parse(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn channel(b: &Builder<'_>, channel: &Tree) -> Result<Piece> {
    let alias = alias_of(channel);
    match channel.attr_at("target", "type").unwrap_or_default() {
        "virtio" => {
            let named = channel.attr_at("target", "name");
            let own = (named.is_none() && channel.is("type", "spicevmc")).then_some("com.redhat.spice.0");
            let json = virtio_port(b, channel, "virtserialport");
            Ok(Piece::Device(json.put_opt("name", named.or(own))))
        }
        "guestfwd" => {
            let part = |name: &str| channel.attr_at("target", name).unwrap_or_default();
            let host = part("address");
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            let rule = format!("tcp:{host}:{}-chardev:char{alias}", part("port"));
            let rules = vec![Json::new().put("str", rule).value()];
            Ok(Piece::Netdev(Json::new().put("type", "user").put("guestfwd", rules).put("id", alias)))
        }
        other => Err(unsupported(format!("channels of type '{other}' are not supported"))),
    }
}

/// A port on a virtio-serial controller.
fn virtio_port(b: &Builder<'_>, device: &Tree, driver: &str) -> Json {
    let alias = alias_of(device);
    let mut json = Json::driver(driver);
    match device.child("address") {
        Some(address) if address.is("type", "virtio-serial") => {
            let index = address.attr("controller").unwrap_or("0");
            let controller =
                b.domain.all("controller").find(|c| c.is("type", "virtio-serial") && c.is("index", index));
            let bus = controller.map_or_else(|| format!("virtio-serial{index}"), |c| alias_of(c).to_owned());
            let number = address.attr("port").and_then(parse).unwrap_or(0);
            json = json.put("bus", format!("{bus}.{}", address.attr("bus").unwrap_or("0"))).put("nr", number);
        }
        Some(address) if address.is("type", "ccw") => json = b.place(json, device),
        _ => {}
    }
    json.put("chardev", format!("char{alias}")).put("id", alias)
}
