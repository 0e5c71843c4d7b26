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
use want::Wish;
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

/// Places of a definition's devices, those that are to be written included.
#[derive(Clone, Default)]
struct Places {
    /// By device; `None` for those without.
    of: Vec<Option<Pci>>,
    /// What each device asks, by device.
    wishes: Vec<Wish>,
    /// Devices whose places are not in the definition yet.
    new: Vec<usize>,
    /// Among them those that share their slot for sure.
    shared: Vec<usize>,
}

impl Places {
    fn read(domain: &Domain, setting: &Setting<'_>) -> Places {
        let devices = domain.devices();
        let wishes = devices.iter().map(|device| Wish::of(device, setting)).collect();
        Places { of: devices.iter().map(Pci::of).collect(), wishes, ..Places::default() }
    }

    /// The same when controllers were added, each at its place among the devices.
    fn with_added(mut self, added: &[(usize, &str)]) -> Places {
        for (at, model) in added {
            self.of.insert(*at, None);
            self.wishes.insert(*at, Wish::of_added(model));
        }
        self
    }

    fn wish(&self, index: usize) -> Wish {
        self.wishes.get(index).copied().unwrap_or_default()
    }

    /// Whether a device is a part of an ICH9 USB controller that is to be placed.
    fn is_open_part(&self, index: usize) -> bool {
        let wish = self.wish(index);
        wish.part.is_some() && !wish.has_address && self.get(index).is_none()
    }

    fn get(&self, index: usize) -> Option<Pci> {
        self.of.get(index).copied().flatten()
    }

    fn put(&mut self, index: usize, place: Pci) {
        if let Some(slot) = self.of.get_mut(index) {
            *slot = Some(place);
            self.new.push(index);
        }
    }

    /// Writes the new places into the definition.
    fn write(&self, domain: &mut Domain) {
        let devices = domain.devices_mut();
        for index in &self.new {
            if let (Some(place), Some(device)) = (self.get(*index), devices.get_mut(*index)) {
                if let Some(address) = device.child_mut("address") {
                    address.unset("multifunction");
                }
                place.put(device);
                if self.shared.contains(index) {
                    device.child_or_new("address").set("multifunction", "on");
                }
            }
        }
    }
}

