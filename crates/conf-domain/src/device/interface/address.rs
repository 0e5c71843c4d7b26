//! `<ip>` and `<route>`: addresses of the guest's side and the host's.

use crate::fault::invalid;
use crate::values;
use base::{Error, ErrorCode, ErrorDomain, Result};
use netaddr::{Family, ip, subnet};
use std::net::IpAddr;
use xml::Tree;

fn family(text: Option<&str>) -> Option<Family> {
    match text {
        Some("ipv4") => Some(Family::Ipv4),
        Some("ipv6") => Some(Family::Ipv6),
        _ => None,
    }
}

fn name(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
}

/// Reads all addresses and routes in an element.
///
/// # Errors
/// In the reference's words.
pub(super) fn read(holder: &mut Tree) -> Result<()> {
    for address in holder.all_mut("ip") {
        self::address(address)?;
    }
    for route in holder.all_mut("route") {
        self::route(route)?;
    }
    Ok(())
}

fn address(tree: &mut Tree) -> Result<()> {
    let wanted = family(tree.attr("family"));
    let parse = |text: &str| match wanted {
        Some(family) => ip::parse_as(text, family),
        None => ip::parse(text),
    };
    let text = tree.attr("address").ok_or_else(|| invalid("Missing required address in <ip>"))?;
    let address = parse(text).ok_or_else(|| invalid(format!("Invalid address '{text}' in <ip>")))?;
    let own = Family::of(address);
    let prefix = match tree.attr("prefix") {
        None => 0,
        Some(text) => values::decimal(text)
            .filter(|prefix| *prefix <= u64::from(own.bits()))
            .ok_or_else(|| invalid(format!("Invalid prefix value '{text}' in <ip>")))?,
    };
    let peer = match tree.attr("peer") {
        None => None,
        Some(text) => {
            let peer = ip::parse_as(text, own).ok_or_else(|| {
                let text = format!("Invalid peer '{text}' in <ip>");
                Error::new(ErrorCode::INVALID_ARG, ErrorDomain::DOMAIN, text)
            })?;
            Some(ip::text(peer))
        }
    };
    tree.set("address", ip::text(address));
    tree.set("family", name(own));
    tree.unset("prefix");
    if prefix > 0 {
        tree.set("prefix", prefix.to_string());
    }
    if let Some(peer) = peer {
        tree.set("peer", peer);
    }
    Ok(())
}

fn route(tree: &mut Tree) -> Result<()> {
    let wrong = |text: String| {
        let text = format!("interface host IP: {text} in route definition");
        Error::new(ErrorCode::XML_ERROR, ErrorDomain::NETWORK, text)
    };
    let part = |name: &str, text: Option<&str>| -> Result<(String, IpAddr)> {
        let shown = if name == "address" { "network" } else { name };
        let text = text.ok_or_else(|| wrong(format!("Missing required {name} attribute")))?;
        let address = ip::parse(text).ok_or_else(|| wrong(format!("Bad {shown} address '{text}'")))?;
        Ok((text.to_owned(), address))
    };
    if tree.attr("address").is_none() || tree.attr("gateway").is_none() {
        let name = if tree.attr("address").is_none() { "address" } else { "gateway" };
        return Err(wrong(format!("Missing required {name} attribute")));
    }
    let (text, address) = part("address", tree.attr("address"))?;
    let (gateway_text, gateway) = part("gateway", tree.attr("gateway"))?;
    let netmask = match tree.attr("netmask") {
        None => None,
        given => Some(part("netmask", given)?),
    };
    let shown = ip::text(address);
    match tree.attr("family") {
        None if address.is_ipv6() => {
            return Err(wrong(format!("No family specified for non-IPv4 address '{shown}'")));
        }
        None if gateway.is_ipv6() => {
            return Err(wrong(format!("No family specified for non-IPv4 gateway '{shown}'")));
        }
        None => {}
        Some("ipv4") if address.is_ipv6() => {
            return Err(wrong(format!("IPv4 family specified for non-IPv4 address '{shown}'")));
        }
        Some("ipv4") if gateway.is_ipv6() => {
            return Err(wrong(format!("IPv4 family specified for non-IPv4 gateway '{shown}'")));
        }
        Some("ipv6") if address.is_ipv4() => {
            return Err(wrong(format!("ipv6 family specified for non-IPv6 address '{shown}'")));
        }
        Some("ipv6") if gateway.is_ipv4() => {
            return Err(wrong(format!("ipv6 specified for non-IPv6 gateway address '{gateway_text}'")));
        }
        Some("ipv4" | "ipv6") => {}
        Some(text) => return Err(wrong(format!("Unrecognized family '{text}'"))),
    }
    let bits = Family::of(address).bits();
    let prefix = tree.attr("prefix").and_then(|text| text.parse::<u32>().ok());
    if netmask.is_some() && address.is_ipv6() {
        return Err(wrong(format!("Specifying netmask invalid for IPv6 address '{shown}'")));
    }
    if netmask.is_some() && prefix.is_some() {
        let text = "interface host IP: Route definition cannot have both a prefix and a netmask";
        return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::NETWORK, text));
    }
    if let Some(prefix) = prefix.filter(|prefix| *prefix > bits) {
        let text = format!(
            "interface host IP: Invalid prefix {prefix} specified in route definition, must be 0 - {bits}"
        );
        return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::NETWORK, text));
    }
    let length = match &netmask {
        Some((_, mask)) => subnet::prefix(*mask),
        None => Some(prefix.unwrap_or(0)),
    };
    if length.and_then(|length| subnet::mask(address, length)) != Some(address) {
        let text =
            format!("interface host IP: Address '{text}' in route definition is not a network address");
        return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::NETWORK, text));
    }
    tree.set("address", shown);
    tree.set("gateway", ip::text(gateway));
    if let Some((_, mask)) = netmask {
        tree.set("netmask", ip::text(mask));
    }
    Ok(())
}
