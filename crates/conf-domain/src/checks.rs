//! What no driver accepts.

use crate::fault::invalid;
use crate::{Domain, ParseFlags};
use base::Result;

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
    Ok(())
}
