//! Ports of virtio-serial and USB, units of SCSI, slots of memory: addresses below a controller.

use super::controllers::{controller, insert};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use conf_domain::device::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use xml::Tree;

fn field(device: &Tree, name: &str) -> Option<u32> {
    device.attr_at("address", name).and_then(|text| text.parse().ok())
}

/// Ports of a virtio-serial controller that does not say how many it has.
const SERIAL_PORTS: u32 = 31;

/// Gives channels their ports: the first controller with room, from port 1 on. Port 0 is for the first console.
pub(super) fn serial(domain: &mut Domain) {
    let is_channel =
        |device: &Tree| device.name == "channel" && device.attr_at("target", "type") == Some("virtio");
    let on_serial = |device: &Tree| device.attr_at("address", "type") == Some("virtio-serial");
    let mut taken: BTreeSet<(u32, u32)> = domain
        .devices()
        .iter()
        .filter(|device| on_serial(device) && matches!(device.name.as_str(), "channel" | "console"))
        .filter_map(|device| Some((field(device, "controller").unwrap_or(0), field(device, "port")?)))
        .filter(|(_, port)| *port != 0)
        .collect();
    let ports = |domain: &Domain| -> BTreeMap<u32, u32> {
        domain
            .all("controller")
            .filter(|controller| controller.is("type", "virtio-serial"))
            .filter_map(|controller| {
                let count =
                    controller.attr("ports").and_then(|text| text.parse().ok()).unwrap_or(SERIAL_PORTS);
                Some((controller.attr("index")?.parse().ok()?, count))
            })
            .collect()
    };
    for at in 0..domain.devices().len() {
        let device = &domain.devices()[at];
        if !is_channel(device)
            || device.child("address").is_some_and(|address| {
                let asked = address.is("type", "pci") && address.attrs.len() == 1;
                !asked && !address.is("type", "virtio-serial")
            })
            || field(device, "port").is_some_and(|port| port != 0)
        {
            continue;
        }
        let asked = field(device, "controller").filter(|_| on_serial(device));
        let known = ports(domain);
        let free = |controller: u32, count: u32| {
            (1..count).find(|port| !taken.contains(&(controller, *port))).map(|port| (controller, port))
        };
        let found = match asked {
            Some(asked) => known.get(&asked).and_then(|count| free(asked, *count)),
            None => known.iter().find_map(|(index, count)| free(*index, *count)),
        };
        let mut at = at;
        let (index, port) = found.unwrap_or_else(|| {
            let index = known.keys().max().map_or(0, |highest| highest + 1);
            insert(domain.devices_mut(), controller("virtio-serial", index));
            let place = domain.devices().iter().position(|device| {
                device.name == "controller"
                    && device.is("type", "virtio-serial")
                    && device.is("index", &index.to_string())
            });
            // A controller that went in before the channel moves it.
            if place.is_some_and(|place| place <= at) {
                at += 1;
            }
            (index, 1)
        });
        taken.insert((index, port));
        domain.devices_mut()[at].child_or_new("address").attrs.set_all(&[
            ("type", "virtio-serial"),
            ("controller", Decimal::of(index).as_str()),
            ("bus", "0"),
            ("port", Decimal::of(port).as_str()),
        ]);
    }
}

/// Memory modules get the lowest free slots.
///
/// # Errors
/// When there are fewer slots than modules.
pub(super) fn memory(domain: &mut Domain) -> Result<()> {
    let slots =
        domain.tree.attr_at("maxMemory", "slots").and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    let mut taken: BTreeSet<u32> = domain
        .all("memory")
        .filter(|device| device.attr_at("address", "type") == Some("dimm"))
        .filter_map(|device| field(device, "slot"))
        .collect();
    let plugged = domain.tree.child("maxMemory").is_some();
    for device in domain.devices_mut().iter_mut().filter(|device| device.name == "memory") {
        if !plugged || !matches!(device.attr("model"), Some("dimm" | "nvdimm")) {
            continue;
        }
        if device.attr_at("address", "slot").is_some() {
            continue;
        }
        let slot = (0..slots)
            .find(|slot| !taken.contains(slot))
            .ok_or_else(|| Error::internal(ErrorDomain::QEMU, "failed to find an empty memory slot"))?;
        taken.insert(slot);
        device.remove("address");
        let address = device.child_or_new("address");
        address.set("type", "dimm");
        address.set("slot", slot.to_string());
    }
    Ok(())
}

