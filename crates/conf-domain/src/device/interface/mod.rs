//! `<interface>`.

mod address;
mod bandwidth;
mod virtual_port;
mod vlan;

use crate::fault::{attribute, invalid, unsupported};
use crate::{ParseFlags, domain, values};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::borrow::Cow;
use xml::{Tree, Word};

const TYPES: &[&str] = &[
    "user",
    "ethernet",
    "vhostuser",
    "server",
    "client",
    "mcast",
    "network",
    "bridge",
    "internal",
    "direct",
    "hostdev",
    "udp",
    "vdpa",
    "null",
    "vds",
];

/// Models whose names are known in one spelling; others are kept as they are.
const MODELS: &[&str] = &[
    "etherlink",
    "virtio",
    "virtio-transitional",
    "virtio-non-transitional",
    "e1000",
    "e1000e",
    "igb",
    "rtl8139",
    "netfront",
    "usb-net",
    "spapr-vlan",
    "lan9118",
    "scm91c111",
    "vlance",
    "vmxnet",
    "vmxnet2",
    "vmxnet3",
    "Am79C970A",
    "Am79C973",
    "82540EM",
    "82545EM",
    "82543GC",
];

/// Types whose traffic can be filtered by the host.
const FILTERED: &[&str] = &["ethernet", "network", "bridge"];

/// Types whose interfaces must tell where they lead.
const SOURCED: &[&str] =
    &["network", "bridge", "direct", "internal", "mcast", "server", "client", "udp", "vdpa", "vds"];

/// Whether a model of cards is one of those whose names are known.
pub fn is_known_model(model: &str) -> bool {
    MODELS.contains(&model)
}

/// Whether a model speaks virtio.
pub(crate) fn is_virtio(interface: &Tree) -> bool {
    let model = interface.attr_at("model", "type").unwrap_or_default();
    ["virtio", "virtio-transitional", "virtio-non-transitional"]
        .iter()
        .any(|known| model.eq_ignore_ascii_case(known))
}

/// Takes out what does not count, before values are looked at.
pub(super) fn prepare(interface: &mut Tree) {
    let plain = !is_virtio(interface) && !interface.is("type", "hostdev");
    if let Some(driver) = interface.child_mut("driver").filter(|_| plain) {
        driver.attrs.retain(|name, _| matches!(name, "iommu" | "ats" | "packed" | "page_per_vq"));
        driver.children.clear();
    }
    if interface.attr_at("teaming", "type") == Some("") {
        interface.remove("teaming");
    }
    if !is_virtio(interface)
        && let Some(backend) = interface.child_mut("backend")
    {
        backend.unset("vhost");
    }
}

/// Reads an interface: what it says together.
///
/// # Errors
/// In the reference's words.
pub(super) fn read(interface: &mut Tree, random: &mut dyn FnMut() -> [u8; 16]) -> Result<()> {
    let kind = Word::from(interface.attr("type").unwrap_or("user"));
    if SOURCED.contains(&kind.as_str()) && interface.child("source").is_none() {
        return Err(invalid(format!("interface type='{kind}' requires a 'source' element")));
    }
    source(interface, &kind)?;
    virtual_port::read(interface, &kind, random)?;
    bandwidth::read(interface, &kind)?;
    vlan::read(interface)?;
    address::read(interface)?;
    if let Some(source) = interface.child_mut("source") {
        let sided = source.child("ip").is_some() || source.child("route").is_some();
        if sided && kind != "ethernet" {
            return Err(unsupported(format!(
                "Invalid attempt to set network interface host-side IP route and/or address info on interface of type '{kind}'. This is only supported on interfaces of type 'ethernet'"
            )));
        }
        address::read(source)?;
    }
    for forward in interface.all_mut("portForward") {
        let Some(text) = forward.attr("address") else { continue };
        let address = netaddr::ip::parse(text)
            .ok_or_else(|| invalid(format!("Invalid address '{text}' in <portForward>")))?;
        forward.set("address", netaddr::ip::text(address));
    }
    numbers(interface)?;
    if !interface.is("managed", "yes") {
        interface.unset("managed");
    }
    match interface.child("teaming") {
        Some(teaming) if teaming.attrs.is_empty() => interface.remove("teaming"),
        Some(teaming) if teaming.attr("type").is_none() => {
            return Err(unsupported("unknown teaming type '(null)'"));
        }
        Some(teaming) => {
            let transient = teaming.is("type", "transient");
            let named = teaming.attr("persistent").is_some_and(|alias| !alias.is_empty());
            if transient && !named {
                return Err(unsupported(
                    "teaming persistent attribute must be set if teaming type is 'transient'",
                ));
            }
            if named && !transient {
                return Err(unsupported(
                    "teaming persistent attribute not allowed if teaming type is 'persistent'",
                ));
            }
        }
        None => {}
    }
    if let Some(teaming) = interface.child_mut("teaming").filter(|teaming| teaming.is("persistent", "")) {
        teaming.unset("persistent");
    }
    Ok(())
}

