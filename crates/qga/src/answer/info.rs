//! Facts about a guest as parameters.

use super::disk::{Filesystem, Place, place};
use super::{Interface, entries, list, text};
use base::param::{TypedParam, TypedValue};
use serde_json::Value;

fn param(field: impl Into<String>, value: TypedValue) -> TypedParam {
    TypedParam { field: field.into(), value }
}

fn string(field: impl Into<String>, value: &str) -> TypedParam {
    param(field, TypedValue::String(value.to_owned()))
}

fn count(field: impl Into<String>, number: usize) -> TypedParam {
    param(field, TypedValue::UInt(u32::try_from(number).unwrap_or(u32::MAX)))
}

/// The answer to `guest-get-users`.
pub fn users(answer: &Value) -> Vec<TypedParam> {
    let users = entries(answer);
    let mut all = vec![count("user.count", users.len())];
    for (at, user) in users.iter().enumerate() {
        let field = |name: &str| format!("user.{at}.{name}");
        if let Some(name) = text(user, "user") {
            all.push(string(field("name"), name));
        }
        if let Some(domain) = text(user, "domain") {
            all.push(string(field("domain"), domain));
        }
        // Seconds with a fraction become milliseconds.
        if let Some(time) = user.get("login-time").and_then(Value::as_f64).filter(|time| *time >= 0.0) {
            all.push(param(field("login-time"), TypedValue::ULLong((time * 1000.0) as u64)));
        }
    }
    all
}

/// The answer to `guest-get-osinfo`.
pub fn system(answer: &Value) -> Vec<TypedParam> {
    const NAMES: [&str; 10] = [
        "id",
        "name",
        "pretty-name",
        "version",
        "version-id",
        "machine",
        "variant",
        "variant-id",
        "kernel-release",
        "kernel-version",
    ];
    NAMES.iter().filter_map(|name| Some(string(format!("os.{name}"), text(answer, name)?))).collect()
}

/// The answer to `guest-get-timezone`.
pub fn timezone(answer: &Value) -> Vec<TypedParam> {
    let mut all = Vec::new();
    if let Some(zone) = text(answer, "zone") {
        all.push(string("timezone.name", zone));
    }
    let offset = answer.get("offset").and_then(Value::as_i64).and_then(|offset| offset.try_into().ok());
    if let Some(offset) = offset {
        all.push(param("timezone.offset", TypedValue::Int(offset)));
    }
    all
}

/// File systems. `alias` finds the target of a disk.
pub fn file_systems(found: &[Filesystem], alias: &dyn Fn(&Place) -> Option<String>) -> Vec<TypedParam> {
    let mut all = vec![count("fs.count", found.len())];
    for (at, system) in found.iter().enumerate() {
        let field = |name: &str| format!("fs.{at}.{name}");
        all.push(string(field("name"), &system.name));
        all.push(string(field("mountpoint"), &system.mountpoint));
        all.push(string(field("fstype"), &system.kind));
        for (name, bytes) in [("total-bytes", system.total), ("used-bytes", system.used)] {
            if let Some(bytes) = bytes {
                all.push(param(field(name), TypedValue::ULLong(bytes)));
            }
        }
        all.push(count(field("disk.count"), system.disks.len()));
        for (number, disk) in system.disks.iter().enumerate() {
            let field = |name: &str| format!("fs.{at}.disk.{number}.{name}");
            if let Some(alias) = alias(&disk.place) {
                all.push(string(field("alias"), &alias));
            }
            if let Some(serial) = &disk.serial {
                all.push(string(field("serial"), serial));
            }
            if let Some(device) = &disk.device {
                all.push(string(field("device"), device));
            }
        }
    }
    all
}

