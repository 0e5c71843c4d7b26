//! `<vlan>`: tags of a trunk or of one network.

use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::Tree;

/// The highest tag.
const MOST: u64 = 4095;

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::NONE, text)
}

/// Reads the element.
///
/// # Errors
/// In the reference's words.
pub(super) fn read(interface: &mut Tree) -> Result<()> {
    let Some(vlan) = interface.child_mut("vlan") else { return Ok(()) };
    let mut native = false;
    for tag in vlan.all("tag") {
        let id = tag.attr("id").and_then(|id| id.parse::<u64>().ok()).unwrap_or(0);
        if id > MOST {
            return Err(invalid(format!("vlan tag id {id} too large (maximum {MOST})")));
        }
        if tag.attr("nativeMode").is_some() {
            if native {
                return Err(invalid("duplicate native vlan setting"));
            }
            native = true;
        }
    }
    let count = vlan.all("tag").count();
    if count == 0 {
        return Err(invalid("missing tag id - each <vlan> must have at least one <tag id='n'/> subelement"));
    }
    let trunk = vlan.word("trunk");
    match trunk.as_str() {
        "" | "yes" => {}
        "no" if count > 1 => {
            return Err(invalid(
                "invalid \"trunk='no'\" in <vlan> - trunk='yes' is required for more than one vlan tag",
            ));
        }
        "no" if native => {
            return Err(invalid(
                "invalid configuration in <vlan> - \"trunk='no'\" is not allowed with a native vlan id",
            ));
        }
        "no" => {}
        other => return Err(invalid(format!("invalid \"trunk='{other}'\" in <vlan> - must be yes or no"))),
    }
    vlan.unset("trunk");
    if count > 1 || trunk == "yes" {
        vlan.set("trunk", "yes");
    }
    Ok(())
}
