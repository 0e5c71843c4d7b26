//! PCI addresses: who sits where, and the controllers that takes.
//!
//! ```text
//! definition ──▶ rehearsal on copies of the buses: every device takes a place, buses are added as needed
//!            ──▶ controllers for the added buses
//!            ──▶ the real thing: controllers first, then devices by kind
//! ```
//!
//! On a plain PCI bus each device takes the next free slot. On PCI Express each takes a root port; root ports
//! are put eight to a slot, and when none was asked for explicitly there is one more than needed, so that something can be
//! plugged in later.

mod bus;
mod controller;
mod want;

use super::setting::{Board, Setting};
use base::{Error, ErrorCode, ErrorDomain, Result};
use bus::{Buses, Connect};
use conf_domain::Domain;
use conf_domain::device::Pci;
use qemu_caps::Flag;
use xml::Tree;

fn number(text: Option<&str>) -> Option<u32> {
    text.and_then(|text| text.parse().ok())
}

fn is_pci_controller(device: &Tree) -> bool {
    device.name == "controller" && device.is("type", "pci")
}

/// The error for machines without a place for PCI devices.
fn no_bus() -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::DOMAIN, "No PCI buses available")
}

/// Whether the machine has PCI. Boards of ARM and RISC-V other than the virtual ones have not, with one exception.
fn supports(setting: &Setting<'_>) -> bool {
    match setting.board {
        Board::Virt => true,
        _ if setting.is_arm() => setting.machine == "versatilepb",
        _ => !setting.is_riscv(),
    }
}

/// The group of devices that a device is kept apart with; 0 is everyone's. On POWER a host's device shares its host bridge
/// only with those it cannot be told apart from by the IOMMU.
fn group(device: &Tree, setting: &Setting<'_>) -> u32 {
    let passed = device.name == "hostdev" && device.is("type", "pci")
        || device.name == "interface" && device.is("type", "hostdev");
    if setting.board != Board::Pseries || !passed {
        return 0;
    }
    let Some(source) = device.at("source/address") else { return 0 };
    let mut holder = Tree::new("device").holding(source.clone());
    holder.child_or_new("address").set("type", "pci");
    let place = Pci::of(&holder).map(|pci| pci.to_string());
    place.and_then(|place| setting.groups.get(&place)).map_or(0, |group| group + 1)
}

/// The buses of a definition's controllers, with everything taken that has an address.
fn read(domain: &Domain, setting: &Setting<'_>, growing: bool) -> Result<Buses> {
    let mut models: Vec<Option<String>> = Vec::new();
    for controller in domain.devices().iter().filter(|device| is_pci_controller(device)) {
        let index = number(controller.attr("index")).unwrap_or(0).min(255) as usize;
        if models.len() <= index {
            models.resize(index + 1, None);
        }
        models[index] = controller.attr("model").map(str::to_owned);
    }
    let mut buses = Buses::new(&models, setting.board == Board::Pseries)?;
    buses.to_pci_bridge = setting.has(Flag::PciePciBridge);
    for device in domain.devices() {
        let Some(pci) = Pci::of(device) else { continue };
        let connect = want::of(device, setting).unwrap_or(Connect::PCI);
        while growing && pci.bus >= buses.count() {
            buses.grow(connect)?;
        }
        if pci.bus >= buses.count() {
            continue;
        }
        buses.accept(pci, connect)?;
        if !buses.take(pci, connect) {
            return Err(taken(pci));
        }
        buses.bind(pci.bus, group(device, setting));
    }
    Ok(buses)
}

/// Gives every PCI device its address, with the controllers that takes.
///
/// # Errors
/// When the machine has no place for them.
pub(super) fn assign(domain: &mut Domain, setting: &Setting<'_>) -> Result<()> {
    let highest = domain
        .devices()
        .iter()
        .filter(|device| is_pci_controller(device))
        .filter_map(|device| number(device.attr("index")))
        .max();
    if !supports(setting) {
        return Ok(());
    }
    if highest.is_some_and(|highest| highest > 255) {
        return Err(super::conflict("PCI controller index 256 too high, maximum is 255"));
    }
    let Some(highest) = highest else {
        let needed = |device: &Tree| {
            Pci::of(device).is_some()
                || device.child("address").is_none_or(|address| address.is("type", "pci"))
                    && want::of(device, setting).is_some()
        };
        return if domain.devices().iter().any(needed) { Err(no_bus()) } else { Ok(()) };
    };
    controller::models(domain, setting);
    let mut rehearsal = domain.clone();
    let mut buses = read(&rehearsal, setting, true)?;
    chip_set(&mut rehearsal, setting, &mut buses)?;
    let full = buses.all_full();
    if !full && !buses.is_express() && !setting.is_s390() && setting.board != Board::Pseries {
        // A bridge must find a slot when the bus fills up.
        buses.reserve_growing(Connect::PCI.with(Connect::HOTPLUG), 0)?;
    }
    place_all(&mut rehearsal, setting, &mut buses, true)?;
    if highest == 0 && buses.count() > 1 && buses.is_express() {
        buses.reserve_growing(Connect::PCIE.with(Connect::HOTPLUG), 0)?;
    }
    let mut index = 1;
    while index < buses.count() {
        let model = buses.model(index);
        if controller::add_missing(domain, index, model)
            && let Some(connect) = Connect::of_controller(model)
        {
            buses.reserve_added(connect)?;
        }
        index += 1;
    }
    controller::models(domain, setting);
    let mut buses = read(domain, setting, false)?;
    chip_set(domain, setting, &mut buses)?;
    place_all(domain, setting, &mut buses, false)?;
    controller::numbers(domain, &buses);
    share_slots(domain);
    Ok(())
}

