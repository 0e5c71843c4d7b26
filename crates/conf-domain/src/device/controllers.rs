//! Controllers: their numbers, their order, and those that devices need.

use super::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use xml::{Tree, Trees, Word};

/// A controller with nothing but type and number.
pub fn controller(kind: &str, index: u32) -> Tree {
    let mut new = Tree::new("controller");
    new.attrs.set_all(&[("type", kind), ("index", Decimal::of(index).as_str())]);
    new
}

/// Adds a controller among those of its type in the order of numbers; the first of a type comes last.
pub fn insert(devices: &mut Trees, new: Tree) {
    let index =
        |controller: &Tree| controller.attr("index").and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    let (kind, own) = (new.attr("type").map(str::to_owned), index(&new));
    let (mut behind, mut before, mut last) = (None, None, None);
    for (at, device) in devices.iter().enumerate().filter(|(_, device)| device.name == "controller") {
        last = Some(at + 1);
        if device.attr("type") == kind.as_deref() {
            before = Some(at + 1);
            if behind.is_none() && index(device) > own {
                behind = Some(at);
            }
        }
    }
    let at = behind.or(before).or(last).unwrap_or(devices.len());
    devices.insert(at, new);
}

/// Whether there is a controller of a type, and of a number when one is given.
pub fn has(devices: &[Tree], kind: &str, index: Option<u32>) -> bool {
    let index = index.map(Decimal::of);
    devices.iter().any(|controller| {
        controller.name == "controller"
            && controller.is("type", kind)
            && index.as_ref().is_none_or(|index| controller.is("index", index.as_str()))
    })
}

/// A controller without a number gets the lowest that none of its type has. The parts of an ICH9 USB controller
/// share a number.
pub(crate) fn number(devices: &mut [Tree]) {
    let is_controller = |device: &Tree| device.name == "controller";
    let part = |device: &Tree| {
        device
            .attr("model")
            .filter(|model| model.starts_with("ich9-") && device.is("type", "usb"))
            .map(Word::from)
    };
    let open = |device: &Tree| is_controller(device) && device.attr("index").is_none();
    let mut taken: Vec<(Word, u32, Option<Word>)> = Vec::new();
    if devices.iter().any(open) {
        let numbered = devices.iter().filter(|device| is_controller(device)).filter_map(|device| {
            Some((device.attr("type")?.into(), device.attr("index")?.parse().ok()?, part(device)))
        });
        taken.extend(numbered);
    }
    for controller in devices.iter_mut().filter(|device| is_controller(device)) {
        if controller.attr("index").is_some() {
            continue;
        }
        let kind = controller.word("type");
        let own = part(controller);
        let of_kind = |index: u32| taken.iter().filter(move |(_, number, _)| *number == index);
        let newest = taken.iter().filter(|(other, ..)| *other == kind).map(|(_, number, _)| *number).max();
        // A part joins the newest controller when that still lacks it.
        let joins = newest.filter(|newest| {
            own.is_some()
                && of_kind(*newest)
                    .filter(|(other, ..)| *other == kind)
                    .all(|(_, _, theirs)| theirs.is_some() && *theirs != own)
        });
        let free = |index: &u32| !of_kind(*index).any(|(other, ..)| *other == kind);
        let index = joins.unwrap_or_else(|| (0..u32::MAX).find(free).unwrap_or_default());
        controller.set("index", index.to_string());
        taken.push((kind, index, own));
    }
    // Controllers of a type stand in the order of their numbers at the places they have, masters before companions.
    let places: Vec<usize> =
        devices.iter().enumerate().filter(|(_, device)| is_controller(device)).map(|(at, _)| at).collect();
    if places.len() < 2 {
        return;
    }
    let mut kinds: Vec<Word> = Vec::new();
    for at in &places {
        let kind = devices[*at].attr("type").unwrap_or_default();
        if !kinds.iter().any(|known| known == kind) {
            kinds.push(kind.into());
        }
    }
    for kind in kinds {
        let own: Vec<usize> = places.iter().copied().filter(|at| devices[*at].is("type", &kind)).collect();
        let mut sorted: Vec<Tree> = own.iter().map(|at| std::mem::take(&mut devices[*at])).collect();
        sorted.sort_by_key(|device| {
            let index = device.attr("index").and_then(|index| index.parse::<u32>().ok()).unwrap_or(0);
            (index, part(device).is_some_and(|model| model.starts_with("ich9-uhci")))
        });
        for (at, device) in own.into_iter().zip(sorted) {
            devices[at] = device;
        }
    }
}

