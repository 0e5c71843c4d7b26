//! Network interfaces.

use super::virtio;
use crate::device;
use crate::fault::unsupported;
use base::Result;
use xml::Tree;

pub(super) fn check(interface: &Tree) -> Result<()> {
    let kind = interface.attr("type").unwrap_or_default();
    if !device::speaks_virtio(interface) {
        virtio::absent(interface)?;
    }
    if interface.attr_at("port", "isolated") == Some("yes") && !matches!(kind, "network" | "bridge") {
        let mac = interface.attr_at("mac", "address").unwrap_or_default();
        return Err(unsupported(format!(
            "interface {mac} - <port isolated='yes'/> is not supported for network interfaces with type='{kind}'"
        )));
    }
    if interface.attr_at("target", "managed") == Some("no") && kind != "ethernet" {
        return Err(unsupported(format!(
            "unmanaged target dev is not supported on interfaces of type '{kind}'"
        )));
    }
    let served = matches!(kind, "user" | "vhostuser");
    let passt = interface.attr_at("backend", "type") == Some("passt");
    if passt && !served {
        return Err(unsupported(
            "The 'passt' backend can only be used with interface type='user' or type='vhostuser'",
        ));
    }
    if interface.child("portForward").is_some() && !passt {
        return Err(unsupported(
            "The <portForward> element can only be used with the 'passt' backend of interface type='user' or type='vhostuser'",
        ));
    }
    for range in interface.all("portForward").flat_map(|forward| forward.all("range")) {
        let more = ["end", "to", "exclude"].iter().any(|name| range.attr(name).is_some());
        if more && range.attr("start").is_none() {
            return Err(unsupported(
                "The 'range' of a 'portForward' requires 'start' attribute if 'end', 'to', or 'exclude' is specified",
            ));
        }
    }
    Ok(())
}
