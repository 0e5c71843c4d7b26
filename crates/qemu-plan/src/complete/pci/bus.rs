//! The buses of a machine: which slots they have, what may sit in them and what is taken.

use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::device::Pci;

/// What a device asks of a bus, and what a bus offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Connect(u16);

impl Connect {
    pub(super) const PCI: Connect = Connect(1);
    pub(super) const PCIE: Connect = Connect(1 << 1);
    pub(super) const ROOT_PORT: Connect = Connect(1 << 2);
    pub(super) const UPSTREAM: Connect = Connect(1 << 3);
    pub(super) const DOWNSTREAM: Connect = Connect(1 << 4);
    pub(super) const DMI: Connect = Connect(1 << 5);
    pub(super) const EXPANDER: Connect = Connect(1 << 6);
    pub(super) const PCIE_EXPANDER: Connect = Connect(1 << 7);
    pub(super) const BRIDGE: Connect = Connect(1 << 8);
    pub(super) const TO_PCI: Connect = Connect(1 << 9);
    /// Part of the machine: sits on the root whatever that is.
    pub(super) const INTEGRATED: Connect = Connect(1 << 10);
    /// Can be plugged while the guest runs.
    pub(super) const HOTPLUG: Connect = Connect(1 << 11);
    /// Shares a slot with its like, a function each.
    pub(super) const AGGREGATE: Connect = Connect(1 << 12);

    pub(super) const fn with(self, other: Connect) -> Connect {
        Connect(self.0 | other.0)
    }

    pub(super) fn has(self, other: Connect) -> bool {
        self.0 & other.0 == other.0
    }

    fn kind(self) -> u16 {
        self.0 & 0x3ff
    }

    /// Whether a device that asks this can be put on a bus that offers `bus`.
    fn fits(self, bus: Connect) -> bool {
        if self.has(Connect::INTEGRATED) {
            return bus.has(Connect::INTEGRATED);
        }
        self.kind() & bus.kind() != 0 && (!self.has(Connect::HOTPLUG) || bus.has(Connect::HOTPLUG))
    }

    /// What a device that asks this is called.
    fn noun(self) -> &'static str {
        match self {
            _ if self.has(Connect::PCIE) => "PCI Express device",
            // An upstream port sits on a root port, which has no place either.
            _ if self.has(Connect::ROOT_PORT) || self.has(Connect::UPSTREAM) => "pcie-root-port",
            _ if self.has(Connect::DOWNSTREAM) => "pcie-switch-downstream-port",
            _ if self.has(Connect::DMI) => "dmi-to-pci-bridge",
            _ if self.has(Connect::TO_PCI) => "pcie-to-pci-bridge",
            _ if self.has(Connect::PCIE_EXPANDER) => "pcie-expander-bus",
            _ if self.has(Connect::EXPANDER) => "pci-expander-bus",
            _ if self.has(Connect::BRIDGE) => "pci-bridge",
            _ => "standard PCI device",
        }
    }

    /// What a controller of this model asks of the bus it sits on; roots sit on none.
    pub(super) fn of_controller(model: &str) -> Option<Connect> {
        Some(match model {
            "pci-bridge" => Connect::BRIDGE,
            "dmi-to-pci-bridge" => Connect::DMI,
            "pcie-to-pci-bridge" => Connect::TO_PCI,
            "pcie-root-port" => Connect::ROOT_PORT.with(Connect::AGGREGATE),
            "pcie-switch-upstream-port" => Connect::UPSTREAM,
            "pcie-switch-downstream-port" => Connect::DOWNSTREAM,
            "pci-expander-bus" => Connect::EXPANDER,
            "pcie-expander-bus" => Connect::PCIE_EXPANDER,
            _ => return None,
        })
    }
}

/// A bus: the far side of a controller.
#[derive(Clone, Debug)]
pub(super) struct Bus {
    pub(super) model: &'static str,
    offers: Connect,
    first: u32,
    last: u32,
    /// Functions taken, by slot.
    slots: [u8; 32],
    /// Slots whose occupants share.
    shared: u32,
    /// Devices of other groups stay away.
    pub(super) group: u32,
    group_fixed: bool,
}

