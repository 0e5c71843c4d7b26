//! `<os>`: firmware and menus.

use crate::Domain;
use crate::fault::unsupported;
use base::{Error, ErrorCode, ErrorDomain, Result};

/// A refusal that is nothing but its text.
pub(super) fn detail(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XML_DETAIL, ErrorDomain::DOMAIN, text)
}

pub(super) fn boot(domain: &Domain) -> Result<()> {
    let Some(os) = domain.tree.child("os") else { return Ok(()) };
    if let Some(timeout) = os.attr_at("bootmenu", "timeout")
        && timeout.parse::<u32>().ok().is_none_or(|timeout| timeout > 65535)
    {
        return Err(unsupported("invalid value for boot menu timeout, must be in range [0,65535]"));
    }
    if let Some(timeout) = os.attr_at("bios", "rebootTimeout")
        && timeout.parse::<i32>().ok().is_none_or(|timeout| !(-1..=65535).contains(&timeout))
    {
        return Err(unsupported("invalid value for rebootTimeout, must be in range [-1,65535]"));
    }
    Ok(())
}
