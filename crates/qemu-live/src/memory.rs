//! Memory devices as the emulator sees them: where they are mapped, how much the guest has taken.

use serde_json::Value as Json;
use xml::Tree;

fn kib(element: Tree, bytes: u64) -> Tree {
    let mut element = element.with("unit", "KiB");
    element.text = Some((bytes / 1024).to_string());
    element
}

/// Writes what the emulator answered to `query-memory-devices` into the devices of a running guest.
pub fn note<'d>(devices: impl Iterator<Item = &'d mut Tree>, answer: &Json) {
    let entries = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    for device in devices.filter(|device| device.name == "memory") {
        let Some(name) = device.attr_at("alias", "name").map(str::to_owned) else { continue };
        let data = entries.iter().filter_map(|entry| entry.get("data"));
        let Some(data) = data.into_iter().find(|data| data.get("id").and_then(Json::as_str) == Some(&name))
        else {
            continue;
        };
        let number = |member: &str| data.get(member).and_then(Json::as_u64);
        if let Some(base) = number("addr") {
            let address = device.child_or_new("address");
            if address.is("type", "dimm") {
                address.set("base", format!("{base:#x}"));
            }
        }
        if let Some(base) = number("memaddr") {
            let size = number("size").unwrap_or(0);
            let grows = device.is("model", "virtio-mem");
            let target = device.child_or_new("target");
            target.remove("address");
            if grows {
                set_current(target, size);
            }
            target.children.push(Tree::new("address").with("base", format!("{base:#x}")));
        }
    }
}

fn set_current(target: &mut Tree, bytes: u64) {
    let place = target.children.iter().position(|child| child.name == "current");
    let current = kib(Tree::new("current"), bytes);
    match place.and_then(|place| target.children.get_mut(place)) {
        Some(old) => *old = current,
        None => target.children.push(current),
    }
}

/// Notes how much of a device the guest has taken now.
pub fn note_size(device: &mut Tree, bytes: u64) {
    if device.is("model", "virtio-mem") {
        set_current(device.child_or_new("target"), bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places_and_sizes() {
        let mut devices = [
            Tree::new("memory")
                .with("model", "dimm")
                .holding(Tree::new("alias").with("name", "dimm0"))
                .holding(Tree::new("address").with("type", "dimm").with("slot", "0")),
            Tree::new("memory")
                .with("model", "virtio-mem")
                .holding(Tree::new("alias").with("name", "virtiomem0")),
        ];
        let answer = json!([
            {"type": "dimm", "data": {"id": "dimm0", "addr": 0x1_0000_0000_u64, "slot": 0}},
            {"type": "virtio-mem", "data": {"id": "virtiomem0", "memaddr": 0x1_1000_0000_u64, "size": 2 << 20}},
        ]);
        note(devices.iter_mut(), &answer);
        assert_eq!(devices[0].attr_at("address", "base"), Some("0x100000000"));
        assert_eq!(devices[1].at("target/current").map(Tree::body), Some("2048"));
        assert_eq!(devices[1].at("target/address").and_then(|a| a.attr("base")), Some("0x110000000"));
        note_size(&mut devices[1], 4 << 20);
        assert_eq!(devices[1].at("target/current").map(Tree::body), Some("4096"));
    }
}
