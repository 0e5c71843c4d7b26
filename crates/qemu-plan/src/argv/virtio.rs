//! What devices of the virtio family have in common.

use super::{Json, on_off};
use serde_json::Value;
use xml::Tree;

/// Name of a device's driver for the bus it sits on.
pub(crate) fn name(device: &Tree, base: &str) -> String {
    super::virtio(device, base)
}

/// A device with the options of its transport.
pub(crate) fn device(device: &Tree, base: &str) -> Json {
    transport(Json::driver(name(device, base)), device)
}

/// Adds the options of a device's transport.
pub(crate) fn transport(json: Json, device: &Tree) -> Json {
    let option = |name: &str| on_off(device.attr_at("driver", name));
    json.put_opt("iommu_platform", option("iommu"))
        .put_opt("ats", option("ats"))
        .put_opt("packed", option("packed"))
        .put_opt("page-per-vq", option("page_per_vq"))
}

/// The I/O threads that serve a device, with the queues each of them serves.
pub(crate) fn iothreads(list: &Tree) -> Value {
    let thread = |thread: &Tree| {
        let name = format!("iothread{}", thread.attr("id").unwrap_or_default());
        let queues: Vec<Value> = thread
            .all("queue")
            .filter_map(|queue| queue.attr("id").and_then(|id| id.parse::<u64>().ok()))
            .map(Value::from)
            .collect();
        let queues = if queues.is_empty() { None } else { Some(queues) };
        Json::new().put("iothread", name).put_opt("vqs", queues).value()
    };
    Value::Array(list.all("iothread").map(thread).collect())
}