/// The buses of a definition's controllers, with everything taken that has an address.
fn read(domain: &Domain, setting: &Setting<'_>, places: &Places, growing: bool) -> Result<Buses> {
    let mut models: Vec<Option<&str>> = Vec::new();
    let devices = || domain.devices().iter().zip(&places.wishes);
    for (controller, _) in devices().filter(|(_, wish)| wish.is_controller) {
        let index = number(controller.attr("index")).unwrap_or(0).min(255) as usize;
        if models.len() <= index {
            models.resize(index + 1, None);
        }
        models[index] = controller.attr("model");
    }
    let mut buses = Buses::new(&models, setting.board == Board::Pseries)?;
    buses.to_pci_bridge = setting.has(Flag::PciePciBridge);
    let mut usual: Vec<Pci> = Vec::new();
    for ((device, wish), place) in devices().zip(&places.of) {
        let Some(pci) = *place else { continue };
        // What the chip set brings is where it is.
        if setting.board == Board::Pc && chip_set_place(device).is_some_and(|(usual, _)| usual == pci) {
            if usual.contains(&pci) {
                return Err(taken(pci));
            }
            usual.push(pci);
            buses.take(pci, Connect::PCI);
            continue;
        }
        let connect = wish.connect.unwrap_or(Connect::PCI);
        if growing {
            buses.reach(pci, connect)?;
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
    let unnamed = |device: &Tree| is_pci_controller(device) && device.attr("model").is_none();
    if domain.devices().iter().any(unnamed) {
        return Err(Error::internal(ErrorDomain::DOMAIN, "PCI controller model was not set correctly"));
    }
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
    // The first time only to see which buses are missing.
    let given = Places::read(domain, setting);
    let mut rehearsal = given.clone();
    let mut buses = read(domain, setting, &rehearsal, true)?;
    chip_set(domain, &mut rehearsal, setting, &mut buses)?;
    for disk in domain.all("disk").filter(|disk| disk.attr_at("target", "bus") == Some("virtio")) {
        if let Some(kind) = disk.attr_at("address", "type")
            && !matches!(kind, "pci" | "ccw" | "virtio-mmio" | "virtio-s390")
        {
            return Err(super::unsupported(format!("virtio disk cannot have an address of type '{kind}'")));
        }
    }
    let full = buses.all_full();
    if !full && !buses.is_express() && !setting.is_s390() && setting.board != Board::Pseries {
        // A bridge must find a slot when the bus fills up.
        buses.reserve_growing(Connect::PCI.with(Connect::HOTPLUG), 0)?;
    }
    place_all(domain, &mut rehearsal, setting, &mut buses, true)?;
    if highest == 0 && buses.count() > 1 && buses.is_express() {
        buses.reserve_growing(Connect::PCIE.with(Connect::HOTPLUG), 0)?;
    }
    let standing = controller::standing(domain);
    let mut missing = Vec::new();
    let mut index = 1;
    while index < buses.count() {
        if !standing.iter().any(|(_, known)| *known == index) {
            let model = buses.model(index);
            missing.push((index, model));
            if let Some(connect) = Connect::of_controller(model) {
                buses.reserve_added(connect)?;
            }
        }
        index += 1;
    }
    let added = controller::add(domain, standing, &missing, setting);
    let mut places = given.with_added(&added);
    let mut buses = read(domain, setting, &places, false)?;
    chip_set(domain, &mut places, setting, &mut buses)?;
    place_all(domain, &mut places, setting, &mut buses, false)?;
    places.write(domain);
    controller::numbers(domain, &buses, &places.of);
    share_slots(domain, &places);
    Ok(())
}

fn place_all(
    domain: &Domain,
    places: &mut Places,
    setting: &Setting<'_>,
    buses: &mut Buses,
    growing: bool,
) -> Result<()> {
    let devices = domain.devices();
    let mut order: Vec<(u32, usize)> = Vec::with_capacity(devices.len());
    let open =
        places.wishes.iter().enumerate().filter(|(at, wish)| wish.is_open && places.get(*at).is_none());
    order.extend(open.map(|(at, wish)| (wish.rank, at)));
    order.sort_unstable();
    for (_, index) in order {
        let wish = places.wish(index);
        // One part of a controller may have placed the others.
        let (Some(connect), Some(device)) =
            (wish.connect.filter(|_| places.get(index).is_none()), devices.get(index))
        else {
            continue;
        };
        let group = group(device, setting);
        if let Some(function) = wish.part {
            let number = device.attr("index");
            let sibling = devices.iter().enumerate().find_map(|(at, other)| {
                places.wish(at).part?;
                if other.attr("index") == number { places.get(at) } else { None }
            });
            let slot = match sibling {
                Some(place) => place,
                None if growing => buses.reserve_growing(connect, group)?,
                None => buses.next(connect, group).ok_or_else(bus::no_slot)?,
            };
            put_part(places, index, Pci { function, ..slot }, buses, connect, growing)?;
            continue;
        }
        let place = if growing {
            buses.reserve_growing(connect, group)?
        } else {
            let place = buses.next(connect, group).ok_or_else(bus::no_slot)?;
            buses.take(place, connect);
            place
        };
        places.put(index, place);
    }
    bridges(domain, places)
}

/// A bridge has a higher number than the bus it sits on.
fn bridges(domain: &Domain, places: &Places) -> Result<()> {
    let controllers = places.wishes.iter().enumerate().filter(|(_, wish)| wish.is_controller);
    for (bridge, place) in controllers.filter_map(|(at, _)| Some((domain.devices().get(at)?, places.get(at))))
    {
        let index = number(bridge.attr("index")).unwrap_or(0);
        if let Some(place) = place.filter(|_| bridge.is("model", "pci-bridge"))
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
    places: &mut Places,
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
    places.put(index, place);
    if place.function == 0 {
        places.shared.push(index);
    }
    Ok(())
}

/// Devices that are part of the chip set have fixed places.
fn chip_set(domain: &Domain, places: &mut Places, setting: &Setting<'_>, buses: &mut Buses) -> Result<()> {
    match setting.board {
        Board::Pc => pc(domain, places, buses),
        Board::Q35 => q35(domain, places, buses),
        _ => Ok(()),
    }
}

/// A controller of the chip set gets its place unless the definition says another.
///
/// # Errors
/// When something else sits there.
fn fixed(
    domain: &Domain,
    places: &mut Places,
    (kind, model): (&str, Option<&str>),
    place: Pci,
    buses: &mut Buses,
) -> Result<()> {
    let found = domain.devices().iter().enumerate().position(|(index, device)| {
        device.name == "controller"
            && device.is("type", kind)
            && device.is("index", "0")
            && model.is_none_or(|model| device.is("model", model))
            && is_open(device, index, places)
    });
    if let Some(index) = found {
        places.put(index, place);
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
fn is_open(device: &Tree, index: usize, places: &Places) -> bool {
    places.get(index).is_none() && device.child("address").is_none_or(|address| address.is("type", "pci"))
}

/// No address at all.
fn is_unplaced(device: &Tree, index: usize, places: &Places) -> bool {
    places.get(index).is_none() && device.child("address").is_none()
}

fn root(slot: u32, function: u32) -> Pci {
    Pci { slot, function, ..Pci::default() }
}

/// Where the controllers of i440fx's own chip set are, and how they are refused elsewhere.
fn chip_set_place(device: &Tree) -> Option<(Pci, &'static str)> {
    if device.name != "controller" || !device.is("index", "0") {
        return None;
    }
    match (device.attr("type")?, device.attr("model")) {
        ("ide", _) => Some((root(1, 1), "Primary IDE controller must have PCI address 0:0:1.1")),
        ("usb", Some("piix3-uhci")) => {
            Some((root(1, 2), "PIIX3 USB controller at index 0 must have PCI address 0:0:1.2"))
        }
        _ => None,
    }
}

fn pc(domain: &Domain, places: &mut Places, buses: &mut Buses) -> Result<()> {
    for (index, device) in domain.devices().iter().enumerate() {
        let Some((place, text)) = chip_set_place(device) else { continue };
        match Pci::of(device) {
            Some(own) if own != place => return Err(Error::internal(ErrorDomain::QEMU, text)),
            None if is_open(device, index, places) => {
                places.put(index, place);
                if !buses.take(place, Connect::PCI) {
                    return Err(taken(place));
                }
            }
            _ => {}
        }
    }
    // ISA bridge, and power management beside it.
    for function in [0, 3] {
        if !buses.take(root(1, function), Connect::PCI) {
            return Err(taken(root(1, function)));
        }
    }
    video(domain, places, buses, 2);
    Ok(())
}

fn q35(domain: &Domain, places: &mut Places, buses: &mut Buses) -> Result<()> {
    let devices = domain.devices();
    elsewhere(domain, "sata", None, root(0x1f, 2), "Primary SATA controller must have PCI address 0:0:1f.2")?;
    fixed(domain, places, ("sata", None), root(0x1f, 2), buses)?;
    // The first two USB controllers of the chip set have slots of their own.
    for slot in [0x1d, 0x1a] {
        let first = devices
            .iter()
            .enumerate()
            .filter(|(index, device)| {
                places.is_open_part(*index) && !has_placed_part(devices, device, places)
            })
            .find(|(_, device)| {
                // The part that begins a family is there.
                let begins = |other: &&Tree| {
                    other.is("model", "ich9-uhci1") && other.attr("index") == device.attr("index")
                };
                domain.all("controller").any(|other| begins(&other))
            });
        let Some(number) = first.and_then(|(_, device)| device.attr("index")) else { break };
        if !buses.slot_is_free(slot) {
            continue;
        }
        for (index, device) in devices.iter().enumerate() {
            if places.is_open_part(index)
                && device.attr("index") == Some(number)
                && let Some(function) = places.wish(index).part
            {
                put_part(places, index, root(slot, function), buses, Connect::PCI, true)?;
            }
        }
    }
    let bridge =
        places.wishes.iter().position(|wish| wish.is_controller && wish.connect == Some(Connect::DMI));
    if let Some(index) = bridge
        && devices.get(index).is_some_and(|device| is_unplaced(device, index, places))
        && buses.slot_is_free(0x1e)
    {
        places.put(index, root(0x1e, 0));
        buses.take(root(0x1e, 0), Connect::DMI);
    }
    // ISA bridge and management bus.
    for function in [0, 3] {
        if !buses.take(root(0x1f, function), Connect::PCI) {
            return Err(taken(root(0x1f, function)));
        }
    }
    video(domain, places, buses, 1);
    let sound = devices.iter().enumerate().position(|(index, device)| {
        device.name == "sound" && device.is("model", "ich9") && is_unplaced(device, index, places)
    });
    if let Some(index) = sound
        && buses.slot_is_free(0x1b)
    {
        places.put(index, root(0x1b, 0));
        buses.take(root(0x1b, 0), Connect::PCI);
    }
    Ok(())
}

fn has_placed_part(devices: &[Tree], device: &Tree, places: &Places) -> bool {
    devices.iter().enumerate().any(|(index, other)| {
        places.wish(index).part.is_some()
            && places.get(index).is_some()
            && other.attr("index") == device.attr("index")
    })
}

/// The first screen has a fixed slot where that is free.
fn video(domain: &Domain, places: &mut Places, buses: &mut Buses, slot: u32) {
    let place = if buses.slot_is_free(slot) {
        Some(root(slot, 0))
    } else {
        buses.next(Connect::PCI.with(Connect::HOTPLUG), 0).filter(|_| !buses.is_express())
    };
    let Some(place) = place else { return };
    let first = domain.devices().iter().enumerate().find(|(_, device)| device.name == "video");
    if let Some((index, device)) = first
        && is_open(device, index, places)
        && !matches!(device.attr_at("model", "type"), Some("none" | "ramfb"))
    {
        places.put(index, place);
        buses.take(place, Connect::PCI);
    }
}

/// Function 0 of a slot with several functions says so.
fn share_slots(domain: &mut Domain, places: &Places) {
    let slot = |pci: Pci| (pci.domain, pci.bus, pci.slot);
    let others: Vec<_> =
        places.of.iter().flatten().filter(|pci| pci.function > 0).map(|pci| slot(*pci)).collect();
    if others.is_empty() {
        return;
    }
    for (device, place) in domain.devices_mut().iter_mut().zip(&places.of) {
        let Some(pci) = place.filter(|pci| pci.function == 0 && others.contains(&slot(*pci))) else {
            continue;
        };
        debug_assert_eq!(Pci::of(device), Some(pci));
        if let Some(address) = device.child_mut("address") {
            address.default_to("multifunction", "on");
        }
    }
}