/// Models of controllers.
const MODELS: &[&str] = &[
    "pci-root",
    "pcie-root",
    "pci-bridge",
    "dmi-to-pci-bridge",
    "pcie-to-pci-bridge",
    "pcie-root-port",
    "pcie-switch-upstream-port",
    "pcie-switch-downstream-port",
    "pci-expander-bus",
    "pcie-expander-bus",
];

impl Bus {
    pub(super) fn new(model: &str) -> Option<Bus> {
        let model = MODELS.iter().find(|known| **known == model)?;
        let (offers, first, last) = match *model {
            "pci-root" => (
                Connect::PCI
                    .with(Connect::EXPANDER)
                    .with(Connect::BRIDGE)
                    .with(Connect::HOTPLUG)
                    .with(Connect::INTEGRATED),
                1,
                31,
            ),
            "pcie-root" => (
                Connect::PCIE
                    .with(Connect::ROOT_PORT)
                    .with(Connect::DMI)
                    .with(Connect::PCIE_EXPANDER)
                    .with(Connect::INTEGRATED),
                1,
                31,
            ),
            "pci-bridge" | "pcie-to-pci-bridge" => {
                (Connect::PCI.with(Connect::BRIDGE).with(Connect::HOTPLUG), 1, 31)
            }
            "dmi-to-pci-bridge" | "pci-expander-bus" => (Connect::PCI.with(Connect::BRIDGE), 0, 31),
            "pcie-switch-upstream-port" => (Connect::DOWNSTREAM, 0, 31),
            "pcie-expander-bus" => (Connect::ROOT_PORT.with(Connect::DMI), 0, 31),
            // Root ports and downstream ports.
            _ => (Connect::PCIE.with(Connect::UPSTREAM).with(Connect::TO_PCI).with(Connect::HOTPLUG), 0, 0),
        };
        Some(Bus { model, offers, first, last, slots: [0; 32], shared: 0, group: 0, group_fixed: false })
    }

    fn is_full(&self) -> bool {
        (self.first..=self.last).all(|slot| self.slots[slot as usize] != 0)
    }

    fn next(&self, connect: Connect) -> Option<(u32, u32)> {
        for slot in self.first..=self.last {
            let functions = self.slots[slot as usize];
            if functions == 0 {
                return Some((slot, 0));
            }
            if connect.has(Connect::AGGREGATE) && self.shared & (1 << slot) != 0 && functions != 0xff {
                return Some((slot, functions.trailing_ones()));
            }
        }
        None
    }

    fn take(&mut self, slot: u32, function: u32, connect: Connect) -> bool {
        let Some(functions) = self.slots.get_mut(slot as usize) else { return false };
        let bit = 1u8 << (function & 7);
        let free = *functions & bit == 0;
        let share = connect.has(Connect::AGGREGATE);
        if *functions == 0 && share {
            self.shared |= 1 << slot;
        } else if !share {
            self.shared &= !(1 << slot);
        }
        *functions |= bit;
        free
    }
}

/// All buses by their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Buses {
    list: Vec<Bus>,
    /// A bridge from Express to conventional PCI is there to be used; else the older pair of bridges.
    pub(super) to_pci_bridge: bool,
    /// New roots may be made, as on POWER.
    pub(super) many_roots: bool,
}

pub(super) fn no_slot() -> Error {
    Error::internal(ErrorDomain::DOMAIN, "No more available PCI slots")
}

impl Buses {
    /// Buses with the given models by number; gaps are filled with what the root suggests.
    pub(super) fn new(models: &[Option<&str>], many_roots: bool) -> Result<Buses> {
        let express = models.first().copied().flatten() == Some("pcie-root");
        let filler = match (express, many_roots) {
            (true, _) => "pcie-root-port",
            (_, true) => "pci-root",
            _ => "pci-bridge",
        };
        let list = models.iter().map(|model| Bus::new(model.unwrap_or(filler)));
        let list: Option<Vec<Bus>> = list.collect();
        let list = list.ok_or_else(no_slot)?;
        Ok(Buses { list, many_roots, ..Buses::default() })
    }

    pub(super) fn count(&self) -> u32 {
        self.list.len() as u32
    }

