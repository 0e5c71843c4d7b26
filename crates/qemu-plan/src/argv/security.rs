//! Guests the host cannot look into (`<launchSecurity>`), and an emulator that confines itself.

use super::address::number;
use super::{Builder, Json, ability, on_off};
use xml::Tree;

/// The number in a child element.
fn value(security: &Tree, name: &str) -> Option<u64> {
    number(security.text_of(name)?.trim())
}

/// A truth that is only told when the definition tells it.
fn told(security: &Tree, name: &str) -> Option<bool> {
    on_off(security.attr(name))
}

fn sev(b: &Builder<'_>, security: &Tree) -> Json {
    let file = |element: &str, name: &str| {
        security.child(element).map(|_| format!("{}/{name}.base64", b.start.private_dir))
    };
    Json::object("sev-guest", "lsec0")
        .put_opt("cbitpos", value(security, "cbitpos"))
        .put_opt("reduced-phys-bits", value(security, "reducedPhysBits"))
        .put_opt("policy", value(security, "policy"))
        .put_opt("dh-cert-file", file("dhCert", "dh_cert"))
        .put_opt("session-file", file("session", "session"))
        .put_opt("kernel-hashes", told(security, "kernelHashes"))
}

fn sev_snp(security: &Tree) -> Json {
    let text = |name: &str| security.text_of(name).map(str::trim).filter(|text| !text.is_empty());
    Json::object("sev-snp-guest", "lsec0")
        .put_opt("cbitpos", value(security, "cbitpos"))
        .put_opt("reduced-phys-bits", value(security, "reducedPhysBits"))
        .put_opt("kernel-hashes", told(security, "kernelHashes"))
        .put_opt("policy", value(security, "policy"))
        .put_opt("guest-visible-workarounds", text("guestVisibleWorkarounds"))
        .put_opt("id-block", text("idBlock"))
        .put_opt("id-auth", text("idAuth"))
        .put_opt("author-key-enabled", told(security, "authorKey"))
        .put_opt("host-data", text("hostData"))
        .put_opt("vcek-disabled", told(security, "vcek").map(|used| !used))
}

/// The object that protects the guest.
pub(super) fn object(b: &Builder<'_>) -> Option<Json> {
    let security = b.domain.tree.child("launchSecurity")?;
    Some(match security.attr("type")? {
        "sev" => sev(b, security),
        "sev-snp" => sev_snp(security),
        "s390-pv" => Json::object("s390-pv-guest", "lsec0"),
        _ => return None,
    })
}

pub(super) fn protection(b: &mut Builder<'_>) {
    if let Some(object) = object(b) {
        b.object(object);
    }
}

pub(super) fn sandbox(b: &mut Builder<'_>) {
    if b.start.sandbox && ability::sandbox(b.caps) {
        b.option("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    }
}
