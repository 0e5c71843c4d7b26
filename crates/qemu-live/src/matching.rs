//! Finding the device a client means by a document.

use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use xml::Tree;

const FROM: ErrorDomain = ErrorDomain::QEMU;

/// Kinds of devices that carry characters.
pub const CHARACTER: [&str; 4] = ["serial", "parallel", "channel", "console"];

/// The name of a kind of device in messages.
pub fn kind_name(device: &Tree) -> &str {
    if CHARACTER.contains(&device.name.as_str()) { "chr" } else { &device.name }
}

/// An address as messages spell it, e.g. `0000:00:09.0`.
pub fn spelled_address(device: &Tree) -> Option<String> {
    let address = device.child("address").filter(|address| address.is("type", "pci"))?;
    let number = |name: &str| {
        let text = address.attr(name).unwrap_or("0");
        match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).unwrap_or(0),
            None => text.parse().unwrap_or(0),
        }
    };
    Some(format!(
        "{:04x}:{:02x}:{:02x}.{:x}",
        number("domain"),
        number("bus"),
        number("slot"),
        number("function")
    ))
}

/// A device without what only a running one has, and without what the client did not state.
fn bare(device: &Tree, given: &Tree) -> Tree {
    let mut device = device.clone();
    if given.child("address").is_none() {
        device.remove("address");
    }
    if given.attr_at("alias", "name").is_none() {
        device.remove("alias");
    }
    device.unset("tty");
    if given.attr_at("source", "tls").is_none()
        && let Some(source) = device.child_mut("source")
    {
        source.unset("tls");
    }
    if let Some(target) = device.child_mut("target") {
        target.unset("state");
        if given.attr_at("target", "port").is_none() {
            target.unset("port");
        }
    }
    device
}

fn same_text(one: &Tree, other: &Tree, path: &str) -> bool {
    one.at(path).map(Tree::body) == other.at(path).map(Tree::body)
}

/// Whether a device of a guest is the one a client means. `wanted` is its document with defaults filled in, `given` as it
/// was given.
fn is(device: &Tree, wanted: &Tree, given: &Tree) -> bool {
    if device.name != wanted.name {
        return false;
    }
    match device.name.as_str() {
        "disk" => device.attr_at("target", "dev") == given.attr_at("target", "dev"),
        "controller" => {
            device.attr("type") == given.attr("type")
                && device.attr("index") == given.attr("index").or_else(|| wanted.attr("index"))
        }
        "lease" => same_text(device, given, "lockspace") && same_text(device, given, "key"),
        "filesystem" => device.attr_at("target", "dir") == given.attr_at("target", "dir"),
        "hostdev" => {
            device.attr("mode") == wanted.attr("mode")
                && device.attr("type") == wanted.attr("type")
                && same_source(device, wanted)
        }
        "graphics" => device.attr("type") == given.attr("type"),
        _ => bare(device, given) == bare(wanted, given),
    }
}

/// Whether two devices of the host are the same one.
fn same_source(one: &Tree, other: &Tree) -> bool {
    let (Some(one), Some(other)) = (one.child("source"), other.child("source")) else { return false };
    match (one.child("address"), other.child("address")) {
        (Some(a), Some(b)) => a.attrs == b.attrs && one.child("adapter") == other.child("adapter"),
        // By vendor and product, which may stand beside an address that was found.
        _ => one.child("vendor") == other.child("vendor") && one.child("product") == other.child("product"),
    }
}

/// The place among the devices of the one a client means. Interfaces are looked for by [`interface`].
pub fn find(domain: &Domain, wanted: &Tree, given: &Tree) -> Option<usize> {
    domain.devices().iter().position(|device| is(device, wanted, given))
}

/// The same for characters: a device that would do the same as this one.
pub fn character(domain: &Domain, wanted: &Tree) -> Option<usize> {
    let source = |device: &Tree| {
        let mut attrs = device.child("source").map(|source| source.attrs.clone()).unwrap_or_default();
        // A socket without a path is one that is listened on, said or not.
        attrs.retain(|name, value| !(name == "mode" && value == "bind"));
        attrs
    };
    let alike = |device: &&Tree| {
        let same = |name: &str| device.attr_at("target", name) == wanted.attr_at("target", name);
        device.name == wanted.name
            && device.attr("type") == wanted.attr("type")
            && source(device) == source(wanted)
            && ["type", "name", "address", "port"].into_iter().all(same)
    };
    domain.devices().iter().position(|device| alike(&device))
}