    pub(super) fn model(&self, index: u32) -> &'static str {
        self.list.get(index as usize).map_or("", |bus| bus.model)
    }

    pub(super) fn is_express(&self) -> bool {
        self.model(0) == "pcie-root"
    }

    pub(super) fn all_full(&self) -> bool {
        self.list.iter().all(Bus::is_full)
    }

    pub(super) fn slot_is_free(&self, slot: u32) -> bool {
        self.list.first().is_some_and(|bus| bus.slots[slot as usize] == 0)
    }

    /// Whether a device that its definition puts on a bus can sit there. Endpoints of either kind of PCI can be put on a
    /// bus of the other.
    ///
    /// # Errors
    /// When it cannot.
    pub(super) fn accept(&self, pci: Pci, connect: Connect) -> Result<()> {
        let refused = |text: String| Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::DOMAIN, text));
        if pci.domain != 0 {
            return refused(format!("Invalid PCI address {pci}. Only PCI domain 0 is available"));
        }
        let Some(bus) = self.list.get(pci.bus as usize) else { return Ok(()) };
        self.fits(bus, pci, connect)?;
        if pci.slot < bus.first {
            return refused(format!("Invalid PCI address {pci}. slot must be >= {}", bus.first));
        }
        if pci.slot > bus.last {
            return refused(format!("Invalid PCI address {pci}. slot must be <= {}", bus.last));
        }
        Ok(())
    }

    fn fits(&self, bus: &Bus, pci: Pci, connect: Connect) -> Result<()> {
        let refused = |text: String| Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::DOMAIN, text));
        if connect.has(Connect::INTEGRATED) {
            return match pci.bus {
                0 => Ok(()),
                _ => refused(format!(
                    "The device at PCI address {pci} needs to be an integrated device (bus=0)"
                )),
            };
        }
        let endpoint = connect.has(Connect::PCI) || connect.has(Connect::PCIE);
        let fits = connect.kind() & bus.offers.kind() != 0
            || endpoint && (bus.offers.has(Connect::PCI) || bus.offers.has(Connect::PCIE));
        if fits {
            return Ok(());
        }
        refused(format!(
            "The device at PCI address {pci} cannot be plugged into the PCI controller with index='{}'. It requires a controller that accepts a {}.",
            pci.bus,
            connect.noun()
        ))
    }

    /// Takes an address; false when it was taken already or there is no such bus.
    pub(super) fn take(&mut self, pci: Pci, connect: Connect) -> bool {
        self.list.get_mut(pci.bus as usize).is_some_and(|bus| bus.take(pci.slot, pci.function, connect))
    }

    /// Binds a bus to the group of a device that was put there by its definition.
    pub(super) fn bind(&mut self, bus: u32, group: u32) {
        if let Some(bus) = self.list.get_mut(bus as usize)
            && !bus.group_fixed
        {
            bus.group = group;
            bus.group_fixed = true;
        }
    }

    fn find(&self, connect: Connect, group: u32) -> Option<Pci> {
        for (index, bus) in self.list.iter().enumerate() {
            if connect.fits(bus.offers)
                && bus.group == group
                && let Some((slot, function)) = bus.next(connect)
            {
                return Some(Pci { bus: index as u32, slot, function, ..Pci::default() });
            }
        }
        None
    }

    /// The next free address, without taking it. A bus of no group joins one when none of it has room.
    pub(super) fn next(&mut self, connect: Connect, group: u32) -> Option<Pci> {
        if let Some(found) = self.find(connect, group) {
            return Some(found);
        }
        if group == 0 {
            return None;
        }
        let empty = self.list.iter().skip(1).position(|bus| {
            bus.group == 0
                && !bus.group_fixed
                && connect.fits(bus.offers)
                && bus.slots.iter().all(|slot| *slot == 0)
        })?;
        let bus = self.list.get_mut(empty + 1)?;
        bus.group = group;
        bus.group_fixed = true;
        self.find(connect, group)
    }

    fn push(&mut self, model: &str) {
        self.list.extend(Bus::new(model));
    }

    /// Adds what is missing up to the bus that a device asks for.
    ///
    /// # Errors
    /// When nothing can be added for it, or what is added has no such slot.
    pub(super) fn reach(&mut self, pci: Pci, connect: Connect) -> Result<()> {
        let conventional = connect.has(Connect::PCI)
            && !connect.has(Connect::INTEGRATED)
            && self.is_express()
            && self.to_pci_bridge;
        if conventional && pci.bus >= self.count() && pci.slot == 0 {
            let text = format!("Invalid PCI address {pci}. slot must be >= 1");
            return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::DOMAIN, text));
        }
        while pci.bus >= self.count() {
            // Behind one bridge to PCI there are only bridges of PCI.
            match conventional && self.list.iter().any(|bus| bus.model == "pcie-to-pci-bridge") {
                true if self.list.len() >= 256 => return Err(no_slot()),
                true => self.push("pci-bridge"),
                false => self.grow(connect)?,
            }
        }
        Ok(())
    }

    /// Adds what a device that found no place needs.
    ///
    /// # Errors
    /// When nothing can be added for it.
    pub(super) fn grow(&mut self, connect: Connect) -> Result<()> {
        if self.list.len() >= 256 {
            return Err(no_slot());
        }
        let express = self.is_express();
        if connect.has(Connect::PCI) || connect.has(Connect::BRIDGE) && express {
            if !express {
                if self.many_roots && self.list.len() < 31 {
                    self.push("pci-root");
                } else {
                    self.push("pci-bridge");
                }
            } else if self.to_pci_bridge {
                self.push("pcie-root-port");
                self.push("pcie-to-pci-bridge");
            } else {
                if !self.list.iter().any(|bus| bus.model == "dmi-to-pci-bridge") {
                    self.push("dmi-to-pci-bridge");
                }
                if connect.has(Connect::PCI) {
                    self.push("pci-bridge");
                }
            }
            return Ok(());
        }
        if express && (connect.has(Connect::PCIE) || connect.has(Connect::UPSTREAM)) {
            self.push("pcie-root-port");
            return Ok(());
        }
        let noun = connect.noun();
        Err(Error::internal(
            ErrorDomain::DOMAIN,
            if connect.has(Connect::TO_PCI) {
                // The reference has no model for this; the number is that of the flag there.
                "Cannot automatically add a new PCI bus for a device with connect flags 2000".to_owned()
            } else if connect.kind() == 0 || connect.has(Connect::PCI) || connect.has(Connect::PCIE) {
                format!(
                    "Cannot automatically add a new PCI bus for a device with connect flags {:02x}",
                    connect.0
                )
            } else {
                format!(
                    "a PCI slot is needed to connect a PCI controller model='{noun}', but none is available, and it cannot be automatically added"
                )
            },
        ))
    }

    /// The place of a controller that was added; one that was added for others gets a port of its own.
    ///
    /// # Errors
    /// As [`Buses::reserve_growing`].
    pub(super) fn reserve_added(&mut self, connect: Connect) -> Result<Pci> {
        if connect.has(Connect::TO_PCI) && self.next(connect, 0).is_none() {
            self.push("pcie-root-port");
        }
        self.reserve_growing(connect, 0)
    }

    /// The next free address, with more buses when there is none; it is taken.
    ///
    /// # Errors
    /// When no bus can be added.
    pub(super) fn reserve_growing(&mut self, connect: Connect, group: u32) -> Result<Pci> {
        let mut tries = 0;
        loop {
            if let Some(found) = self.next(connect, group) {
                self.take(found, connect);
                return Ok(found);
            }
            tries += 1;
            if tries > 2 {
                return Err(no_slot());
            }
            self.grow(connect)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_share_slots() {
        let mut buses = Buses::new(&[Some("pcie-root")], false).unwrap();
        let port = Connect::of_controller("pcie-root-port").unwrap();
        let places: Vec<(u32, u32)> = (0..10)
            .map(|_| buses.reserve_growing(port, 0).unwrap())
            .map(|place| (place.slot, place.function))
            .collect();
        assert_eq!(places[7..], [(1, 7), (2, 0), (2, 1)]);
        let device = Connect::PCIE.with(Connect::HOTPLUG);
        assert_eq!(buses.reserve_growing(device, 0).unwrap().bus, 1);
        assert_eq!(buses.model(1), "pcie-root-port");
    }

    #[test]
    fn conventional_devices_behind_express() {
        let mut buses = Buses::new(&[Some("pcie-root")], false).unwrap();
        buses.to_pci_bridge = true;
        let place = buses.reserve_growing(Connect::PCI.with(Connect::HOTPLUG), 0).unwrap();
        assert_eq!((place.bus, place.slot), (2, 1));
    }
}
