//! `system`: the host itself.

use base::{Result, Uuid};
use xml::{Node, Writer};

use crate::read::Part;

/// The host.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct System {
    /// Product name.
    pub product: Option<String>,
    /// Who made the machine.
    pub vendor: Option<String>,
    /// Version of the machine.
    pub version: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its identity.
    pub uuid: Uuid,
    /// Who made the firmware.
    pub firmware_vendor: Option<String>,
    /// Version of the firmware.
    pub firmware_version: Option<String>,
    /// When it was made.
    pub firmware_date: Option<String>,
}

impl System {
    pub(crate) fn parse(part: Part<'_>) -> Result<System> {
        let at = |path: &str| part.node.descend(path).map(Node::text).filter(|text| !text.is_empty());
        let uuid = at("hardware/uuid").ok_or_else(|| part.complaint("no system UUID supplied"))?;
        Ok(System {
            product: at("product"),
            vendor: at("hardware/vendor"),
            version: at("hardware/version"),
            serial: at("hardware/serial"),
            uuid: uuid.parse().map_err(|_| part.complaint("malformed uuid element"))?,
            firmware_vendor: at("firmware/vendor"),
            firmware_version: at("firmware/version"),
            firmware_date: at("firmware/release_date"),
        })
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.leaf_opt("product", self.product.as_ref());
        w.element("hardware").children(|w| {
            w.leaf_opt("vendor", self.vendor.as_ref());
            w.leaf_opt("version", self.version.as_ref());
            w.leaf_opt("serial", self.serial.as_ref());
            w.leaf("uuid", self.uuid);
        });
        w.element("firmware").children_always(|w| {
            w.leaf_opt("vendor", self.firmware_vendor.as_ref());
            w.leaf_opt("version", self.firmware_version.as_ref());
            w.leaf_opt("release_date", self.firmware_date.as_ref());
        });
    }
}
