//! Which hardware addresses a guest has on a network: one JSON document for each bridge.

use crate::leases::pretty;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Hardware addresses by guest, in the order they came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MacMap(BTreeMap<String, Vec<String>>);

impl MacMap {
    /// Reads a document; `None` when it is none. An empty text is an empty map.
    pub fn parse(text: &str) -> Option<MacMap> {
        if text.trim().is_empty() {
            return Some(MacMap::default());
        }
        let value: Value = serde_json::from_str(text).ok()?;
        let mut map = MacMap::default();
        for entry in value.as_array()? {
            let guest = entry.get("domain")?.as_str()?;
            let macs = entry.get("macs")?.as_array()?;
            let macs = macs.iter().map(|mac| mac.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?;
            map.0.insert(guest.to_owned(), macs);
        }
        Some(map)
    }

    /// Adds an address of a guest; one that is there is not added again.
    pub fn add(&mut self, guest: &str, mac: &str) {
        let macs = self.0.entry(guest.to_owned()).or_default();
        if !macs.iter().any(|known| known == mac) {
            macs.push(mac.to_owned());
        }
    }

    /// Removes an address of a guest.
    pub fn remove(&mut self, guest: &str, mac: &str) {
        if let Some(macs) = self.0.get_mut(guest) {
            macs.retain(|known| known != mac);
            if macs.is_empty() {
                self.0.remove(guest);
            }
        }
    }

    /// Addresses of a guest.
    pub fn macs(&self, guest: &str) -> &[String] {
        self.0.get(guest).map_or(&[], Vec::as_slice)
    }

    /// The document.
    pub fn format(&self) -> String {
        let entry = |(guest, macs): (&String, &Vec<String>)| {
            let mut entry = Map::new();
            entry.insert("domain".to_owned(), json!(guest));
            entry.insert("macs".to_owned(), json!(macs));
            Value::Object(entry)
        };
        pretty(&Value::Array(self.0.iter().map(entry).collect()))
    }
}
