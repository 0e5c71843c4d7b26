//! Devices of channel attached machines, and those that move packets for guests.

use super::mdev;
use crate::sysfs::Entry;
use conf_nodedev::Capability;
use conf_nodedev::capability::channel::{Address, Ccw, CcwGroup, Css, GroupDriver, GroupState};
use conf_nodedev::capability::crypto::{Card, Matrix, Queue};

pub(super) fn ccw(entry: &Entry) -> Option<Capability> {
    let group = entry.link("group_device").map(|name| super::tidy(&format!("ccwgroup_{name}")));
    Some(Capability::Ccw(Ccw { address: entry.name.parse().ok()?, group }))
}

pub(super) fn css(entry: &Entry) -> Option<Capability> {
    // Subchannels of other kinds lead to no device.
    let driver = entry.link("driver");
    if !matches!(driver.as_deref(), Some("io_subchannel" | "vfio_ccw")) {
        return None;
    }
    let address: Address = entry.name.parse().ok()?;
    let channel = entry.attr("dev_busid").and_then(|text| text.parse().ok());
    Some(Capability::Css(Css { address, channel, mdev_types: mdev::types(entry) }))
}

pub(super) fn group(entry: &Entry) -> Option<Capability> {
    let online = entry.number("online") == Some(1);
    let mut members = Vec::new();
    for name in entry.names("") {
        if name.strip_prefix("cdev").is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
            && let Some(device) = entry.link(&name)
        {
            members.push((name, super::tidy(&format!("ccw_{device}"))));
        }
    }
    let adapter = (entry.link("driver").as_deref() == Some("qeth")).then(|| {
        let driver = match entry.number("layer2") {
            Some(1) => GroupDriver::QethLayer2,
            Some(0) => GroupDriver::QethLayer3,
            _ => GroupDriver::QethGeneric,
        };
        (driver, entry.attr("card_type"), entry.attr("chpid"))
    });
    Some(Capability::CcwGroup(CcwGroup {
        state: if online { GroupState::Online } else { GroupState::Offline },
        address: entry.name.parse().ok()?,
        members,
        adapter,
    }))
}

pub(super) fn card(entry: &Entry) -> Option<Capability> {
    let adapter = u32::from_str_radix(entry.name.strip_prefix("card")?, 16).ok()?;
    Some(Capability::Card(Card { adapter }))
}

pub(super) fn queue(entry: &Entry) -> Option<Capability> {
    let (adapter, domain) = entry.name.split_once('.')?;
    let number = |text: &str| u32::from_str_radix(text, 16).ok();
    Some(Capability::Queue(Queue { adapter: number(adapter)?, domain: number(domain)? }))
}

pub(super) fn matrix(entry: &Entry) -> Capability {
    Capability::Matrix(Matrix { mdev_types: mdev::types(entry) })
}

pub(super) fn vdpa(entry: &Entry) -> Capability {
    let name = entry.names("").into_iter().find(|name| name.starts_with("vhost-vdpa-"));
    Capability::Vdpa { chardev: name.map(|name| format!("/dev/{name}")) }
}