/// Ports of a USB controller.
fn usb_ports(controller: &Tree) -> u32 {
    let asked = controller.attr("ports").and_then(|text| text.parse().ok());
    match controller.attr("model").unwrap_or_default() {
        "none" => 0,
        "piix3-uhci" | "piix4-uhci" | "vt82c686b-uhci" => 2,
        "ehci" | "ich9-ehci1" => 6,
        // Companions share the ports of their master.
        "ich9-uhci1" | "ich9-uhci2" | "ich9-uhci3" => 0,
        "nec-xhci" | "qemu-xhci" => asked.unwrap_or(4),
        "pci-ohci" => 3,
        "qusb1" | "qusb2" => asked.unwrap_or(8),
        _ => 2,
    }
}

const HUB_PORTS: u32 = 8;

/// Whether a device sits on a USB bus.
pub(super) fn on_usb(device: &Tree) -> bool {
    match device.name.as_str() {
        "input" => device.is("bus", "usb"),
        "disk" => device.attr_at("target", "bus") == Some("usb"),
        "redirdev" => device.attr("bus").unwrap_or("usb") == "usb",
        "hub" => device.is("type", "usb"),
        "sound" => device.is("model", "usb"),
        "hostdev" => device.is("mode", "subsystem") && device.is("type", "usb"),
        "serial" => device.attr_at("target", "type") == Some("usb-serial"),
        "interface" if device.is("type", "hostdev") => {
            device.attr_at("source/address", "type") == Some("usb")
        }
        "interface" => device.attr_at("model", "type") == Some("usb-net"),
        "filesystem" => device.attr_at("driver", "type") == Some("mtp"),
        "watchdog" | "smartcard" => false,
        "controller" => device.is("type", "ccid"),
        _ => false,
    }
}

/// Kinds of devices in the order in which they get ports.
const USB_ORDER: &[&str] = &[
    "hub",
    "disk",
    "filesystem",
    "interface",
    "sound",
    "hostdev",
    "controller",
    "serial",
    "input",
    "redirdev",
];

/// Ports that are taken, by bus and path of hubs.
type Taken = BTreeMap<(u32, String), BTreeSet<u32>>;

fn take(taken: &mut Taken, bus: u32, port: &str) {
    let (path, last) = port.rsplit_once('.').unwrap_or(("", port));
    if let Ok(number) = last.parse() {
        taken.entry((bus, path.to_owned())).or_default().insert(number);
    }
}

/// Refuses a place on a bus or at a port that is not there.
fn usb_place(device: &Tree, buses: &BTreeMap<u32, u32>) -> Result<()> {
    let refused = |text: String| Err(refused(text));
    let elsewhere =
        device.attr_at("address", "type").is_some_and(|kind| !matches!(kind, "usb" | "unassigned"));
    // Of a disk it is told when all devices have their places.
    if elsewhere && !matches!(device.name.as_str(), "hub" | "disk") {
        return refused("Invalid address for a USB device".to_owned());
    }
    let port = device.attr_at("address", "port").filter(|port| *port != "0");
    match field(device, "bus") {
        Some(bus) if !buses.contains_key(&bus) => {
            return refused(match port {
                Some(_) => format!("Missing USB bus {bus}"),
                None => format!("USB bus {bus} requested but no controller with that index is present"),
            });
        }
        Some(bus) => {
            let first = port.and_then(|port| port.split('.').next()?.parse::<u32>().ok());
            if let (Some(port), Some(first)) = (port, first)
                && buses.get(&bus).is_some_and(|ports| first > *ports)
            {
                return refused(format!("requested USB port {port} not present on USB bus {bus}"));
            }
        }
        None => {}
    }
    Ok(())
}

/// Each port of a USB bus has room for one device, and hubs are where ports say so.
///
/// # Errors
/// With the first port that is not there or taken.
pub(super) fn usb_taken(domain: &Domain) -> Result<()> {
    let placed = |device: &Tree| device.attr_at("address", "type") == Some("usb");
    if !domain.devices().iter().any(placed) {
        return Ok(());
    }
    let hubs: Vec<(&str, &str)> = domain.all("hub").filter(|hub| on_usb(hub)).filter_map(usb_port).collect();
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for hub in &hubs {
        hubs_on_the_way(&hubs, *hub)?;
        if !seen.insert(*hub) {
            let (bus, port) = hub;
            return Err(refused(format!("Duplicate USB hub on bus {bus} port {port}")));
        }
    }
    seen.clear();
    for place in domain.devices().iter().filter(|device| on_usb(device)).filter_map(usb_port) {
        hubs_on_the_way(&hubs, place)?;
        if !seen.insert(place) {
            let (bus, port) = place;
            return Err(refused(format!("Duplicate USB address bus {bus} port {port}")));
        }
    }
    Ok(())
}

