//! The state of a daemon's servers as a document, which a daemon leaves to its successor when it is replaced in place.
//!
//! ```text
//! {"servers": {NAME: {limits, keepalive, next_client_id, services: [{auth, socks}], clients: [{id, auth, sock}]}}}
//! ```
//!
//! Older daemons wrote a list of servers, still older ones a single server without a name; both are read. What an old
//! document does not say is completed: the numbers of clients, who still has to authenticate, which sockets to unlink.

use base::{Error, ErrorDomain, Result};
use serde_json::{Map, Value, json};

/// Names that a document may use: the servers that this daemon has, in the order old documents list them.
pub type Names<'n> = &'n [&'n str];

/// What a daemon's servers were doing.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Saved {
    /// Servers by name, in order.
    pub servers: Vec<(String, Map<String, Value>)>,
}

fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::RPC, text)
}

fn missing(field: &str, of: &str) -> Error {
    internal(format!("Missing {field} data in JSON {of}document"))
}

/// A number or truth value that must be there.
fn need(object: &Map<String, Value>, field: &str, of: &str) -> Result<Value> {
    object.get(field).filter(|v| v.is_number() || v.is_boolean()).cloned().ok_or_else(|| missing(field, of))
}

fn list<'v>(object: &'v Map<String, Value>, field: &str, of: &str) -> Result<&'v [Value]> {
    match object.get(field) {
        None => Err(missing(field, of)),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(internal(format!("Malformed {field} array"))),
    }
}

fn object<'v>(value: &'v Value, what: &str) -> Result<&'v Map<String, Value>> {
    value.as_object().ok_or_else(|| internal(format!("Malformed {what} in JSON document")))
}

/// A socket; whoever listens unlinks its path when done.
fn socket(value: &Value) -> Result<Value> {
    let sock = object(value, "sock")?;
    let mut out = Map::new();
    for field in ["fd", "errfd", "pid", "isClient"] {
        out.insert(field.to_owned(), need(sock, field, "socket ")?);
    }
    let client = out["isClient"].as_bool().unwrap_or(false);
    let unlink = sock.get("unlinkUNIX").and_then(Value::as_bool).unwrap_or(!client);
    out.insert("unlinkUNIX".to_owned(), unlink.into());
    Ok(out.into())
}

fn service(value: &Value) -> Result<Value> {
    let service = object(value, "service")?;
    let mut out = Map::new();
    for field in ["auth", "readonly", "nrequests_client_max"] {
        out.insert(field.to_owned(), need(service, field, "service ")?);
    }
    let socks: Result<Vec<Value>> = list(service, "socks", "service ")?.iter().map(socket).collect();
    out.insert("socks".to_owned(), socks?.into());
    Ok(out.into())
}

fn client(value: &Value, next: &mut u64) -> Result<Value> {
    let client = object(value, "client")?;
    let id = client.get("id").and_then(Value::as_u64).unwrap_or_else(|| {
        *next += 1;
        *next - 1
    });
    let auth = need(client, "auth", "client ")?;
    let pending = client.get("auth_pending").and_then(Value::as_bool);
    let pending = pending.unwrap_or_else(|| auth.as_i64() != Some(0));
    let mut out = Map::new();
    out.insert("id".to_owned(), id.into());
    out.insert("auth".to_owned(), auth);
    out.insert("auth_pending".to_owned(), pending.into());
    for field in ["readonly", "nrequests_max"] {
        out.insert(field.to_owned(), need(client, field, "client ")?);
    }
    if let Some(time) = client.get("conn_time").and_then(Value::as_i64).filter(|&time| time != 0) {
        out.insert("conn_time".to_owned(), time.into());
    }
    out.insert("sock".to_owned(), socket(client.get("sock").ok_or_else(|| missing("sock", "client "))?)?);
    if let Some(data) = client.get("privateData") {
        out.insert("privateData".to_owned(), data.clone());
    }
    Ok(out.into())
}