fn source(interface: &mut Tree, kind: &str) -> Result<()> {
    let passt = interface.attr_at("backend", "type") == Some("passt");
    match kind {
        "direct" => interface.child_or_new("source").default_to("mode", "vepa"),
        "vhostuser" => {
            let Some(source) = interface.child_mut("source") else { return Ok(()) };
            if passt {
                for name in ["type", "path", "mode"] {
                    source.unset(name);
                }
                return Ok(());
            }
            if let Some(own) = source.attr("type").filter(|own| *own != "unix") {
                return Err(unsupported(format!("Type='{own}' unsupported for <interface type='{kind}'>")));
            }
            source.set("type", "unix");
            source.default_to("mode", "client");
        }
        "hostdev" => {
            let place = interface.attr_at("source/address", "type");
            if !matches!(place, Some("pci" | "usb")) {
                return Err(unsupported(format!(
                    "unknown host device source address type '{}'",
                    place.unwrap_or("(null)")
                )));
            }
            let source = interface.child_or_new("source");
            if let Some(address) = source.child_mut("address").filter(|address| address.is("type", "pci")) {
                super::address::pci_source(address)?;
            }
        }
        "udp" if interface.at("source/local").is_none() => {
            return Err(invalid("'<local>' element missing for 'udp' socket interface"));
        }
        _ => {}
    }
    Ok(())
}

/// Reads numbers that are refused in their own words.
fn numbers(interface: &mut Tree) -> Result<()> {
    if let Some(mtu) = interface.child_mut("mtu") {
        let text = mtu.word("size");
        mtu.unset("size");
        if !text.is_empty() {
            let size = values::decimal(&text)
                .filter(|size| *size <= u64::from(u32::MAX))
                .ok_or_else(|| invalid("malformed mtu size"))?;
            if size > 0 {
                mtu.set("size", size.to_string());
            }
        }
    }
    let frames = interface
        .child_mut("coalesce")
        .and_then(|coalesce| coalesce.child_mut("rx"))
        .and_then(|rx| rx.child_mut("frames"));
    if let Some(frames) = frames {
        let text = frames.word("max");
        let most = u64::from(u32::MAX);
        if !text.is_empty() {
            let max = values::decimal(&text).ok_or_else(|| {
                let text = format!("cannot parse value '{text}' for coalesce parameter");
                Error::new(ErrorCode::XML_DETAIL, ErrorDomain::DOMAIN, text)
            })?;
            if max > most {
                let text = format!("value '{max}' is too big for coalesce parameter, maximum is '{most}'");
                return Err(Error::new(ErrorCode::OVERFLOW, ErrorDomain::DOMAIN, text));
            }
            frames.set("max", max.to_string());
        }
    }
    let buffer = interface.child_mut("tune").and_then(|tune| tune.child_mut("sndbuf"));
    if let Some(buffer) = buffer.filter(|buffer| !buffer.body().is_empty()) {
        let size =
            values::decimal(buffer.body()).ok_or_else(|| invalid("sndbuf must be a positive integer"))?;
        buffer.text = Some(size.to_string());
    }
    Ok(())
}

fn model(interface: &mut Tree) -> Result<()> {
    if let Some(name) = interface.attr_at("model", "type")
        && !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    {
        let text = "Model name contains invalid characters";
        return Err(Error::new(ErrorCode::INVALID_ARG, ErrorDomain::DOMAIN, text));
    }
    if interface.attr_at("model", "type") == Some("") {
        interface.remove("model");
    }
    if let Some(model) = interface.child_mut("model")
        && let Some(name) = model.attr("type")
        && let Some(known) = MODELS.iter().find(|known| known.eq_ignore_ascii_case(name))
    {
        model.set("type", *known);
    }
    let kind = interface.word("type");
    if let Some(driver) = interface.child_mut("driver")
        && driver.attr("queues").and_then(|count| count.parse::<u32>().ok()).is_some_and(|count| count < 2)
    {
        driver.unset("queues");
    }
    if !FILTERED.contains(&kind.as_str()) {
        interface.remove("filterref");
    }
    // Without a number of frames there is nothing to gather.
    let gathers = interface
        .attr_at("coalesce/rx/frames", "max")
        .and_then(|max| max.parse::<u32>().ok())
        .is_some_and(|max| max > 0);
    if !gathers {
        interface.remove("coalesce");
    }
    Ok(())
}

pub(crate) fn complete(
    interface: &mut Tree,
    flags: ParseFlags,
    random: &mut dyn FnMut() -> [u8; 16],
) -> Result<()> {
    let kind = Word::from(interface.attr("type").unwrap_or("user"));
    interface.default_to("type", "user");
    if !TYPES.contains(&kind.as_str()) {
        return Err(attribute("interface", "type", &kind));
    }
    model(interface)?;
    if flags.inactive {
        forget(interface);
    }
    // An address of zeros asks for one.
    let zero = |text: &&str| canonical(text).is_some_and(|mac| mac == "00:00:00:00:00:00");
    match interface.attr_at("mac", "address").filter(|text| !zero(text)) {
        Some(text) => {
            let mac =
                canonical(text).ok_or_else(|| invalid(format!("unable to parse mac address '{text}'")))?;
            if u8::from_str_radix(&mac[..2], 16).is_ok_and(|first| first & 1 == 1) {
                return Err(invalid(format!("expected unicast mac address, found multicast '{text}'")));
            }
            if mac != text {
                let mac = mac.into_owned();
                interface.child_or_new("mac").set("address", mac);
            }
        }
        None => {
            let [first, second, third] = std::array::from_fn(|_| random()[0]);
            // 52:54:00 is the prefix of QEMU guests.
            let mac = format!("52:54:00:{first:02x}:{second:02x}:{third:02x}");
            interface.child_or_new("mac").set("address", mac);
        }
    }
    Ok(())
}