/// Bus and port that a device asks for.
fn usb_port(device: &Tree) -> Option<(&str, &str)> {
    let address = device.child("address").filter(|address| address.is("type", "usb"))?;
    Some((address.attr("bus").unwrap_or("0"), address.attr("port")?))
}

fn hubs_on_the_way(hubs: &[(&str, &str)], (bus, port): (&str, &str)) -> Result<()> {
    let missing = port
        .match_indices('.')
        .filter_map(|(end, _)| port.get(..end))
        .find(|path| !hubs.contains(&(bus, *path)));
    match missing {
        None => Ok(()),
        Some(path) => {
            let step = path.rsplit('.').next().unwrap_or_default();
            Err(refused(format!("there is no hub at port {step} in USB address bus: {bus} port: {port}")))
        }
    }
}

fn refused(text: String) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::DOMAIN, text)
}

/// Gives USB devices their ports; hubs are added when there are more devices than ports.
///
/// Devices are served kind by kind, hubs first, each at the first free port of the lowest bus, of the controller first and then of hubs.
///
/// # Errors
/// When a device asks for a bus that is not there.
pub(super) fn usb(domain: &mut Domain) -> Result<()> {
    let mut seen = BTreeSet::new();
    for controller in domain.all("controller").filter(|controller| controller.is("type", "usb")) {
        if let Some(index) = controller.attr("index")
            && usb_ports(controller) > 0
            && !seen.insert(index)
        {
            return Err(refused(format!("Duplicate USB controllers with index {index}")));
        }
    }
    let buses: BTreeMap<u32, u32> = domain
        .all("controller")
        .filter(|controller| controller.is("type", "usb"))
        .filter_map(|controller| Some((controller.attr("index")?.parse().ok()?, usb_ports(controller))))
        .filter(|(_, ports)| *ports > 0)
        .collect();
    if buses.is_empty() {
        return Ok(());
    }
    let own = |domain: &Domain| -> Vec<usize> {
        domain.devices().iter().enumerate().filter(|(_, device)| on_usb(device)).map(|(at, _)| at).collect()
    };
    let mut sitting = own(domain);
    if sitting.is_empty() {
        return Ok(());
    }
    for device in sitting.iter().filter_map(|at| domain.devices().get(*at)) {
        usb_place(device, &buses)?;
    }
    let count = sitting.len() as u32;
    let hubs = domain.all("hub").count() as u32;
    let available = buses.values().sum::<u32>() + hubs * HUB_PORTS;
    if count > available {
        let more = (count - available + 1).div_ceil(HUB_PORTS - 1);
        for _ in 0..more {
            domain.devices_mut().push(Tree::new("hub").with("type", "usb"));
        }
        sitting = own(domain);
    }
    let mut taken = Taken::new();
    let mut paths: BTreeSet<(u32, String)> = buses.keys().map(|bus| (*bus, String::new())).collect();
    for device in sitting.iter().filter_map(|at| domain.devices().get(*at)) {
        if let Some(port) = device.attr_at("address", "port").filter(|port| *port != "0") {
            let bus = field(device, "bus").unwrap_or(0);
            take(&mut taken, bus, port);
            if device.name == "hub" {
                paths.insert((bus, port.to_owned()));
            }
        }
    }
    let kind = |device: &Tree| USB_ORDER.iter().position(|kind| device.name == *kind);
    sitting.sort_by_key(|at| domain.devices().get(*at).and_then(kind));
    let devices = domain.devices_mut();
    for at in sitting {
        if let Some(device) = devices.get_mut(at) {
            if device.attr_at("address", "port").is_some_and(|port| port != "0")
                || device.child("address").is_some_and(|address| !address.is("type", "usb"))
            {
                continue;
            }
            let asked = field(device, "bus").filter(|_| device.child("address").is_some());
            let free =
                paths.iter().filter(|(bus, _)| asked.is_none_or(|asked| asked == *bus)).find_map(|place| {
                    let ports = if place.1.is_empty() { *buses.get(&place.0)? } else { HUB_PORTS };
                    let used = taken.get(place);
                    let port = (1..=ports).find(|port| used.is_none_or(|used| !used.contains(port)))?;
                    Some((place.clone(), port))
                });
            let Some(((bus, path), port)) = free else { continue };
            let name = if path.is_empty() { port.to_string() } else { format!("{path}.{port}") };
            take(&mut taken, bus, &name);
            if device.name == "hub" {
                paths.insert((bus, name.clone()));
            }
            device.child_or_new("address").attrs.set_all(&[
                ("type", "usb"),
                ("bus", Decimal::of(bus).as_str()),
                ("port", &name),
            ]);
        }
    }
    Ok(())
}
