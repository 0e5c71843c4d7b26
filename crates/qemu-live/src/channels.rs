//! Channels to the guest: which the guest listens to.

use serde_json::Value as Json;
use xml::Tree;

/// Writes what the emulator answered to `query-chardev` into the channels of a running guest.
pub fn note<'d>(devices: impl Iterator<Item = &'d mut Tree>, answer: &Json) {
    let entries = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    for device in devices.filter(|device| device.name == "channel") {
        if device.attr_at("target", "type") != Some("virtio") {
            continue;
        }
        let Some(alias) = device.attr_at("alias", "name") else { continue };
        let label = format!("char{alias}");
        let entry = entries.iter().find(|entry| entry.get("label").and_then(Json::as_str) == Some(&label));
        let Some(open) = entry.and_then(|entry| entry.get("frontend-open")?.as_bool()) else { continue };
        let state = if open { "connected" } else { "disconnected" };
        device.child_or_new("target").set("state", state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn open_and_closed() {
        let channel = |alias: &str| {
            Tree::new("channel")
                .holding(Tree::new("target").with("type", "virtio"))
                .holding(Tree::new("alias").with("name", alias))
        };
        let mut devices = [channel("channel0"), channel("channel1"), channel("channel2")];
        let answer = json!([
            {"label": "charchannel0", "frontend-open": true},
            {"label": "charchannel1", "frontend-open": false},
        ]);
        note(devices.iter_mut(), &answer);
        let states: Vec<_> = devices.iter().map(|device| device.attr_at("target", "state")).collect();
        assert_eq!(states, [Some("connected"), Some("disconnected"), None]);
    }
}
