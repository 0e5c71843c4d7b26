//! Addresses that are lent, as the lease helper keeps them: one JSON document for each bridge.

use serde_json::{Map, Value};
use std::net::IpAddr;

/// An address that is lent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// Address.
    pub address: IpAddr,
    /// Hardware address of the borrower.
    pub mac: Option<String>,
    /// Name of the borrower.
    pub hostname: Option<String>,
    /// Client id, or DUID for IPv6.
    pub client_id: Option<String>,
    /// Identity association, IPv6 only.
    pub iaid: Option<String>,
    /// Seconds since 1970 when the lease ends; 0 is never.
    pub expiry: i64,
}

/// Reads a document; `None` when it is none. An empty text is a document without leases.
pub fn parse(text: &str) -> Option<Vec<Lease>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let value: Value = serde_json::from_str(text).ok()?;
    Some(value.as_array()?.iter().filter_map(lease).collect())
}

fn lease(value: &Value) -> Option<Lease> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Lease {
        address: netaddr::ip::parse(&text("ip-address")?)?,
        mac: text("mac-address"),
        hostname: text("hostname"),
        client_id: text("client-id"),
        iaid: text("iaid"),
        expiry: value.get("expiry-time").and_then(Value::as_i64).unwrap_or(0),
    })
}

impl Lease {
    /// Whether it still holds at a time in seconds since 1970.
    pub fn holds(&self, now: i64) -> bool {
        self.expiry == 0 || self.expiry > now
    }
}

/// What dnsmasq tells its helper of a lease.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Address.
    pub address: String,
    /// Hardware address.
    pub mac: Option<String>,
    /// Name.
    pub hostname: Option<String>,
    /// Client id.
    pub client_id: Option<String>,
    /// Identity association.
    pub iaid: Option<String>,
    /// DUID of the server.
    pub server_duid: Option<String>,
    /// Seconds since 1970 when the lease ends.
    pub expiry: i64,
}

/// The leases of a document, without the one of an address, and those that have ended; `None` when it is no document.
fn kept(text: &str, address: &str, now: i64) -> Option<Vec<Value>> {
    let list =
        if text.trim().is_empty() { Value::Array(Vec::new()) } else { serde_json::from_str(text).ok()? };
    let Value::Array(list) = list else { return None };
    let alive = |value: &Value| {
        let expiry = value.get("expiry-time").and_then(Value::as_i64).unwrap_or(0);
        expiry == 0 || expiry > now
    };
    let other = |value: &Value| value.get("ip-address").and_then(Value::as_str) != Some(address);
    Some(list.into_iter().filter(|value| alive(value) && other(value)).collect())
}

/// The document after a lease was granted or renewed.
pub fn with(text: &str, told: &Told, now: i64) -> Option<String> {
    let mut list = kept(text, &told.address, now)?;
    let mut entry = Map::new();
    let mut add = |name: &str, value: Option<&String>| {
        if let Some(value) = value {
            entry.insert(name.to_owned(), Value::String(value.clone()));
        }
    };
    add("iaid", told.iaid.as_ref());
    add("ip-address", Some(&told.address));
    add("mac-address", told.mac.as_ref());
    add("hostname", told.hostname.as_ref());
    add("client-id", told.client_id.as_ref());
    add("server-duid", told.server_duid.as_ref());
    entry.insert("expiry-time".to_owned(), told.expiry.into());
    list.push(Value::Object(entry));
    Some(pretty(&Value::Array(list)))
}

/// The document after a lease was given back.
pub fn without(text: &str, address: &str, now: i64) -> Option<String> {
    Some(pretty(&Value::Array(kept(text, address, now)?)))
}

/// The leases in dnsmasq's own form, which it asks for when it starts.
pub fn for_dnsmasq(text: &str, now: i64) -> Option<String> {
    let list = kept(text, "", now)?;
    let field = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut out = String::new();
    let mut v6 = String::new();
    let mut duid = None;
    for value in &list {
        let address = field(value, "ip-address").unwrap_or_default();
        let expiry = value.get("expiry-time").and_then(Value::as_i64).unwrap_or(0);
        let or_star = |text: Option<String>| text.unwrap_or_else(|| "*".to_owned());
        let (host, client) = (or_star(field(value, "hostname")), or_star(field(value, "client-id")));
        if address.contains(':') {
            duid = duid.or_else(|| field(value, "server-duid"));
            let iaid = or_star(field(value, "iaid"));
            v6.push_str(&format!("{expiry} {iaid} {address} {host} {client}\n"));
        } else {
            let mac = or_star(field(value, "mac-address"));
            out.push_str(&format!("{expiry} {mac} {address} {host} {client}\n"));
        }
    }
    if let Some(duid) = duid {
        out.push_str(&format!("duid {duid}\n"));
    }
    Some(out + &v6)
}

/// JSON with two spaces for each level.
pub(crate) fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn granted_renewed_given_back() {
        let told = Told {
            address: "10.0.0.5".to_owned(),
            mac: Some("m".to_owned()),
            expiry: 100,
            ..Told::default()
        };
        let one = with("", &told, 10).unwrap();
        let again = with(&one, &Told { expiry: 200, ..told.clone() }, 10).unwrap();
        let leases = parse(&again).unwrap();
        assert_eq!((leases.len(), leases[0].expiry), (1, 200));
        assert!(leases[0].holds(199) && !leases[0].holds(200));
        assert_eq!(for_dnsmasq(&again, 10).unwrap(), "200 m 10.0.0.5 * *\n");
        assert_eq!(without(&again, "10.0.0.5", 10).unwrap(), "[]\n");
        assert_eq!(
            with(&again, &Told { address: "10.0.0.6".to_owned(), ..told }, 500)
                .map(|text| parse(&text).unwrap().len()),
            Some(1)
        );
        assert_eq!(parse("garbage"), None);
    }
}
