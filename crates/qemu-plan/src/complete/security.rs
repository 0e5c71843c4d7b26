//! What a protected guest that starts must know of the platform, when its definition does not tell.

use super::setting::Setting;
use conf_domain::Domain;
use xml::Tree;

/// Where the encryption bit is and what it costs, as the emulator tells.
pub(super) fn for_start(domain: &mut Domain, setting: &Setting<'_>) {
    let Some(sev) = &setting.caps.sev else { return };
    let Some(security) = domain.tree.child_mut("launchSecurity") else { return };
    if !matches!(security.attr("type"), Some("sev" | "sev-snp")) {
        return;
    }
    for (name, value) in [("cbitpos", sev.cbitpos), ("reducedPhysBits", sev.reduced_phys_bits)] {
        if security.child(name).is_none() {
            security.children.push(Tree::leaf(name, value.to_string()));
        }
    }
}
