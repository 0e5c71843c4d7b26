//! `<launchSecurity>`: what keeps the host from looking into a guest.

use crate::fault::invalid;
use crate::{domain, values};
use base::Result;
use xml::Tree;

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    values::read(domain::place("domain"), tree, "launchSecurity")?;
    let Some(security) = tree.child_mut("launchSecurity") else { return Ok(()) };
    if security.is("type", "s390-pv") {
        security.children.clear();
        return Ok(());
    }
    for (name, shown) in [("cbitpos", "cbitpos"), ("reducedPhysBits", "reduced-phys-bits")] {
        let Some(part) = security.child_mut(name).filter(|part| !part.body().is_empty()) else { continue };
        let number = values::decimal(part.body())
            .filter(|number| *number <= u64::from(u32::MAX))
            .ok_or_else(|| invalid(format!("Invalid format for launch security {shown}")))?;
        part.text = Some(number.to_string());
    }
    let most = if security.is("type", "sev") { u64::from(u32::MAX) } else { u64::MAX };
    let policy = security
        .text_of("policy")
        .and_then(values::number)
        .filter(|policy| *policy <= most)
        .ok_or_else(|| invalid("failed to get launch security policy"))?;
    security.child_or_new("policy").text = Some(format!("0x{policy:04x}"));
    Ok(())
}
