//! Options of devices that speak virtio.

use crate::fault::unsupported;
use base::Result;
use xml::Tree;

/// Options of the `<driver>` of any device that speaks virtio.
const OPTIONS: &[&str] = &["iommu", "ats", "packed", "page_per_vq"];

/// Refuses options of virtio on a device that does not speak it.
///
/// # Errors
/// With the first of them.
pub(super) fn absent(device: &Tree) -> Result<()> {
    let Some(driver) = device.child("driver") else { return Ok(()) };
    match OPTIONS.iter().find(|name| driver.attr(name).is_some()) {
        Some(&"page_per_vq") => Err(unsupported("page_per_vq option is only supported for virtio devices")),
        Some(name) => Err(unsupported(format!("{name} driver option is only supported for virtio devices"))),
        None => Ok(()),
    }
}
