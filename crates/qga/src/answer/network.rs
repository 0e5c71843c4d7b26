//! Interfaces as the guest sees them.

use super::{entries, list, number, text};
use serde_json::Value;

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// 0 for the old protocol, 1 for the new one.
    pub kind: i32,
    /// The address, spelled.
    pub address: String,
    /// Bits of the network.
    pub prefix: u32,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name in the guest.
    pub name: String,
    /// Its address on the wire.
    pub mac: Option<String>,
    /// Its addresses.
    pub addresses: Vec<Address>,
}

/// The answer to `guest-network-get-interfaces`. Names of addresses, `eth0:1`, are part of their interface.
pub fn addresses(answer: &Value) -> Vec<Interface> {
    let mut found: Vec<Interface> = Vec::new();
    for entry in entries(answer) {
        let Some(name) = text(entry, "name").and_then(|name| name.split(':').next()) else { continue };
        let at = found.iter().position(|known| known.name == name).unwrap_or_else(|| {
            let mac = text(entry, "hardware-address").map(str::to_owned);
            found.push(Interface { name: name.to_owned(), mac, addresses: Vec::new() });
            found.len() - 1
        });
        let read = |address: &Value| {
            Some(Address {
                kind: if text(address, "ip-address-type")? == "ipv6" { 1 } else { 0 },
                address: text(address, "ip-address")?.to_owned(),
                prefix: number(address, "prefix")?.try_into().ok()?,
            })
        };
        if let Some(interface) = found.get_mut(at) {
            interface.addresses.extend(list(entry, "ip-addresses").iter().filter_map(read));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_addresses() {
        let answer = json!([
            {"name": "eth0", "hardware-address": "52:54:00:00:00:01", "ip-addresses": [
                {"ip-address-type": "ipv4", "ip-address": "10.0.0.2", "prefix": 24}]},
            {"name": "eth0:1", "ip-addresses": [
                {"ip-address-type": "ipv6", "ip-address": "fe80::1", "prefix": 64}, {"ip-address": 3}]},
            {"name": 3},
        ]);
        let found = addresses(&answer);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].addresses.len(), 2);
        assert_eq!(found[0].addresses[1], Address { kind: 1, address: "fe80::1".into(), prefix: 64 });
    }
}
