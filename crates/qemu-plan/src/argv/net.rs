//! Network cards and what they are connected to.
//!
//! An interface is planned as what it comes to: one that names a network has been given the port of that network before.

use super::chardev::{self, Address, Backend, Chardev, Socket};
use super::disk::{BootOrder, own_order};
use super::piece::Piece;
use super::{Builder, Json, ability, alias_of, on_off, virtio};
use crate::complete::{Board, unsupported};
use base::Result;
use serde_json::Value;
use xml::Tree;

/// Plans network cards. Those that are devices of the host come later, with their like.
pub(super) fn interfaces(b: &mut Builder<'_>) -> Result<()> {
    let mut order = BootOrder::of(b);
    let domain = b.domain;
    for interface in domain.all("interface") {
        let boot = own_order(interface).or_else(|| order.take("network"));
        if interface.is("type", "hostdev") {
            b.host_card_boot.push(boot);
            continue;
        }
        let mut pieces = back_end(b, interface)?;
        pieces.push(card(b, interface, boot));
        b.add_all(pieces);
    }
    Ok(())
}

/// Seconds after which a lost connection to passt is made again.
const PASST_RECONNECT: u64 = 5;

/// Queues of a card; only one of the virtio family has several.
fn queues(interface: &Tree) -> u64 {
    if !is_virtio(interface) {
        return 1;
    }
    interface.attr_at("driver", "queues").and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn is_virtio(interface: &Tree) -> bool {
    let model = interface.attr_at("model", "type").unwrap_or_default();
    matches!(model, "virtio" | "virtio-transitional" | "virtio-non-transitional")
}

/// The socket of the program that connects a card to the host's network without privileges.
fn passt(b: &Builder<'_>, alias: &str) -> String {
    format!("{}/{}-{alias}.socket", b.start.settings.passt_dir, b.start.short_name)
}

/// The pieces of what a card is connected to.
fn back_end(b: &mut Builder<'_>, interface: &Tree) -> Result<Vec<Piece>> {
    let alias = alias_of(interface).to_owned();
    let id = format!("host{alias}");
    let mut pieces = Vec::new();
    let by_passt = interface.attr_at("backend", "type") == Some("passt");
    let json = match interface.attr("type").unwrap_or_default() {
        "user" if by_passt => {
            let address = Json::new().put("type", "unix").put("path", passt(b, &alias));
            let json = Json::new().put("type", "stream").put("addr", address.value()).put("server", false);
            match ability::stream_reconnect(b.caps, PASST_RECONNECT) {
                Some((name, time)) => json.put(name, time),
                None => json,
            }
        }
        "user" => user(interface),
        "bridge" | "network" | "ethernet" | "direct" => tap(b, interface, &alias)?,
        kind @ ("mcast" | "server" | "client" | "udp") => socket(interface, kind),
        "vhostuser" => {
            let name = format!("char{alias}");
            let socket = if by_passt {
                Socket::connect(&passt(b, &alias), Some(PASST_RECONNECT))
            } else {
                vhost_user(interface)
            };
            pieces.push(Piece::Chardev(Chardev::of(name.clone(), Backend::Socket(socket))));
            let json = Json::new().put("type", "vhost-user").put("chardev", name);
            json.put_opt("queues", Some(queues(interface)).filter(|queues| *queues > 1))
        }
        "vdpa" => {
            let path = match b.pass(&format!("{alias}-vdpa")) {
                Some((piece, path)) => {
                    pieces.push(piece);
                    path
                }
                None => interface.attr_at("source", "dev").unwrap_or_default().to_owned(),
            };
            let json = Json::new().put("type", "vhost-vdpa").put("vhostdev", path);
            json.put_opt("queues", Some(queues(interface)).filter(|queues| *queues > 1))
        }
        other => return Err(unsupported(format!("network device type '{other}' is not supported"))),
    };
    pieces.push(Piece::Netdev(json.put("id", id)));
    Ok(pieces)
}

/// A network of the guest's own behind the emulator.
fn user(interface: &Tree) -> Json {
    let mut json = Json::new().put("type", "user");
    for ip in interface.all("ip") {
        let address = ip.attr("address").unwrap_or_default();
        let prefix = ip.attr("prefix").and_then(|text| text.parse::<u64>().ok());
        if ip.is("family", "ipv6") || address.contains(':') {
            json = json.put("ipv6-prefix", address).put_opt("ipv6-prefixlen", prefix);
        } else {
            let net = prefix.map_or_else(|| address.to_owned(), |prefix| format!("{address}/{prefix}"));
            json = json.put("net", net);
        }
    }
    json
}

/// Descriptors under the name for one or the name for many.
fn descriptors(json: Json, one: &str, many: &str, fds: &[i32]) -> Json {
    match fds {
        [] => json,
        [fd] => json.put(one, fd.to_string()),
        fds => json.put(many, fds.iter().map(i32::to_string).collect::<Vec<_>>().join(":")),
    }
}

fn tap(b: &Builder<'_>, interface: &Tree, alias: &str) -> Result<Json> {
    let Some(fds) = b.start.tap_fds.get(alias) else {
        return Err(unsupported(format!("no tap device for interface '{alias}'")));
    };
    let json = descriptors(Json::new().put("type", "tap"), "fd", "fds", fds);
    let json = match b.start.vhost_fds.get(alias).filter(|fds| !fds.is_empty()) {
        Some(fds) => descriptors(json.put("vhost", true), "vhostfd", "vhostfds", fds),
        None => json,
    };
    let sndbuf = interface.at("tune").and_then(|tune| tune.text_of("sndbuf"));
    Ok(json.put_opt("sndbuf", sndbuf.and_then(|text| text.parse::<u64>().ok())))
}

/// Guests connected to each other by sockets.
fn socket(interface: &Tree, kind: &str) -> Json {
    let source = interface.child("source");
    let at = |element: Option<&Tree>| {
        let part = |name: &str| element.and_then(|element| element.attr(name)).unwrap_or_default();
        format!("{}:{}", part("address"), part("port"))
    };
    let json = Json::new().put("type", "socket");
    match kind {
        "mcast" => json.put("mcast", at(source)),
        "server" => json.put("listen", at(source)),
        "client" => json.put("connect", at(source)),
        _ => {
            json.put("udp", at(source)).put("localaddr", at(source.and_then(|source| source.child("local"))))
        }
    }
}

fn vhost_user(interface: &Tree) -> Socket {
    let source = interface.child("source");
    let attr = |name: &str| source.and_then(|source| source.attr(name)).unwrap_or_default();
    let server = attr("mode") == "server";
    Socket {
        address: Address::Unix(attr("path").to_owned()),
        telnet: None,
        server,
        // The other side is there before the guest runs.
        wait: server,
        reconnect: source.and_then(chardev::reconnect_of),
        tls: None,
    }
}

/// Cards that are part of a board are not devices.
fn soldered(b: &Builder<'_>, interface: &Tree) -> bool {
    let arm = matches!(crate::complete::arch(b.domain), "armv6l" | "armv7l" | "aarch64");
    let placed = matches!(interface.attr_at("address", "type"), Some("pci" | "virtio-mmio" | "usb" | "ccw"));
    arm && b.board == Board::Other && !placed
}

/// The card that the guest sees.
fn card(b: &Builder<'_>, interface: &Tree, boot: Option<u32>) -> Piece {
    let alias = alias_of(interface);
    let mac = interface.attr_at("mac", "address").unwrap_or_default().to_ascii_lowercase();
    let model = interface.attr_at("model", "type").unwrap_or("rtl8139");
    let netdev = format!("host{alias}");
    if soldered(b, interface) {
        let value = format!("nic,macaddr={mac},netdev={netdev},model={model},name={alias}");
        return Piece::Plain("-net", value);
    }
    let json = if is_virtio(interface) { virtio_card(interface) } else { Json::driver(model) };
    let json = json.put("netdev", netdev).put("id", alias).put("mac", mac).put_opt("bootindex", boot);
    let json = b.place(json.put_opt("loadparm", b.loadparm(interface)), interface);
    Piece::Device(with_rom(json, interface))
}

/// What a PCI device offers to boot from.
pub(super) fn with_rom(json: Json, device: &Tree) -> Json {
    let Some(rom) = device.child("rom") else { return json };
    let json = json.put_opt("rombar", on_off(rom.attr("bar")).map(u32::from));
    match rom.attr("file") {
        Some(file) => json.put("romfile", file),
        None if rom.is("enabled", "no") => json.put("romfile", ""),
        None => json,
    }
}

/// Work that the card takes from the guest or gives to it, with the names of the attributes.
const HOST: &[(&str, &str)] = &[
    ("csum", "csum"),
    ("gso", "gso"),
    ("tso4", "host_tso4"),
    ("tso6", "host_tso6"),
    ("ecn", "host_ecn"),
    ("ufo", "host_ufo"),
    ("mrg_rxbuf", "mrg_rxbuf"),
];
const GUEST: &[(&str, &str)] = &[
    ("csum", "guest_csum"),
    ("tso4", "guest_tso4"),
    ("tso6", "guest_tso6"),
    ("ecn", "guest_ecn"),
    ("ufo", "guest_ufo"),
];

fn virtio_card(interface: &Tree) -> Json {
    let driver = |name: &str| interface.attr_at("driver", name);
    let number =
        |name: &str| driver(name).and_then(|text| text.parse::<u64>().ok()).filter(|number| *number > 0);
    let tx = match driver("txmode") {
        Some("iothread") => Some("bh"),
        Some("timer") => Some("timer"),
        _ => None,
    };
    let mut json = virtio::device(interface, "virtio-net")
        .put_opt("tx", tx)
        .put_opt("ioeventfd", on_off(driver("ioeventfd")))
        .put_opt("event_idx", on_off(driver("event_idx")));
    for (element, names) in [("driver/host", HOST), ("driver/guest", GUEST)] {
        for (attr, member) in names {
            json = json.put_opt(member, on_off(interface.attr_at(element, attr)));
        }
    }
    let queues = queues(interface);
    if queues > 1 {
        json = json.put("mq", true);
        if interface.attr_at("address", "type") != Some("ccw") {
            // A pair of vectors for each queue, one for changes of the configuration and one for control.
            json = json.put("vectors", Value::from(queues.saturating_mul(2).saturating_add(2)));
        }
    }
    let mtu = interface.attr_at("mtu", "size").and_then(|text| text.parse::<u64>().ok());
    let backup = interface.attr_at("teaming", "type") == Some("persistent");
    json.put_opt("rx_queue_size", number("rx_queue_size"))
        .put_opt("tx_queue_size", number("tx_queue_size"))
        .put_opt("host_mtu", mtu.filter(|mtu| *mtu > 0))
        .put_true("failover", backup)
        .put_opt("rss", on_off(driver("rss")))
        .put_opt("hash", on_off(driver("rss_hash_report")))
}
