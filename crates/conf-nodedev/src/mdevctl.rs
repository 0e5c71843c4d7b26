//! What `mdevctl` is told of mediated devices, and what it tells.
//!
//! ```text
//! define, start anew   --parent=ADDRESS --jsonfile=/dev/stdin [--uuid=UUID]     {"mdev_type": …, "start": …, "attrs": […]}
//! modify               the same, with --defined, --live or both
//! start, stop, undefine --uuid=UUID
//! list --dumpjson      [{"ADDRESS": [{"UUID": {"mdev_type": …}}, …], …}]
//! ```

use base::{Error, ErrorDomain, Result, Uuid};
use serde_json::{Map, Value, json};

use crate::capability::mdev::{Making, Mdev};
use crate::{Capability, Device};

/// Name of the program.
pub const PROGRAM: &str = "mdevctl";

/// A command: arguments, and what the program reads.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Command {
    /// Arguments.
    pub args: Vec<String>,
    /// Standard input.
    pub input: String,
}

/// What a device of mdevctl's is asked to do by its identity alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    /// Makes a defined device.
    Start,
    /// Removes a running device.
    Stop,
    /// Forgets a definition.
    Undefine,
}

fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::NODEDEV, text)
}

fn words<const N: usize>(words: [&str; N]) -> Command {
    Command { args: words.map(str::to_owned).to_vec(), input: String::new() }
}

/// What mdevctl is to make.
fn json(mdev: &Mdev) -> String {
    let mut object = Map::new();
    object.insert("mdev_type".to_owned(), json!(mdev.defined.kind));
    object.insert("start".to_owned(), json!(if mdev.autostart { "auto" } else { "manual" }));
    if !mdev.defined.attributes.is_empty() {
        let attrs = mdev.defined.attributes.iter();
        let attrs: Vec<Value> = attrs.map(|(name, value)| json!({ name: value })).collect();
        object.insert("attrs".to_owned(), Value::Array(attrs));
    }
    Value::Object(object).to_string()
}

/// A command that says what a device is made of. `parent` is the address of the device above it.
fn described(verb: &str, mdev: &Mdev, parent: &str) -> Command {
    let mut command = words([verb, &format!("--parent={parent}"), "--jsonfile=/dev/stdin"]);
    command.args.extend(mdev.uuid.map(|uuid| format!("--uuid={uuid}")));
    command.input = json(mdev);
    command
}

/// Makes a device that is not defined.
pub fn create(mdev: &Mdev, parent: &str) -> Command {
    described("start", mdev, parent)
}

/// Defines a device.
pub fn define(mdev: &Mdev, parent: &str) -> Command {
    described("define", mdev, parent)
}

/// Changes a definition, the running device, or both.
pub fn modify(mdev: &Mdev, parent: &str, defined: bool, live: bool) -> Command {
    let mut command = described("modify", mdev, parent);
    command.args.extend(defined.then(|| "--defined".to_owned()));
    command.args.extend(live.then(|| "--live".to_owned()));
    command
}

/// Has a device start with the host, or not.
pub fn autostart(uuid: Uuid, on: bool) -> Command {
    words(["modify", "--uuid", &uuid.to_string(), if on { "--auto" } else { "--manual" }])
}

/// Asks a device for something by its identity.
pub fn by_uuid(verb: Verb, uuid: Uuid) -> Command {
    let verb = match verb {
        Verb::Start => "start",
        Verb::Stop => "stop",
        Verb::Undefine => "undefine",
    };
    words([verb, &format!("--uuid={uuid}")])
}

/// Lists devices: the defined ones, or those that run.
pub fn list(defined: bool) -> Command {
    let mut command = words(["list", "--dumpjson"]);
    command.args.extend(defined.then(|| "--defined".to_owned()));
    command
}

/// The name of a mediated device on a parent.
pub fn name(uuid: Uuid, parent: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("mdev_{uuid}_{parent}").chars().map(plain).collect()
}

/// Reads a listing. `parent` finds the name of the device at an address.
///
/// # Errors
/// When the listing is not of the form that mdevctl prints.
pub fn parse_list(text: &str, parent: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Device>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let strange = || internal("mdevctl JSON response contains no devices");
    let listing: Value =
        serde_json::from_str(text).map_err(|_| internal("Unable to parse mdevctl JSON response"))?;
    let mut devices = Vec::new();
    for parents in listing.as_array().ok_or_else(strange)? {
        for (address, children) in parents.as_object().ok_or_else(strange)? {
            let children = children
                .as_array()
                .ok_or_else(|| internal("Parent device's JSON object data is not an array"))?;
            for child in children {
                for (uuid, properties) in child.as_object().ok_or_else(strange)? {
                    devices.push(device(uuid, properties, address, parent)?);
                }
            }
        }
    }
    Ok(devices)
}

fn device(
    uuid: &str,
    properties: &Value,
    address: &str,
    parent: &dyn Fn(&str) -> Option<String>,
) -> Result<Device> {
    let uuid: Uuid =
        uuid.parse().map_err(|_| internal(format!("invalid uuid '{uuid}' of a mediated device")))?;
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    let attrs = properties.get("attrs").and_then(Value::as_array);
    let attributes = attrs.into_iter().flatten().filter_map(Value::as_object).flatten();
    let attributes = attributes.map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), value)
    });
    let defined =
        Making { kind: text("mdev_type").unwrap_or_default().to_owned(), attributes: attributes.collect() };
    let mdev = Mdev {
        defined,
        uuid: Some(uuid),
        parent_addr: Some(address.to_owned()),
        autostart: text("start") == Some("auto"),
        ..Mdev::default()
    };
    Ok(Device {
        name: name(uuid, address),
        parent: Some(parent(address).unwrap_or_else(|| "computer".to_owned())),
        capabilities: vec![Capability::Mdev(mdev)],
        ..Device::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_gives_devices() {
        let text = r#"[{"0000:00:02.0": [{"200f228a-c80a-4d50-bfb7-f5a0e4e34045": {"mdev_type": "t", "start": "auto",
            "attrs": [{"a": "1"}, {"a": "2"}]}}]}]"#;
        let devices = parse_list(text, &|_| Some("pci".to_owned())).unwrap();
        let mdev = devices[0].mediated().unwrap();
        assert_eq!(devices[0].name, "mdev_200f228a_c80a_4d50_bfb7_f5a0e4e34045_0000_00_02_0");
        assert!(mdev.autostart);
        let again = json(mdev);
        assert_eq!(again, r#"{"mdev_type":"t","start":"auto","attrs":[{"a":"1"},{"a":"2"}]}"#);
        assert!(parse_list("", &|_| None).unwrap().is_empty());
        assert!(parse_list("{", &|_| None).is_err() && parse_list("3", &|_| None).is_err());
    }
}
