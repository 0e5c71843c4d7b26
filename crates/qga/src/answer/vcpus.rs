//! Processors as the guest sees them.

use super::{entries, number};
use serde_json::Value;

/// A processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestVcpu {
    /// Its number in the guest.
    pub id: u32,
    /// The guest uses it.
    pub online: bool,
    /// The guest could do without it.
    pub offlinable: bool,
}

/// The answer to `guest-get-vcpus`.
pub fn vcpus(answer: &Value) -> Vec<GuestVcpu> {
    let read = |entry: &Value| {
        Some(GuestVcpu {
            id: number(entry, "logical-id")?.try_into().ok()?,
            online: entry.get("online")?.as_bool()?,
            offlinable: entry.get("can-offline").and_then(Value::as_bool).unwrap_or(false),
        })
    };
    entries(answer).iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn processors() {
        let answer = json!([
            {"logical-id": 0, "online": true, "can-offline": false},
            {"logical-id": 1, "online": false, "can-offline": true},
            {"logical-id": -1, "online": true},
        ]);
        let found = vcpus(&answer);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1], GuestVcpu { id: 1, online: false, offlinable: true });
    }
}