/// The place among the devices of the interface a client means: by address of the wire, place in the guest, name.
///
/// # Errors
/// When there is none, or more than one.
pub fn interface(domain: &Domain, given: &Tree) -> Result<usize> {
    let fault = |code: ErrorCode, text: String| Error::new(code, ErrorDomain::DOMAIN, text);
    let mac = given.attr_at("mac", "address");
    let alias = given.attr_at("alias", "name");
    let place = spelled_address(given);
    let fits = |device: &&Tree| {
        let own = device.attr_at("mac", "address").unwrap_or_default();
        mac.is_none_or(|mac| own.eq_ignore_ascii_case(mac))
            && alias.is_none_or(|alias| device.attr_at("alias", "name") == Some(alias))
            && place.is_none_or_is(spelled_address(device).as_deref())
    };
    let mut found = domain
        .devices()
        .iter()
        .enumerate()
        .filter(|(_, device)| device.name == "interface")
        .filter(|(_, device)| fits(device))
        .map(|(at, _)| at);
    let shown = |text: Option<&str>| text.unwrap_or("(<null>)").to_owned();
    match (found.next(), found.next()) {
        (Some(at), None) => Ok(at),
        (Some(_), Some(_)) => {
            let text = match (mac, &place) {
                (Some(mac), None) => format!("multiple devices matching MAC address {mac} found"),
                (None, None) if alias.is_none() => "multiple matching devices found".to_owned(),
                (mac, place) => format!(
                    "multiple devices found at address '{}' matching MAC address '{}' and alias '{}'",
                    shown(place.as_deref()),
                    shown(mac),
                    shown(alias)
                ),
            };
            Err(fault(ErrorCode::OPERATION_FAILED, text))
        }
        (None, _) => {
            let text = format!(
                "no device found at address '{}' matching MAC address '{}' and alias '{}'",
                shown(place.as_deref()),
                shown(mac),
                shown(alias)
            );
            Err(fault(ErrorCode::DEVICE_MISSING, text))
        }
    }
}

/// An optional wish that may be left open.
trait Open {
    fn is_none_or_is(&self, other: Option<&str>) -> bool;
}

impl Open for Option<String> {
    fn is_none_or_is(&self, other: Option<&str>) -> bool {
        self.as_deref().is_none_or(|wish| Some(wish) == other)
    }
}

/// The error of a device that a running guest does not have.
pub fn missing_live(given: &Tree) -> Error {
    let missing = |text: String| Error::new(ErrorCode::DEVICE_MISSING, FROM, text);
    let model = given.attr("model").unwrap_or_default();
    match given.name.as_str() {
        "disk" => missing(format!("disk {} not found", given.attr_at("target", "dev").unwrap_or_default())),
        kind if CHARACTER.contains(&kind) => {
            missing(format!("chr type '{kind}' device not present in domain configuration"))
        }
        "controller" => missing(format!(
            "controller {}:{} not found",
            given.attr("type").unwrap_or_default(),
            given.attr("index").unwrap_or("-1")
        )),
        "memory" => missing(format!("model '{model}' memory device not present in the domain configuration")),
        "rng" => missing(format!("model '{model}' RNG device not present in domain configuration")),
        "watchdog" => missing("no matching watchdog was found".to_owned()),
        "redirdev" => Error::operation_invalid(FROM, "no matching redirdev was not found"),
        "shmem" => missing(format!(
            "model '{}' shmem device not present in domain configuration",
            given.attr_at("model", "type").unwrap_or("ivshmem")
        )),
        "input" => missing("matching input device not found".to_owned()),
        "vsock" => missing("matching vsock device not found".to_owned()),
        "filesystem" => missing("matching filesystem not found".to_owned()),
        "lease" => Error::operation_invalid(FROM, lease(given, "does not exist")),
        "hostdev" => missing(hostdev(given)),
        _ => missing("device not present in domain configuration".to_owned()),
    }
}

