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
    if domain.memory_kib() == 0 {
        return Err(invalid("Memory size must be specified via <memory> or in the <numa> configuration"));
    }
    if domain.tree.text_of("title").is_some_and(|title| title.contains('\n')) {
        return Err(invalid("Domain title can't contain newlines"));
    }
    Ok(())
}
