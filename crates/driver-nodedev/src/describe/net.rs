//! Network interfaces.

use super::Found;
use crate::sysfs::Entry;
use conf_nodedev::Capability;
use conf_nodedev::capability::net::{Feature, LinkState, Medium, Net};

pub(super) fn net(entry: &Entry) -> Option<Found> {
    let interface = entry.property("INTERFACE")?.to_owned();
    let address = entry.attr("address")?;
    let state = entry.attr("operstate").and_then(|text| LinkState::parse(&text));
    // Only a link that is up has a speed; the kernel shows one that it does not know as -1.
    let speed = (state == Some(LinkState::Up)).then(|| entry.attr("speed")).flatten();
    let speed = speed.and_then(|text| text.parse::<i64>().ok()).map_or(0, |speed| speed as u32);
    let mut features: Vec<Feature> = host::offload::features(&interface)
        .unwrap_or_default()
        .into_iter()
        .filter_map(Feature::parse)
        .collect();
    if remote_memory(entry) {
        features.push(Feature::Rdma);
    }
    features.sort();
    let medium = match entry.property("DEVTYPE") {
        Some("wlan") => Medium::Wireless,
        _ => Medium::Ethernet,
    };
    let suffix = Some(address.clone());
    let net = Net { interface, address: Some(address), speed, state, features, medium: Some(medium) };
    Some(Found { capability: Capability::Net(net), suffix })
}

/// Whether the card also reads and writes memory of others.
fn remote_memory(entry: &Entry) -> bool {
    !entry.names("device/infiniband").is_empty()
}