/// The error of a device that a stored definition does not have.
pub fn missing_stored(given: &Tree) -> Error {
    let missing = |text: String| Error::new(ErrorCode::DEVICE_MISSING, FROM, text);
    match given.name.as_str() {
        "disk" => missing(format!("no target device {}", given.attr_at("target", "dev").unwrap_or_default())),
        kind if CHARACTER.contains(&kind) => {
            Error::new(ErrorCode::INVALID_ARG, FROM, "device not present in domain configuration")
        }
        "lease" => Error::new(ErrorCode::INVALID_ARG, FROM, lease(given, "does not exist")),
        "filesystem" => missing("no matching filesystem device was found".to_owned()),
        "rng" => missing("no matching RNG device was found".to_owned()),
        "memory" => missing("matching memory device was not found".to_owned()),
        "redirdev" => missing("no matching redirdev was not found".to_owned()),
        "shmem" => missing("matching shmem device was not found".to_owned()),
        "watchdog" => missing("no matching watchdog was found".to_owned()),
        "input" => missing("matching input device not found".to_owned()),
        "vsock" => Error::operation_failed(FROM, "matching vsock device not found"),
        "iommu" => Error::operation_failed(FROM, "matching iommu device not found"),
        _ => missing("device not present in domain configuration".to_owned()),
    }
}

/// A lease in messages.
pub fn lease(given: &Tree, what: &str) -> String {
    let key = given.text_of("key").unwrap_or_default();
    let space = given.text_of("lockspace").unwrap_or_default();
    format!("Lease {key} in lockspace {space} {what}")
}

/// A device of the host that a guest does not have, in messages.
fn hostdev(given: &Tree) -> String {
    let source = given.child("source");
    let address = source.and_then(|source| source.child("address"));
    let attr = |name: &str| address.and_then(|address| address.attr(name)).unwrap_or("0");
    let number = |name: &str| {
        let text = attr(name);
        match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).unwrap_or(0),
            None => text.parse().unwrap_or(0),
        }
    };
    match given.attr("type").unwrap_or_default() {
        "pci" => format!(
            "host pci device {:04x}:{:02x}:{:02x}.{} not found",
            number("domain"),
            number("bus"),
            number("slot"),
            number("function")
        ),
        "usb" => match source.and_then(|source| source.child("vendor")) {
            Some(vendor) => format!(
                "host usb device vendor={} product={} not found",
                vendor.attr("id").unwrap_or_default(),
                source.and_then(|source| source.attr_at("product", "id")).unwrap_or_default()
            ),
            None => format!("host usb device {:03}.{:03} not found", number("bus"), number("device")),
        },
        "scsi" => format!(
            "host scsi device {}:{}:{}.{} not found",
            source.and_then(|source| source.attr_at("adapter", "name")).unwrap_or_default(),
            attr("bus"),
            attr("target"),
            attr("unit")
        ),
        "mdev" => format!("mediated device '{}' not found", attr("uuid")),
        other => format!("host {other} device not found"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conf_domain::ParseFlags;

    fn domain() -> Domain {
        let text = "<domain type='qemu'><name>a</name><memory>1024</memory><os><type>hvm</type></os><devices>\
            <interface type='user'><mac address='52:54:00:00:00:01'/><alias name='ua-a'/></interface>\
            <interface type='user'><mac address='52:54:00:00:00:02'/></interface>\
            <interface type='user'><mac address='52:54:00:00:00:02'/></interface>\
            <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices></domain>";
        Domain::parse(text, ParseFlags::default(), &mut || [7; 16]).unwrap()
    }

    fn read(text: &str) -> Tree {
        conf_domain::domain::read_device(text).unwrap()
    }

    #[test]
    fn interfaces() {
        let domain = domain();
        let find = |text: &str| interface(&domain, &read(text)).map_err(|error| error.message().to_owned());
        let first = domain.devices().iter().position(|device| device.name == "interface").unwrap();
        assert_eq!(find("<interface type='user'><mac address='52:54:00:00:00:01'/></interface>"), Ok(first));
        assert_eq!(
            find("<interface type='user'><mac address='52:54:00:00:00:02'/></interface>").unwrap_err(),
            "operation failed: multiple devices matching MAC address 52:54:00:00:00:02 found"
        );
        assert_eq!(
            find("<interface type='user'><mac address='52:54:00:00:00:09'/></interface>").unwrap_err(),
            "device not found: no device found at address '(<null>)' matching MAC address '52:54:00:00:00:09' and alias '(<null>)'"
        );
    }

    #[test]
    fn others_by_what_they_are() {
        let domain = domain();
        let rng = read("<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>");
        assert!(find(&domain, &rng, &rng).is_some());
        let other = read("<rng model='virtio'><backend model='random'>/dev/random</backend></rng>");
        assert!(find(&domain, &other, &other).is_none());
        assert_eq!(missing_stored(&other).message(), "device not found: no matching RNG device was found");
    }
}
