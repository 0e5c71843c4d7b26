//! What all virtio devices have in common: the name of the driver and the options of the transport.

use super::{Json, on_off};
use xml::Tree;

/// The name of a virtio device's driver for the bus it sits on.
pub(crate) fn virtio(device: &Tree, base: &str) -> String {
    let bus = match device.attr_at("address", "type") {
        Some("ccw") => "ccw",
        Some("virtio-mmio") => "device",
        _ => "pci",
    };
    let model = device.attr("model").or_else(|| device.attr_at("model", "type")).unwrap_or_default();
    match model {
        "virtio-transitional" => format!("{base}-{bus}-transitional"),
        "virtio-non-transitional" => format!("{base}-{bus}-non-transitional"),
        _ => format!("{base}-{bus}"),
    }
}

/// Adds the options of the transport: `<driver iommu=… ats=… packed=… page_per_vq=…/>`.
pub(crate) fn transport(json: Json, device: &Tree) -> Json {
    let Some(driver) = device.child("driver") else { return json };
    json.put_opt("iommu_platform", on_off(driver.attr("iommu")))
        .put_opt("ats", on_off(driver.attr("ats")))
        .put_opt("packed", on_off(driver.attr("packed")))
        .put_opt("page-per-vq", on_off(driver.attr("page_per_vq")))
}
