//! The host itself, as its firmware describes it.

use crate::sysfs::text;
use base::Uuid;
use conf_nodedev::capability::system::System;
use std::path::Path;

/// What the tables of the firmware say. `host_uuid` is what the configuration states.
pub(super) fn system(root: &Path, host_uuid: Option<Uuid>) -> System {
    let folder = root.join("sys/devices/virtual/dmi/id");
    let at = |name: &str| text(&folder.join(name));
    let own = at("product_uuid").and_then(|text| text.parse::<Uuid>().ok());
    System {
        product: at("product_name"),
        vendor: at("sys_vendor"),
        version: at("product_version"),
        serial: at("product_serial"),
        uuid: own.filter(|uuid| !uuid.is_trivial()).or(host_uuid).unwrap_or_default(),
        firmware_vendor: at("bios_vendor"),
        firmware_version: at("bios_version"),
        firmware_date: at("bios_date"),
    }
}