/// Numbers of the controllers that the devices of each kind sit on.
fn wanted(devices: &[Tree]) -> BTreeMap<&'static str, BTreeSet<u32>> {
    let mut wanted: BTreeMap<&'static str, BTreeSet<u32>> = BTreeMap::new();
    let mut want = |kind: &'static str, address: Option<&Tree>| {
        let index = address
            .and_then(|address| address.attr("controller"))
            .and_then(|text| text.parse::<u32>().ok())
            .unwrap_or(0)
            .min(255);
        wanted.entry(kind).or_default().insert(index);
    };
    for device in devices {
        let address = device.child("address");
        let on_drive = address.is_some_and(|address| address.is("type", "drive"));
        match device.name.as_str() {
            "disk" if on_drive => match device.attr_at("target", "bus") {
                Some("scsi") => want("scsi", address),
                Some("fdc") => want("fdc", address),
                Some("ide") => want("ide", address),
                Some("sata") => want("sata", address),
                _ => {}
            },
            "hostdev" if on_drive && device.is("type", "scsi") => want("scsi", address),
            "channel" | "console" if device.attr_at("target", "type") == Some("virtio") => {
                want("virtio-serial", address.filter(|address| address.is("type", "virtio-serial")));
            }
            "smartcard" if address.is_some_and(|address| address.is("type", "ccid")) => want("ccid", address),
            _ => {}
        }
    }
    // Drives count from the first controller on.
    for kind in ["scsi", "fdc", "ide", "sata"] {
        if let Some(numbers) = wanted.get_mut(kind)
            && let Some(highest) = numbers.last().copied()
        {
            numbers.extend(0..highest);
        }
    }
    wanted
}

/// Adds the controllers that SCSI devices of the host sit on, each like the one before it.
pub(super) fn for_hostdevs(devices: &mut Trees) {
    let highest = devices
        .iter()
        .filter(|device| device.name == "hostdev" && device.is("type", "scsi"))
        .filter_map(|device| device.attr_at("address", "controller")?.parse::<u8>().ok())
        .max();
    let Some(highest) = highest else { return };
    let mut model = None;
    for index in (0..=highest).map(u32::from) {
        let known = devices.iter().find(|device| {
            device.name == "controller" && device.is("type", "scsi") && device.is("index", &index.to_string())
        });
        match known {
            Some(known) => model = known.attr("model").map(str::to_owned),
            None => {
                let mut new = controller("scsi", index);
                if let Some(model) = &model {
                    new.set("model", model.clone());
                }
                insert(devices, new);
            }
        }
    }
}

/// Adds the controllers that devices sit on. A SCSI controller is like those that are there, else of `scsi_model`.
pub fn for_devices(devices: &mut Trees, scsi_model: Option<&str>) {
    let wanted = wanted(devices);
    for kind in ["scsi", "fdc", "ide", "sata", "virtio-serial", "ccid"] {
        for index in wanted.get(kind).into_iter().flatten().copied() {
            if has(devices, kind, Some(index)) {
                continue;
            }
            let mut new = controller(kind, index);
            if kind == "scsi" {
                let like = devices
                    .iter()
                    .filter(|device| device.name == "controller" && device.is("type", "scsi"))
                    .filter_map(|controller| controller.attr("model"))
                    .next_back()
                    .map(str::to_owned);
                if let Some(model) = like.or_else(|| scsi_model.map(str::to_owned)) {
                    new.set("model", model);
                }
            }
            insert(devices, new);
        }
    }
}
