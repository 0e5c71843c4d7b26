//! What QEMU cannot do when a guest powers off, reboots or crashes.

use crate::complete::unsupported;
use base::Result;
use conf_domain::Domain;

/// Checks the actions of a definition, or of one whose actions are about to change.
///
/// # Errors
/// When QEMU cannot act like this. What no driver does is told by [`conf_domain::lifecycle::allowed`].
pub fn check_lifecycle(domain: &Domain) -> Result<()> {
    let action = |name: &str| domain.tree.text_of(name).unwrap_or_default();
    let (poweroff, reboot, crash) = (action("on_poweroff"), action("on_reboot"), action("on_crash"));
    if [poweroff, reboot, crash].contains(&"rename-restart") {
        return Err(unsupported(
            "qemu driver doesn't support the 'rename-restart' action for 'on_reboot'/'on_poweroff'/'on_crash'",
        ));
    }
    if [poweroff, reboot].contains(&"preserve") {
        return Err(unsupported(
            "qemu driver doesn't support the 'preserve' action for 'on_reboot'/'on_poweroff'",
        ));
    }
    if poweroff == "restart" && reboot == "destroy" {
        return Err(unsupported(
            "qemu driver doesn't support 'onReboot' set to 'destroy and 'onPoweroff' set to 'reboot'",
        ));
    }
    Ok(())
}
