//! Network interfaces.

use crate::fault::unsupported;
use base::Result;
use xml::Tree;

pub(super) fn check(interface: &Tree) -> Result<()> {
    let kind = interface.attr("type").unwrap_or_default();
    let mac = interface.attr_at("mac", "address").unwrap_or_default();
    let isolated = interface.attr_at("port", "isolated") == Some("yes");
    if isolated && !matches!(kind, "network" | "bridge") {
        return Err(unsupported(format!(
            "interface {mac} - <port isolated='yes'/> is not supported for network interfaces with type='{kind}'"
        )));
    }
    if kind == "hostdev" && interface.child("bandwidth").is_some() {
        return Err(unsupported(format!(
            "interface {mac} - bandwidth settings are not supported for hostdev interfaces"
        )));
    }
    let teaming = interface.attr_at("teaming", "type");
    // A network may turn out to give a device of the host.
    if teaming == Some("transient") && !matches!(kind, "hostdev" | "network") {
        return Err(unsupported(format!(
            "interface {mac} - teaming transient device must be type='hostdev', not '{kind}'"
        )));
    }
    if teaming == Some("persistent")
        && let Some(model) = interface.attr_at("model", "type").filter(|model| *model != "virtio")
    {
        return Err(unsupported(format!(
            "interface {mac} - virtio-net teaming persistent interface must be <model type='virtio'/>, not '{model}'"
        )));
    }
    Ok(())
}
