//! Devices that come and go while a guest runs.

use crate::Driver;
use crate::guest::{Guest, Live};
use crate::removal::Outcome;
use serde_json::Value as Json;
use std::sync::Arc;

impl Driver {
    /// What the emulator tells of devices.
    pub(crate) fn heard_of_devices(&self, guest: &Arc<Guest>, live: &Arc<Live>, event: &qmp::Event) {
        if event.name == "BLOCK_WRITE_THRESHOLD" {
            return self.threshold_passed(guest, event);
        }
        let Some(alias) = event.data.get("device").and_then(Json::as_str) else { return };
        let outcome = match event.name.as_str() {
            "DEVICE_DELETED" => Outcome::Removed,
            "DEVICE_UNPLUG_GUEST_ERROR" => Outcome::Refused,
            _ => return,
        };
        live.session.removals.settle(alias, outcome);
    }
}
