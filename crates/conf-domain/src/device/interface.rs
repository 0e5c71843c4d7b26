//! `<interface>`.

use crate::fault::{attribute, invalid};
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

pub(crate) fn complete(interface: &mut Tree, random: &mut dyn FnMut() -> [u8; 16]) -> Result<()> {
    let kind = interface.attr("type").unwrap_or("user").to_owned();
    interface.default_to("type", "user");
    if !TYPES.contains(&kind.as_str()) {
        return Err(attribute("interface", "type", &kind));
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
            let random = random();
            // 52:54:00 is the prefix of QEMU guests.
            let mac = format!("52:54:00:{:02x}:{:02x}:{:02x}", random[0], random[1], random[2]);
            interface.child_or_new("mac").set("address", mac);
        }
    }
    for (kinds, name) in [(&["bridge"][..], "bridge"), (&["network"], "network"), (&["direct"], "dev")] {
        if kinds.contains(&kind.as_str()) && interface.attr_at("source", name).is_none_or(str::is_empty) {
            return Err(invalid(format!(
                "No <source> '{name}' attribute specified with <interface type='{kind}'/>"
            )));
        }
    }
    Ok(())
}

/// Six bytes in lower case with leading zeros.
fn canonical(text: &str) -> Option<String> {
    let bytes: Option<Vec<String>> = text
        .split(':')
        .map(|part| {
            let short = !part.is_empty() && part.len() <= 2;
            short.then(|| u8::from_str_radix(part, 16).ok()).flatten().map(|byte| format!("{byte:02x}"))
        })
        .collect();
    bytes.filter(|bytes| bytes.len() == 6).map(|bytes| bytes.join(":"))
}

pub(crate) fn hide_live(interface: &mut Tree) {
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