fn server(value: &Value) -> Result<Map<String, Value>> {
    let server = object(value, "server")?;
    let mut out = Map::new();
    for field in ["min_workers", "max_workers", "priority_workers", "max_clients"] {
        out.insert(field.to_owned(), need(server, field, "server ")?);
    }
    let anonymous =
        server.get("max_anonymous_clients").cloned().unwrap_or_else(|| out["max_clients"].clone());
    if out["max_clients"].as_u64() < anonymous.as_u64() {
        return Err(internal(
            "The overall maximum number of clients must not be less than the number of clients waiting for authentication",
        ));
    }
    out.insert("max_anonymous_clients".to_owned(), anonymous);
    for field in ["keepaliveInterval", "keepaliveCount"] {
        out.insert(field.to_owned(), need(server, field, "server ")?);
    }
    let mut next = server.get("next_client_id").and_then(Value::as_u64).unwrap_or(1);
    let services: Result<Vec<Value>> = list(server, "services", "server ")?.iter().map(service).collect();
    let clients: Result<Vec<Value>> =
        list(server, "clients", "server ")?.iter().map(|value| client(value, &mut next)).collect();
    let clients = clients?;
    out.insert("next_client_id".to_owned(), next.into());
    out.insert("services".to_owned(), services?.into());
    out.insert("clients".to_owned(), clients.into());
    Ok(out)
}

impl Saved {
    /// Reads a document for a daemon that has the servers `names`.
    ///
    /// # Errors
    /// When the document lacks something, contradicts itself, or its servers are not this daemon's.
    pub fn restore(document: &str, names: Names<'_>) -> Result<Saved> {
        let value: Value = serde_json::from_str(document)
            .map_err(|error| internal(format!("cannot parse json: {error}")))?;
        let top = object(&value, "daemon")?;
        let mut servers = Vec::new();
        let name_of = |at: usize| {
            names.get(at).copied().ok_or_else(|| internal(format!("Too many servers in JSON document: {at}")))
        };
        match top.get("servers") {
            Some(Value::Object(named)) => {
                for (name, value) in named {
                    if !names.contains(&name.as_str()) {
                        return Err(internal(format!("Server {name} is not known")));
                    }
                    servers.push((name.clone(), server(value)?));
                }
            }
            Some(Value::Array(listed)) => {
                for (at, value) in listed.iter().enumerate() {
                    servers.push((name_of(at)?.to_owned(), server(value)?));
                }
            }
            Some(_) => return Err(internal("Malformed servers array")),
            None => servers.push((name_of(0)?.to_owned(), server(&value)?)),
        }
        for name in names {
            if !servers.iter().any(|(known, _)| known == name) {
                return Err(internal(format!("Server {name} was not created")));
            }
        }
        Ok(Saved { servers })
    }

    /// The document, indented by two spaces.
    pub fn save(&self) -> String {
        let servers: Map<String, Value> =
            self.servers.iter().map(|(name, server)| (name.clone(), server.clone().into())).collect();
        let document = json!({ "servers": servers });
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"{"min_workers": 1, "max_workers": 2, "priority_workers": 1, "max_clients": 9,
        "keepaliveInterval": 5, "keepaliveCount": 5,
        "services": [{"auth": 0, "readonly": false, "nrequests_client_max": 2,
                      "socks": [{"fd": 3, "errfd": -1, "pid": 0, "isClient": false}]}],
        "clients": [{"auth": 1, "readonly": false, "nrequests_max": 5, "privateData": 1,
                     "sock": {"fd": 4, "errfd": -1, "pid": -1, "isClient": true}}]}"#;

    #[test]
    fn old_documents_are_completed() {
        let saved = Saved::restore(OLD, &["a"]).unwrap();
        let server = &saved.servers[0].1;
        assert_eq!(server["max_anonymous_clients"], 9);
        assert_eq!(server["next_client_id"], 2);
        assert_eq!(server["clients"][0]["auth_pending"], true);
        assert_eq!(server["services"][0]["socks"][0]["unlinkUNIX"], true);
        assert_eq!(Saved::restore(&saved.save(), &["a"]).unwrap(), saved);
    }

    #[test]
    fn refusals() {
        let text = |document: &str, names: Names<'_>| {
            Saved::restore(document, names).map_or_else(|error| error.message().to_owned(), |_| String::new())
        };
        assert_eq!(text(OLD, &["a", "b"]), "internal error: Server b was not created");
        let crowded = OLD.replace("\"max_clients\": 9", "\"max_clients\": 9, \"max_anonymous_clients\": 10");
        assert!(text(&crowded, &["a"]).contains("must not be less than"));
        assert!(text(&OLD.replace("\"auth\": 0,", ""), &["a"]).contains("Missing auth data"));
    }
}
