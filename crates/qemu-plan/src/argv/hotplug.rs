//! Pieces of one device of a running guest.

use super::piece::Piece;
use super::{
    Builder, Start, controller, disk, filesystem, hostdev, input, link, memory_device, net, platform, ports,
    rng, screen, smartcard, tpm,
};
use crate::Caps;
use crate::complete::{Board, unsupported};
use base::Result;
use conf_domain::Domain;
use serde_json::Value;
use xml::Tree;

/// Kinds of devices that are planned together.
const PORTS: [&str; 4] = ["serial", "parallel", "channel", "console"];

/// The pieces of the device of a name, in the order in which a running emulator takes them. The device is part of the
/// definition; `node` is the number of its first block node.
///
/// # Errors
/// When there is no such device, or the emulator cannot do what it asks.
pub fn pieces(domain: &Domain, caps: &Caps, start: &Start, alias: &str, node: u32) -> Result<Vec<Piece>> {
    let named = |device: &Tree| device.attr_at("alias", "name") == Some(alias);
    let device = domain.devices().iter().find(|device| named(device));
    let device = device.ok_or_else(|| unsupported(format!("no device has the name '{alias}'")))?;
    let kind = device.name.to_string();
    let host_card = kind == "interface" && device.is("type", "hostdev");
    let mut domain = domain.clone();
    // Buses are looked up among controllers, so they all stay.
    let same = |other: &Tree| {
        other.name == kind || PORTS.contains(&kind.as_str()) && PORTS.contains(&other.name.as_str())
    };
    domain.devices_mut().retain(|other| kind == "controller" || !same(other) || named(other));
    // The order in which a guest boots was settled when it was started.
    if let Some(os) = domain.tree.child_mut("os") {
        os.remove("boot");
    }
    let mut b = Builder {
        domain: &domain,
        caps,
        start,
        board: Board::of_domain(&domain),
        args: Vec::new(),
        env: Vec::new(),
        pieces: Some(Vec::new()),
        next_node: node,
        next_fdset: 0,
        host_card_boot: if host_card { vec![None] } else { Vec::new() },
    };
    match kind.as_str() {
        "disk" => disk::disks(&mut b)?,
        "controller" => controller::controllers(&mut b)?,
        "interface" if host_card => hostdev::hostdevs(&mut b)?,
        "interface" => net::interfaces(&mut b)?,
        "serial" | "parallel" | "channel" | "console" => ports::ports(&mut b)?,
        "input" => input::inputs(&mut b)?,
        "rng" => rng::rngs(&mut b)?,
        "watchdog" => platform::watchdogs(&mut b)?,
        "redirdev" => hostdev::redirected(&mut b)?,
        "hostdev" => hostdev::hostdevs(&mut b)?,
        "shmem" => link::shared_memory(&mut b)?,
        "vsock" => link::vsocks(&mut b)?,
        "memory" => memory_device::modules(&mut b)?,
        "filesystem" => filesystem::filesystems(&mut b)?,
        "smartcard" => smartcard::smartcards(&mut b)?,
        "tpm" => tpm::modules(&mut b)?,
        "graphics" => screen::screens(&mut b)?,
        other => return Err(unsupported(format!("a device '{other}' cannot be added to a running guest"))),
    }
    let mut pieces = b.pieces.unwrap_or_default();
    if kind == "controller" {
        let own = |json: &super::Json| json.get("id").and_then(Value::as_str) == Some(alias);
        pieces.retain(|piece| matches!(piece, Piece::Device(json) if own(json)));
    }
    Ok(pieces)
}
