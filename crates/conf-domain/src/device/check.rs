//! What no driver accepts of devices: contradictions within one device and between devices.

use super::address::Pci;
use crate::fault::{attribute, internal, invalid, unsupported};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::collections::HashSet;
use xml::Tree;

/// A refusal that is only its text.
fn failed(text: impl Into<String>) -> Error {
    Error::from_fields(base::error::Fields {
        message: text.into(),
        ..Error::new(ErrorCode::OPERATION_INVALID, ErrorDomain::DOMAIN, "").into_fields()
    })
}

/// Checks one device before anything is filled in.
pub(crate) fn as_read(device: &Tree) -> Result<()> {
    if let Some(address) = device.child("address") {
        place(device, address)?;
    }
    if let Some(loadparm) = device.attr_at("boot", "loadparm") {
        loadable(loadparm)?;
    }
    match device.name.as_str() {
        "disk" => disk_as_read(device),
        "hostdev" if device.child("source").is_none() => {
            Err(invalid("Missing <source> element in hostdev device"))
        }
        "smartcard" if device.is("mode", "passthrough") && device.attr("type").is_none() => {
            Err(invalid("passthrough mode requires a character device type attribute"))
        }
        "input" if device.attr("type").is_none() => Err(internal("missing input device type")),
        "hub" if device.attr("type").is_none() => Err(internal("missing hub device type")),
        "redirdev" if device.attr("type").is_none() => Err(internal("missing type in redirdev")),
        "channel" if device.child("target").is_some_and(|target| target.attr("type").is_none()) => {
            Err(unsupported("unknown target type '(null)' specified for character device"))
        }
        "channel" if device.child("target").is_none() => {
            Err(invalid("target type must be specified for channel device"))
        }
        "rng" if device.all("backend").count() != 1 => Err(invalid("only one RNG backend is supported")),
        "crypto" if device.all("backend").count() != 1 => {
            Err(invalid("only one crypto backend is supported"))
        }
        "shmem" if device.attr("name").is_none() => {
            Err(invalid("shmem element must contain 'name' attribute"))
        }
        "filesystem" => filesystem(device),
        "interface" => match device.child("teaming") {
            Some(teaming) if teaming.is("type", "transient") => match teaming.attr("persistent") {
                None | Some("") => Err(unsupported(
                    "teaming persistent attribute must be set if teaming type is 'transient'",
                )),
                Some(_) => Ok(()),
            },
            _ => Ok(()),
        },
        "tpm" if device.child("backend").is_none() => Err(invalid("missing TPM device backend")),
        "iommu" if device.is("model", "virtio") && device.child("driver").is_some() => {
            Err(invalid("iommu model 'virtio' doesn't support additional attributes"))
        }
        "sound" => match device
            .all("codec")
            .find(|codec| !matches!(codec.attr("type"), Some("duplex" | "micro" | "output")))
        {
            Some(codec) => {
                Err(unsupported(format!("unknown codec type '{}'", codec.attr("type").unwrap_or("(null)"))))
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Bounds of an address.
fn place(device: &Tree, address: &Tree) -> Result<()> {
    match address.attr("type") {
        Some("pci") => {
            let root = matches!(device.attr("model"), Some("pci-root" | "pcie-root"));
            if device.name == "controller" && root {
                return Err(unsupported("pci-root and pcie-root controllers should not have an address"));
            }
            let Some(pci) = Pci::of(device) else { return Ok(()) };
            let refused = |text: String| Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::NONE, text));
            if pci.domain > 0xFFFF {
                return refused(format!(
                    "Invalid PCI address domain='0x{:x}', must be <= 0xFFFF",
                    pci.domain
                ));
            }
            if pci.bus > 0xFF {
                return refused(format!("Invalid PCI address bus='0x{:x}', must be <= 0xFF", pci.bus));
            }
            if pci.slot > 0x1F {
                return refused(format!("Invalid PCI address slot='0x{:x}', must be <= 0x1F", pci.slot));
            }
            if pci.function > 7 {
                return refused(format!("Invalid PCI address function=0x{:x}, must be <= 7", pci.function));
            }
            Ok(())
        }
        // A path through at most four ports.
        Some("usb") if !address.attr("port").is_none_or(port_path) => Err(Error::new(
            ErrorCode::INTERNAL_ERROR,
            ErrorDomain::DEVICE,
            "Cannot parse <address> 'port' attribute",
        )),
        Some("ccw") if ["cssid", "ssid", "devno"].iter().any(|name| address.attr(name).is_none()) => {
            let any = ["cssid", "ssid", "devno"].iter().any(|name| address.attr(name).is_some());
            if any {
                let text = "Invalid partial specification for virtio ccw address";
                return Err(Error::new(ErrorCode::INTERNAL_ERROR, ErrorDomain::DEVICE, text));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn port_path(text: &str) -> bool {
    text.split('.').count() <= 4 && text.split('.').all(|port| port.parse::<u32>().is_ok())
}

fn loadable(text: &str) -> Result<()> {
    if text.is_empty() || text.len() > 8 {
        let shown = text.to_ascii_uppercase();
        return Err(internal(format!("loadparm value '{shown}' must be between 1 and 8 characters")));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == ' ';
    // The reference reads letters as capitals.
    if !text.chars().all(fits) {
        let shown = text.to_ascii_uppercase();
        return Err(internal(format!(
            "invalid loadparm value '{shown}', expecting chars in set of [a-zA-Z0-9.] and blank spaces"
        )));
    }
    Ok(())
}

fn filesystem(filesystem: &Tree) -> Result<()> {
    let ranges = filesystem.child("idmap").map_or(&[][..], |map| &map.children);
    for range in ranges {
        let fits = |name: &str| range.attr(name).is_some_and(|text| text.parse::<u32>().is_ok());
        if !["start", "target", "count"].iter().all(|name| fits(name)) {
            return Err(invalid("invalid idmap start/target/count settings"));
        }
    }
    if filesystem.attr_at("target", "dir").is_none_or(str::is_empty) {
        let source = source_of(filesystem);
        return Err(match source.as_str() {
            "" => Error::bare(ErrorCode::NO_TARGET, ErrorDomain::DOMAIN),
            source => Error::new(ErrorCode::NO_TARGET, ErrorDomain::DOMAIN, source),
        });
    }
    Ok(())
}

/// The images below an image name their formats and sources.
fn backing(image: &Tree) -> Result<()> {
    let Some(below) = image.child("backingStore") else { return Ok(()) };
    // An element without a type ends the chain.
    if below.attr("type").is_none() {
        return Ok(());
    }
    if below.attr_at("format", "type").is_none_or(str::is_empty) {
        return Err(invalid("missing disk backing store format"));
    }
    let Some(source) = below.child("source") else {
        return Err(invalid("missing disk backing store source"));
    };
    source_parts(source)?;
    backing(below)
}

/// Parts of a source that hold numbers.
pub(super) fn source_parts(source: &Tree) -> Result<()> {
    for slice in source.child("slices").into_iter().flat_map(|slices| slices.all("slice")) {
        for name in ["offset", "size"] {
            match slice.attr(name) {
                None | Some("") => return Err(invalid("missing offset or size attribute of slice")),
                Some(text) if text.parse::<u64>().is_err() => {
                    return Err(invalid(format!("malformed value '{text}' of '{name}' attribute of slice")));
                }
                Some(_) => {}
            }
        }
    }
    for host in source.all("host") {
        if let Some(port) = host.attr("port")
            && port.parse::<u16>().is_err()
        {
            return Err(Error::new(
                ErrorCode::INVALID_ARG,
                ErrorDomain::NONE,
                format!("failed to parse port number '{port}'"),
            ));
        }
    }
    for (name, attr) in [("readahead", "size"), ("timeout", "seconds")] {
        if source.attr_at(name, attr).is_some_and(|text| !text.is_empty() && text.parse::<u64>().is_err()) {
            return Err(invalid("invalid readahead size or timeout"));
        }
    }
    for cookie in source.child("cookies").into_iter().flat_map(|cookies| cookies.all("cookie")) {
        if cookie.attr("name").is_none_or(str::is_empty) {
            return Err(invalid("missing cookie name"));
        }
    }
    match source.child("dataStore") {
        Some(store) if store.attr_at("format", "type").is_none_or(str::is_empty) => {
            Err(invalid("missing data file store format"))
        }
        Some(store) if store.child("source").is_none() => Err(invalid("missing disk data file store source")),
        _ => Ok(()),
    }
}

fn disk_as_read(disk: &Tree) -> Result<()> {
    backing(disk)?;
    if let Some(source) = disk.child("source") {
        source_parts(source)?;
    }
    for limit in disk.child("iotune").map_or(&[][..], |tune| &tune.children) {
        if limit.name != "group_name" && limit.body().parse::<u64>().is_err() {
            return Err(invalid(format!("disk iotune field '{}' must be an integer", limit.name)));
        }
    }
    let source = disk.child("source");
    let inside = |name: &str| source.is_some_and(|source| source.child(name).is_some());
    for name in ["auth", "encryption"] {
        if disk.child(name).is_some() && inside(name) {
            return Err(unsupported(format!("an <{name}> definition already found for disk source")));
        }
    }
    for auth in disk.child("auth").into_iter().chain(source.and_then(|source| source.child("auth"))) {
        let storage = |text: &str| Error::new(ErrorCode::XML_ERROR, ErrorDomain::STORAGE, text);
        if auth.attr("username").is_none_or(str::is_empty) {
            return Err(storage("missing username for auth"));
        }
        let Some(secret) = auth.child("secret") else {
            return Err(storage("Missing <secret> element in auth"));
        };
        let kind = secret.attr("type");
        if !matches!(kind, Some("volume" | "ceph" | "iscsi" | "tls" | "vtpm" | "none")) {
            return Err(unsupported(format!("unknown secret type '{}'", kind.unwrap_or("<null>"))));
        }
        if secret.attr("usage").is_none() && secret.attr("uuid").is_none() {
            let text = "missing secret uuid or usage attribute";
            return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::NONE, text));
        }
        let wanted = match source.and_then(|source| source.attr("protocol")) {
            Some("iscsi") => Some("iscsi"),
            Some("rbd") => Some("ceph"),
            _ => None,
        };
        if let (Some(kind), Some(wanted)) = (kind, wanted)
            && kind != wanted
        {
            return Err(unsupported(format!("invalid secret type '{kind}'")));
        }
    }
    if disk.is("device", "lun") {
        let network = disk.is("type", "network") && disk.attr_at("source", "protocol") == Some("iscsi");
        let pool = disk.is("type", "volume");
        if !disk.is("type", "block") && !network && !pool {
            return Err(unsupported("disk device='lun' is only valid for block type disk source"));
        }
    }
    for (name, most) in [("vendor", 8), ("product", 16)] {
        if let Some(text) = disk.text_of(name) {
            if text.len() > most {
                return Err(unsupported(format!("disk {name} is more than {most} characters")));
            }
            if !text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
                return Err(invalid(format!("disk {name} is not printable string")));
            }
        }
    }
    Ok(())
}

/// What a disk is made of, in messages.
pub(crate) fn source_of(disk: &Tree) -> String {
    let Some(source) = disk.child("source") else { return String::new() };
    if let (Some(pool), Some(volume)) = (source.attr("pool"), source.attr("volume")) {
        return format!("pool = '{pool}', volume = '{volume}'");
    }
    ["file", "dev", "dir", "name", "path"]
        .iter()
        .find_map(|name| source.attr(name))
        .unwrap_or_default()
        .to_owned()
}

fn drive(device: &Tree) -> Option<[&str; 4]> {
    let address = device.child("address").filter(|address| address.is("type", "drive"))?;
    Some(["controller", "bus", "target", "unit"].map(|name| address.attr(name).unwrap_or("0")))
}

fn spelled([controller, bus, target, unit]: [&str; 4]) -> String {
    format!("controller='{controller}' bus='{bus}' target='{target}' unit='{unit}'")
}

/// Checks the completed devices.
pub(crate) fn completed(devices: &[Tree]) -> Result<()> {
    disks(devices)?;
    controllers(devices)?;
    hostdevs(devices)?;
    videos(devices)?;
    let of = |name: &'static str| devices.iter().filter(move |device| device.name == name);
    for shmem in of("shmem") {
        if shmem.child("msi").is_some() && shmem.child("server").is_none() {
            return Err(invalid("msi option is only supported with a server"));
        }
    }
    for interface in of("interface") {
        let passt = interface.attr_at("backend", "type") == Some("passt")
            && matches!(interface.attr("type"), Some("user" | "vhostuser"));
        if interface.child("portForward").is_some() && !passt {
            return Err(unsupported(
                "The <portForward> element can only be used with the 'passt' backend of interface type='user' or type='vhostuser'",
            ));
        }
    }
    for device in devices {
        let labels = device.child("source").into_iter().flat_map(|source| source.all("seclabel"));
        for label in labels {
            if label.is("relabel", "yes") && label.child("label").is_none() {
                let model = label.attr("model").unwrap_or("(null)");
                return Err(invalid(format!("Cannot specify relabel if label is missing. model={model}")));
            }
        }
    }
    Ok(())
}

fn disks(devices: &[Tree]) -> Result<()> {
    let disks: Vec<&Tree> = devices.iter().filter(|device| device.name == "disk").collect();
    for (at, disk) in disks.iter().enumerate() {
        let target = disk.attr_at("target", "dev").unwrap_or_default();
        let bus = disk.attr_at("target", "bus").unwrap_or_default();
        let kind = disk.attr_at("address", "type").unwrap_or("drive");
        if matches!(bus, "ide" | "fdc" | "scsi" | "sata") && kind != "drive" && kind != "unassigned" {
            return Err(unsupported(format!(
                "Invalid address type '{kind}' for the disk '{target}' with the bus type '{bus}'"
            )));
        }
        if disk.child("throttlefilters").is_some() && disk.child("iotune").is_some() {
            return Err(Error::new(
                ErrorCode::OPERATION_UNSUPPORTED,
                ErrorDomain::DOMAIN,
                format!("block 'throttlefilters' can't be used together with 'iotune' for disk '{target}'"),
            ));
        }
        for earlier in disks.get(..at).into_iter().flatten() {
            if earlier.attr_at("target", "dev") == Some(target) {
                return Err(invalid(format!(
                    "target '{target}' duplicated for disk sources '{}' and '{}'",
                    source_of(earlier),
                    source_of(disk)
                )));
            }
        }
    }
    for (at, disk) in disks.iter().enumerate() {
        let bus = disk.attr_at("target", "bus");
        let same = |other: &&&Tree| drive(other) == drive(disk) && other.attr_at("target", "bus") == bus;
        if let Some(address) = drive(disk)
            && disks.iter().skip(at + 1).any(|other| same(&other))
        {
            return Err(unsupported(format!(
                "Found duplicate drive address for disk with target name '{}' {}",
                disk.attr_at("target", "dev").unwrap_or_default(),
                spelled(address)
            )));
        }
    }
    let scsi = |device: &&Tree| device.name == "hostdev" && device.is("type", "scsi");
    let mut taken = HashSet::new();
    for address in devices.iter().filter(scsi).filter_map(drive) {
        let [controller, bus, target, unit] = address;
        let conflict = disks
            .iter()
            .find(|disk| disk.attr_at("target", "bus") == Some("scsi") && drive(disk) == Some(address));
        if let Some(disk) = conflict {
            return Err(unsupported(format!(
                "using disk target name '{}' conflicts with SCSI host device address controller='{controller}' bus='{bus}' target='{target}' unit='{unit}",
                disk.attr_at("target", "dev").unwrap_or_default(),
            )));
        }
        if !taken.insert(address) {
            return Err(unsupported(format!(
                "SCSI host address {} in use by another SCSI host device",
                spelled(address)
            )));
        }
    }
    Ok(())
}

/// Two controllers of a type and number; the parts of an EHCI family share theirs.
pub(crate) fn duplicate_controllers(devices: &[Tree]) -> Result<()> {
    let mut seen = HashSet::new();
    let usb = || devices.iter().filter(|device| device.name == "controller" && device.is("type", "usb"));
    if usb().any(|controller| controller.is("model", "none")) && usb().count() > 1 {
        return Err(failed("Can't add another USB controller: USB is disabled for this domain"));
    }
    for controller in devices.iter().filter(|device| device.name == "controller") {
        let kind = controller.attr("type").unwrap_or_default();
        let index = controller.attr("index").unwrap_or_default();
        let model = controller.attr("model").unwrap_or_default();
        let companion = kind == "usb" && (model.starts_with("ich9-") || controller.child("master").is_some());
        if !companion && !seen.insert((kind, index)) {
            return Err(invalid(format!("Multiple '{kind}' controllers with index '{index}'")));
        }
    }
    Ok(())
}

fn controllers(devices: &[Tree]) -> Result<()> {
    let all = || devices.iter().filter(|device| device.name == "controller");
    let none = all().any(|controller| controller.is("type", "usb") && controller.is("model", "none"));
    if none {
        if devices.iter().any(|device| device.name == "hub" && device.is("type", "usb")) {
            return Err(unsupported("Can't add USB hub: USB is disabled for this domain"));
        }
        if devices.iter().any(|device| device.name == "input" && device.is("bus", "usb")) {
            return Err(unsupported("Can't add USB input device. USB bus is disabled"));
        }
    }
    for controller in all() {
        let kind = controller.attr("type").unwrap_or_default();
        let index = controller.attr("index").unwrap_or_default();
        let model = controller.attr("model").unwrap_or_default();
        let threaded = controller.child("driver").is_some_and(|driver| driver.attr("iothread").is_some());
        if threaded && !(kind == "scsi" && (model.is_empty() || model.starts_with("virtio"))) {
            return Err(invalid("'iothread' attribute only supported for virtio scsi controllers"));
        }
        if kind == "usb" && model.starts_with("ich9-uhci") {
            let master = all().any(|other| other.is("model", "ich9-ehci1") && other.is("index", index));
            if !master {
                return Err(failed("No master USB controller specified"));
            }
        }
        if kind == "pci" && model == "pci-root" {
            phb(controller, index)?;
        }
    }
    Ok(())
}

/// The host bridges of a pSeries machine are numbered by their target.
fn phb(controller: &Tree, index: &str) -> Result<()> {
    let target = controller.attr_at("target", "index").and_then(|text| text.parse::<i64>().ok());
    if let Some(target) = target {
        if !(0..=30).contains(&target) {
            return Err(unsupported(format!(
                "PCI controller target index '{target}' out of range - must be 0-30"
            )));
        }
        if (index == "0") != (target == 0) {
            return Err(unsupported(
                "Only the PCI controller with index 0 can have target index 0, and vice versa",
            ));
        }
    }
    if index == "0" && controller.at("target/node").is_some() {
        return Err(unsupported("The PCI controller with index=0 can't be associated with a NUMA node"));
    }
    Ok(())
}

fn hostdevs(devices: &[Tree]) -> Result<()> {
    let all: Vec<&Tree> = devices.iter().filter(|device| device.name == "hostdev").collect();
    let mut framebuffers = 0;
    for (at, hostdev) in all.iter().enumerate() {
        let kind = hostdev.attr("type").unwrap_or_default();
        if kind != "scsi" {
            for name in ["rawio", "sgio"] {
                if hostdev.attr(name).is_some() {
                    return Err(invalid(format!("{name} is only supported for scsi host device")));
                }
            }
        }
        if kind == "mdev" {
            let model = hostdev.attr("model").unwrap_or_default();
            let place = hostdev.attr_at("address", "type");
            let wanted = match model {
                "vfio-pci" => Some("pci"),
                "vfio-ccw" => Some("ccw"),
                _ => None,
            };
            if let (Some(place), Some(wanted)) = (place, wanted)
                && place != wanted
                && place != "unassigned"
            {
                return Err(invalid(format!(
                    "Unsupported address type '{place}' with mediated device model '{model}'"
                )));
            }
            framebuffers += u32::from(hostdev.is("ramfb", "on"));
        }
        let same = |other: &&&Tree| {
            other.attr("mode") == hostdev.attr("mode")
                && other.is("type", kind)
                && matches!(kind, "pci" | "usb" | "scsi")
                && other.child("source").is_some_and(|source| Some(source) == hostdev.child("source"))
        };
        if all.get(..at).into_iter().flatten().any(|other| same(&other)) {
            return Err(invalid("Hostdev already exists in the domain configuration"));
        }
    }
    if framebuffers > 1 {
        return Err(unsupported("Only one vgpu device can have 'ramfb' enabled"));
    }
    Ok(())
}

fn videos(devices: &[Tree]) -> Result<()> {
    let videos: Vec<&Tree> = devices.iter().filter(|device| device.name == "video").collect();
    if videos.len() > 1 && videos.iter().any(|video| video.attr_at("model", "type") == Some("none")) {
        return Err(unsupported("a 'none' video type must be the only video device defined for the domain"));
    }
    if videos.iter().filter(|video| video.attr_at("model", "primary") == Some("yes")).count() > 1 {
        return Err(unsupported("Only one primary video device is supported"));
    }
    Ok(())
}

/// Refuses two orders of booting at once.
pub(crate) fn boot(tree: &Tree) -> Result<()> {
    let devices = tree.child("devices").map_or(&[][..], |devices| &devices.children);
    let ordered = devices.iter().any(|device| device.attr_at("boot", "order").is_some());
    if ordered && tree.at("os/boot").is_some() {
        return Err(unsupported("per-device boot elements cannot be used together with os/boot elements"));
    }
    let mut orders = HashSet::new();
    for order in devices.iter().filter_map(|device| device.attr_at("boot", "order")) {
        if order == "0" {
            return Err(attribute("boot", "order", order));
        }
        if !orders.insert(order) {
            return Err(unsupported(format!("boot order '{order}' used for more than one device")));
        }
    }
    Ok(())
}