/// Six bytes in lower case with leading zeros.
fn canonical(text: &str) -> Option<Cow<'_, str>> {
    // Nearly always it is spelled so already.
    let fits = |(at, byte): (usize, u8)| match at % 3 {
        2 => byte == b':',
        _ => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
    };
    if text.len() == 17 && text.bytes().enumerate().all(fits) {
        return Some(Cow::Borrowed(text));
    }
    let bytes: Option<Vec<String>> = text
        .split(':')
        .map(|part| {
            let short = !part.is_empty() && part.len() <= 2;
            short.then(|| u8::from_str_radix(part, 16).ok()).flatten().map(|byte| format!("{byte:02x}"))
        })
        .collect();
    bytes.filter(|bytes| bytes.len() == 6).map(|bytes| Cow::Owned(bytes.join(":")))
}

/// Tuning that means nothing for the model is not printed.
pub(crate) fn hide_unused(interface: &mut Tree) {
    let virtio = is_virtio(interface);
    let passed = interface.is("type", "hostdev");
    if let Some(backend) = interface.child_mut("backend")
        && (!virtio || passed)
    {
        backend.unset("vhost");
    }
    if virtio && !passed {
        return;
    }
    if passed && interface.attr_at("source/address", "type") == Some("usb") {
        interface.remove("driver");
    } else if passed {
        // What drives a device of the host is told before the device.
        if let Some(at) = interface.children.iter().position(|child| child.name == "driver") {
            let driver = interface.children.remove(at);
            let first = usize::from(interface.children.first().is_some_and(|child| child.name == "mac"));
            interface.children.insert(first, driver);
        }
        if let Some(driver) = interface.child_mut("driver") {
            let option = |name: &str| virtio && matches!(name, "iommu" | "ats" | "packed" | "page_per_vq");
            driver.attrs.retain(|name, _| matches!(name, "name" | "model") || option(name));
            driver.children.clear();
        }
        if interface
            .child("driver")
            .is_some_and(|driver| driver.attrs.is_empty() && driver.children.is_empty())
        {
            interface.remove("driver");
        }
    } else {
        interface.remove("driver");
    }
}

/// What a port of a network was given for one run.
/// Attributes of a source that a running guest's network sets.
const LENT: [&str; 3] = ["portid", "bridge", "macTableManager"];

/// Whether anything of an interface may be hidden or shown in another way.
pub(crate) fn is_changed(interface: &Tree, inactive: bool) -> bool {
    let has = |name: &str| interface.child(name).is_some();
    // Only what virtio says of itself is printed as it stands.
    if !is_virtio(interface) || interface.is("type", "hostdev") || has("actual") {
        return true;
    }
    let lent = |source: &Tree| LENT.iter().any(|name| source.attr(name).is_some());
    inactive
        && (has("target") || interface.is("type", "network") && interface.child("source").is_some_and(lent))
}

fn forget(interface: &mut Tree) {
    if interface.is("type", "network")
        && let Some(source) = interface.child_mut("source")
    {
        for name in LENT {
            source.unset(name);
        }
    }
}

/// A connection through a network, as it is while the guest runs; any other interface unchanged.
pub fn actual(interface: &Tree) -> Tree {
    let mut shown = interface.clone();
    show_actual(&mut shown);
    shown
}

/// A connection through a network, as it is: where the port really leads takes the place of what was asked for.
pub(crate) fn show_actual(interface: &mut Tree) {
    let Some(at) = interface.children.iter().position(|child| child.name == "actual") else { return };
    let actual = interface.children.remove(at);
    if let Some(kind) = actual.attr("type") {
        interface.set("type", kind);
    }
    if let Some(filters) = actual.attr("trustGuestRxFilters") {
        interface.set("trustGuestRxFilters", filters);
    }
    for part in actual.children {
        match part.name.as_str() {
            "source" => {
                let source = interface.child_or_new("source");
                for (name, value) in part.attrs.iter() {
                    source.set(name, value);
                }
                source.children.extend(part.children);
            }
            "class" => {}
            name => {
                interface.remove(name);
                interface.children.push(part);
            }
        }
    }
    domain::place("domain/devices/interface").sort(interface);
}

pub(crate) fn hide_live(interface: &mut Tree) {
    forget(interface);
    // Names the driver made up are made up again at the next start.
    let made_up = |name: &str| {
        ["vnet", "vif", "macvtap", "macvlan"].iter().any(|prefix| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
        })
    };
    if interface.attr_at("target", "dev").is_some_and(made_up) {
        interface.remove("target");
    }
}
