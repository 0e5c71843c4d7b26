//! What no driver accepts.

use crate::fault::invalid;
use crate::{Domain, ParseFlags};
use base::{Error, ErrorCode, ErrorDomain, Result};

pub(crate) fn domain(domain: &Domain, flags: ParseFlags) -> Result<()> {
    if flags.skip_validate {
        return Ok(());
    }
    if domain.name.contains('/') {
        return Err(invalid(format!("name {} cannot contain '/'", domain.name)));
    }
    if domain.name.chars().all(char::is_whitespace) {
        return Err(invalid("name must contain at least one non-blank character"));
    }
    if domain.memory_kib() == 0 {
        return Err(invalid("Memory size must be specified via <memory> or in the <numa> configuration"));
    }
    let most = domain.vcpus_max();
    for vcpu in domain.tree.child("vcpus").into_iter().flat_map(|vcpus| vcpus.all("vcpu")) {
        if let Some(id) = vcpu.attr("id").and_then(|id| id.parse::<u32>().ok()).filter(|id| *id >= most) {
            return Err(invalid(format!("vcpu id '{id}' is out of range of maximum vcpu count")));
        }
    }
    let told = domain
        .tree
        .at("sysinfo/system")
        .and_then(|system| system.all("entry").find(|entry| entry.is("name", "uuid")));
    if let Some(told) = told
        && told.body().trim().parse() != Ok(domain.uuid)
    {
        return Err(Error::new(
            ErrorCode::XML_DETAIL,
            ErrorDomain::DOMAIN,
            "UUID mismatch between <uuid> and <sysinfo>",
        ));
    }
    let security = domain.tree.child("launchSecurity");
    if security.is_some_and(|security| {
        matches!(security.attr("type"), Some("sev" | "sev-snp")) && security.text_of("policy").is_none()
    }) {
        return Err(invalid("failed to get launch security policy"));
    }
    if domain.tree.text_of("title").is_some_and(|title| title.contains('\n')) {
        return Err(invalid("Domain title can't contain newlines"));
    }
    Ok(())
}
