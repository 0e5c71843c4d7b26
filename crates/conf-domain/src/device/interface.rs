//! `<interface>`.

use crate::fault::{attribute, invalid};
use crate::{ParseFlags, domain};
use base::Result;
use xml::Tree;

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

fn model(interface: &mut Tree) {
    if let Some(model) = interface.child_mut("model")
        && let Some(name) = model.attr("type")
        && let Some(known) = MODELS.iter().find(|known| known.eq_ignore_ascii_case(name))
    {
        model.set("type", *known);
    }
    let kind = interface.attr("type").unwrap_or_default().to_owned();
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
}

pub(crate) fn complete(
    interface: &mut Tree,
    flags: ParseFlags,
    random: &mut dyn FnMut() -> [u8; 16],
) -> Result<()> {
    let kind = interface.attr("type").unwrap_or("user").to_owned();
    interface.default_to("type", "user");
    if !TYPES.contains(&kind.as_str()) {
        return Err(attribute("interface", "type", &kind));
    }
    model(interface);
    if flags.inactive {
        forget(interface);
    }
    // An address of zeros asks for one.
    let zero = |text: &String| canonical(text).is_some_and(|mac| mac == "00:00:00:00:00:00");
    match interface.attr_at("mac", "address").map(str::to_owned).filter(|text| !zero(text)) {
        Some(text) => {
            let mac =
                canonical(&text).ok_or_else(|| invalid(format!("unable to parse mac address '{text}'")))?;
            if u8::from_str_radix(&mac[..2], 16).is_ok_and(|first| first & 1 == 1) {
                return Err(invalid(format!("expected unicast mac address, found multicast '{text}'")));
            }
            interface.child_or_new("mac").set("address", mac);
        }
        None => {
            let [first, second, third] = std::array::from_fn(|_| random()[0]);
            // 52:54:00 is the prefix of QEMU guests.
            let mac = format!("52:54:00:{first:02x}:{second:02x}:{third:02x}");
            interface.child_or_new("mac").set("address", mac);
        }
    }
    for (kinds, name) in [(&["bridge"][..], "bridge"), (&["network"], "network"), (&["direct"], "dev")] {
        if kinds.contains(&kind.as_str()) && interface.child("source").is_none() {
            return Err(no_source(&kind));
        }
        if kinds.contains(&kind.as_str()) && interface.attr_at("source", name).is_none_or(str::is_empty) {
            return Err(invalid(format!(
                "No <source> '{name}' attribute specified with <interface type='{kind}'/>"
            )));
        }
    }
    let socket = matches!(kind.as_str(), "server" | "client" | "mcast" | "udp" | "vdpa" | "internal");
    match interface.child("source") {
        None if socket => return Err(no_source(&kind)),
        Some(source) if kind == "udp" && source.child("local").is_none() => {
            return Err(invalid("'<local>' element missing for 'udp' socket interface"));
        }
        _ => {}
    }
    if let Some(model) = interface.attr_at("model", "type")
        && !model.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    {
        let text = "Model name contains invalid characters";
        return Err(base::Error::new(base::ErrorCode::INVALID_ARG, base::ErrorDomain::DOMAIN, text));
    }
    if let Some(inbound) = interface.at("bandwidth/inbound")
        && inbound.attr("average").is_none()
        && inbound.attr("floor").is_none()
    {
        let text = "Missing mandatory average or floor attributes";
        return Err(base::Error::new(base::ErrorCode::XML_DETAIL, base::ErrorDomain::NONE, text));
    }
    for ip in
        interface.all("ip").chain(interface.child("source").into_iter().flat_map(|source| source.all("ip")))
    {
        if let Some(address) = ip.attr("address")
            && address.parse::<std::net::IpAddr>().is_err()
        {
            return Err(invalid(format!("Invalid address '{address}' in <ip>")));
        }
    }
    if let Some(size) = interface.attr_at("mtu", "size")
        && size.parse::<u32>().is_err()
    {
        return Err(invalid("malformed mtu size"));
    }
    Ok(())
}

fn no_source(kind: &str) -> base::Error {
    invalid(format!("interface type='{kind}' requires a 'source' element"))
}

/// Six bytes in lower case with leading zeros.
fn canonical(text: &str) -> Option<String> {
    // Nearly always it is spelled so already.
    let fits = |(at, byte): (usize, u8)| match at % 3 {
        2 => byte == b':',
        _ => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
    };
    if text.len() == 17 && text.bytes().enumerate().all(fits) {
        return Some(text.to_owned());
    }
    let bytes: Option<Vec<String>> = text
        .split(':')
        .map(|part| {
            let short = !part.is_empty() && part.len() <= 2;
            short.then(|| u8::from_str_radix(part, 16).ok()).flatten().map(|byte| format!("{byte:02x}"))
        })
        .collect();
    bytes.filter(|bytes| bytes.len() == 6).map(|bytes| bytes.join(":"))
}

/// Tuning that means nothing for the model is not printed.
pub(crate) fn hide_unused(interface: &mut Tree) {
    let virtio = interface.attr_at("model", "type").is_some_and(|model| model.starts_with("virtio"));
    let passed = interface.is("type", "hostdev");
    if virtio && !passed {
        return;
    }
    if passed {
        if let Some(driver) = interface.child_mut("driver") {
            driver.attrs.retain(|name, value| name == "name" && matches!(value, "vfio" | "kvm" | "xen"));
            driver.children.retain(|child| child.name == "model");
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
    if !virtio && let Some(backend) = interface.child_mut("backend") {
        backend.unset("vhost");
    }
}

/// What a port of a network was given for one run.
fn forget(interface: &mut Tree) {
    if interface.is("type", "network")
        && let Some(source) = interface.child_mut("source")
    {
        for name in ["portid", "bridge"] {
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
