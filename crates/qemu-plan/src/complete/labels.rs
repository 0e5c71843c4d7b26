//! `<seclabel>`: a label of no model is for the host's first security driver.

use super::Site;
use conf_domain::Domain;

pub(super) fn complete(domain: &mut Domain, site: &Site) {
    if domain.tree.all("seclabel").count() != 1 {
        return;
    }
    for label in domain.tree.all_mut("seclabel").filter(|label| label.attr("model").is_none()) {
        let model = if site.security.is_empty() { "none" } else { site.security.as_str() };
        if model == "none" {
            label.attrs.clear();
            label.children.clear();
            label.set("type", "none");
        }
        if !label.is("type", "none") || model == "none" {
            label.set("model", model);
        }
    }
}