/// Devices in the order in which they get addresses.
fn order(domain: &Domain) -> Vec<usize> {
    let mut order: Vec<usize> = (0..domain.devices().len()).collect();
    order.sort_by_key(|index| {
        let device = &domain.devices()[*index];
        if is_pci_controller(device) { 0 } else { want::rank(device) }
    });
    order
}

fn place_all(domain: &mut Domain, setting: &Setting<'_>, buses: &mut Buses, growing: bool) -> Result<()> {
    for index in order(domain) {
        let device = &domain.devices()[index];
        if !want::may_have(device, setting) || Pci::of(device).is_some() {
            continue;
        }
        let Some(connect) = want::of(device, setting) else { continue };
        let group = group(device, setting);
        if let Some(function) = want::ich9_function(device) {
            let number = device.attr("index").map(str::to_owned);
            let sibling = domain.devices().iter().find_map(|other| {
                want::ich9_function(other)?;
                if other.attr("index") == number.as_deref() { Pci::of(other) } else { None }
            });
            let slot = match sibling {
                Some(place) => place,
                None if growing => buses.reserve_growing(connect, group)?,
                None => buses.next(connect, group).ok_or_else(bus::no_slot)?,
            };
            put_part(domain, index, Pci { function, ..slot }, buses, connect, growing)?;
            continue;
        }
        let place = if growing {
            buses.reserve_growing(connect, group)?
        } else {
            let place = buses.next(connect, group).ok_or_else(bus::no_slot)?;
            buses.take(place, connect);
            place
        };
        put(place, &mut domain.devices_mut()[index]);
    }
    bridges(domain)
}

/// Writes a place that was found for a device.
fn put(place: Pci, device: &mut Tree) {
    if let Some(address) = device.child_mut("address") {
        address.unset("multifunction");
    }
    place.put(device);
}

/// A bridge has a higher number than the bus it sits on.
fn bridges(domain: &Domain) -> Result<()> {
    for bridge in domain.devices().iter().filter(|device| is_pci_controller(device)) {
        let index = number(bridge.attr("index")).unwrap_or(0);
        if let Some(place) = Pci::of(bridge).filter(|_| bridge.is("model", "pci-bridge"))
            && index <= place.bus
        {
            return Err(super::unsupported(format!(
                "PCI controller at index {index} (0x{index:02x}) has bus='0x{:02x}', but index must be larger than bus",
                place.bus
            )));
        }
    }
    Ok(())
}

/// Puts a part of an ICH9 USB controller to its function.
fn put_part(
    domain: &mut Domain,
    index: usize,
    place: Pci,
    buses: &mut Buses,
    connect: Connect,
    growing: bool,
) -> Result<()> {
    // In the rehearsal the whole slot was taken for the first part.
    if !buses.take(place, connect) && !growing {
        return Err(taken(place));
    }
    let device = &mut domain.devices_mut()[index];
    place.put(device);
    if place.function == 0 {
        device.child_or_new("address").set("multifunction", "on");
    }
    Ok(())
}

/// Devices that are part of the chip set have fixed places.
fn chip_set(domain: &mut Domain, setting: &Setting<'_>, buses: &mut Buses) -> Result<()> {
    match setting.board {
        Board::Pc => pc(domain, buses),
        Board::Q35 => q35(domain, buses),
        _ => Ok(()),
    }
}

/// A controller of the chip set gets its place unless the definition says another.
///
/// # Errors
/// When something else sits there.
fn fixed(domain: &mut Domain, kind: &str, model: Option<&str>, place: Pci, buses: &mut Buses) -> Result<()> {
    let found = domain.devices_mut().iter_mut().find(|device| {
        device.name == "controller"
            && device.is("type", kind)
            && device.is("index", "0")
            && model.is_none_or(|model| device.is("model", model))
            && is_open(device)
    });
    if let Some(device) = found {
        place.put(device);
        if !buses.take(place, Connect::PCI) {
            return Err(taken(place));
        }
    }
    Ok(())
}

/// Refuses a definition that puts a controller of the chip set to another place.
fn elsewhere(domain: &Domain, kind: &str, model: Option<&str>, place: Pci, text: &str) -> Result<()> {
    let found = domain.all("controller").find(|device| {
        device.is("type", kind)
            && device.is("index", "0")
            && model.is_none_or(|model| device.is("model", model))
    });
    match found.and_then(Pci::of) {
        Some(own) if own != place => Err(Error::internal(ErrorDomain::QEMU, text)),
        _ => Ok(()),
    }
}