/// The answer to `guest-get-disks`. `alias` finds the target of a disk.
pub fn disks(answer: &Value, alias: &dyn Fn(&Place) -> Option<String>) -> Vec<TypedParam> {
    let disks = entries(answer);
    let mut all = vec![count("disk.count", disks.len())];
    for (at, disk) in disks.iter().enumerate() {
        let field = |name: &str| format!("disk.{at}.{name}");
        if let Some(name) = text(disk, "name") {
            all.push(string(field("name"), name));
        }
        let partition = disk.get("partition").and_then(Value::as_bool).unwrap_or(false);
        all.push(param(field("partition"), TypedValue::Boolean(partition)));
        let needed = list(disk, "dependencies");
        if !needed.is_empty() {
            all.push(count(field("dependency.count"), needed.len()));
        }
        for (number, name) in needed.iter().enumerate() {
            if let Some(name) = name.as_str() {
                all.push(string(format!("disk.{at}.dependency.{number}.name"), name));
            }
        }
        if let Some(address) = disk.get("address") {
            if let Some(serial) = text(address, "serial") {
                all.push(string(field("serial"), serial));
            }
            if let Some(alias) = place(address).and_then(|place| alias(&place)) {
                all.push(string(field("alias"), &alias));
            }
            if let Some(bus) = text(address, "bus-type") {
                all.push(string(field("guest_bus"), bus));
            }
        }
        if let Some(alias) = text(disk, "alias") {
            all.push(string(field("guest_alias"), alias));
        }
    }
    all
}

/// Interfaces.
pub fn interfaces(found: &[Interface]) -> Vec<TypedParam> {
    let mut all = vec![count("if.count", found.len())];
    for (at, interface) in found.iter().enumerate() {
        let field = |name: &str| format!("if.{at}.{name}");
        all.push(string(field("name"), &interface.name));
        if let Some(mac) = &interface.mac {
            all.push(string(field("hwaddr"), mac));
        }
        all.push(count(field("addr.count"), interface.addresses.len()));
        for (number, address) in interface.addresses.iter().enumerate() {
            let field = |name: &str| format!("if.{at}.addr.{number}.{name}");
            all.push(string(field("type"), if address.kind == 1 { "ipv6" } else { "ipv4" }));
            all.push(string(field("addr"), &address.address));
            all.push(param(field("prefix"), TypedValue::UInt(address.prefix)));
        }
    }
    all
}

/// The answer to `guest-get-load`.
pub fn load(answer: &Value) -> Vec<TypedParam> {
    [("load.1m", "load1m"), ("load.5m", "load5m"), ("load.15m", "load15m")]
        .into_iter()
        .filter_map(|(field, name)| Some(param(field, TypedValue::Double(answer.get(name)?.as_f64()?))))
        .collect()
}

/// Seconds and the rest in nanoseconds of a moment in nanoseconds.
pub fn moment(answer: &Value) -> Option<(i64, u32)> {
    let nanoseconds = answer.as_u64()?;
    Some(((nanoseconds / 1_000_000_000).try_into().ok()?, (nanoseconds % 1_000_000_000) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(params: &[TypedParam]) -> Vec<String> {
        params.iter().map(|param| format!("{}={:?}", param.field, param.value)).collect()
    }

    #[test]
    fn parameters() {
        let answer =
            json!([{"user": "root", "login-time": 1.5}, {"user": "x", "domain": "d", "login-time": 2}]);
        assert_eq!(
            shown(&users(&answer)),
            [
                "user.count=UInt(2)",
                "user.0.name=String(\"root\")",
                "user.0.login-time=ULLong(1500)",
                "user.1.name=String(\"x\")",
                "user.1.domain=String(\"d\")",
                "user.1.login-time=ULLong(2000)"
            ]
        );
        assert_eq!(shown(&timezone(&json!({"offset": -3600}))), ["timezone.offset=Int(-3600)"]);
        assert_eq!(shown(&system(&json!({"id": "debian", "x": 1}))), ["os.id=String(\"debian\")"]);
        let answer = json!([{"name": "/dev/vda", "partition": false, "dependencies": ["/dev/a"],
            "address": {"bus-type": "virtio", "serial": "s"}}]);
        assert_eq!(
            shown(&disks(&answer, &|_| Some("vda".into()))),
            [
                "disk.count=UInt(1)",
                "disk.0.name=String(\"/dev/vda\")",
                "disk.0.partition=Boolean(false)",
                "disk.0.dependency.count=UInt(1)",
                "disk.0.dependency.0.name=String(\"/dev/a\")",
                "disk.0.serial=String(\"s\")",
                "disk.0.alias=String(\"vda\")",
                "disk.0.guest_bus=String(\"virtio\")"
            ]
        );
        assert_eq!(moment(&json!(1_500_000_000u64)), Some((1, 500_000_000)));
    }
}