fn taken(place: Pci) -> Error {
    Error::new(
        ErrorCode::XML_ERROR,
        ErrorDomain::DOMAIN,
        format!("Attempted double use of PCI Address {place}"),
    )
}

/// No address, or one that only asks for PCI.
fn is_open(device: &Tree) -> bool {
    device.child("address").is_none_or(|address| address.is("type", "pci")) && Pci::of(device).is_none()
}

fn root(slot: u32, function: u32) -> Pci {
    Pci { slot, function, ..Pci::default() }
}

fn pc(domain: &mut Domain, buses: &mut Buses) -> Result<()> {
    elsewhere(domain, "ide", None, root(1, 1), "Primary IDE controller must have PCI address 0:0:1.1")?;
    elsewhere(
        domain,
        "usb",
        Some("piix3-uhci"),
        root(1, 2),
        "PIIX3 USB controller at index 0 must have PCI address 0:0:1.2",
    )?;
    fixed(domain, "ide", None, root(1, 1), buses)?;
    fixed(domain, "usb", Some("piix3-uhci"), root(1, 2), buses)?;
    // ISA bridge, and power management beside it.
    for function in [0, 3] {
        if !buses.take(root(1, function), Connect::PCI) {
            return Err(taken(root(1, function)));
        }
    }
    video(domain, buses, 2);
    Ok(())
}

fn q35(domain: &mut Domain, buses: &mut Buses) -> Result<()> {
    elsewhere(domain, "sata", None, root(0x1f, 2), "Primary SATA controller must have PCI address 0:0:1f.2")?;
    fixed(domain, "sata", None, root(0x1f, 2), buses)?;
    // The first two USB controllers of the chip set have slots of their own.
    for slot in [0x1d, 0x1a] {
        let unplaced =
            |device: &Tree| want::ich9_function(device).is_some() && device.child("address").is_none();
        let Some(number) = domain
            .devices()
            .iter()
            .find(|device| unplaced(device) && !has_placed_part(domain, device))
            .and_then(|device| device.attr("index").map(str::to_owned))
        else {
            break;
        };
        if !buses.slot_is_free(slot) {
            continue;
        }
        for index in 0..domain.devices().len() {
            let device = &domain.devices()[index];
            if unplaced(device)
                && device.attr("index") == Some(number.as_str())
                && let Some(function) = want::ich9_function(device)
            {
                put_part(domain, index, root(slot, function), buses, Connect::PCI, true)?;
            }
        }
    }
    let bridge = domain
        .devices_mut()
        .iter_mut()
        .find(|device| is_pci_controller(device) && device.is("model", "dmi-to-pci-bridge"));
    if let Some(bridge) = bridge
        && bridge.child("address").is_none()
        && buses.slot_is_free(0x1e)
    {
        root(0x1e, 0).put(bridge);
        buses.take(root(0x1e, 0), Connect::DMI);
    }
    // ISA bridge and management bus.
    for function in [0, 3] {
        if !buses.take(root(0x1f, function), Connect::PCI) {
            return Err(taken(root(0x1f, function)));
        }
    }
    video(domain, buses, 1);
    let sound = domain.devices_mut().iter_mut().find(|device| {
        device.name == "sound" && device.is("model", "ich9") && device.child("address").is_none()
    });
    if let Some(sound) = sound
        && buses.slot_is_free(0x1b)
    {
        root(0x1b, 0).put(sound);
        buses.take(root(0x1b, 0), Connect::PCI);
    }
    Ok(())
}

fn has_placed_part(domain: &Domain, device: &Tree) -> bool {
    domain.devices().iter().any(|other| {
        want::ich9_function(other).is_some()
            && other.attr("index") == device.attr("index")
            && Pci::of(other).is_some()
    })
}

/// The first screen has a fixed slot where that is free.
fn video(domain: &mut Domain, buses: &mut Buses, slot: u32) {
    let place = if buses.slot_is_free(slot) {
        Some(root(slot, 0))
    } else {
        buses.next(Connect::PCI.with(Connect::HOTPLUG), 0).filter(|_| !buses.is_express())
    };
    let Some(place) = place else { return };
    let first = domain.devices_mut().iter_mut().find(|device| device.name == "video");
    if let Some(device) = first
        && device.child("address").is_none_or(|address| address.is("type", "pci"))
        && Pci::of(device).is_none()
        && !matches!(device.attr_at("model", "type"), Some("none" | "ramfb"))
    {
        put(place, device);
        buses.take(place, Connect::PCI);
    }
}

/// Function 0 of a slot with several functions says so.
fn share_slots(domain: &mut Domain) {
    let places: Vec<Pci> =
        domain.devices().iter().filter_map(Pci::of).filter(|pci| pci.function > 0).collect();
    for device in domain.devices_mut() {
        let Some(pci) = Pci::of(device).filter(|pci| pci.function == 0) else { continue };
        let shared = places
            .iter()
            .any(|other| (other.domain, other.bus, other.slot) == (pci.domain, pci.bus, pci.slot));
        if shared && let Some(address) = device.child_mut("address") {
            address.default_to("multifunction", "on");
        }
    }
}
